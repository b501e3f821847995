"""Whether a call leaves its arguments as they were."""

from __future__ import annotations

from typing import Any

from grader.checks.compare import equal
from grader.errors import Fault, StudentError
from grader.wire.proxy import Remote


def leaves_unchanged(target: Remote, *args: Any, **kwargs: Any) -> None:
    """Call `target` and pass when the tensors among its arguments hold the same values afterwards.

    The arguments travel as copies, so nothing of the grader's own can be changed; the copies are sent back to be
    compared.
    Raises CheckFailed with the argument's position or name.
    """
    answer = target._ask("call", args=target._out(args), kwargs=target._out(kwargs), echo=True)
    try:
        _, (args_after, kwargs_after) = answer
        pairs = [(f"argument {i + 1}", before, args_after[i]) for i, before in enumerate(args)]
        pairs += [(f"argument {name}", before, kwargs_after[name]) for name, before in kwargs.items()]
    except (TypeError, ValueError, KeyError, IndexError):
        raise StudentError(Fault.WIRE, "your code's process gave an answer that is not one") from None
    for what, before, after in pairs:
        if hasattr(before, "dtype"):
            equal(after, before, f"{what} after the call")
