"""Ways to lay the reference's weights into the student's parameters: renamed, stacked, cut by head, turned round."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import torch

from grader.checks.places import Shape, Weights, in_words, looked_up
from grader.errors import Fault, StudentError

Gradients = Mapping[str, torch.Tensor | None]


@dataclass(frozen=True, slots=True)
class View:
    """The sources as one block of `sizes`, its axes taken in the order `axes`."""

    sizes: Shape
    axes: Shape

    @staticmethod
    def of(sizes: Mapping[str, int], given: str, order: str) -> View:
        """In its simplest form: no axes of size one, and neighbours that stay neighbours are one axis."""
        given = "".join(a for a in given if sizes[a] > 1)
        runs: list[str] = []
        for a in order:
            if runs and runs[-1] + a in given:
                runs[-1] += a
            elif sizes[a] > 1:
                runs.append(a)
        blocks = sorted(runs, key=given.index)
        return View(tuple(math.prod(sizes[a] for a in run) for run in blocks), tuple(blocks.index(run) for run in runs))


@lru_cache(4096)
def arranged(source: Shape, count: int, target: Shape, order: str, heads: int, *, columns: bool) -> tuple[View, ...]:
    """How `count` sources of one shape can fill the shape `target`, in likely order.

    Their rows, or the columns of matrices, are counted by source, head and feature in the order `order`: "shd", "hsd",
    "hds" ... The other dimensions come last, or between these, or first.
    """
    if columns and len(source) != 2:
        return ()
    cut, kept = (source[1], source[:1]) if columns else (math.prod(source[:1]), source[1:])
    if cut % heads:
        return ()
    rest = "ijkl"[: len(kept)]
    sizes = {"s": count, "h": heads, "d": cut // heads, **dict(zip(rest, kept, strict=True))}
    orders = (order[:at] + rest + order[at:] for at in range(len(order), -1, -1))
    fitting = [letters for letters in orders if _fits(letters, rest, sizes, target)]
    return tuple(dict.fromkeys(View.of(sizes, f"s{rest}hd" if columns else f"shd{rest}", each) for each in fitting))


def _fits(letters: str, rest: str, sizes: Mapping[str, int], target: Shape) -> bool:
    """Whether axes in this order, some of them merged, make the shape; inputs and outputs are not merged."""
    axes = [a for a in letters if sizes[a] > 1]
    for dimension in target:
        size, sides = 1, set()
        while size < dimension and axes:
            sides.add(axes[0] in rest)
            size *= sizes[axes.pop(0)]
        if size != dimension or len(sides) > 1:
            return False
    return not axes


@dataclass(frozen=True, slots=True)
class Filling:
    """Parameters of the student's, all of one shape, and the reference's that fill them."""

    targets: tuple[str, ...]
    shape: Shape
    sources: tuple[str, ...]
    view: View
    order: str = field(compare=False)  # of source, head and feature, for words
    heads: int = field(compare=False)

    def fill(self, weights: Weights) -> Iterator[tuple[str, torch.Tensor]]:
        """Each target and its weights."""
        block = torch.stack([looked_up(weights, name) for name in self.sources])
        moved = block.reshape(self.view.sizes).permute(self.view.axes)
        return zip(self.targets, moved.reshape(len(self.targets), *self.shape), strict=True)

    @property
    def is_plain(self) -> bool:
        """Whether a parameter is filled with the one of its name, each number in its place."""
        return self.targets == self.sources and self.view.axes == tuple(sorted(self.view.axes))

    def told(self) -> str:
        """In words: "`qkv` with `q`, `k` and `v`, one after the other"."""
        targets = f"`{self.targets[0]}`" + (f" to `{self.targets[-1]}`" if len(self.targets) > 1 else "")
        *others, last = map(in_words, self.sources)
        sources = f"{', '.join(others)} and {last}" if others else last
        if not others:
            how = ", transposed" if self.view.axes == (1, 0) else ", cut by head" if self.view.axes[1:] else ""
        elif self.order == "shd" or (self.heads == 1 and self.order.index("s") < self.order.index("d")):
            how = ", one after the other"
        else:
            how = f", interleaved by {'feature' if self.order[-1] == 's' else f'head ({self.heads} heads)'}"
        return f"{targets} with {sources}{how}"


@dataclass(frozen=True)
class Plan:
    """How the student's parameters are filled. `unfilled` are theirs that nothing fills, `left_out` the reference's
    that nowhere go; `strange` is how far-fetched it is.
    """

    fillings: tuple[Filling, ...]
    unfilled: Mapping[str, Shape] = field(default_factory=dict, compare=False)
    left_out: tuple[str, ...] = ()
    strange: float = field(default=0.0, compare=False)
    named: bool = field(default=False, compare=False)  # every layer has the name of what fills it
    traits: frozenset[object] = field(default=frozenset(), compare=False)  # what can be tried again with other sizes
    layout: Callable[[dict[str, torch.Tensor]], Weights] | None = None  # the instructor's own

    def fill(self, weights: Weights, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The student's parameters by name. What the reference does not have gets numbers from `generator`, or zeros
        where it is the bias of a layer that is filled.
        """
        if self.layout is not None:
            return dict(self.layout(dict(weights)))
        filled = {name: value for filling in self.fillings for name, value in filling.fill(weights)}
        added = self.added
        more = {name: torch.randn(shape, generator=generator) for name, shape in self.unfilled.items()}
        return filled | {name: torch.zeros_like(value) if name in added else value for name, value in more.items()}

    @property
    def added(self) -> set[str]:
        """The biases of layers that the reference has without one."""
        names = {name for name in self.unfilled if name.endswith(".bias")}
        return {name for name in names if f"{name.removesuffix('bias')}weight" not in self.unfilled}

    @property
    def complete(self) -> bool:
        """Whether everything of the reference's went somewhere, and nothing of theirs was left but a bias."""
        return not self.left_out and self.added == set(self.unfilled)

    @property
    def makeshift(self) -> bool:
        """Whether layers of theirs stand unfilled beside what was left out: nothing fits these."""
        return bool(self.left_out) and self.added != set(self.unfilled)

    def recover(self, gradients: Gradients, weights: Weights) -> Gradients:
        """The student's gradients as those of the reference's parameters: added up where one fills several, zero for
        one that is left out, None where none arrived. Raises StudentError when they have not the parameters' shapes.
        """
        leaves = {name: torch.zeros_like(value, requires_grad=True) for name, value in weights.items()}
        terms = []
        for name, value in self.fill(leaves, torch.Generator()).items():
            gradient = gradients.get(name)
            if gradient is None or not value.requires_grad:
                continue
            if gradient.shape != value.shape or not gradient.is_floating_point():
                raise StudentError(Fault.WIRE, "a gradient of your module's has not the shape of its parameter")
            terms.append((value * gradient.to(value.dtype)).sum())
        if not terms:
            return dict.fromkeys(leaves)
        found = torch.autograd.grad(torch.stack(terms).sum(), list(leaves.values()), allow_unused=True)
        recovered = dict(zip(leaves, found, strict=True))
        return recovered | {name: torch.zeros_like(leaves[name]) for name in self.left_out if recovered[name] is None}

    @property
    def plain(self) -> bool:
        """Whether every layer is filled with the one of its name: nothing to tell."""
        return (
            self.layout is None
            and not self.unfilled
            and all(filling.is_plain or "bias" in filling.targets[0] for filling in self.fillings)
        )

    def told(self) -> str:
        """The account, in words: what is filled with what, where that is not plain from the names."""
        if self.layout is not None:
            return "every layer as one of the assignment's own layouts says"
        told = [filling.told() for filling in self.fillings if not (filling.is_plain or "bias" in filling.targets[0])]
        told += [f"`{name}` with zeros: the assignment asks for no bias there" for name in sorted(self.added)]
        return "; ".join(told[:8]) or "every layer with the one of its name"
