"""Parameters taken together: a weight with its bias, the layers of a list, or each alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from grader.checks import naming

Shape = tuple[int, ...]
Weights = Mapping[str, torch.Tensor]

STANDARD = ("Linear", "Embedding", "LayerNorm", "Conv1d", "LSTM", "GRU", "LSTMCell", "GRUCell", "RMSNorm")
_GATES = {"LSTM": "ifgo", "LSTMCell": "ifgo", "GRU": "rzn", "GRUCell": "rzn"}  # in torch's order


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a side says of one of its parameters; `own` is the first name of the same tensor."""

    name: str
    shape: Shape
    layer: str  # the class of the layer that holds it
    own: str


@dataclass(frozen=True, eq=False)
class Place:
    """A layer, or all the layers of a list: parameters by role, one for each layer, by their own names."""

    name: str
    members: Mapping[str, tuple[str, ...]]
    shapes: Mapping[str, Shape]
    layer: str
    start: float  # the share of the numbers in matrices that comes before it, or of those in vectors

    @cached_property
    def names(self) -> frozenset[str]:
        """All its parameters."""
        return frozenset(name for names in self.members.values() for name in names)

    @cached_property
    def count(self) -> int:
        """How many layers it stands for."""
        return len(next(iter(self.members.values())))

    @cached_property
    def size(self) -> int:
        """Numbers in all its weights together."""
        return self.count * sum(math.prod(shape) for role, shape in self.shapes.items() if "bias" not in role)


def places(parameters: Sequence[Parameter], *, apart: bool, lists: bool, loosely: bool = False) -> list[Place]:
    """Parameters by the layer they belong to, or each `apart`; with `lists` the layers of a list are one place."""
    layers: dict[str, dict[str, Parameter]] = {}
    for parameter in parameters:
        layer, role = (parameter.name, "") if apart else naming.split(parameter.name, len(parameter.shape))
        if role in layers.get(layer, {}):
            layer, role = parameter.name, "weight"
        layers.setdefault(layer, {})[role] = parameter
    families: dict[object, list[str]] = {}
    sizes = Counter[bool]()
    for layer, roles in layers.items():
        forms = frozenset((role, parameter.shape) for role, parameter in roles.items())
        families.setdefault((naming.pattern(layer, loosely=loosely), forms) if lists else layer, []).append(layer)
        sizes[_is_matrix(roles)] += sum(math.prod(parameter.shape) for parameter in roles.values())
    found, before = [], Counter[bool]()
    for names in families.values():
        roles = layers[names[0]]
        name = naming.pattern(names[0], loosely=loosely) if len(names) > 1 else names[0]
        members = {role: tuple(layers[each][role].own for each in names) for role in roles}
        shapes = {role: parameter.shape for role, parameter in roles.items()}
        kind = _is_matrix(roles)
        found.append(Place(name, members, shapes, next(iter(roles.values())).layer, before[kind] / (sizes[kind] or 1)))
        before[kind] += len(names) * sum(math.prod(shape) for shape in shapes.values())
    return found


def _is_matrix(roles: Mapping[str, Parameter]) -> bool:
    return any(len(parameter.shape) > 1 for parameter in roles.values())


def taken_apart(parameters: Sequence[Parameter]) -> list[Parameter]:
    """The same, with layers that hold several, by their name or class, as these: `qkv.weight` as three parameters."""
    found = []
    for parameter in parameters:
        layer, role = naming.split(parameter.name, len(parameter.shape))
        parts = tuple(_GATES.get(parameter.layer, "")) or naming.held(layer)
        dim = 0 if parameter.layer in STANDARD else len(parameter.shape) - 1
        if len(parts) < 2 or not parameter.shape or parameter.shape[dim] % len(parts):
            found.append(parameter)
            continue
        shape = tuple(n // len(parts) if i == dim else n for i, n in enumerate(parameter.shape))
        found += [
            Parameter(f"{layer}.{part}.{role}", shape, parameter.layer, f"{parameter.own}|{i}/{len(parts)}/{dim}")
            for i, part in enumerate(parts)
        ]
    return found


def orderly(parameters: Sequence[Parameter]) -> bool:
    """Whether no layer holds several in an order that its class leaves open."""
    open_ones = [parameter for parameter in parameters if parameter.layer not in _GATES]
    return len(taken_apart(open_ones)) == len(open_ones)


def looked_up(weights: Weights, own: str) -> torch.Tensor:
    """A parameter by its own name, or the part of one that `taken_apart` has named."""
    whole, _, part = own.partition("|")
    if not part:
        return weights[whole]
    number, parts, dim = map(int, part.split("/"))
    return weights[whole].chunk(parts, dim)[number]


def in_words(own: str) -> str:
    """The same name for people."""
    whole, _, part = own.partition("|")
    return f"part {int(part.partition('/')[0]) + 1} of `{whole}`" if part else f"`{whole}`"
