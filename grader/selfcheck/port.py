"""One's own file behind a port, in this very process: what it is asked and what it answers is as in grading."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch

from grader.assignment import Assignment
from grader.checks.declare import Check
from grader.checks.evidence import is_trying
from grader.errors import Fault, GraderError, StudentError
from grader.intake.inspect import inspect
from grader.intake.program import Program
from grader.run.blame import Strikes, missing, require, their_error
from grader.sandbox import cuda
from grader.sandbox.clock import TimeUp, clock
from grader.sandbox.running import attempt, run_source
from grader.sandbox.stand_ins import Remarks, find_by_name
from grader.text import clean
from grader.wire.host import Host
from grader.wire.proxy import answer_lent
from grader.wire.values import NotAValueError, WireError, decode, encode

Place = tuple[int, int]  # a call: the seed of its check, and the number of the call in it


class OwnPort:
    """Answers with code of this process, each call within its time. Failures come out as StudentErrors.

    `ended` are calls that are known to end the process; they are not made again. `tell` hears of each call before it is
    made: where it stands, and how long it may take.
    """

    def __init__(
        self,
        assignment: Assignment,
        namespace: Mapping[str, object],
        is_own: Callable[[str], bool],
        *,
        ended: Mapping[Place, StudentError] | None = None,
        tell: Callable[[Place, float], None] = lambda *_: None,
    ) -> None:
        self.names: Mapping[str, str] = dict.fromkeys(namespace, "")
        self.findings: Sequence[tuple[str, str, int, Sequence[str]]] = ()  # forbidden calls, as `inspect` gives them
        self.remarks = Remarks(assignment.packages, here="here")
        self.epoch = 0
        self.released: list[int] = []
        self.lent: list[Callable[[Any], object]] = []
        self.is_own = is_own
        self._limits = assignment.limits
        self._call_seconds = assignment.limits.call_seconds
        self._host = Host(namespace, self._borrow)
        self._strikes = Strikes(Fault.TIMEOUT, Fault.CRASHED)
        self._ended = ended or {}
        self._tell = tell
        self._seed = 0
        self._place: Place = (0, 0)
        self._ours: Exception | None = None  # what the check itself raised while the student's code called it

    def begin_check(self, check: Check, *_: object) -> None:
        """A check that trains has a limit of its own."""
        self._call_seconds = check.seconds or self._limits.call_seconds

    def reseed(self, seed: int) -> None:
        """Start the random numbers of the next calls at `seed`. A check begins, and what was lent is given back."""
        self._seed = seed
        self._place = (seed, 0)
        self.lent.clear()

    def request(self, op: str, fields: dict[str, object]) -> object:
        """Ask the code; tensors are copied on both ways, as they are where two processes talk."""
        require(fields, self.names, self.findings, self.remarks.lost)
        self._seed += not is_trying()  # how a mapping was found moves no random number of the check's
        drop, self.released = tuple(self.released), []
        self._place = place = (self._place[0], self._place[1] + 1)
        with self._strikes.one(fields):
            if place in self._ended:
                raise self._ended[place]
            self._tell(place, self._call_seconds)
            python = random.getstate()
            try:
                with torch.random.fork_rng(devices=[]):
                    return self._ask(op, {**_crossed(fields), "seed": self._seed, "drop": drop})
            finally:
                random.setstate(python)

    def _ask(self, op: str, fields: dict[str, object]) -> object:
        reply = self.within(self._call_seconds, "the call", lambda: self._host.answer(op, fields))
        if self._ours is not None:
            error, self._ours = self._ours, None
            raise error
        try:
            return _crossed(reply)
        except (NotAValueError, WireError, MemoryError, RuntimeError, TypeError, ValueError) as error:
            raise StudentError(Fault.WIRE, clean(error, 300)) from None

    def within(self, seconds: float, what: str, act: Callable[[], object]) -> object:
        """Return `act()`, or raise a StudentError with what went wrong in it."""
        try:
            reply = clock().limited(seconds, what, lambda: attempt(act, self.is_own, self.remarks.explain))
        except TimeUp as late:
            raise StudentError(Fault.TIMEOUT, str(late)) from None
        if "value" in reply:
            return reply["value"]
        if self._ours is not None:
            return None
        raise their_error(reply)

    def _borrow(self, number: int, arguments: object) -> object:
        """Call what the check lent. What the check itself raises is not the student's to catch."""
        try:
            return _crossed(answer_lent(self, number, _crossed(arguments)))
        except (GraderError, StudentError) as error:
            self._ours = error
            raise


def load(
    assignment: Assignment,
    file: Path,
    *,
    ended: Mapping[Place, StudentError],
    tell: Callable[[Place, float], None],
) -> tuple[OwnPort, list[str]]:
    """Inspect and run `file`, as the module that it is handed in as; return its port, and notes. Raises StudentError.

    The process is given over to it.
    """
    limits, wanted = assignment.limits, (*assignment.names, *assignment.parts)
    program = Program(file.parent, file.name)
    found = inspect(program, assignment.forbidden, wanted)
    module = ModuleType(assignment.name)
    folder, checks = str(file.parent), str(assignment.public_checks)

    def is_own(name: str) -> bool:
        return name.startswith(folder) and "site-packages" not in name and name != checks

    port = OwnPort(assignment, module.__dict__, is_own, ended=ended, tell=tell)
    _prepare_process(assignment, file, port.remarks)
    seconds = limits.load_seconds
    run = partial(run_source, program.source, file, module, seconds / 2, port.remarks)
    notes = port.within(seconds, "loading the file", run)
    where: dict[str, str] = found["names"]
    imported = {*found["imported"]} - {*wanted}
    port.names = {n: where.get(n, "") for n in module.__dict__ if not n.startswith("__") and n not in imported}
    port.findings = found["findings"]
    if not any(name in port.names for name in assignment.names):
        raise missing(assignment.names, port.names, port.remarks.lost)
    return port, [*found["notes"], *cast("list[str]", notes), *_helpers(assignment, file)]


def _prepare_process(assignment: Assignment, file: Path, remarks: Remarks) -> None:
    """What the file imports and opens is found, and a GPU is not used: it computes other numbers."""
    sys.path.insert(0, str(file.parent))
    sys.meta_path.append(_Provided(assignment))
    sys.dont_write_bytecode = True
    os.chdir(assignment.folder if assignment.data else file.parent)
    sys.argv[:] = [str(file)]
    if assignment.data:
        find_by_name(assignment.data, assignment.folder, remarks.say)
    if cuda.is_mentioned(file, *file.parent.glob("*.py")):
        cuda.use_the_cpu()


class _Provided(MetaPathFinder):
    """Finds the modules that the assignment provides, after those that lie beside the file."""

    def __init__(self, assignment: Assignment) -> None:
        self._files = {path.stem: path for path in assignment.provided_files}

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """Where `name` is found."""
        return spec_from_file_location(name, self._files[name]) if name in self._files else None


def _helpers(assignment: Assignment, file: Path) -> list[str]:
    """A note about modules of one's own, which are easily forgotten when one hands in."""
    provided = {path.name for path in assignment.provided_files}
    files = {Path(module.__dict__.get("__file__") or "") for module in [*sys.modules.values()] if module}
    own = sorted(path.name for path in files if path.parent == file.parent and path.name not in {*provided, file.name})
    return [f"Your file imports {', '.join(own)}: hand that in with it, in one folder or zip."] if own else []


def _crossed(value: Any) -> Any:
    header, body = encode(value)
    return decode(header, memoryview(b"".join(body)))
