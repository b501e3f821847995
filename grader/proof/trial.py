"""What the checks are run on to prove them, and what they gave it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from grader.records import Outcome


@dataclass(frozen=True, slots=True)
class Program:
    """Something to run the checks on: `make` gives its names afresh for each of the seeds."""

    name: str
    make: Callable[[], dict[str, object]]
    changes: Collection[str] = ()  # where it differs from the solution, if known: "attention", "Attention.forward"
    seeds: Sequence[int] = (0,)
    brief: bool = False  # the first loss is enough
    trains: Collection[str] | None = None  # checks that train which are run on it, with the first seed; None: all
    trainings: int = 1  # seeds with which these are run
    again: Collection[str] | None = None  # checks that are run with the other seeds, too; None: all


@dataclass(frozen=True, slots=True)
class Mark:
    """What one check gave one program under one seed."""

    status: Outcome
    points: float
    followed: bool = False  # it earned its points by follow-through
    message: str = ""
    ratio: float | None = None  # the difference over what is allowed; None where none was measured

    @property
    def lost(self) -> bool:
        """Whether the check itself took points."""
        return self.status not in (Outcome.PASSED, Outcome.SKIPPED)


@dataclass(frozen=True, slots=True)
class Trial:
    """One program's marks by seed and by check; `trouble` says why there are none, or not all."""

    marks: Mapping[int, Mapping[str, Mark]]
    trouble: str = ""
