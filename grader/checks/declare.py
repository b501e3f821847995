"""How an instructor declares a check or a known mistake: a decorator that attaches a record and returns the function
unchanged.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Declared = TypeVar("Declared", bound=Callable[..., Any])
CHECK, MISTAKE = "grader_check", "grader_mistake"  # attributes the decorators set


@dataclass(frozen=True, slots=True)
class Check:
    """What is asked, and what it is worth."""

    id: str
    title: str
    points: float
    needs: tuple[str, ...]
    hint: str | None
    partial: bool
    hidden: bool | None
    seconds: float | None  # that one call may take, where it trains


@dataclass(frozen=True, slots=True)
class Mistake:
    """A known mistake: what replaces which name of the solution, in the student's words, and the checks that must
    notice.
    """

    id: str
    title: str
    hint: str
    replaces: str
    caught_by: tuple[str, ...]


def check(
    *,
    points: float,
    needs: Callable[..., Any] | Sequence[Callable[..., Any]] = (),
    hint: str | None = None,
    partial: bool = False,
    hidden: bool | None = None,
    seconds: float | None = None,
) -> Callable[[Declared], Declared]:
    """Declare a test function as a graded check. Its docstring's first line is the title students read.

    `needs` names earlier checks by the function itself: when one of them did not pass, this one is skipped. A
    parametrised
    check earns by its worst case, or with `partial` by the share of its cases that passed. Visibility follows from the
    folder: checks beside the handout are public, checks beside the solution hidden; `hidden=False` shows one of
    those, too. With 0 points it only tells, and may be skipped. `seconds` of processor time for one call say that it
    trains: such a check is run once, and not again to explain a failure.
    Raises TypeError or ValueError on import when the declaration cannot be right.
    """
    needed = (needs,) if callable(needs) else tuple(needs)

    def mark(function: Declared) -> Declared:
        title = (inspect.getdoc(function) or "").partition("\n")[0].strip()
        if not title:
            raise TypeError(f"check {function.__name__} needs a docstring: its first line is the title students read")
        if not function.__name__.startswith("test_"):
            raise TypeError(f"check {function.__name__} must be named test_...")
        if not points >= 0:
            raise ValueError(f"check {function.__name__} is worth {points} points; a check takes none away")
        undeclared = [need.__name__ for need in needed if not hasattr(need, CHECK)]
        if undeclared:
            raise TypeError(f"check {function.__name__} needs {undeclared[0]}, which is not a check")
        ids = tuple(getattr(need, CHECK).id for need in needed)
        name = function.__name__.removeprefix("test_")
        record = Check(name, title, float(points), ids, hint, partial, hidden, seconds)
        setattr(function, CHECK, record)
        return function

    return mark


def mistake(*, replaces: str, title: str, hint: str, caught_by: Sequence[str]) -> Callable[[Declared], Declared]:
    """Declare a function or class as a known mistake that takes the place of the solution's name `replaces`.

    `caught_by` are the ids of checks that must lose points. Its own name is the mistake's id.
    """

    def mark(replacement: Declared) -> Declared:
        caught = (caught_by,) if isinstance(caught_by, str) else tuple(caught_by)
        if not caught:
            raise ValueError(f"mistake {replacement.__name__} must name at least one check that catches it")
        setattr(replacement, MISTAKE, Mistake(replacement.__name__, title, hint, replaces, caught))
        return replacement

    return mark
