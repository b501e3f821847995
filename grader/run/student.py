"""The student's end of a marking session: a process that is started, asked, killed at its limits and started again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from grader.assignment import Assignment
from grader.checks.declare import Check
from grader.checks.evidence import is_trying
from grader.errors import Fault, GraderError, StudentError
from grader.records import Visibility
from grader.run.blame import Strikes, died, no_answer, require, their_error, worked_too_long
from grader.sandbox.folders import Folders
from grader.sandbox.launch import Ending, Life, Warm
from grader.text import clean
from grader.wire.frames import WireClosedError, WireTimeoutError
from grader.wire.proxy import answer_lent
from grader.wire.values import WireError

_PATIENCE = 3
_MAX_STARTS = 20  # a file that dies at each call would cost a load each time
_MAX_STRINGS = 500  # names and notes that are believed to be there
_MAX_LENT_CALLS = 10_000  # in one check


class StudentPort:
    """Answers with the student's code, in its own locked process. Every failure comes out as a StudentError."""

    def __init__(
        self,
        warm: Warm,
        assignment: Assignment,
        folders: Folders,
        main: str,
        *,
        number: int = 0,
        trains: bool = False,
    ) -> None:
        limits = assignment.limits
        self._spawn = partial(
            warm.spawn, folders.source, main, folders.work, limits, data=assignment.data, number=number, trains=trains
        )
        self._renew = folders.renew
        self._wanted = (*assignment.names, *assignment.parts)
        self._rules = {"forbidden": list(assignment.forbidden), "graded": list(self._wanted)}
        self._limits = limits
        self._life: Life | None = None
        self._deadline = time.monotonic() + limits.total_seconds
        self._call_seconds = limits.call_seconds
        self._cpu = 0.0
        self._starts = 0
        self._strikes = Strikes(Fault.TIMEOUT)
        self._seed = 0
        self.epoch = 0
        self.released: list[int] = []
        self.lent: list[Callable[[Any], object]] = []
        self._lent_calls = 0
        self.output = ""
        self.output_limit = limits.output_kb << 10
        self._muted = False
        self.notes: list[str] = []
        self.names: Mapping[str, str] = {}
        self.lost: Mapping[str, str] = {}  # why a name that one looks for is not there, in the process's own words
        self._findings: list[tuple[str, str, int, list[str]]] = []

    def load(self) -> None:
        """Inspect and run the file. Raises StudentError, whose fault says whether it is invalid, crashed, out of
        time ...
        """
        if self._starts >= _MAX_STARTS:
            raise StudentError(
                Fault.CRASHED, "your code ended its process too often; the remaining checks were not run"
            )
        if self._cpu >= self._limits.cpu_seconds:
            raise worked_too_long(self._limits)
        self._starts += 1
        self.released.clear()
        self._renew()
        self._life = self._spawn()
        inspection: Any = self._ask("inspect", self._rules, self._limits.load_seconds)
        try:
            imported = set(inspection["imported"])
            where = {str(k): str(v) for k, v in inspection["names"].items() if k not in imported}
            self._findings = [(str(c), str(w), int(n), list(o)) for c, w, n, o in inspection["findings"]]
            notes = [*inspection["notes"]]
        except (TypeError, KeyError, ValueError, AttributeError):
            raise StudentError(Fault.WIRE, "the file could not be inspected") from None
        ran = self._ask("run", {}, self._limits.load_seconds)
        # what is there now is only known on their side; a call to a name that is not there fails anyway
        defined, more = _strings(ran, "names"), _strings(ran, "notes")
        self.names = {name: where.get(name, "") for name in defined if name not in imported or name in self._wanted}
        self.notes = [clean(note, 300) for note in (*notes, *more)][:50]
        self.lost = _words(ran, "lost")

    def reseed(self, seed: int) -> None:
        """Start the random numbers of the next calls at `seed`. A check begins, and what was lent is given back."""
        self._seed = seed
        self.lent.clear()
        self._lent_calls = 0

    def begin_check(self, check: Check, visibility: Visibility) -> None:
        """From the first hidden check on nothing that is printed is kept: it could show a hidden input."""
        self._call_seconds = check.seconds or self._limits.call_seconds
        if visibility == "hidden":
            self.mute()

    def request(self, op: str, fields: dict[str, object]) -> object:
        """Ask the student's code. A process that a former check ended is started again first."""
        require(fields, self.names, self._findings, self.lost)
        if self._life is None:
            self.load()
        self._seed += not is_trying()  # how a mapping was found moves no random number of the check's
        drop, self.released = tuple(self.released), []
        with self._strikes.one(fields):
            return self._ask(op, {**fields, "seed": self._seed, "drop": drop}, self._call_seconds)

    def _ask(self, op: str, fields: Mapping[str, object], seconds: float) -> object:
        if self._life is None:
            raise GraderError("a question to a process that is not there")
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._ended(
                StudentError(Fault.TIMEOUT, f"the whole file used up its {self._limits.total_seconds:g} seconds")
            )
        try:
            over = _budget(self._life, seconds, left)
            reply = self._life.stream.ask({"op": op, "fields": dict(fields)}, over, self._serve)
        except WireTimeoutError:
            what = "loading the file" if op == "run" else "the call"
            raise self._ended(
                StudentError(Fault.TIMEOUT, f"{what} took longer than {seconds:g} seconds and was stopped")
            ) from None
        except WireClosedError:
            raise self._ended(None) from None
        except WireError as error:
            message = f"your code's process wrote something that is not an answer ({clean(error, 80)})"
            raise self._ended(StudentError(Fault.WIRE, message)) from None
        if isinstance(reply, dict) and set(reply) == {"value"}:
            return reply["value"]
        raise their_error(reply)

    def _serve(self, asked: Any) -> object:
        """What the check lent, called by the student's code. A call that cannot be made is refused in words."""
        self._lent_calls += 1
        try:
            if self._lent_calls > _MAX_LENT_CALLS:
                raise TypeError("it was called too often")
            value = answer_lent(self, asked["number"], asked["arguments"])
        except (TypeError, KeyError) as error:
            return {"refused": clean(error, 300)}
        return {"value": value}

    def _ended(self, known: StudentError | None) -> StudentError:
        """The process is over: collect how, and what it printed. The next request starts another."""
        ending = self.close()
        return known or died(ending, self._limits)

    def leave(self) -> None:
        """Take what it printed and have it ended, without waiting for that as `close` does."""
        self.mute()
        if self._life is not None:
            self._life.let_go()

    def close(self) -> Ending:
        """End the process if there is one."""
        if self._life is None:
            return Ending(0, "", 0.0)
        ending, printed = self._life.end()
        self._life = None
        self.epoch += 1
        self._cpu += ending.cpu
        if not self._muted:
            self.output = (self.output + printed)[: 2 * self.output_limit]
        return ending

    def mute(self) -> None:
        """From here on nothing that is printed is kept: it could show a hidden input."""
        if not self._muted:
            self.output = (self.output + (self._life.printed() if self._life else ""))[: 2 * self.output_limit]
            self._muted = True


def _budget(life: Life, seconds: float, left: float) -> Callable[[], bool]:
    """Over when the student's process has worked for `seconds`, or has had thrice as long on the clock.

    Processor time first: on a busy machine a correct answer takes longer and is still in time.
    """
    started, worked = time.monotonic(), -1.0

    def over() -> bool:
        nonlocal worked
        if worked < 0:  # the first look comes within a moment of the start, and most calls are over before
            worked = life.cpu()
        passed = time.monotonic() - started
        return passed > min(_PATIENCE * seconds, left) or (passed > seconds and life.cpu() - worked > seconds)

    return over


def _strings(value: object, name: str) -> list[str]:
    """The list of strings under `name`. Raises StudentError for anything else."""
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise no_answer()
    return found[:_MAX_STRINGS]


def _words(value: object, name: str) -> dict[str, str]:
    """The words under `name`, by the name that they explain."""
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, dict) or not all(isinstance(item, str) for item in found.values()):
        raise no_answer()
    return {str(key): clean(text, 300) for key, text in list(found.items())[:_MAX_STRINGS]}
