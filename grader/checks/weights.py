"""Modules of either side with the weights we give them: constructed, filled, asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

import torch

from grader.checks.places import Parameter, Weights
from grader.errors import Fault, GraderError, StudentError
from grader.wire.proxy import Remote, root

Probe = Sequence[object] | Callable[[Remote], Any]  # arguments of forward, or a question to the module
_MOST_PARAMETERS, _MOST_NUMBERS = 5_000, 20_000_000  # of a student's module


def built(constructor: Remote, args: Sequence[object], kwargs: Mapping[str, object]) -> tuple[Remote, list[Parameter]]:
    """A new module in eval mode and its parameters, which are believed for nothing but where to put weights.

    An argument that lives on one side is made there: `lambda side: side.torch.nn.Linear(3, 4)`.
    Raises StudentError when it is no module or cannot be listed.
    """
    side = root(constructor._port)
    made = [value(side) if isinstance(value, FunctionType) else value for value in (*args, *kwargs.values())]
    named = dict(zip(kwargs, made[len(args) :], strict=True))
    answer = constructor._ask("build", args=constructor._out(made[: len(args)]), kwargs=constructor._out(named))
    try:
        module, rows = answer
        if isinstance(module, Remote) and rows is not None:
            found = [
                Parameter(str(r["name"]), tuple(int(n) for n in r["shape"]), str(r["layer"]), str(r["shared_with"]))
                for r in rows
            ]
            names = {parameter.name for parameter in found}
            sizes = [math.prod(p.shape) for p in found]
            fits = sum(sizes) <= _MOST_NUMBERS and all(n >= 0 for p in found for n in p.shape)
            if fits and len(names) == len(found) <= _MOST_PARAMETERS and all(p.own in names for p in found):
                return module, found
            raise ValueError
    except (TypeError, KeyError, ValueError):
        raise StudentError(Fault.WIRE, "your module's layers could not be listed") from None
    raise StudentError(Fault.LAYOUT, "your class does not give a torch.nn.Module")


def integers(value: Any) -> Iterator[int]:
    """The ints anywhere in a constructor's arguments."""
    if isinstance(value, int) and not isinstance(value, bool):
        yield value
    parts = value if isinstance(value, (tuple, list)) else value.values() if isinstance(value, dict) else ()
    for part in parts or getattr(value, "__dict__", {}).values():
        yield from integers(part)


def draw(parameters: Sequence[Parameter]) -> dict[str, torch.Tensor]:
    """Fresh weights for a module with these parameters. Raises GraderError when it has none."""
    shapes = {parameter.name: parameter.shape for parameter in parameters if parameter.name == parameter.own}
    if not shapes:
        raise GraderError("the reference module has no parameters to give")
    return drawn(shapes, 1.0)


def drawn(shapes: Mapping[str, Sequence[int]], size: float) -> dict[str, torch.Tensor]:
    """Weights of the size a trained layer has: no zeros, no ones, nothing a degenerate module would match by luck."""
    weights = {}
    for name, shape in shapes.items():
        values = torch.randn(tuple(shape))
        values = size * (values + 0.1 * values.sign())  # none of them next to nothing
        scale_like = len(shape) == 1 and name.endswith("weight")  # LayerNorm's
        matrix = len(shape) > 1
        weights[name] = 1 + 0.3 * values if scale_like else values * shape[-1] ** -0.5 if matrix else 0.5 * values
    return weights


def load(module: Remote, weights: Weights) -> None:
    """Copy the weights into the module's parameters of these names."""
    module._ask("load", weights=dict(weights))


def answered(module: Remote, probe: Probe) -> Any:
    """The module's answer to the probe."""
    return probe(module) if callable(probe) else module(*probe)


def asked(module: Remote, draws: Sequence[Weights], probe: Probe) -> list[Any]:
    """The module's answers to the probe under each of the draws."""
    answers = []
    for weights in draws:
        load(module, weights)
        answers.append(answered(module, probe))
    return answers
