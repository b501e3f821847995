"""Ways to lay the reference's weights into the student's parameters: renamed, stacked, cut by head, turned round."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from operator import mul

import torch

from grader.checks import naming
from grader.errors import Fault, StudentError

Shape = tuple[int, ...]
Weights = Mapping[str, torch.Tensor]
Gradients = Mapping[str, torch.Tensor | None]
STANDARD = ("Linear", "Embedding", "LayerNorm", "Conv1d", "LSTM", "GRU", "LSTMCell", "GRUCell", "RMSNorm")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a side says of one of its parameters; `own` is the first name of the same tensor."""

    name: str
    shape: Shape
    layer: str  # the class of the layer that holds it
    own: str


@dataclass(frozen=True, eq=False)
class Place:
    """A layer, or all the layers that differ in their place in a list only: parameters by role, one per member, each by
    its own name.
    """

    name: str
    members: Mapping[str, tuple[str, ...]]
    shapes: Mapping[str, Shape]
    layer: str
    start: float  # the share of all numbers that comes before it

    @property
    def size(self) -> int:
        """Numbers in all its weights together."""
        return sum(
            math.prod(shape) * len(self.members[role]) for role, shape in self.shapes.items() if "bias" not in role
        )

    @property
    def names(self) -> set[str]:
        """All its parameters."""
        return {name for names in self.members.values() for name in names}

    @property
    def count(self) -> int:
        """How many layers it stands for."""
        return len(next(iter(self.members.values())))


def places(parameters: Sequence[Parameter], *, apart: bool, lists: bool, loosely: bool = False) -> list[Place]:
    """Parameters by the layer they belong to, or each `apart`; with `lists` those of a list are one place."""
    layers: dict[str, dict[str, Parameter]] = {}
    for parameter in parameters:
        layer, role = (parameter.name, "") if apart else naming.split(parameter.name, len(parameter.shape))
        if role in layers.get(layer, {}):
            layer, role = parameter.name, "weight"
        layers.setdefault(layer, {})[role] = parameter
    families: dict[object, list[tuple[str, dict[str, Parameter]]]] = {}
    for layer, roles in layers.items():
        forms = tuple(sorted((role, parameter.shape) for role, parameter in roles.items()))
        key = (naming.pattern(layer, loosely=loosely), forms) if lists else layer
        families.setdefault(key, []).append((layer, roles))
    found: list[Place] = []
    total, before = sum(math.prod(parameter.shape) for parameter in parameters) or 1, 0
    for family in families.values():
        name = naming.pattern(family[0][0], loosely=loosely) if len(family) > 1 else family[0][0]
        first = family[0][1]
        members = {role: tuple(roles[role].own for _, roles in family) for role in first}
        shapes = {role: parameter.shape for role, parameter in first.items()}
        found.append(Place(name, members, shapes, next(iter(first.values())).layer, before / total))
        before += sum(math.prod(shape) for shape in shapes.values()) * len(family)
    return found


@dataclass(frozen=True, slots=True)
class View:
    """The sources as one block of `sizes`, its axes taken in the order `axes`."""

    sizes: Shape
    axes: Shape

    @staticmethod
    def of(sizes: Mapping[str, int], given: str, order: str) -> View:
        """In its simplest form: no axes of size one, and neighbours that stay neighbours are one axis."""
        letters = [a for a in order if sizes[a] > 1]
        given = "".join(a for a in given if sizes[a] > 1)
        runs: list[str] = []
        for a in letters:
            if runs and runs[-1] + a in given:
                runs[-1] += a
            else:
                runs.append(a)
        blocks = sorted(runs, key=given.index)
        return View(tuple(math.prod(sizes[a] for a in run) for run in blocks), tuple(blocks.index(run) for run in runs))

    def taken(self, block: torch.Tensor, shape: Shape) -> torch.Tensor:
        """The block rearranged, in another shape."""
        return block.reshape(self.sizes).permute(self.axes).reshape(shape)


@lru_cache(4096)
def by_rows(source: Shape, count: int, target: Shape, order: str, heads: int) -> tuple[tuple[View, View], ...]:
    """How `count` sources of one shape can fill the shape `target`, and how their biases go with it.

    The rows are counted by source, head and feature in the order `order` ("shd", "hsd", "hds" ...); the other
    dimensions come last (what keeps its place is first), or before some of these, or first.
    """
    rows, rest = math.prod(source[:1]), "ijkl"[: len(source) - 1]
    if rows % heads:
        return ()
    sizes = {"s": count, "h": heads, "d": rows // heads, **dict(zip(rest, source[1:], strict=False))}
    bias = View.of(sizes, "shd", order)
    found = {}
    for at in range(len(order), -1, -1):
        letters = order[:at] + rest + order[at:]
        if aligned([sizes[a] for a in letters], target):
            found[View.of(sizes, "shd" + rest, letters)] = bias
    return tuple(found.items())


@lru_cache(4096)
def by_columns(source: Shape, target: Shape, heads: int) -> tuple[tuple[View, View], ...]:
    """The same for one matrix whose columns are cut by head: (H, D, O), or (H, O, D)."""
    if len(source) != 2 or heads == 1 or source[1] % heads:
        return ()
    sizes = {"o": source[0], "h": heads, "d": source[1] // heads}
    fit = [letters for letters in ("hdo", "hod") if aligned([sizes[a] for a in letters], target)]
    return tuple((View.of(sizes, "ohd", letters), View.of(sizes, "o", "o")) for letters in fit)


def aligned(sizes: Sequence[int], target: Shape) -> bool:
    """Whether axes of these sizes, some of them merged, make the shape `target`."""
    return {1, *accumulate(sizes, mul)} >= set(accumulate(target, mul)) and math.prod(sizes) == math.prod(target)


@dataclass(frozen=True, slots=True)
class Filling:
    """Parameters of the student's, all of one shape, and the reference's that fill them."""

    targets: tuple[str, ...]
    shape: Shape
    sources: tuple[str, ...]
    view: View
    order: str = field(compare=False, hash=False)
    heads: int = field(compare=False, hash=False)

    def fill(self, weights: Weights) -> Iterator[tuple[str, torch.Tensor]]:
        """Each target and its weights."""
        block = torch.stack([weights[name] for name in self.sources])
        filled = self.view.taken(block, (len(self.targets), *self.shape))
        return zip(self.targets, filled, strict=True)

    def inverted(self, shape: Shape) -> Filling:
        """The sources, of this shape, from the targets."""
        sizes = tuple(self.view.sizes[axis] for axis in self.view.axes)
        axes = tuple(self.view.axes.index(i) for i in range(len(sizes)))
        return Filling(self.sources, shape, self.targets, View(sizes, axes), self.order, self.heads)

    @property
    def is_moved(self) -> bool:
        """Whether any number has another place than in the sources."""
        return self.view.axes != tuple(sorted(self.view.axes))

    def told(self) -> str:
        """In words."""
        targets = f"`{self.targets[0]}`" + (f" to `{self.targets[-1]}`" if len(self.targets) > 1 else "")
        sources = " and ".join(filter(None, (", ".join(f"`{s}`" for s in self.sources[:-1]), f"`{self.sources[-1]}`")))
        if len(self.sources) == 1 < len(self.targets) and not self.is_moved:
            how = ", part by part"
        elif len(self.sources) == 1:
            how = ", transposed" if self.view.axes == (1, 0) else ", cut by head" if self.is_moved else ""
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

    def inverted(self, shapes: Mapping[str, Shape]) -> Plan:
        """The other side's parameters, of these shapes, from this one's."""
        fillings = tuple(filling.inverted(shapes[filling.sources[0]]) for filling in self.fillings)
        unfilled = {name: shapes[name] for name in self.left_out}
        return replace(self, fillings=fillings, unfilled=unfilled, left_out=tuple(self.unfilled))

    def fill(self, weights: Weights, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The student's parameters by name; numbers from `generator` for those that the reference does not have."""
        if self.layout is not None:
            return dict(self.layout(dict(weights)))
        filled = {name: value for filling in self.fillings for name, value in filling.fill(weights)}
        return filled | {name: torch.randn(shape, generator=generator) for name, shape in self.unfilled.items()}

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
        return dict(zip(leaves, found, strict=True)) | {n: torch.zeros_like(weights[n]) for n in self.left_out}

    def told(self) -> str:
        """The account, in words: what is filled with what, where that is not plain from the names."""
        if self.layout is not None:
            return "your layers are filled in the way this assignment knows"
        plain = [f for f in self.fillings if f.targets == f.sources and f.view.axes == tuple(sorted(f.view.axes))]
        rest = [
            filling.told() for filling in self.fillings if filling not in plain and "bias" not in filling.targets[0]
        ]
        return "; ".join(rest[:8]) or "every layer with the one of its name"
