"""An author's desk: the checks of one assignment, run by a pytest of the author's own."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import torch

from grader.assignment import Assignment
from grader.errors import UsageError
from grader.intake.collect import Entry, read
from grader.run.local import LocalPort, ReferencePort, run_trusted
from grader.run.marker import staged, watching
from grader.run.plugin import Checks
from grader.run.student import StudentPort
from grader.run.tensors import fixed_tensors
from grader.sandbox.launch import Warm


class Desk(ExitStack):
    """Holds what must be put away afterwards: the warm process, the private folders."""

    def __init__(self, assignment: Assignment) -> None:
        super().__init__()
        self._assignment = assignment

    def plugins(self, submission: Path | None) -> list[object]:
        """The plug-ins for pytest. Raises StudentError when the submission cannot be loaded, UsageError without a
        solution.
        """
        assignment = self._assignment
        torch.set_num_threads(1)  # as when it grades: small models are slower with more
        if not assignment.solution.is_file():
            raise UsageError(
                f"{assignment.solution}: running the checks needs the solution; students use `grader check`"
            )
        checks = Checks(assignment, ReferencePort(assignment))
        checks.watch = watching(assignment.name)
        if submission is None:
            checks.begin(LocalPort(run_trusted(assignment, assignment.solution), as_student=True))
        else:
            checks.begin(port := self._load(submission))
            checks.before_check = lambda check, _: port.begin_check(check, "public")  # an author sees all
        return [checks, fixed_tensors(assignment)]

    def _load(self, submission: Path) -> StudentPort:
        assignment = self._assignment
        warm = Warm(assignment.forbidden, packages=assignment.packages)
        self.callback(warm.close)
        bundle = read(Entry(submission.name, "desk", submission), assignment.name, one=True)
        folders = self.enter_context(staged(bundle, assignment, warm))
        port = StudentPort(warm, assignment, folders, bundle.main)
        self.callback(port.close)
        port.load()
        return port
