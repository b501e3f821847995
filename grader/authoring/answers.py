"""The recorded answers of the public checks: written with the skeletons, and whether they are still the solution's."""

from __future__ import annotations

from pathlib import Path

from grader.assignment import Assignment
from grader.authoring.build import write_whole
from grader.errors import UsageError
from grader.run.recorded import record, taken_apart
from grader.run.trace import alike


def refresh(assignment: Assignment) -> list[Path]:
    """Record again where the answers on disk are not today's; return what was written. Raises UsageError.

    Another machine rounds in another way: answers that are equal up to that stay as they are.
    """
    fresh = record(assignment)
    if not _differ(assignment, fresh):
        return []
    write_whole(assignment.recorded, fresh)
    return [assignment.recorded]


def outdated(assignment: Assignment) -> list[str]:
    """Return a line when the answers on disk are not those of today's solution and checks. Raises UsageError."""
    if not _differ(assignment, record(assignment)):
        return []
    return [f"{assignment.recorded}: not the solution's answers; run `grader build {assignment.name}`"]


def _differ(assignment: Assignment, fresh: bytes) -> bool:
    try:
        (old, _), (new, _) = taken_apart(assignment.recorded.read_bytes()), taken_apart(fresh)
    except (OSError, UsageError):
        return True
    if old.keys() != new.keys() or any(len(old[seed]) != len(new[seed]) for seed in new):
        return True
    pairs = [pair for seed in new for pair in zip(old[seed], new[seed], strict=True)]
    return not all(a.fits(b.asked, b.sums) and alike(a.value, b.value) for a, b in pairs)
