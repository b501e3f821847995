"""The checks, collected once and run on one program of ours after another, each in a process forked for it."""

from __future__ import annotations

import gc
import json
import math
import os
import signal
import sys
import time
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import astuple, replace
from functools import partial
from multiprocessing.connection import Connection, Pipe, wait
from types import FrameType
from typing import NoReturn, Protocol

import pytest
import torch

from grader.assignment import Assignment
from grader.checks.declare import Check
from grader.checks.evidence import CheckFailed
from grader.proof.bounds import allow, bound
from grader.proof.draws import Reference, Student, moved
from grader.proof.trial import Mark, Program, Trial
from grader.records import CheckResult, Outcome
from grader.run.local import run_trusted
from grader.run.plugin import Checks, declared
from grader.run.session import drive_pytest, run_items, total_points
from grader.run.tensors import fixed_tensors
from grader.sandbox.libc import prctl
from grader.text import clean

_SECONDS, _TIMES = 5.0, 20.0  # processor time for one seed: so much, and so often what the solution takes
_BRIEFLY, _AT_LEAST = 4.0, 0.75  # for a mutant in a check, in times of what the solution took and seconds
_CALLS = 3  # of the length that a check which trains allows


class Spare(Protocol):
    """Turns to run one more program, shared by all who have some: a semaphore."""

    def acquire(self, block: bool, /) -> bool:
        """Take one; False when none is there."""

    def release(self) -> None:
        """Give one back."""


def perform(
    assignment: Assignment, programs: Sequence[Program], *, spare: Spare
) -> tuple[tuple[CheckResult, ...], dict[str, Trial]]:
    """Run the checks on every program, one at a time and one more for each `spare` turn; return the checks, and the
    trials by name.

    Raises UsageError for a broken assignment.
    """
    torch.set_num_threads(1)  # this process forks: no thread may be alive in it
    reference = Reference(assignment)
    reference.specimens  # noqa: B018 - made here, they are shared with every process
    checks = Checks(assignment, reference, reporting=False, explain=True)
    stage = _Stage(assignment, checks, reference, programs, spare)
    drive_pytest(assignment, [checks, stage, fixed_tensors(assignment)], hidden=True)
    if stage.error:
        raise stage.error
    return stage.checks, stage.trials


class _Stage:
    """pytest's run loop, and an eye on what the checks raise."""

    def __init__(
        self, assignment: Assignment, checks: Checks, reference: Reference, programs: Sequence[Program], spare: Spare
    ) -> None:
        self.checks: tuple[CheckResult, ...] = ()
        self.trials: dict[str, Trial] = {}
        self.error: BaseException | None = None
        self._assignment = assignment
        self._plugin = checks
        self._reference = reference
        self._student = Student({})
        self._drew: set[str] = set()  # checks that drew random numbers with the program's first seed
        self._waiting = list(programs)[::-1]
        self._spare = spare
        self._seconds = 0.0  # of processor time, which the solution takes
        self._raised: dict[str, list[Exception]] = {}  # by check, in this run
        self._solution: dict[str, object] | None = run_trusted(assignment, assignment.solution)  # while it goes first
        self._used: dict[str, set[str]] = {}  # by check, which of the solution's functions and methods ran for it

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """While the solution goes first, note which of its functions run for the check; and whether it draws."""
        if self._solution is not None:
            sys.settrace(partial(_note, self._solution, self._used.setdefault(declared(item).id, set())))
        try:
            return (yield)
        finally:
            sys.settrace(None)
            if self._student.watched and (self._student.drew or self._reference.drew or moved(self._student.began)):
                self._drew.add(declared(item).id)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Keep what a check raises: the records do not say how large a difference was."""
        try:
            return (yield)
        except Exception as error:
            self._raised.setdefault(declared(item).id, []).append(error)
            raise

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run everything. Nothing may leave through pytest, which would print it: errors wait in `error`."""
        running: dict[Connection, tuple[int, Program]] = {}
        started: list[int] = []
        try:
            total_points(self._plugin, session)
            checks = [declared(item) for item in session.items]
            self._plugin.left_out = {check.id for check in checks if check.seconds is not None}
            begun = time.process_time()  # the solution goes first, and warms what follows
            self._plugin.begin(Student(self._solution or {}))
            run_items(session)
            self._solution, self._seconds = None, time.process_time() - begun
            self.checks = self._plugin.results()
            self._remember(session)
            gc.collect()
            gc.freeze()  # what is here now stays shared with every process
            while self._waiting or running:
                while self._waiting and (not running or self._spare.acquire(False)):
                    pid, reader = self._start(session, program := self._waiting.pop())
                    started.append(pid)
                    running[reader] = pid, program
                for ready in wait(list(running), timeout=1.0):
                    if isinstance(ready, Connection):
                        self._take(ready, running.pop(ready)[1])
                        if running:
                            self._spare.release()
                started = [pid for pid in started if os.waitpid(pid, os.WNOHANG)[0] == 0]
        except BaseException as error:
            self.error = error
            for number, (pid, _) in enumerate(running.values()):
                os.kill(pid, signal.SIGKILL)
                if number:
                    self._spare.release()
        for pid in started:  # nobody waited until their memory was taken down
            os.waitpid(pid, 0)
        return True

    def _remember(self, session: pytest.Session) -> None:
        """Have the reference answer once what is asked again with each seed that many short programs have."""
        short = [program.seeds for program in self._waiting if program.again is not None]
        for self._plugin.seed in max(short, key=len, default=range(1))[1:]:
            self._plugin.begin(Student(run_trusted(self._assignment, self._assignment.solution)))
            run_items(session)

    def _start(self, session: pytest.Session, program: Program) -> tuple[int, Connection]:
        reader, writer = Pipe(duplex=False)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # a hook that runs after the fork would swallow it
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees Ctrl-C and ends us
            prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: however the parent ends
            self._perform_and_exit(session, program, writer)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        writer.close()
        return pid, reader

    def _take(self, reader: Connection, program: Program) -> None:
        try:
            runs, trouble = json.loads(reader.recv_bytes())
        except EOFError:
            runs, trouble = {}, "it took too long, too much memory, or ended Python itself"
        reader.close()
        marks = {
            int(seed): {check: Mark(Outcome(status), *rest) for check, (status, *rest) in run.items()}
            for seed, run in runs.items()
        }
        self.trials[program.name] = Trial(marks, trouble)

    # -- in the forked process -------------------------------------------------------------------------------------

    def _perform_and_exit(self, session: pytest.Session, program: Program, writer: Connection) -> NoReturn:
        runs: dict[int, dict[str, tuple[object, ...]]] = {}
        trouble = ""
        try:
            null = os.open(os.devnull, os.O_RDWR)  # what a program prints is of no interest
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            bound(self._seconds_for(session, program))
            for seed in program.seeds:
                marks = self._run(session, program, seed)
                runs[seed] = {check: astuple(mark) for check, mark in marks.items()}
                if program.again is not None:  # whose points follow through has been seen
                    followed = {check for check, mark in marks.items() if mark.followed}
                    program = replace(program, again=set(program.again) - followed)
        except BaseException as error:
            trouble = f"{type(error).__name__}: {clean(error, 400)}"
        finally:
            writer.send_bytes(json.dumps([runs, trouble], allow_nan=False).encode())
            os._exit(0)

    def _seconds_for(self, session: pytest.Session, program: Program) -> float:
        training = {check.id: check.seconds or 0.0 for check in map(declared, session.items)}
        trains = program.trainings * sum(
            n for check, n in training.items() if program.trains is None or check in program.trains
        )
        return len(program.seeds) * (_SECONDS + _TIMES * self._seconds) + _CALLS * trains

    def _run(self, session: pytest.Session, program: Program, seed: int) -> dict[str, Mark]:
        self._plugin.seed = seed
        self._student = Student(program.make())
        self._student.watched = self._reference.watched = seed == program.seeds[0] and program.again is None
        self._reference.remembers = not self._reference.watched  # from memory nothing is drawn
        self._plugin.begin(self._student)
        self._raised.clear()
        self._plugin.explain = program.again is None or seed == program.seeds[0]
        checks = {declared(item).id: declared(item) for item in session.items}
        left_out = _left_out([*checks.values()], program, seed)
        if program.again is None and seed != program.seeds[0]:
            left_out |= checks.keys() - self._drew  # with every seed as with the first
        using = self._using(program, checks)
        alike = set() if program.brief else checks.keys() - using - left_out  # it is the solution, as far as they go
        self._plugin.left_out = left_out | alike
        usual = {result.id: result.seconds for result in self.checks}
        items = self._quickest(session.items, checks, using) if program.brief else session.items
        for item, following in zip(items, [*items[1:], None], strict=True):
            if program.brief:  # one that takes longer has lost
                allow(declared(item).seconds or _AT_LEAST + _BRIEFLY * usual[declared(item).id])
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if program.brief and declared(item).points and declared(item).id in self._raised:
                return {declared(item).id: Mark(Outcome.FAILED, 0.0)}
        run = {result.id: self._mark(result) for result in self._plugin.results() if result.id not in left_out}
        return {**run, **{name: Mark(Outcome.PASSED, checks[name].points) for name in alike}}

    def _quickest(
        self, items: Sequence[pytest.Item], checks: Mapping[str, Check], using: Collection[str]
    ) -> list[pytest.Item]:
        """Where one loss is enough: training last, what runs the change first, none before what it needs."""
        seconds = {result.id: result.seconds + 1e-6 for result in self.checks}

        def cost(check: str) -> float:
            return seconds[check] + sum(map(cost, checks[check].needs))

        return sorted(
            items,
            key=lambda item: (declared(item).seconds or 0.0, declared(item).id not in using, cost(declared(item).id)),
        )

    def _using(self, program: Program, checks: Mapping[str, Check]) -> set[str]:
        """The checks for which runs what the program changes, those it is said to fail, and what they need."""
        changes = tuple(f"{name}." for name in program.changes)
        found = {check for check, names in self._used.items() if any(f"{name}.".startswith(changes) for name in names)}
        if not found:
            return set(checks)
        waiting = [*found, *(program.again or ())]
        while waiting:
            found.add(check := waiting.pop())
            waiting += [need for need in checks[check].needs if need not in found]
        return found

    def _mark(self, result: CheckResult) -> Mark:
        errors = self._raised.get(result.id, [])
        ratios = [getattr(error, "ratio", None) if isinstance(error, CheckFailed) else None for error in errors]
        known = [ratio for ratio in ratios if ratio is not None and math.isfinite(ratio)]
        ratio = max(known) if known and len(known) == len(errors) else None
        said = clean(errors[0], 300) if errors else result.message or ""  # the record of a hidden check says nothing
        return Mark(result.status, result.points, bool(result.followed), said, ratio)


def _note(solution: dict[str, object], used: set[str], frame: FrameType, *_: object) -> None:
    if frame.f_globals is solution:  # told of calls alone: no function asks for its lines
        used.add(frame.f_code.co_qualname)


def _left_out(checks: Sequence[Check], program: Program, seed: int) -> set[str]:
    """What is not run on the program with this seed: training that nobody asked for, and what has been seen before."""
    every, training = {check.id for check in checks}, {check.id for check in checks if check.seconds is not None}
    wanted = training if program.trains is None else training & set(program.trains)
    left_out = training - wanted if seed in program.seeds[: program.trainings] else training
    return left_out | (every - set(program.again) if program.again is not None and seed != program.seeds[0] else set())
