"""Ways to lay the reference's weights into the student's parameters: renamed, stacked, cut by head, turned round."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch

from grader.checks import naming
from grader.errors import Fault, StudentError

Shape = tuple[int, ...]
Weights = Mapping[str, torch.Tensor]
Gradients = Mapping[str, torch.Tensor | None]
STANDARD = ("Linear", "Embedding", "LayerNorm", "Conv1d", "LSTM", "GRU", "LSTMCell", "GRUCell", "RMSNorm")
_GATES = {"LSTM": "ifgo", "LSTMCell": "ifgo", "GRU": "rzn", "GRUCell": "rzn"}  # in the order in which torch has them


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
    start: float  # the share of all numbers that comes before it, of those in vectors or in matrices alone

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
    families: dict[object, _Family] = {}
    for layer, roles in layers.items():
        forms = tuple(sorted((role, parameter.shape) for role, parameter in roles.items()))
        key = (naming.pattern(layer, loosely=loosely), forms) if lists else layer
        families.setdefault(key, []).append((layer, roles))
    found: list[Place] = []
    before, total = Counter[bool](), Counter[bool]()
    for family in families.values():
        total[_is_matrix(family)] += _size(family)
    for family in families.values():
        name = naming.pattern(family[0][0], loosely=loosely) if len(family) > 1 else family[0][0]
        first, matrix = family[0][1], _is_matrix(family)
        members = {role: tuple(roles[role].own for _, roles in family) for role in first}
        shapes = {role: parameter.shape for role, parameter in first.items()}
        found.append(
            Place(name, members, shapes, next(iter(first.values())).layer, before[matrix] / (total[matrix] or 1))
        )
        before[matrix] += _size(family)
    return found


_Family = list[tuple[str, dict[str, Parameter]]]


def _is_matrix(family: _Family) -> bool:
    return any(len(parameter.shape) > 1 for parameter in family[0][1].values())


def _size(family: _Family) -> int:
    return sum(math.prod(parameter.shape) for _, roles in family for parameter in roles.values())


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
def arranged(source: Shape, count: int, target: Shape, order: str, heads: int, *, columns: bool) -> tuple[View, ...]:
    """How `count` sources of one shape can fill the shape `target`.

    Their rows (or the columns of matrices) are counted by source, head and feature in the order `order`: "shd", "hsd",
    "hds" ... The other dimensions come last, or between these, or first.
    """
    if columns and len(source) != 2:
        return ()
    cut, kept = (source[1], source[:1]) if columns else (math.prod(source[:1]), source[1:])
    if cut % heads:
        return ()
    rest = "ijkl"[: len(kept)]
    sizes = {"s": count, "h": heads, "d": cut // heads, **dict(zip(rest, kept, strict=True))}
    places = [order[:at] + rest + order[at:] for at in range(len(order), -1, -1)]
    fitting = [letters for letters in places if _fits(letters, rest, sizes, target)]
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


def taken_apart(parameters: Sequence[Parameter]) -> list[Parameter]:
    """The same with layers that hold several, by their names or their class, as these: `qkv.weight` as three."""
    found = []
    for parameter in parameters:
        layer, role = naming.split(parameter.name, len(parameter.shape))
        holds = tuple(_GATES.get(parameter.layer, "")) or naming.held(layer)
        dim = 0 if parameter.layer in STANDARD else len(parameter.shape) - 1
        if len(holds) < 2 or not parameter.shape or parameter.shape[dim] % len(holds):
            found.append(parameter)
            continue
        shape = list(parameter.shape)
        shape[dim] //= len(holds)
        for i, part in enumerate(holds):
            own = f"{parameter.own}|{i}/{len(holds)}/{dim}"
            found.append(Parameter(f"{layer}.{part}.{role}", tuple(shape), parameter.layer, own))
    return found


def _named(own: str) -> str:
    whole, _, part = own.partition("|")
    return f"part {int(part.split('/')[0]) + 1} of `{whole}`" if part else f"`{whole}`"


def _looked_up(weights: Weights, name: str) -> torch.Tensor:
    """A parameter, or the part of one that `taken_apart` has named."""
    whole, _, part = name.partition("|")
    if not part:
        return weights[whole]
    number, parts, dim = map(int, part.split("/"))
    return weights[whole].chunk(parts, dim)[number]


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
        block = torch.stack([_looked_up(weights, name) for name in self.sources])
        filled = self.view.taken(block, (len(self.targets), *self.shape))
        return zip(self.targets, filled, strict=True)

    @property
    def is_moved(self) -> bool:
        """Whether any number has another place than in the sources."""
        return self.view.axes != tuple(sorted(self.view.axes))

    def told(self) -> str:
        """In words."""
        targets = f"`{self.targets[0]}`" + (f" to `{self.targets[-1]}`" if len(self.targets) > 1 else "")
        *others, last = (_named(source) for source in self.sources)
        sources = f"{', '.join(others)} and {last}" if others else last
        if len(self.sources) == 1:
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
        recovered = dict(zip(leaves, found, strict=True))
        none = {name: torch.zeros_like(weights[name]) for name in self.left_out if recovered.get(name, 0) is None}
        return recovered | none

    def told(self) -> str:
        """The account, in words: what is filled with what, where that is not plain from the names."""
        if self.layout is not None:
            return "your layers are filled in the way this assignment knows"
        plain = [f for f in self.fillings if f.targets == f.sources and f.view.axes == tuple(sorted(f.view.axes))]
        rest = [
            filling.told() for filling in self.fillings if filling not in plain and "bias" not in filling.targets[0]
        ]
        return "; ".join(rest[:8]) or "every layer with the one of its name"
