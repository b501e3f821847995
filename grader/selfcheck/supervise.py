"""Has one's own file checked by another process, which is ended when it hangs. Loads neither torch nor pytest."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from grader.assignment import Assignment
from grader.errors import Fault, GraderError, UsageError
from grader.records import Result, Status
from grader.sandbox.clock import PATIENCE
from grader.sandbox.printed import Printed
from grader.text import clean

_START_SECONDS = 120.0  # to import torch from a slow disk
_GRACE = 2.0  # seconds over its limit after which a call that the process does not end by itself is ended with it
_MOST_ENDINGS = 20  # processes that one file may take along
_ENVIRONMENT = {  # as in grading
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONWARNINGS": "ignore:Failed to initialize NumPy:UserWarning",  # torch's own, where numpy is not installed
    "OMP_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "CUDA_VISIBLE_DEVICES": "",
    "TORCHDYNAMO_DISABLE": "1",
}

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a process was lost: in which call, and what to tell about it."""

    place: tuple[int, int]  # (0, 0) while it was loading the file
    fault: Fault
    words: str


class Worker:
    """A process that imports all that the checks need, and then checks one file."""

    def __init__(self, assignment: Assignment, *, notebook: bool) -> None:
        """Start it; it gets ready by itself, for a module or a notebook."""
        self.blank: Result | None = None  # a result without checks, once it is ready
        self._limit = assignment.limits.output_kb << 10
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "grader.selfcheck.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_ENVIRONMENT},
        )
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._printed = Printed(self._limit)
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._listen, self._drain)]
        for reader in self._readers:
            reader.start()
        self._send({"root": str(assignment.root), "assignment": assignment.name, "notebook": notebook})

    def check(
        self, file: Path, ended: list[_Ended], tell: Callable[[Message], None], stop: Callable[[], bool]
    ) -> Result | _Ended | None:
        """Check `file`; return the result, or how the process ended instead, or None when `stop` says so.

        Raises GraderError when it could not even begin.
        """
        known = [(each.place, each.fault.value, each.words) for each in ended]
        self._send({"file": str(file.absolute()), "ended": known})
        place, seconds, heard = (0, 0), _START_SECONDS, time.monotonic()
        while not stop():
            try:
                message = self._messages.get(timeout=0.05)
            except queue.Empty:
                if time.monotonic() - heard > seconds:
                    return _hung(place)
                continue
            heard = time.monotonic()
            if message is None:
                if self.blank is None:
                    raise GraderError(f"the checks could not be started: {self._last_words()}")
                return _gone(place, self._process.wait())
            if "call" in message:
                place, seconds = tuple(message["call"]), PATIENCE * message["seconds"] + _GRACE
            elif "ready" in message:
                self.blank = Result.from_json(message["ready"])
            elif "broken" in message:
                raise (UsageError if message["usage"] else GraderError)(message["broken"])
            elif "result" in message:
                return Result.from_json(message["result"])
            else:
                tell(message)
        return None

    def end(self) -> None:
        """Kill it if it still lives."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def printed(self) -> str:
        """What the file printed; of much the beginning and the end."""
        self._readers[1].join(1.0)
        return clean(self._printed.text(), 2 * self._limit, lines=True)

    def _send(self, request: Message) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
            self._process.stdin.flush()
        except OSError:  # it is gone: its messages end, too
            return

    def _listen(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                self._messages.put(json.loads(line))
        self._messages.put(None)

    def _drain(self) -> None:
        assert self._process.stderr
        with self._process.stderr as pipe:
            while piece := os.read(pipe.fileno(), 1 << 16):
                self._printed.add(piece)

    def _last_words(self) -> str:
        lines = [line.strip() for line in self.printed().split("\n") if line.strip()]
        return lines[-1] if lines else "the process said nothing"


def _hung(place: tuple[int, int]) -> _Ended:
    what = "the call" if place[1] else "loading the file"
    return _Ended(place, Fault.TIMEOUT, f"{what} did not come to an end and was stopped; does it wait for something?")


def _gone(place: tuple[int, int], code: int) -> _Ended:
    if code == -getattr(signal, "SIGKILL", 0):
        words = "the system ended Python while your code ran, perhaps for lack of memory"
    elif 0 <= code < 256:
        words = "your code ended Python (os._exit, perhaps) instead of returning"
    else:
        how = (signal.strsignal(-code) if code < 0 else None) or f"code {code:#x}"
        words = f"your code crashed Python ({how})"
    return _Ended(place, Fault.CRASHED, words)


class Workers:
    """Gives a worker whenever one is asked for: the one that was prepared, if one was."""

    def __init__(self, assignment: Assignment, *, notebook: bool) -> None:
        self._start = partial(Worker, assignment, notebook=notebook)
        self._busy: Worker | None = None
        self._next: Worker | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def take(self) -> Worker:
        """A worker that has checked nothing; the one that was taken before is ended."""
        if self._busy:
            self._busy.end()
        self._busy = self._next or self._start()
        self._next = None
        return self._busy

    def prepare(self) -> None:
        """Let the next one get ready meanwhile."""
        self._next = self._next or self._start()

    def end(self) -> None:
        """End them all. What they have read of the assignment may be out of date."""
        for worker in filter(None, (self._busy, self._next)):
            worker.end()
        self._busy = self._next = None


def check_file(
    file: Path,
    workers: Workers,
    *,
    tell: Callable[[Message], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Result | None:
    """Have `file` checked. A call that ends or hangs its process costs its own check; the others run all the same.

    `tell` hears which check runs and how training goes. Returns None when `stop` says so. Raises UsageError for a
    broken assignment.
    """
    ended: list[_Ended] = []
    printed = ""
    while True:
        worker = workers.take()
        outcome = worker.check(file, ended, tell, stop)
        if outcome is None:
            return None
        worker.end()
        printed += worker.printed()
        if isinstance(outcome, Result):
            return replace(outcome, output=printed)
        ended.append(outcome)
        if worker.blank and (not outcome.place[1] or len(ended) > _MOST_ENDINGS):
            status = Status.TIMEOUT if outcome.fault is Fault.TIMEOUT else Status.CRASHED
            return replace(worker.blank, submission=file.name, status=status, message=outcome.words, output=printed)
