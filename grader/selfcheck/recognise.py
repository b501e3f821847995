"""Which assignment one is working on, when it is not said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from grader.assignment import assignment_names, load_assignment


def recognise(root: Path, guesses: Iterable[str], defined: Callable[[], Iterable[str]]) -> str | None:
    """The first of `guesses` that is an assignment, else the one that asks for most of what is `defined`; None when no
    single one does. Raises UsageError for a broken assignment.
    """
    names = assignment_names(root)
    for guess in guesses:
        if guess in names:
            return guess
    there = set(defined())
    asked = {name: len(there.intersection(load_assignment(root, name).names)) for name in names}
    most = max(asked.values(), default=0)
    fitting = [name for name in names if asked[name] == most]
    return fitting[0] if most and len(fitting) == 1 else None
