"""Many submissions: pytest collects the checks once, then its run loop forks a marker for each submission."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import torch

import grader
from grader.assignment import Assignment
from grader.errors import GraderError, StudentError, UsageError
from grader.intake.collect import Bundle, Entry, read
from grader.intake.notebook_source import numbered
from grader.records import Result, Status
from grader.report.feedback import NAME as FEEDBACK
from grader.report.feedback import feedback
from grader.report.render import prepare, render_class, render_student
from grader.report.shown import Heading
from grader.run.local import LocalPort, run_trusted
from grader.run.loop import ForkingLoop, Work
from grader.run.plugin import Checks
from grader.run.reference import ReferencePort
from grader.run.session import drive_pytest
from grader.run.store import Store
from grader.run.tensors import fixed_tensors
from grader.run.trace import SeededPort
from grader.sandbox.doctor import Protection
from grader.sandbox.launch import Warm, examine
from grader.text import clean

REQUIRED_LEVEL = "STRICT"

OnResult = Callable[[Result, bool], None]  # the result, and whether it was taken from an earlier run


def grade_batch(
    assignment: Assignment,
    entries: Sequence[Entry],
    out: Path | None,
    *,
    jobs: int = 1,
    one: bool = False,
    allow_unsandboxed: bool = False,
    on_result: OnResult = lambda *_: None,
) -> list[Result]:
    """Grade every entry; write OUT, unless it is None; return the results in the order of `entries`.

    Raises UsageError for a broken assignment, GraderError when the protection here is below STRICT and
    `allow_unsandboxed` is not given.
    """
    store = Store(out) if out is not None else None
    torch.set_num_threads(1)  # this process forks: no thread may be alive in it
    reference, solution = _reference(assignment)
    with ExitStack() as stack:
        warm, protection = _sandbox(assignment, allow_unsandboxed=allow_unsandboxed)
        stack.callback(warm.close)
        checks = Checks(assignment, reference, reporting=False, explain=True)
        run = _Run(assignment, entries, one, store, on_result, protection)
        loop = ForkingLoop(warm, checks, solution, jobs, run.plan, run.take, run.hand_back)
        drive_pytest(assignment, [checks, loop, fixed_tensors(assignment)], hidden=True)
    if loop.error and not isinstance(loop.error, KeyboardInterrupt):
        raise loop.error
    results = [run.results[entry.folder] for entry in entries if entry.folder in run.results]
    if store is not None:
        head = heading(assignment)
        store.save_class(head, results, render_class(head, results))
    if loop.error:
        raise loop.error
    return results


def _reference(assignment: Assignment) -> tuple[ReferencePort, SeededPort]:
    """The solution as the reference, and as the first student. Raises UsageError without it."""
    if not assignment.solution.is_file():
        raise UsageError(f"{assignment.solution}: grading needs the solution; students use `grader check`")
    reference = ReferencePort(assignment)
    reference.specimens  # noqa: B018 - made here, they are shared with every marker
    return reference, LocalPort(run_trusted(assignment, assignment.solution), as_student=True)


def _sandbox(assignment: Assignment, *, allow_unsandboxed: bool) -> tuple[Warm, Protection]:
    """A warm process and what was seen to protect from its children. Raises GraderError below the required level."""
    warm = Warm(assignment.forbidden, packages=assignment.packages)
    protection = examine(warm)
    if protection.level == REQUIRED_LEVEL:
        return warm, protection
    warm.close()
    if not allow_unsandboxed:
        why = protection.advice or "see `grader doctor`"
        raise GraderError(
            f"the protection here is {protection.level}, {REQUIRED_LEVEL} is required: {why} "
            "--allow-unsandboxed grades all the same"
        )
    return Warm(assignment.forbidden, packages=assignment.packages, protect=False), protection


class _Run:
    """What is to be done, what an earlier run has done already, and what comes in."""

    def __init__(
        self,
        assignment: Assignment,
        entries: Sequence[Entry],
        one: bool,
        store: Store | None,
        on_result: OnResult,
        protection: Protection,
    ) -> None:
        self.results: dict[str, Result] = {}
        self._assignment = assignment
        self._entries = entries
        self._one = one
        self._store = store
        self._on_result = on_result
        self._protection = protection
        self._course = course_digest(assignment)

    def plan(self, points: float) -> Work:
        """Read every entry; settle at once what cannot be read and what is unchanged; return the rest."""
        work, level, made_by = [], self._protection.level, environment()
        start = Result("", "", Status.INVALID, 0.0, points, 0.0, None, (), protection=level, environment=made_by)
        for entry in self._entries:
            blank = replace(start, submission=entry.name, folder=entry.folder)
            try:
                bundle = read(entry, self._assignment.name, one=self._one)
            except StudentError as error:
                self.take(replace(blank, message=clean(error.message, 600)))
                continue
            parts = (bundle.digest, bundle.main, entry.name, self._course, level, made_by, str(points))
            key = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
            earlier = self._store.reusable(entry.folder, key) if self._store else None
            if earlier is not None and earlier.status is not Status.ERROR:
                self.results[entry.folder] = earlier
                self._on_result(earlier, True)
            else:
                work.append((bundle, replace(blank, key=key)))
        prepare()
        return work

    def take(self, result: Result) -> None:
        """Store a result as soon as it is there: a run killed now goes on behind it."""
        self.results[result.folder] = result
        if self._store is not None:
            stale = {} if result.feedback else {FEEDBACK: None}
            self._store.save(result, {**render_student(heading(self._assignment), result), **stale})
        self._on_result(result, False)

    def hand_back(self, bundle: Bundle, result: Result, where: Mapping[str, str]) -> Result:
        """Write a notebook back, with what was found in it: in the marker, which reads what this process never does.

        Where that fails, a note says so, and the grade stands.
        """
        if self._store is None or not bundle.main.endswith(".ipynb"):
            return result
        try:
            notebook, cells = numbered(bundle.files[bundle.main], bundle.main)
            plain = [(number, cell) for number, cell, _ in cells]
            names = self._assignment.names
            text = feedback(heading(self._assignment), result, notebook.get("metadata"), plain, where, names)
            self._store.write(result.folder, {FEEDBACK: text})
        except StudentError:  # it is no notebook; the result says so already
            return result
        except Exception as error:
            note = f"Your notebook could not be written back with the feedback in it ({type(error).__name__})."
            return replace(result, notes=(*result.notes, note))
        return replace(result, feedback=True)


def write_reports(head: Heading, results: Sequence[Result], store: Store) -> None:
    """Render everything again from the results and write it."""
    for result in results:
        store.save(result, render_student(head, result))
    store.save_class(head, list(results), render_class(head, results))


def heading(assignment: Assignment) -> Heading:
    """What stands above every report of `assignment`."""
    due = f"{assignment.due:%d %B %Y, %H:%M (UTC%z)}".lstrip("0") if assignment.due else None
    return Heading(assignment.name, assignment.title, due)


def environment() -> str:
    """The versions a grade was made with."""
    python = f"Python {platform.python_version()} on {platform.machine()}"
    return f"torchgrade {grader.__version__}, torch {torch.__version__}, {python}"


def course_digest(assignment: Assignment) -> str:
    """A digest of all that decides a grade beside the submission: settings, checks, solution, tensors, and this
    engine.
    """
    course = [
        assignment.settings,
        assignment.public_checks,
        assignment.hidden_checks,
        assignment.solution,
        assignment.mistakes,
        assignment.public_tensors,
        assignment.hidden_tensors,
        *assignment.provided_files,
    ]
    engine = sorted(Path(grader.__file__).parent.rglob("*.py"))
    digest = hashlib.sha256(" ".join((metadata.version("pytest"), metadata.version("safetensors"))).encode())
    for path in (*course, *engine):
        digest.update(f"\0{path.name}\0".encode())
        digest.update(path.read_bytes() if path.is_file() else b"\0")
    return digest.hexdigest()
