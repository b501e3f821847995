"""What went wrong on the student's side, in words for them."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from grader.errors import Fault, StudentError
from grader.intake.source import nearest
from grader.records import Limits
from grader.sandbox.launch import Ending
from grader.text import clean


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


def missing(names: tuple[str, ...], found: Mapping[str, str]) -> StudentError:
    """The file does not define `names`: say what it does define, and the nearest."""
    wanted = ", ".join(f"`{name}`" for name in names)
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
    }.get(fault, f"your code raised {name}{where}: {message}")
    bases = raised.get("bases")
    kinds = [clean(b, 100) for b in bases[:20]] if isinstance(bases, tuple) else []
    return StudentError(fault, words, exception=" ".join([name, *kinds]), said=message, line=line)
