"""What the running check has compared so far. A check that compared nothing is the grader's fault, not a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch

from grader.errors import GraderError
from grader.records import Picture


class CheckFailed(AssertionError):  # noqa: N818 - it reads as what it is
    """A comparison did not hold. `message` is a sentence for the student.

    `pair` are the student's tensor and the expected one where two tensors were compared; `ratio` is the largest
    difference over the largest that would have passed; `earned` is the share, 0 to 1, that the check earns
    all the same when it is marked `partial`.
    """

    def __init__(
        self,
        message: str,
        picture: Picture | None = None,
        *,
        pair: tuple[torch.Tensor, torch.Tensor] | None = None,
        ratio: float | None = None,
        earned: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.picture = picture
        self.pair = pair
        self.ratio = ratio
        self.earned = earned


class CheckError(GraderError):
    """A check cannot go on with what it was given: the grader's fault, unless with the reference's answers it can."""


@dataclass(slots=True)
class Evidence:
    """Grows while one check runs."""

    compared: int = 0
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # by name: points (x, y)
    watch: Callable[[str], None] | None = None  # is told the newest point of a curve


_current: ContextVar[Evidence | None] = ContextVar("evidence", default=None)
_trying: ContextVar[bool] = ContextVar("trying", default=False)


@contextmanager
def trying(really: bool = True) -> Iterator[None]:
    """Calls made inside look for a way to give a module its weights: they are no part of what a check asks. Or, when
    they do not `really`, they are what it asked before.
    """
    token = _trying.set(really)
    try:
        with gathering():
            yield
    finally:
        _trying.reset(token)


def is_trying() -> bool:
    """Whether a mapping of weights is being looked for."""
    return _trying.get()


@contextmanager
def gathering(watch: Callable[[str], None] | None = None) -> Iterator[Evidence]:
    """Count the comparisons made inside, and keep the curves."""
    evidence = Evidence(watch=watch)
    token = _current.set(evidence)
    try:
        yield evidence
    finally:
        _current.reset(token)


def current() -> Evidence:
    """The evidence of the check that runs; outside of one nobody sees it."""
    return _current.get() or Evidence()


def compared() -> None:
    """Say that something of the student's was really compared."""
    current().compared += 1
