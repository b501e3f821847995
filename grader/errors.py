"""Whose fault it is: the grader's, the assignment's or the student's."""

from __future__ import annotations

from enum import StrEnum


class GraderError(Exception):
    """The grader's own fault: the submission is not graded, and never scored zero for it."""


class UsageError(GraderError):
    """Wrong usage or a broken assignment; one line that says what to mend (exit code 2)."""


class Fault(StrEnum):
    """What went wrong on the student's side."""

    RAISED = "raised"  # an exception in their code
    EXITED = "exited"  # sys.exit or os._exit
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASHED = "crashed"  # the process died
    BLOCKED = "blocked"  # the lock refused an act
    FORBIDDEN = "forbidden"  # a call this assignment does not allow
    MISSING = "missing"  # a name that is not there
    INVALID = "invalid"  # a file that cannot be read as a submission
    WIRE = "wire"  # an answer that is not an answer
    LAYOUT = "layout"  # no safe way to give the module its weights


class StudentError(Exception):
    """The student's side failed. `message` is already cleaned and fit to show to the student.

    `exception` is the name of the class raised there, followed by those it inherits from, `said` its own message and
    `line` the line in their file: evidence for words, never a verdict.
    """

    def __init__(
        self,
        fault: Fault,
        message: str,
        *,
        exception: str | None = None,
        said: str | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.exception = exception
        self.said = said
        self.line = line
