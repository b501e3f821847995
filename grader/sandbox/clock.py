"""Ends an act that takes too long, on every system: by an exception in the code that is running."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

PATIENCE = 3  # times its processor time that an act may take on the clock: a busy machine changes no outcome
_TICK = 0.05
_AGAIN = 1.0  # seconds after which code that swallows the end of its time is told again

T = TypeVar("T")


class TimeUp(BaseException):
    """The time is over. Not an Exception: `except Exception` in a training loop does not keep the loop alive."""

    words = "the time is over"  # of the act that was ended last

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True)
class _Turn:
    """One act: its limit, when it began, and the processor time used up to then."""

    seconds: float
    words: str
    began: float
    worked: float

    @property
    def late(self) -> bool:
        passed = time.monotonic() - self.began
        return passed > PATIENCE * self.seconds or time.process_time() - self.worked > self.seconds


def clock() -> Clock:
    """The clock of the thread that asks."""
    return _clock(threading.get_ident())


class Clock:
    """Time limits for what is done in one thread; `clock()` gives that of the running one.

    Python code is ended wherever it is. What waits outside Python, in `time.sleep` or in another library, is ended when
    it comes back: whoever must be sure runs it in a process that can be killed.
    """

    def __init__(self, thread: int) -> None:
        self._thread = ctypes.c_ulong(thread)
        self._turn: _Turn | None = None
        self._lock = threading.RLock()
        threading.Thread(target=self._watch, daemon=True).start()

    def limited(self, seconds: float, what: str, act: Callable[[], T]) -> T:
        """Return `act()`. TimeUp is raised in it after `seconds` of processor time, or three times as many on the
        clock; its words name `what` took so long. An act may hold another one.
        """
        outer = self._turn
        words = f"{what} took longer than {seconds:g} seconds and was stopped"
        self._turn = _Turn(seconds, words, time.monotonic(), time.process_time())
        try:
            try:
                return act()
            finally:
                self._go_on(outer)
        except TimeUp:  # perhaps on the way out of `act`, and `_go_on` was cut short
            self._go_on(outer)
            raise

    def _go_on(self, outer: _Turn | None) -> None:
        with self._lock:
            self._turn = outer
        for _ in range(2):  # a jump back: what was raised before the turn ended arrives here at the latest
            continue

    def _watch(self) -> None:
        while True:
            time.sleep(_TICK)
            with self._lock:
                if late := self._turn is not None and self._turn.late:
                    TimeUp.words = self._turn.words if self._turn else ""
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread, ctypes.py_object(TimeUp))
            if late:
                time.sleep(_AGAIN)


_clock = cache(Clock)
