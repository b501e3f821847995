"""The reference's answers to the public checks, recorded once and played back where the solution must not be.

The same check code runs against the recording: a port that gives the recorded answers in the order they were given.
What a check asks must be what was asked then. A few sums of it lie beside each answer: another processor's last digits
pass, other random numbers are told as what they are.
"""

from __future__ import annotations

import ctypes
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from grader import __version__
from grader.assignment import Assignment
from grader.errors import UsageError
from grader.records import Outcome
from grader.run.local import LocalPort, run_trusted
from grader.run.session import rehearse
from grader.text import clean
from grader.wire.values import WireError, decode, encode

_ROUNDING = 1e-4  # of the sum of sizes: other kernels differ by 1e-7, other random numbers by 1e-2
_ADDED = 1 << 16  # numbers of a tensor that are added up at most

_KIND = re.compile(rb'(\["h",\d+,")[^"]*')  # the class of an object of the solution's: nobody's business

Sums = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it crosses the wire, with what was asked and the sums of the numbers in the question."""

    header: bytes
    body: bytes
    asked: str
    sums: Sums

    @property
    def value(self) -> object:
        """Raises WireError when it is not one."""
        return decode(self.header, memoryview(self.body))

    def fits(self, asked: str, sums: Sums) -> bool:
        """Whether this answers what is asked now, up to rounding."""
        if asked != self.asked or len(sums) != len(self.sums):
            return False
        sizes = [max(size, 1e-30) for size in self.sums[::2] for _ in range(2)]
        return all(abs(now - then) <= _ROUNDING * size for now, then, size in zip(sums, self.sums, sizes, strict=True))


Tape = dict[str, list[Answer]]  # per check, by its seed


class RecordingPort(LocalPort):
    """The reference, with every answer kept."""

    def __init__(self, namespace: dict[str, object]) -> None:
        super().__init__(namespace)
        self.tape: Tape = {}

    def reseed(self, seed: int) -> None:
        """A check begins."""
        super().reseed(seed)
        self._answers = self.tape.setdefault(str(seed), [])

    def request(self, op: str, fields: dict[str, object]) -> object:
        """Answer, and keep the answer."""
        question = _question(op, fields)
        answer = super().request(op, fields)
        header, body = encode(answer)
        header = _KIND.sub(rb"\1", header)
        self._answers.append(Answer(header, b"".join(body), *question))
        return answer


class RecordedPort:
    """Plays a tape back. `made_with` are the versions it was recorded with."""

    def __init__(self, tape: Tape, made_with: Mapping[str, str]) -> None:
        self._tape = tape
        self._made_with = made_with
        self._left: list[Answer] = []
        self.epoch = 0
        self.lent: list[Callable[[Any], object]] = []  # never called: its answers are recorded

    @property
    def names(self) -> Collection[str]:
        """Nobody asks a recording what it defines."""
        return ()

    def reseed(self, seed: int) -> None:
        """A check begins."""
        self._left = list(self._tape.get(str(seed), []))[::-1]

    def request(self, op: str, fields: dict[str, object]) -> object:
        """The next answer on the tape. Raises UsageError when it answers something else than is asked here."""
        if not self._left or not self._left[-1].fits(*_question(op, fields)):
            raise UsageError(self._another_question())
        try:
            return self._left.pop().value
        except WireError as error:
            raise UsageError("the recorded answers are damaged: unpack the assignment's release again") from error

    def _another_question(self) -> str:
        then, now = (
            {name: version.partition("+")[0] for name, version in made.items()}
            for made in (self._made_with, versions())
        )
        if then == now:
            return (
                "The answers to this check were recorded for other numbers than it asks with here. This says nothing "
                "about your code. Take the assignment's newest release; if it says the same there, tell your instructor"
            )
        wanted = [f"{name}=={version}" for name, version in then.items() if now[name] != version]
        here = [f"{name} {now[name]}" for name in then if now[name] != then[name]]
        return (
            f"This check draws other random numbers with {' and '.join(here)} than those its answers were recorded "
            f"for. This says nothing about your code. To run it here: pip install {' '.join(wanted)}"
        )


def versions() -> dict[str, str]:
    """Of what decides which numbers a check asks with."""
    return {"torch": torch.__version__, "torchgrade": __version__}


def _question(op: str, fields: Mapping[str, object]) -> tuple[str, Sums]:
    """What is asked, and for each tensor and float in it the sum of sizes and one with weights that grow along it."""
    path: Any = fields.get("path") or ()
    found: list[float] = []
    for number in _numbers(fields):
        flat = number.detach().flatten()
        some = torch.nan_to_num(flat[:: len(flat) // _ADDED + 1].double(), 0.5, 2.0, -3.0)
        found += some.abs().sum().item(), (some * torch.linspace(1, 2, len(some), dtype=torch.float64)).sum().item()
    return ".".join((op, *path)), tuple(float(f"{number:.9g}") for number in found)


def _numbers(value: object) -> Iterator[torch.Tensor]:
    match value:
        case torch.Tensor():
            yield value
        case float():
            yield torch.tensor(value)
        case dict() | SimpleNamespace():
            for item in (value if isinstance(value, dict) else vars(value)).values():
                yield from _numbers(item)
        case tuple() | list():
            for item in value:
                yield from _numbers(item)


def record(assignment: Assignment) -> bytes:
    """Run the public checks on the solution; return what to store in `assignment.recorded`.

    Raises UsageError when the solution does not pass them.
    """
    port = RecordingPort(run_trusted(assignment, assignment.solution))
    student = LocalPort(run_trusted(assignment, assignment.solution), as_student=True)
    results = rehearse(assignment, [("solution", student)], hidden=False, reference=port)["solution"]
    for check in results:
        if check.status is not Outcome.PASSED:
            raise UsageError(f"{assignment.solution}: the solution does not pass test_{check.id}: {check.message}")
    tensors = {
        f"{seed}/{n}": torch.frombuffer(bytearray(answer.body), dtype=torch.uint8)
        for seed, answers in port.tape.items()
        for n, answer in enumerate(answers)
        if answer.body
    }
    headers = {seed: [(a.header.decode("ascii"), a.asked, a.sums) for a in found] for seed, found in port.tape.items()}
    told = json.dumps({"made_with": versions(), "answers": headers})  # one entry: of several the order would be chance
    return save(tensors or {"none": torch.zeros(1)}, {"recording": told})


def taken_apart(data: bytes) -> tuple[Tape, Mapping[str, str]]:
    """The tape that `record` returned and the versions it was made with. Raises UsageError when it is no recording."""
    try:
        size = int.from_bytes(data[:8], "little")
        told = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["recording"])
        bodies = {name: ctypes.string_at(tensor.data_ptr(), tensor.numel()) for name, tensor in load(data).items()}
        tape = {
            seed: [
                Answer(header.encode("ascii"), bodies.get(f"{seed}/{n}", b""), asked, tuple(sums))
                for n, (header, asked, sums) in enumerate(answers)
            ]
            for seed, answers in told["answers"].items()
        }
        return tape, {name: clean(told["made_with"][name], 40) for name in versions()}
    except (KeyError, ValueError, TypeError, AttributeError, SafetensorError) as error:
        what = f"the recorded answers cannot be read ({clean(error, 200)})"
        raise UsageError(f"{what}: unpack the release again; `grader build` makes them") from error


def recorded(path: Path) -> RecordedPort:
    """The port that plays `path` back. Raises UsageError when it is not there or is not a recording."""
    if not path.is_file():
        raise UsageError(
            f"{path}: there are no recorded answers here: unpack the release again; `grader build` makes them"
        )
    return RecordedPort(*taken_apart(path.read_bytes()))
