"""What went wrong on the student's side, in words for them."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from grader.errors import Fault, StudentError
from grader.intake.source import nearest
from grader.records import Limits, Status
from grader.text import clean
from grader.wire.values import Handle

if TYPE_CHECKING:
    from grader.sandbox.launch import Ending  # not on Windows, where students check their own code

_STRIKES = 2
# How a failure while loading is called in the results; any other one is `invalid`.
STATUS = {
    Fault.TIMEOUT: Status.TIMEOUT,
    Fault.MEMORY: Status.MEMORY,
    Fault.CRASHED: Status.CRASHED,
    Fault.BLOCKED: Status.BLOCKED,
    Fault.WIRE: Status.CRASHED,
}


def died(ending: Ending, limits: Limits) -> StudentError:
    """What to tell a student whose process is gone."""
    if ending.why == "memory":
        return StudentError(Fault.MEMORY, f"your code used more than {limits.memory_mb} MiB of memory and was stopped")
    if ending.why == "disk":
        return StudentError(Fault.BLOCKED, f"your code wrote more than {limits.disk_mb} MiB of files and was stopped")
    match ending.signal:
        case signal.SIGXCPU:
            return worked_too_long(limits)
        case signal.SIGKILL if ending.cpu >= limits.cpu_seconds:
            return worked_too_long(limits)
        case signal.SIGSYS:
            return StudentError(Fault.BLOCKED, "your code tried something that the grader's lock does not allow")
        case 0:
            return StudentError(Fault.CRASHED, "your code ended its process (os._exit, perhaps) instead of returning")
    name = signal.strsignal(ending.signal) or f"signal {ending.signal}"
    return StudentError(Fault.CRASHED, f"your code crashed its process ({name})")


def worked_too_long(limits: Limits) -> StudentError:
    """The processor time of the whole submission is used up."""
    return StudentError(Fault.TIMEOUT, f"your code used more than {limits.cpu_seconds} seconds of processor time")


class Strikes:
    """Counts the calls of each function or class that ended in one of `faults`; after two it is not tried again."""

    def __init__(self, *faults: Fault) -> None:
        self._faults = faults
        self._count: Counter[str] = Counter()

    @contextmanager
    def one(self, fields: Mapping[str, Any]) -> Iterator[None]:
        """Inside, a request is made. Raises StudentError at once where what it asks for is not tried again."""
        target, path = fields.get("target"), fields.get("path", ())
        name = target.kind if isinstance(target, Handle) else path[0] if path else ""
        if self._count[name] >= _STRIKES:
            words = f"`{clean(name, 60)}` was stopped {_STRIKES} times and is not tried again"
            raise StudentError(self._faults[0], words)
        try:
            yield
        except StudentError as error:
            self._count[name] += error.fault in self._faults
            raise


def require(
    fields: Mapping[str, Any],
    names: Mapping[str, str],
    findings: Sequence[tuple[str, str, int, Sequence[str]]],
    lost: Mapping[str, str],
) -> None:
    """A name that uses a forbidden call is not called; one that is not there is missing. Raises StudentError."""
    path = fields.get("path", ())
    if fields.get("target") is not None or not path or path[0] == "torch":
        return
    name = path[0]
    for call, where, line, owners in findings:
        if name in owners:
            words = f"`{clean(name, 60)}` uses {clean(call, 100)} ({clean(where, 60)})"
            raise StudentError(Fault.FORBIDDEN, f"{words}, which this assignment asks you to write yourself", line=line)
    if name not in names:
        raise missing((name,), names, lost)


def missing(names: tuple[str, ...], found: Mapping[str, str], lost: Mapping[str, str]) -> StudentError:
    """The file does not define `names`: say why, where `lost` knows it, else what it does define, and the nearest."""
    wanted = ", ".join(f"`{name}`" for name in names)
    if why := next((lost[name] for name in names if name in lost), None):
        return StudentError(Fault.MISSING, f"your file does not define {wanted}: {why}.")
    guesses = [f"`{clean(g, 60)}`{_at(found[g])}" for n in names if (g := nearest(n, found)) is not None]
    hint = f"; did you mean {' and '.join(dict.fromkeys(guesses))}?" if guesses else "."
    listed = ", ".join(clean(n, 40) for n in list(found)[:12]) or "nothing"
    return StudentError(Fault.MISSING, f"your file does not define {wanted}{hint} It defines: {listed}.")


def _at(where: str) -> str:
    return f" ({clean(where, 40)})" if where else ""


def no_answer() -> StudentError:
    """A reply that no reply of ours looks like."""
    return StudentError(Fault.WIRE, "your code's process gave an answer that is not one")


def their_error(reply: object) -> StudentError:
    """Words for an exception on their side. What it claims to be decides nothing but the words."""
    error: Any = reply.get("error") if isinstance(reply, dict) else None
    said = error.get("fault") if isinstance(error, dict) else None
    if not isinstance(said, str) or said not in set(Fault):
        return no_answer()
    fault = Fault(said)
    raised: Any = error.get("raised")
    if not isinstance(raised, dict):
        line = error.get("line")
        return StudentError(fault, clean(error.get("message", ""), 600), line=line if type(line) is int else None)
    name, message = clean(raised.get("name", ""), 100), clean(raised.get("message", ""), 600)
    line = raised.get("line") if type(raised.get("line")) is int else None
    where = (
        f" ({clean(raised.get('file', ''), 80)}, line {line}: `{clean(raised.get('code', ''), 120)}`)" if line else ""
    )
    words = {
        Fault.EXITED: f"your code called sys.exit (or exit) instead of returning{where}",
        Fault.MEMORY: f"your code ran out of memory{where}: {message}",
        Fault.BLOCKED: f"your code tried something that the grader's lock does not allow{where}: {message}",
        Fault.FORBIDDEN: f"{message}{where}",
        Fault.TIMEOUT: f"{message}{where}; is there a loop that never ends?",
    }.get(fault, f"your code raised {name}{where}: {message}")
    bases = raised.get("bases")
    kinds = [clean(b, 100) for b in bases[:20]] if isinstance(bases, tuple) else []
    return StudentError(fault, words, exception=" ".join([name, *kinds]), said=message, line=line)
