"""Weights for the student's module: drawn on the trusted side, given to both modules, never asked back.

A mapping is a way to fill the student's layers from the reference's. Equal names decide it; else order and shapes
do; where those leave a
choice, each candidate is tried on the module's own behaviour. When none is safe we say so instead of guessing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from grader.checks.compare import close
from grader.checks.evidence import CheckFailed, gathering
from grader.errors import Fault, GraderError, StudentError
from grader.text import clean
from grader.wire.proxy import Remote

_MOST_TRIES = 200  # mappings tried on the module's behaviour
_MOST_WORK = 50_000  # partial mappings looked at

Weights = Mapping[str, torch.Tensor]
Shapes = Mapping[str, tuple[int, ...]]  # parameter name to shape, in order of registration


@dataclass(frozen=True, slots=True)
class Filling:
    """One layer of the student's and the reference's layers that fill it, one below the other: ("qkv", ("q", "k",
    "v")).
    """

    layer: str
    sources: tuple[str, ...]


Plan = tuple[Filling, ...]


def twins(
    theirs: Remote, ours: Remote, *args: object, probe: Sequence[object] = (), **kwargs: object
) -> tuple[Remote, Remote]:
    """Construct both modules with the same arguments and give both the same fresh weights; return (student's,
    reference's) in eval mode.

    `probe` are example arguments of the module's forward: they settle a mapping that names leave open.
    Raises StudentError (layout) when no mapping is safe.
    """
    reference, wanted = _built(ours, args, kwargs)
    student, found = _built(theirs, args, kwargs)
    if not wanted:
        raise GraderError("the reference module has no parameters to give")
    # The reference answers the probe in every case, so that its answers can be recorded; a mapping is settled on other
    # numbers than the ones it is graded on.
    trial, weights = _draw(wanted), _draw(wanted)
    _load(reference, trial)
    expected = reference(*probe) if probe else None
    _load(reference, weights)
    if all(found.get(name) == shape for name, shape in wanted.items()):
        _load(student, weights)
        return student, reference
    candidates = list(itertools.islice(_candidates(found, wanted), _MOST_TRIES))
    for candidate in candidates:
        if len(candidates) == 1 or (probe and _fits(student, _fill(candidate, trial), probe, expected)):
            _load(student, _fill(candidate, weights))
            return student, reference
    raise StudentError(Fault.LAYOUT, _no_mapping(found, wanted, len(candidates)))


def _built(constructor: Remote, args: Sequence[object], kwargs: Mapping[str, object]) -> tuple[Remote, Shapes]:
    """A new module and its parameters. What the other side says of them is believed for nothing but where to put
    weights.
    """
    answer = constructor._ask("build", args=constructor._out(args), kwargs=constructor._out(kwargs))
    try:
        module, rows = answer
        if isinstance(module, Remote) and rows is not None:
            own = (row for row in rows if row["shared_with"] == row["name"])
            return module, {str(row["name"]): tuple(int(n) for n in row["shape"]) for row in own}
    except (TypeError, KeyError, ValueError):
        raise StudentError(Fault.WIRE, "your module's layers could not be listed") from None
    raise StudentError(Fault.LAYOUT, "your class does not give a torch.nn.Module")


def _draw(shapes: Shapes) -> dict[str, torch.Tensor]:
    """Weights of the size a trained layer has: no zeros, no ones, nothing a degenerate module would match by luck."""
    drawn = {}
    for name, shape in shapes.items():
        values = torch.randn(shape)
        scale_like = len(shape) == 1 and name.endswith("weight")  # LayerNorm's
        drawn[name] = 1 + 0.3 * values if scale_like else 0.5 * values if len(shape) < 2 else values * shape[-1] ** -0.5
    return drawn


def _load(module: Remote, weights: Weights) -> None:
    module._ask("load", weights=dict(weights))


def _layers(shapes: Shapes) -> dict[str, dict[str, tuple[int, ...]]]:
    """Parameters by the layer that holds them: {"q": {"weight": (8, 8), "bias": (8,)}}."""
    layers: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        layer, _, leaf = name.rpartition(".")
        layers.setdefault(layer, {})[leaf] = shape
    return layers


def _candidates(found: Shapes, wanted: Shapes) -> Iterator[Plan]:
    """Every way to fill all of the student's layers from all of the reference's, in order of registration first."""
    targets, sources = _layers(found), _layers(wanted)
    work = itertools.count()

    def extend(done: Plan, open_layers: Sequence[str], left: Sequence[str]) -> Iterator[Plan]:
        if not open_layers:
            if not left:
                yield done
            return
        layer = open_layers[0]
        for count in range(1, len(left) - len(open_layers) + 2):
            for chosen in itertools.permutations(left, count):
                if next(work) > _MOST_WORK:
                    return
                if _stacked([sources[name] for name in chosen]) == targets[layer]:
                    rest = [name for name in left if name not in chosen]
                    yield from extend((*done, Filling(layer, chosen)), open_layers[1:], rest)

    return extend((), list(targets), list(sources))


def _stacked(layers: Sequence[Mapping[str, tuple[int, ...]]]) -> dict[str, tuple[int, ...]] | None:
    """The shapes of several layers laid one below the other, as a fused layer holds them; None where they do not go
    together.
    """
    first = layers[0]
    if any(set(layer) != set(first) or layer[p][1:] != first[p][1:] for layer in layers for p in first if p in layer):
        return None
    return {p: (sum(layer[p][0] for layer in layers), *shape[1:]) for p, shape in first.items() if shape}


def _fill(mapping: Plan, weights: Weights) -> dict[str, torch.Tensor]:
    filled = {}
    for filling in mapping:
        prefix = f"{filling.sources[0]}." if filling.sources[0] else ""
        leaves = [n.removeprefix(prefix) for n in weights if n.rpartition(".")[0] == filling.sources[0]]
        for leaf in leaves:
            parts = [weights[f"{source}.{leaf}" if source else leaf] for source in filling.sources]
            filled[f"{filling.layer}.{leaf}" if filling.layer else leaf] = torch.cat(parts)
    return filled


def _fits(student: Remote, weights: Weights, probe: Sequence[object], expected: object) -> bool:
    """Whether with these weights the student's module computes what is expected on the probe."""
    _load(student, weights)
    try:
        with gathering():  # looking for a mapping compares nothing of the check's
            close(student(*probe), expected)
    except CheckFailed:
        return False
    return True


def _no_mapping(found: Shapes, wanted: Shapes, tried: int) -> str:
    how = (
        f"{tried} ways of giving them the reference's weights were tried; with none your module computes what is asked"
    )
    if not tried:
        how = "there is no way of giving them the reference's weights"
    return (
        f"your layers are {_listed(found)}; expected are {_listed(wanted)}. {how[0].upper()}{how[1:]}. "
        "If the function is wrong the other checks say where; with the skeleton's layer names this one says by how much"
    )


def _listed(shapes: Shapes) -> str:
    return clean(", ".join(f"{name} {shape}" for name, shape in list(shapes.items())[:16]), 600) or "none"
