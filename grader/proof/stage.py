"""The checks, collected once and run on one program of ours after another, each in a process forked for it."""

from __future__ import annotations

import gc
import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import astuple, replace
from multiprocessing.connection import Connection, Pipe, wait
from typing import NoReturn, Protocol

import pytest
import torch

from grader.assignment import Assignment
from grader.proof.bounds import bound
from grader.proof.draws import Reference
from grader.proof.runs import AT_LEAST, Runs
from grader.proof.trial import Mark, Program, Trial
from grader.records import CheckResult, Outcome
from grader.run.plugin import Checks, declared
from grader.run.session import drive_pytest
from grader.run.tensors import fixed_tensors
from grader.sandbox.libc import prctl
from grader.text import clean

_SECONDS, _TIMES = 5.0, 20.0  # processor time for one seed: so much, and so often what the solution takes
_CALLS = 3  # of the length that a check which trains allows
_TOGETHER = 16  # brief programs at most for one process: to fork and to warm it takes longer than one of them


class Spare(Protocol):
    """Turns to run one more program, shared by all who have some: a semaphore."""

    def acquire(self, block: bool, /) -> bool:
        """Take one; False when none is there."""

    def release(self) -> None:
        """Give one back."""


def perform(
    assignment: Assignment, solution: Program, others: Sequence[Program], *, spare: Spare
) -> tuple[tuple[CheckResult, ...], dict[str, Trial]]:
    """Run the checks on every program, one at a time and one more for each `spare` turn; return the checks, and the
    trials by name. The solution goes first, here, and the reference remembers what it is asked meanwhile.

    Raises UsageError for a broken assignment.
    """
    torch.set_num_threads(1)  # this process forks: no thread may be alive in it
    reference = Reference(assignment)
    reference.specimens  # noqa: B018 - made here, they are shared with every process
    checks = Checks(assignment, reference, reporting=False, explain=True)
    runs = Runs(assignment, checks, reference)
    stage = _Stage(runs, reference, solution, others, spare)
    drive_pytest(assignment, [checks, runs, stage, fixed_tensors(assignment)], hidden=True)
    if stage.error:
        raise stage.error
    return runs.checks, stage.trials


class _Stage:
    """pytest's run loop: a process for each program."""

    def __init__(
        self, runs: Runs, reference: Reference, solution: Program, others: Sequence[Program], spare: Spare
    ) -> None:
        self.trials: dict[str, Trial] = {}
        self.error: BaseException | None = None
        self._runs = runs
        self._reference = reference
        self._solution = solution
        self._waiting = list(others)[::-1]
        self._spare = spare

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run everything. Nothing may leave through pytest, which would print it: errors wait in `error`."""
        running: dict[Connection, tuple[int, list[Program]]] = {}
        started: list[int] = []
        try:
            self._begin(session)
            gc.collect()
            gc.freeze()  # what is here now stays shared with every process
            while self._waiting or running:
                while self._waiting and (not running or self._spare.acquire(False)):
                    pid, reader = self._start(session, programs := self._next())
                    started.append(pid)
                    running[reader] = pid, programs
                for ready in wait(list(running), timeout=1.0):
                    if isinstance(ready, Connection) and self._take(ready, running[ready][1]):
                        del running[ready]
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

    def _begin(self, session: pytest.Session) -> None:
        """The solution without training. What it is trained for waits with the others."""
        self._runs.begin(session)
        solution = self._solution
        marks: dict[int, dict[str, Mark]] = {}
        others = max((len(program.seeds) for program in self._waiting), default=0)
        for seed, found in self._runs.each(session, replace(solution, trains=())):
            marks[seed] = found
            self._reference.learns = len(marks) < others  # for what follows, with the same seeds
        self.trials[solution.name] = Trial(marks)
        if any(declared(item).seconds is not None for item in session.items):
            self._waiting.append(replace(solution, seeds=solution.seeds[: solution.trainings]))

    def _next(self) -> list[Program]:
        """What the next process runs: one program, or some brief ones, fewer when few are left to share."""
        programs = [self._waiting.pop()]
        most = min(_TOGETHER, len(self._waiting) // 4)
        while programs[0].brief and len(programs) < most and self._waiting[-1].brief:
            programs.append(self._waiting.pop())
        return programs

    def _start(self, session: pytest.Session, programs: Sequence[Program]) -> tuple[int, Connection]:
        reader, writer = Pipe(duplex=False)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # a hook that runs after the fork would swallow it
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees Ctrl-C and ends us
            prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: however the parent ends
            self._perform_and_exit(session, programs, writer)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        writer.close()
        return pid, reader

    def _take(self, reader: Connection, programs: list[Program]) -> bool:
        """Keep what became of the first of the process's `programs`. Returns whether the process is through."""
        try:
            runs, trouble, more = json.loads(reader.recv_bytes())
        except (EOFError, OSError):
            runs, trouble, more = {}, "it took too long, too much memory, or ended Python itself", False
        marks = {
            int(seed): {check: Mark(Outcome(status), *rest) for check, (status, *rest) in run.items()}
            for seed, run in runs.items()
        }
        program = programs.pop(0)
        known = self.trials.get(program.name, Trial({}))
        self.trials[program.name] = Trial({**known.marks, **marks}, trouble)
        if not more:
            self._waiting += programs[::-1]
            programs.clear()
        if not programs:
            reader.close()
        return not programs

    # -- in the forked process -------------------------------------------------------------------------------------

    def _perform_and_exit(self, session: pytest.Session, programs: Sequence[Program], writer: Connection) -> NoReturn:
        try:
            null = os.open(os.devnull, os.O_RDWR)  # what a program prints is of no interest
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            for program in programs:
                runs, trouble = self._perform(session, program)
                # One that was ended, by `allow` or otherwise, may leave torch or pytest in pieces: the last one here.
                more = not trouble and time.process_time() < AT_LEAST
                writer.send_bytes(json.dumps([runs, trouble, more], allow_nan=False).encode())
                if not more:
                    break
        finally:
            os._exit(0)

    def _perform(self, session: pytest.Session, program: Program) -> tuple[dict[int, object], str]:
        runs: dict[int, object] = {}
        try:
            bound(self._seconds_for(session, program))
            for seed, marks in self._runs.each(session, program):
                runs[seed] = {check: astuple(mark) for check, mark in marks.items()}
        except BaseException as error:
            return runs, f"{type(error).__name__}: {clean(error, 400)}"
        return runs, ""

    def _seconds_for(self, session: pytest.Session, program: Program) -> float:
        training = {check.id: check.seconds or 0.0 for check in map(declared, session.items)}
        trains = program.trainings * sum(
            n for check, n in training.items() if program.trains is None or check in program.trains
        )
        return len(program.seeds) * (_SECONDS + _TIMES * self._runs.seconds) + _CALLS * trains
