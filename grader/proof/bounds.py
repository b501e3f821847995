"""What a program that is run to prove checks may take: processor time, time on the clock, memory."""

from __future__ import annotations

import math
import resource
import signal
import time
from typing import NoReturn

from grader.errors import Fault, StudentError
from grader.sandbox.limits import footprint

_MEMORY = 2 << 30  # bytes


def bound(seconds: float) -> None:
    """Let this process take so much more processor time and 2 GiB of memory, and end when it goes on all the same."""
    _, data, _ = footprint()
    if data:
        resource.setrlimit(resource.RLIMIT_DATA, (data + _MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    signal.signal(signal.SIGPROF, _too_long)
    allow(seconds)
    most = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + 2 * seconds + 1), most))
    signal.alarm(math.ceil(20 * seconds + 60))  # on the clock, for who only waits; this ends the process


def allow(seconds: float) -> None:
    """So much processor time from here on; told once more a second later, for who catches everything."""
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)


def _too_long(*_: object) -> NoReturn:
    raise StudentError(Fault.TIMEOUT, "this takes too long")
