"""What a model is made of, as a tree: `print(structure(model, depth=2))`."""

from torch import nn


def structure(model: nn.Module, depth: int = 2) -> str:
    """Return the tree of modules down to `depth` levels below the root, a line each.

    A line holds the module's name and class, the shapes of the parameters that it holds itself, how many numbers it has
    with all that lies below it, and how many of these train. Numbers that two modules share are counted in both.
    """
    lines = []
    for path, module in model.named_modules(remove_duplicate=False):
        level = path.count(".") + 1 if path else 0
        if level > depth:
            continue
        name = path.rpartition(".")[2] or "model"
        own = ", ".join(f"{n} {tuple(p.shape)}" for n, p in module.named_parameters(recurse=False))
        total = sum(p.numel() for p in module.parameters())
        train = sum(p.numel() for p in module.parameters() if p.requires_grad)
        counts = f"{total:,}" if train == total else f"{total:,}, {train:,} train"
        lines.append(f"{'  ' * level}{name}: {type(module).__name__}{f' [{own}]' if own else ''} ({counts})")
    return "\n".join(lines)
