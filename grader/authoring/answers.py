"""The recorded answers of the public checks: written with the skeletons, and whether they are still the solution's."""

from __future__ import annotations

import tempfile
from pathlib import Path

from grader.assignment import Assignment
from grader.errors import UsageError
from grader.run.recorded import record, tape
from grader.run.trace import alike
from grader.wire.values import decode


def refresh(assignment: Assignment) -> list[Path]:
    """Record again where the answers on disk are not today's; return what was written. Raises UsageError.

    Another machine rounds in another way: answers that are equal up to that stay as they are.
    """
    fresh = record(assignment)
    if not _differ(assignment, fresh):
        return []
    path = assignment.recorded
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(fresh)
    written = Path(file.name)
    written.chmod(0o644)
    written.replace(path)
    return [path]


def outdated(assignment: Assignment) -> list[str]:
    """Return a line when the answers on disk are not those of today's solution and checks. Raises UsageError."""
    if not _differ(assignment, record(assignment)):
        return []
    return [f"{assignment.recorded}: not the solution's answers; run `grader build {assignment.name}`"]


def _differ(assignment: Assignment, fresh: bytes) -> bool:
    try:
        old, new = tape(assignment.recorded.read_bytes()), tape(fresh)
    except (OSError, UsageError):
        return True
    if old.keys() != new.keys() or any(len(old[seed]) != len(new[seed]) for seed in new):
        return True
    pairs = [pair for seed in new for pair in zip(old[seed], new[seed], strict=True)]
    return not all(alike(_value(a), _value(b)) for a, b in pairs)


def _value(answer: tuple[bytes, bytes]) -> object:
    return decode(answer[0], memoryview(answer[1]))
