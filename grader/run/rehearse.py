"""The checks run on our own code: the solution, known mistakes, correct variants. Warm, in this process, without a
sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pytest
import torch

from grader.assignment import Assignment
from grader.checks.declare import Check
from grader.records import CheckResult, Visibility
from grader.run.local import ReferencePort
from grader.run.plugin import Checks
from grader.run.session import drive_pytest, run_items, total_points
from grader.run.tensors import fixed_tensors
from grader.run.trace import SeededPort

Students = Iterable[tuple[str, SeededPort]]


class _Loop:
    """pytest's run loop for students that can be trusted."""

    def __init__(self, checks: Checks, students: Students) -> None:
        self.results: dict[str, tuple[CheckResult, ...]] = {}
        self.error: BaseException | None = None
        self._checks = checks
        self._students = students

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run all checks on each. Nothing may leave through pytest, which would print it: errors wait in `error`."""
        try:
            total_points(self._checks, session)
            for name, port in self._students:
                self._checks.begin(port)
                run_items(session)
                self.results[name] = self._checks.results()
        except BaseException as error:
            self.error = error
        return True


def rehearse(
    assignment: Assignment,
    students: Students,
    *,
    hidden: bool = True,
    seed: int = 0,
    reference: SeededPort | None = None,
    explain: bool = False,
    before_check: Callable[[Check, Visibility], None] = lambda *_: None,
    watch: Callable[[str], None] | None = None,
    plugins: Sequence[object] = (),
) -> dict[str, tuple[CheckResult, ...]]:
    """Run the checks on each of `students` (name, port); return each one's results.

    `seed` moves every random number the checks draw; `explain` adds diagnoses and marks that follow
    through; `watch` is told how training goes; `plugins` are pytest's. Raises UsageError for a broken assignment.
    """
    torch.set_num_threads(1)
    checks = Checks(assignment, reference or ReferencePort(assignment), seed=seed, reporting=False, explain=explain)
    checks.before_check, checks.watch = before_check, watch
    loop = _Loop(checks, students)
    drive_pytest(assignment, [checks, loop, fixed_tensors(assignment), *plugins], hidden=hidden)
    if loop.error:
        raise loop.error
    return loop.results
