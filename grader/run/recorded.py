"""The reference's answers to the public checks, recorded once and played back where the solution must not be.

The same check code runs against the recording: a port that gives the recorded answers in the order they were given.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from grader.assignment import Assignment
from grader.errors import GraderError, UsageError
from grader.records import Outcome
from grader.run.local import LocalPort, run_trusted
from grader.run.rehearse import rehearse
from grader.wire.values import WireError, decode, encode

Tape = dict[str, list[tuple[bytes, bytes]]]  # per check, by its seed: header and body of each answer


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
        answer = super().request(op, fields)
        header, body = encode(answer)
        self._answers.append((header, b"".join(body)))
        return answer


class RecordedPort:
    """Plays a tape back."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._left: list[tuple[bytes, bytes]] = []
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
        """The next answer on the tape. Raises GraderError when the tape is of other checks than these."""
        del op, fields  # the check asks in the order in which it was recorded
        try:
            header, body = self._left.pop()
            return decode(header, memoryview(body))
        except (IndexError, WireError) as error:
            raise GraderError(
                "the recorded answers are of other checks: ask for a new release of the assignment"
            ) from error


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
        f"{seed}/{n}": torch.frombuffer(bytearray(body), dtype=torch.uint8)
        for seed, answers in port.tape.items()
        for n, (_, body) in enumerate(answers)
        if body
    }
    headers = {seed: [header.decode("ascii") for header, _ in answers] for seed, answers in port.tape.items()}
    return save(tensors or {"none": torch.zeros(1)}, {"headers": json.dumps(headers)})


def tape(data: bytes) -> Tape:
    """What `record` returned, taken apart. Raises UsageError when it is not a recording."""
    try:
        size = int.from_bytes(data[:8], "little")
        headers = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["headers"])
        bodies = {name: ctypes.string_at(tensor.data_ptr(), tensor.numel()) for name, tensor in load(data).items()}
    except (KeyError, ValueError, TypeError, SafetensorError) as error:
        raise UsageError(f"the recorded answers cannot be read ({error}); `grader build` makes them") from error
    return {
        seed: [(header.encode("ascii"), bodies.get(f"{seed}/{n}", b"")) for n, header in enumerate(answers)]
        for seed, answers in headers.items()
    }


def recorded(path: Path) -> RecordedPort:
    """The port that plays `path` back. Raises UsageError when it is not there or is not a recording."""
    if not path.is_file():
        raise UsageError(f"{path}: neither the solution nor recorded answers are here; `grader build` makes them")
    return RecordedPort(tape(path.read_bytes()))
