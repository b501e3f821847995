"""A call that is watched: what it returns, what becomes of its arguments and of what all code shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from grader.checks.evidence import CheckFailed, compared
from grader.checks.picture import draw
from grader.checks.tolerance import difference
from grader.errors import Fault, StudentError
from grader.wire.proxy import Remote

_SURROUNDINGS = {
    "torch": "torch's random numbers go on from another place after the call: it draws from them, or seeds them",
    "python": "Python's random numbers go on from another place after the call: it draws from them, or seeds them",
    "dtype": "torch's default dtype is another one after the call",
    "grad": "after the call gradients are switched on or off for everybody: `with torch.no_grad():` puts that back",
}


@dataclass(frozen=True, slots=True)
class Watched:
    """What a call returned, its arguments afterwards, and what of the shared state it moved: claims of that side."""

    output: Any
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    moved: tuple[str, ...]  # of _SURROUNDINGS
    history: bool  # whether a tensor of the output requires grad


def watched(target: Remote, *args: Any, **kwargs: Any) -> Watched:
    """Call `target`. Arguments travel as copies, so nothing of the grader's own can be changed.

    Raises StudentError when the call fails, or is answered by what is no answer.
    """
    answer = target._ask("call", args=target._out(args), kwargs=target._out(kwargs), watch=True)
    if type(answer) is dict and set(answer) == {"output", "arguments", "moved", "history"}:
        arguments, moved, history = answer["arguments"], answer["moved"], answer["history"]
        well = type(arguments) is tuple and [type(part) for part in arguments] == [tuple, dict]
        well = well and len(arguments[0]) == len(args) and set(arguments[1]) == set(kwargs)
        well = well and type(moved) is list and all(type(name) is str and name in _SURROUNDINGS for name in moved)
        if well and type(history) is bool:
            return Watched(answer["output"], arguments[0], arguments[1], tuple(moved), history)
    raise StudentError(Fault.WIRE, "your code's process gave an answer that is not one")


def leaves_unchanged(target: Remote, *args: Any, **kwargs: Any) -> None:
    """Call `target` and pass when its arguments hold the same values afterwards: tensors, and containers of them.

    Raises CheckFailed with the argument's position or name.
    """
    arguments_unchanged(watched(target, *args, **kwargs), args, kwargs)


def arguments_unchanged(call: Watched, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Pass when the arguments were left as they were. Raises CheckFailed."""
    for position, before in enumerate(args):
        _unchanged(f"argument {position + 1}", before, call.args[position])
    for name, before in kwargs.items():
        _unchanged(f"argument {name}", before, call.kwargs[name])


def surroundings_unchanged(call: Watched) -> None:
    """Pass when random states, default dtype and grad mode were left as they were. Raises CheckFailed."""
    compared()
    if call.moved:
        raise CheckFailed(_SURROUNDINGS[call.moved[0]])


def no_gradient(target: Remote, *args: Any, **kwargs: Any) -> None:
    """Pass when what `target` returns carries no gradient history. Raises CheckFailed."""
    call = watched(target, *args, **kwargs)
    compared()
    if call.history:
        raise CheckFailed("the result still carries its gradient history, and with it all that led to it stays alive")


def _unchanged(what: str, before: Any, after: Any) -> None:
    words = f"{what} is not what it was before the call"
    if isinstance(before, torch.Tensor):
        compared()
        if not isinstance(after, torch.Tensor) or before.shape != after.shape or before.dtype != after.dtype:
            raise CheckFailed(f"{words}: its shape or dtype is another one")
        if (where := difference(before, after)) is not None:
            raise CheckFailed(f"{words}: {where}", draw(after.double(), before.double(), f"{what} after the call"))
    elif isinstance(before, (tuple, list, dict)):
        if type(after) is not type(before) or len(after) != len(before):
            raise CheckFailed(f"{words}: it holds more or fewer values")
        pairs = before.items() if isinstance(before, dict) else enumerate(before)
        for key, item in pairs:
            if isinstance(before, dict) and key not in after:
                raise CheckFailed(f"{words}: its keys are others")
            _unchanged(f"{what}[{key!r}]", item, after[key])
    elif type(before) in (bool, int, float, str):
        compared()
        if type(after) is not type(before) or after != before:
            raise CheckFailed(words)
