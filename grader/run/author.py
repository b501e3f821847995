"""`pytest assignments/NAME solutions/NAME` for the author of an assignment.

Registered as pytest's plug-in `grader`; does nothing unless the paths given lie in an assignment. The student is the
solution itself, or with `--submission FILE` that file in the sandbox, and everything is shown, hidden checks included.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from grader.assignment import Assignment, load_assignment
from grader.errors import GraderError, StudentError


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--submission`."""
    group = parser.getgroup("grader", "assignments of torchgrade")
    group.addoption("--submission", metavar="FILE", help="run an assignment's checks on this file, in the sandbox")


def pytest_configure(config: pytest.Config) -> None:
    """Set the assignment's fixtures up when the paths given lie in one."""
    assignment = _assignment(config)
    if assignment is None:
        return
    from grader.run.desk import desk  # noqa: PLC0415 - imports torch: not in a pytest run that has nothing to do with us

    config.option.importmode = "importlib"  # both check files are called checks.py
    stack = ExitStack()
    config.add_cleanup(stack.close)
    try:
        submission = config.getoption("submission")
        for plugin in stack.enter_context(desk(assignment, Path(submission) if submission else None)):
            config.pluginmanager.register(plugin)
    except (GraderError, StudentError) as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(_Collector(assignment))


class _Collector:
    def __init__(self, assignment: Assignment) -> None:
        self._files = (assignment.public_checks, assignment.hidden_checks)

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
        """Check files are not called test_*.py: a bare `pytest` at the root leaves them alone."""
        if file_path in self._files and not parent.session.isinitpath(file_path):
            return pytest.Module.from_parent(parent, path=file_path)
        return None


def _assignment(config: pytest.Config) -> Assignment | None:
    """The one assignment that the paths on the command line lie in."""
    found = set()
    for argument in config.args:
        path = (config.invocation_params.dir / argument.partition("::")[0]).resolve()
        for folder in (path, *path.parents):
            root = folder.parent.parent
            if (
                folder.parent.name in ("assignments", "solutions")
                and (root / "assignments" / folder.name / "assignment.yaml").is_file()
            ):
                found.add((root, folder.name))
    if len(found) > 1:
        names = ", ".join(sorted(name for _, name in found))
        raise pytest.UsageError(f"one assignment at a time, please: {names}")
    for root, name in found:
        return load_assignment(root, name)
    return None
