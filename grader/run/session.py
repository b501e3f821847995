"""pytest, driven by us: the checks are collected once, and whoever holds the run loop runs them as often as it
likes. `rehearse` does so on our own code: the solution, known mistakes, correct variants.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
import torch

from grader.assignment import Assignment
from grader.checks.declare import Check
from grader.errors import GraderError, UsageError
from grader.records import CheckResult, Visibility
from grader.run.counting import check_imports
from grader.run.plugin import Checks, declared
from grader.run.reference import ReferencePort
from grader.run.tensors import fixed_tensors
from grader.run.trace import SeededPort

Students = Iterable[tuple[str, SeededPort]]

_AUTOLOAD = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"


def drive_pytest(assignment: Assignment, plugins: Sequence[object], *, hidden: bool) -> None:
    """Run pytest with our plug-ins alone, its own settings, and no trace in the assignment's folders."""
    files = check_files(assignment, hidden=hidden)
    off = ["terminal", "cacheprovider", "logging", "warnings", "faulthandler", "doctest", "junitxml", "pastebin"]
    off += ["unraisableexception", "threadexception"]
    options = ["-s", "--noconftest", "--assert=plain", "--import-mode=importlib", f"--rootdir={assignment.root}"]
    options += [word for name in off for word in ("-p", f"no:{name}")]
    # Settings meant for a pytest run of the user's own must not reach this one.
    theirs = {name: os.environ.pop(name) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS") if name in os.environ}
    autoload = os.environ.get(_AUTOLOAD)
    os.environ[_AUTOLOAD] = "1"
    try:
        with check_imports(files, assignment.public_checks):
            code = pytest.main(["-c", os.devnull, *options, *map(str, files)], plugins=[*plugins, _Unread()])
    finally:
        del os.environ[_AUTOLOAD]
        os.environ.update(theirs if autoload is None else {**theirs, _AUTOLOAD: autoload})
    if code == pytest.ExitCode.INTERRUPTED:  # by Ctrl-C while it was collecting
        raise KeyboardInterrupt
    if code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        raise GraderError(f"pytest did not run the checks (its exit code was {int(code)})")


class _Unread:
    """Nobody reads how pytest shows a failure."""

    def pytest_configure(self, config: pytest.Config) -> None:
        """It need not look for the source line."""
        config.option.tbstyle = "value"


def check_files(assignment: Assignment, *, hidden: bool) -> Sequence[Path]:
    """The check files there are. Raises UsageError when there is none."""
    paths = [assignment.public_checks, *([assignment.hidden_checks] if hidden else [])]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise UsageError(f"{assignment.public_checks}: an assignment needs a check file")
    return found


def total_points(checks: Checks, session: pytest.Session) -> float:
    """What the collected checks are worth. Raises UsageError for what is wrong with them, before anything is graded."""
    assignment = checks.assignment
    if checks.problems:
        raise UsageError(checks.problems[0])
    if not session.items:
        raise UsageError(f"{assignment.public_checks}: no checks are declared")
    total = sum({declared(i).id: declared(i).points for i in session.items}.values())
    whole = assignment.solution.is_file() and {i.path for i in session.items} >= set(
        check_files(assignment, hidden=True)
    )
    if whole and abs(total - assignment.points) > 1e-6:
        stated = f"{assignment.settings}: points: {assignment.points:g}"
        raise UsageError(f"{stated} is stated, but the checks add up to {total:g}")
    return total


def run_items(session: pytest.Session) -> None:
    """Run every collected check once, in order."""
    for item, following in zip(session.items, [*session.items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


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
    """Run the checks on each of `students` (name, port), warm, in this process, without a sandbox; return each one's
    results.

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
