"""Many submissions: pytest collects the checks once, then its run loop forks a marker for each submission."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import pytest
import torch

import grader
from grader.assignment import Assignment
from grader.errors import GraderError, StudentError, UsageError
from grader.intake.collect import Bundle, Entry, read
from grader.records import Result, Status
from grader.report.render import render_class, render_student
from grader.report.shown import Heading
from grader.run.local import LocalPort, run_trusted
from grader.run.marker import Blank, mark
from grader.run.plugin import Checks, fixed_tensors
from grader.run.session import drive_pytest, run_items, total_points
from grader.run.store import Store
from grader.sandbox.doctor import Protection
from grader.sandbox.launch import Warm, examine

REQUIRED_LEVEL = "STRICT"
_GRACE = 120.0  # seconds a marker may take over its submission's own limit before it counts as hung

OnResult = Callable[[Result, bool], None]  # the result, and whether it was taken from an earlier run


@dataclass(slots=True)
class _Marker:
    """A forked marker at work."""

    pid: int
    pipe: int
    blank: Blank
    slot: int
    deadline: float
    received: bytearray = field(default_factory=bytearray)


class _Loop:
    """pytest's run loop for a batch: at most `jobs` markers at a time, results taken as they come."""

    def __init__(
        self, assignment: Assignment, warm: Warm, checks: Checks, take: Callable[[Result], None], jobs: int
    ) -> None:
        self.error: BaseException | None = None
        self._assignment = assignment
        self._warm = warm
        self._checks = checks
        self._take = take
        self._jobs = jobs
        self._work: list[tuple[Bundle, Blank]] = []
        self._plan: Callable[[float], list[tuple[Bundle, Blank]]] = lambda _: []
        self._selector = selectors.DefaultSelector()
        self._markers: dict[int, _Marker] = {}  # by pipe

    def plan(self, work: Callable[[float], list[tuple[Bundle, Blank]]]) -> None:
        """`work` is called with the points there are in all, once the checks are collected."""
        self._plan = work

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Grade everything. Nothing may leave through pytest, which would print it: errors wait in `error`."""
        try:
            points = total_points(self._checks, session)
            self._work = self._plan(points)[::-1]
            while self._work or self._markers:
                while self._work and len(self._markers) < self._jobs:
                    self._start(session, *self._work.pop())
                self._wait()
        except BaseException as error:
            self.error = error
            for marker in list(self._markers.values()):
                os.kill(marker.pid, signal.SIGKILL)
                os.waitpid(marker.pid, 0)
        return True

    def _start(self, session: pytest.Session, bundle: Bundle, blank: Blank) -> None:
        slot = min(set(range(self._jobs)) - {m.slot for m in self._markers.values()})
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _mark_and_exit(lambda: self._mark(session, bundle, blank, slot), writer)
        os.close(writer)
        deadline = time.monotonic() + self._assignment.limits.total_seconds + _GRACE
        self._markers[reader] = _Marker(pid, reader, blank, slot, deadline)
        self._selector.register(reader, selectors.EVENT_READ)

    def _mark(self, session: pytest.Session, bundle: Bundle, blank: Blank, slot: int) -> Result:
        return mark(
            self._assignment,
            bundle,
            blank,
            warm=self._warm,
            checks=self._checks,
            run_checks=lambda: run_items(session),
            slot=slot,
        )

    def _wait(self) -> None:
        for key, _ in self._selector.select(1.0):
            marker = self._markers[key.fd]
            piece = os.read(marker.pipe, 1 << 16)
            marker.received += piece
            if not piece:
                self._finish(marker)
        for marker in list(self._markers.values()):
            if time.monotonic() > marker.deadline:
                os.kill(marker.pid, signal.SIGKILL)

    def _finish(self, marker: _Marker) -> None:
        self._selector.unregister(marker.pipe)
        os.close(marker.pipe)
        del self._markers[marker.pipe]
        _, status = os.waitpid(marker.pid, 0)
        try:
            result = Result.from_json(json.loads(marker.received))
        except (ValueError, KeyError, TypeError):
            how = f"signal {status & 127}" if status & 127 else f"exit code {status >> 8}"
            result = marker.blank.ungraded(
                Status.ERROR, f"not graded: the grader's own process ended ({how}) before it had a result"
            )
        self._take(result)


def _mark_and_exit(work: Callable[[], Result], writer: int) -> None:
    """The forked marker's whole life."""
    code = 70
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees Ctrl-C and ends us
        body = json.dumps(work().to_json(), allow_nan=False).encode()
        with open(writer, "wb") as pipe:
            pipe.write(body)
        code = 0
    except BaseException as error:
        os.write(2, f"grader: a marker failed: {type(error).__name__}: {error}\n".encode(errors="replace")[:600])
    finally:
        os._exit(code)


def grade_batch(
    assignment: Assignment,
    entries: Sequence[Entry],
    out: Path | None,
    *,
    jobs: int = 1,
    one: bool = False,
    allow_unsandboxed: bool = False,
    on_result: OnResult = lambda *_: None,
    public_only: bool = False,
) -> list[Result]:
    """Grade every entry; write OUT, unless it is None; return the results in the order of `entries`.

    Raises UsageError for a broken assignment, GraderError when the protection here is below STRICT and
    `allow_unsandboxed` is not given.
    """
    store = Store(out) if out is not None else None
    if not assignment.solution.is_file():
        raise UsageError(f"{assignment.solution}: grading needs the solution; students use `grader check`")
    torch.set_num_threads(1)  # this process forks: no thread may be alive in it
    warm = Warm(assignment.forbidden)
    try:
        reference = LocalPort(run_trusted(assignment, assignment.solution))
        checks = Checks(assignment, reference, reporting=False)
        protection = examine(warm)
        if protection.level != REQUIRED_LEVEL and not allow_unsandboxed:
            why = protection.advice or "see `grader doctor`"
            raise GraderError(
                f"the protection here is {protection.level}, {REQUIRED_LEVEL} is required: {why}. "
                "--allow-unsandboxed grades all the same"
            )
        run = _Run(assignment, entries, one, store, on_result, protection)
        loop = _Loop(assignment, warm, checks, run.take, jobs)
        loop.plan(run.plan)
        drive_pytest(assignment, [checks, loop, fixed_tensors(assignment)], hidden=not public_only)
    finally:
        warm.close()
    if loop.error and not isinstance(loop.error, KeyboardInterrupt):
        raise loop.error
    results = [run.results[entry.folder] for entry in entries if entry.folder in run.results]
    if store is not None:
        write_reports(heading(assignment), results, store)
    if loop.error:
        raise loop.error
    return results


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

    def plan(self, points: float) -> list[tuple[Bundle, Blank]]:
        """Read every entry; settle at once what cannot be read and what is unchanged; return the rest."""
        work = []
        for entry in self._entries:
            blank = Blank(entry.name, entry.folder, points, self._protection.level, environment(), "")
            try:
                bundle = read(entry, self._assignment.name, one=self._one)
            except StudentError as error:
                self.take(blank.ungraded(Status.INVALID, error.message))
                continue
            parts = (
                bundle.digest,
                bundle.main,
                entry.name,
                self._course,
                self._protection.level,
                environment(),
                str(points),
            )
            key = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
            earlier = self._store.reusable(entry.folder, key) if self._store else None
            if earlier is not None and earlier.status is not Status.ERROR:
                self.results[entry.folder] = earlier
                self._on_result(earlier, True)
            else:
                work.append((bundle, Blank(entry.name, entry.folder, points, blank.protection, blank.environment, key)))
        return work

    def take(self, result: Result) -> None:
        """Store a result as soon as it is there: a run killed now goes on behind it."""
        self.results[result.folder] = result
        if self._store is not None:
            self._store.save(result, render_student(heading(self._assignment), result))
        self._on_result(result, False)


def write_reports(head: Heading, results: Sequence[Result], store: Store) -> None:
    """Render everything again from the results and write it."""
    for result in results:
        store.save(result, render_student(head, result))
    store.save_class(head, list(results), render_class(head, results))


def heading(assignment: Assignment) -> Heading:
    """What stands above every report of `assignment`."""
    return Heading(assignment.name, assignment.title, assignment.due.isoformat() if assignment.due else None)


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
