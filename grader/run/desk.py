"""An author's desk: the checks of one assignment, run by a pytest of the author's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from grader.assignment import Assignment
from grader.errors import UsageError
from grader.intake.collect import Entry, read
from grader.run.counting import check_imports
from grader.run.local import LocalPort, run_trusted
from grader.run.marker import staged, watching
from grader.run.plugin import Checks
from grader.run.reference import ReferencePort
from grader.run.student import StudentPort
from grader.run.tensors import fixed_tensors
from grader.sandbox.launch import Warm


@contextmanager
def desk(assignment: Assignment, submission: Path | None) -> Iterator[list[object]]:
    """Inside, the plug-ins for pytest. Raises StudentError when the submission cannot be loaded, UsageError without a
    solution.
    """
    torch.set_num_threads(1)  # as when it grades: small models are slower with more
    if not assignment.solution.is_file():
        raise UsageError(f"{assignment.solution}: running the checks needs the solution; students use `grader check`")
    checks = Checks(assignment, ReferencePort(assignment))
    checks.watch = watching(assignment.name)
    with ExitStack() as stack:
        stack.enter_context(check_imports([], assignment.public_checks))
        if submission is None:
            checks.begin(LocalPort(run_trusted(assignment, assignment.solution), as_student=True))
        else:
            warm = Warm(assignment.forbidden, packages=assignment.packages)
            stack.callback(warm.close)
            bundle = read(Entry(submission.name, "desk", submission), assignment.name, one=True)
            folders = stack.enter_context(staged(bundle, assignment, warm))
            port = StudentPort(warm, assignment, folders, bundle.main)
            stack.callback(port.close)
            port.load()
            checks.begin(port)
            checks.before_check = lambda check, _: port.begin_check(check, "public")  # an author sees all
        yield [checks, fixed_tensors(assignment)]
