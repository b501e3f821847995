"""The public checks on one's own code, in this very process, against the recorded answers of the reference."""

from __future__ import annotations

import time

import torch

from grader.assignment import Assignment
from grader.records import Result, Status
from grader.run.recorded import recorded
from grader.run.rehearse import rehearse
from grader.run.trace import SeededPort


def check_own(assignment: Assignment, port: SeededPort, name: str) -> Result:
    """Run the public checks on what `port` answers with; `name` is what the result calls it.

    Raises UsageError when the assignment is broken or its recorded answers are not there.
    """
    started, threads = time.monotonic(), torch.get_num_threads()
    try:
        reference = recorded(assignment.recorded)
        checks = rehearse(assignment, [(name, port)], hidden=False, reference=reference)[name]
    finally:
        torch.set_num_threads(threads)
    return Result(
        submission=name,
        folder="",
        status=Status.GRADED,
        score=round(sum(check.points for check in checks), 4),
        max_score=sum(check.max_points for check in checks),
        seconds=round(time.monotonic() - started, 3),
        message=None,
        checks=checks,
    )
