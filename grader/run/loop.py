"""pytest's run loop for a batch: forks a marker for each submission and takes the results as they come."""

from __future__ import annotations

import gc
import json
import math
import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import pytest

from grader.errors import UsageError
from grader.intake.collect import Bundle
from grader.records import Outcome, Result, Status
from grader.run.marker import HandBack, mark
from grader.run.plugin import Checks
from grader.run.session import run_items, total_points
from grader.run.trace import SeededPort
from grader.sandbox.launch import Warm

_GRACE = 120.0  # seconds a marker may take over its submission's own limit before it counts as hung

Work = list[tuple[Bundle, Result]]  # what is to be graded, and its result as far as it is known before


@dataclass(slots=True)
class _Marker:
    """A forked marker: waits for its turn, works, hands in."""

    pid: int
    turn: int  # a byte written here lets it begin
    pipe: int
    blank: Result
    deadline: float = math.inf  # from its turn on
    received: bytearray = field(default_factory=bytearray)


class ForkingLoop:
    """pytest's run loop for a batch: at most `jobs` markers at a time, results taken as they come."""

    def __init__(
        self,
        warm: Warm,
        checks: Checks,
        solution: SeededPort,
        jobs: int,
        plan: Callable[[float], Work],
        take: Callable[[Result], None],
        hand_back: HandBack,
    ) -> None:
        """`plan` is called with the points there are in all, once the checks are collected; `take` with each result."""
        self.error: BaseException | None = None
        self._warm = warm
        self._checks = checks
        self._solution = solution
        self._jobs = jobs
        self._plan = plan
        self._take = take
        self._hand_back = hand_back
        self._work: Work = []
        self._selector = selectors.DefaultSelector()
        self._markers: dict[int, _Marker] = {}  # by pipe
        self._started = 0
        self._leaving: list[int] = []  # markers that have handed in and are about to be gone

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Grade everything. Nothing may leave through pytest, which would print it: errors wait in `error`."""
        try:
            points = total_points(self._checks, session)
            self._rehearse(session)
            self._work = self._plan(points)[::-1]
            gc.collect()
            gc.freeze()  # what is here now stays shared with every marker
            finished: list[Result] = []
            while self._work or self._markers or finished:
                self._let_begin()
                while self._work and len(self._markers) <= self._jobs:  # one more waits, forked and ready
                    self._start(session, *self._work.pop())
                    self._let_begin()
                for result in finished:  # stored and rendered while the next ones run
                    self._take(result)
                self._reap()
                finished = self._wait()
        except BaseException as error:
            self.error = error
            for marker in list(self._markers.values()):
                os.kill(marker.pid, signal.SIGKILL)
                os.waitpid(marker.pid, 0)
        finally:
            self._selector.close()
            self._reap(wait=True)
        return True

    def _rehearse(self, session: pytest.Session) -> None:
        """The solution goes first: where it does not pass, no student's marks mean anything. And it warms what
        follows.
        """
        self._checks.begin(self._solution)
        run_items(session)
        for check in self._checks.results():
            if check.points < check.max_points or check.status not in (Outcome.PASSED, Outcome.SKIPPED):
                where = f"{self._checks.assignment.solution}: the solution itself does not pass test_{check.id}"
                raise UsageError(f"{where}: {check.message} Nothing was graded.")

    def _start(self, session: pytest.Session, bundle: Bundle, blank: Result) -> None:
        waits, turn = os.pipe()
        reader, writer = os.pipe()
        self._started += 1
        # A Ctrl-C during the fork would be swallowed by a hook that runs after it, here or there.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            os.close(turn)
            _mark_and_exit(waits, lambda stack: self._mark(session, bundle, blank, stack), writer)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        os.close(waits)
        os.close(writer)
        self._markers[reader] = _Marker(pid, turn, reader, blank)
        self._selector.register(reader, selectors.EVENT_READ)

    def _let_begin(self) -> None:
        waiting = [marker for marker in self._markers.values() if marker.deadline == math.inf]
        for marker in waiting[: self._jobs - len(self._markers) + len(waiting)]:
            os.write(marker.turn, b"!")
            marker.deadline = time.monotonic() + self._checks.assignment.limits.total_seconds + _GRACE

    def _mark(self, session: pytest.Session, bundle: Bundle, blank: Result, stack: ExitStack) -> Result:
        # Marker and student take turns: on one processor neither has to wake up. The next pair takes another one, where
        # the last pair's memory is not being taken down.
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cpus[self._started % len(cpus)]})
        return mark(
            bundle,
            blank,
            warm=self._warm,
            checks=self._checks,
            run_checks=lambda: run_items(session),
            stack=stack,
            number=self._started,
            hand_back=self._hand_back,
        )

    def _wait(self) -> list[Result]:
        finished = []
        for key, _ in self._selector.select(1.0 if self._markers else 0):
            marker = self._markers[key.fd]
            piece = os.read(marker.pipe, 1 << 16)
            marker.received += piece
            if not piece:
                finished.append(self._finish(marker))
        for marker in list(self._markers.values()):
            if time.monotonic() > marker.deadline:
                os.kill(marker.pid, signal.SIGKILL)
        return finished

    def _finish(self, marker: _Marker) -> Result:
        self._selector.unregister(marker.pipe)
        os.close(marker.pipe)
        os.close(marker.turn)
        del self._markers[marker.pipe]
        try:
            result = Result.from_json(json.loads(marker.received))
        except (ValueError, KeyError, TypeError):
            _, status = os.waitpid(marker.pid, 0)
            how = f"signal {status & 127}" if status & 127 else f"exit code {status >> 8}"
            words = f"not graded: the grader's own process ended ({how}) before it had a result"
            return replace(marker.blank, status=Status.ERROR, message=words)
        self._leaving.append(marker.pid)  # the next one need not wait until its memory is taken down
        return result

    def _reap(self, *, wait: bool = False) -> None:
        self._leaving = [pid for pid in self._leaving if os.waitpid(pid, 0 if wait else os.WNOHANG)[0] == 0]


def _mark_and_exit(waits: int, work: Callable[[ExitStack], Result], writer: int) -> None:
    """The forked marker's whole life."""
    code = 70
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees Ctrl-C and ends us
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        if not os.read(waits, 1):
            os._exit(0)  # the grader is gone
        with ExitStack() as stack:
            body = json.dumps(work(stack).to_json(), allow_nan=False).encode()
            with open(writer, "wb") as pipe:  # its end is the sign for the next one to begin
                pipe.write(body)
        code = 0
    except BaseException as error:
        os.write(2, f"grader: a marker failed: {type(error).__name__}: {error}\n".encode(errors="replace")[:600])
    finally:
        os._exit(code)
