"""pytest, driven by us: the checks are collected once, and whoever holds the run loop runs them as often as it
likes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from grader.assignment import Assignment
from grader.errors import GraderError, UsageError
from grader.run.counting import check_imports
from grader.run.plugin import Checks, declared

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
            code = pytest.main(["-c", os.devnull, *options, *map(str, files)], plugins=list(plugins))
    finally:
        del os.environ[_AUTOLOAD]
        os.environ.update(theirs if autoload is None else {**theirs, _AUTOLOAD: autoload})
    if code == pytest.ExitCode.INTERRUPTED:  # by Ctrl-C while it was collecting
        raise KeyboardInterrupt
    if code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        raise GraderError(f"pytest did not run the checks (its exit code was {int(code)})")


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
