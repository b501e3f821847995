"""The public checks on one's own code, in this very process, against the recorded answers of the reference."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from grader.assignment import Assignment
from grader.checks.declare import Check
from grader.records import Result, Status, Visibility
from grader.run.recorded import recorded
from grader.run.session import rehearse
from grader.run.trace import SeededPort


def check_own(
    assignment: Assignment,
    port: SeededPort,
    name: str,
    *,
    before_check: Callable[[Check, Visibility], None] = lambda *_: None,
    watch: Callable[[str], None] | None = None,
    plugins: Sequence[object] = (),
) -> Result:
    """Run the public checks on what `port` answers with; `name` is what the result calls it.

    `before_check` hears of each check that begins, `watch` how training goes; `plugins` are pytest's. Raises UsageError
    when the assignment is broken or its recorded answers are not there.
    """
    started, threads = time.monotonic(), torch.get_num_threads()
    try:
        checks = rehearse(
            assignment,
            [(name, port)],
            hidden=False,
            reference=recorded(assignment.recorded),
            before_check=before_check,
            watch=watch,
            plugins=plugins,
        )[name]
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
