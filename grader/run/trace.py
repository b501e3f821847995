"""What a check asked and what it was answered: kept, played back, and compared with what somebody else answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

import torch

from grader.checks.evidence import is_trying
from grader.errors import StudentError
from grader.wire.proxy import Port
from grader.wire.values import Handle, identical, mapped

# Two right float32 computations differ by far less, two different mistakes by far more.
_NEAR = 3e-5
_PULLED = {"output", "inputs", "parameters"}  # what a question for gradients is answered
_SILENT = ("build", "load", "lend", "send")  # acts that answer nothing of what the student's code computes


class SeededPort(Port, Protocol):
    """A port whose random numbers can be started anew, and that says what its file defines."""

    @property
    def names(self) -> Collection[str]:
        """The names that are there."""

    def reseed(self, seed: int) -> None:
        """Start the random numbers of the next calls at `seed`."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer, a value or the error it ended in."""

    op: str
    fields: dict[str, Any]
    answer: object

    @property
    def told(self) -> bool:
        """Whether the answer is part of what the check looks at."""
        return self.op not in _SILENT

    def fits(self, op: str, fields: dict[str, Any]) -> bool:
        """Whether this is the answer to that question."""
        return op == self.op and identical(self.fields, fields)


class Wrapped:
    """A port around a port: everything that is not said otherwise is the inner one's."""

    def __init__(self, port: SeededPort) -> None:
        self.port = port

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["port"], name)

    def __hash__(self) -> int:
        return hash(self.port)

    def __eq__(self, other: object) -> bool:
        """Two wraps of one port are one port to whoever keeps what it once answered."""
        return isinstance(other, Wrapped) and self.port == other.port

    @property
    def epoch(self) -> int:
        return self.port.epoch

    @property
    def names(self) -> Collection[str]:
        return self.port.names

    @property
    def lent(self) -> list[Callable[[Any], object]]:
        return self.port.lent

    def reseed(self, seed: int) -> None:
        self.port.reseed(seed)

    def request(self, op: str, fields: dict[str, object]) -> object:
        return self.port.request(op, fields)


class TracedPort(Wrapped):
    """Keeps all exchanges since the last `reseed`: those of one check.

    What is tried on a student's module to find a mapping is left out: it depends on how the module looks inside.
    """

    def __init__(self, port: SeededPort) -> None:
        super().__init__(port)
        self.exchanges: list[Exchange] = []
        self.accounts: dict[str, str] = {}  # by class: how its layers were filled, where that is not plain
        self.doubted: dict[str, str] = {}  # by class: why it is not sure how its layers are to be filled

    def reseed(self, seed: int) -> None:
        """A check begins."""
        super().reseed(seed)
        self.exchanges = []

    def request(self, op: str, fields: dict[str, object]) -> object:
        """Ask, and keep the answer."""
        kept = not is_trying()
        try:
            answer = super().request(op, fields)
        except StudentError as error:
            if kept:
                self.exchanges.append(Exchange(op, fields, error))
            raise
        if kept:
            self.exchanges.append(Exchange(op, fields, answer))
        return answer


class DiffersError(BaseException):
    """An answer is not the one that is looked for. Not an Exception: no check may take it for one of the student's."""


class ReplayPort(Wrapped):
    """Asks somebody else the same questions, until an answer differs from `answers`. Raises DiffersError then.

    With None for the answers, whatever is answered is right.
    """

    by_name = True  # one of ours: its layers are named as the reference's, and nothing has to be found out

    def __init__(self, port: SeededPort, answers: Sequence[object] | None) -> None:
        super().__init__(port)
        self._compares = answers is not None
        self._left = list(answers or ())[::-1]

    def request(self, op: str, fields: dict[str, object]) -> object:
        """Ask and compare."""
        error = None
        try:
            answer = super().request(op, fields)
        except StudentError as raised:
            answer = error = raised
        looked = self._compares and not is_trying() and op not in _SILENT
        if looked and not (self._left and alike(answer, self._left.pop())):
            raise DiffersError
        if error is not None:
            raise error
        return answer

    @property
    def finished(self) -> bool:
        """Whether every answer has been given."""
        return not self._left


def alike(one: Any, other: Any) -> bool:
    """Whether two answers are the same up to rounding; a tensor's dtype and a sequence's kind do not count."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and _near(one.to(torch.float64), other.to(torch.float64))
    if isinstance(one, StudentError) and isinstance(other, StudentError):
        return (one.fault, one.exception, one.said) == (other.fault, other.exception, other.said)
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() == other.keys() == _PULLED:  # parameters go by the names each side has for its own
            return alike([one["output"], one["inputs"]], [other["output"], other["inputs"]])
        return one.keys() == other.keys() and all(alike(value, other[key]) for key, value in one.items())
    if isinstance(one, Handle) and isinstance(other, Handle):
        return True
    if type(one) in (int, float, bool) and type(other) in (int, float, bool):
        return _near(torch.tensor(float(one)), torch.tensor(float(other)))
    return type(one) is type(other) and bool(one == other)


def _tensors_in(answer: Any) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    mapped(answer, found.append)
    return found


def numbers_in(answer: Any) -> int:
    """How many numbers the tensors of an answer hold."""
    return sum(tensor.numel() for tensor in _tensors_in(answer))


def says_something(answer: Any) -> bool:
    """Whether an answer has no tensors, or more than tensors without a single finite number: these are all alike."""
    tensors = _tensors_in(answer)
    return not tensors or any(bool(tensor.isfinite().any()) or not tensor.numel() for tensor in tensors)


def finite(answer: Any) -> bool:
    """Whether no number in an answer is infinite or none."""
    return all(bool(tensor.isfinite().all()) for tensor in _tensors_in(answer))


def _near(one: torch.Tensor, other: torch.Tensor) -> bool:
    if torch.equal(one, other):
        return True
    finite = other.isfinite()
    if not torch.equal(finite, one.isfinite()) or not torch.equal(one[~finite].isnan(), other[~finite].isnan()):
        return False
    if not torch.equal(one[one.isinf()], other[other.isinf()]):
        return False
    left, right = one[finite], other[finite]
    scale = right.abs().max() if right.numel() else right.new_zeros(())
    return bool(((left - right).abs() <= _NEAR * (right.abs() + scale) / 2).all())


def subjects_of(exchanges: Sequence[Exchange]) -> frozenset[str]:
    """The names of the file that were asked for, torch itself aside."""
    asked = {e.fields["path"][0] for e in exchanges if e.fields.get("target") is None and e.fields.get("path")}
    return frozenset(asked - {"torch"})


def sizes_of(exchanges: Sequence[Exchange]) -> dict[str, int]:
    """Sizes and numbers that the questions named, each number once: {"n_head": 3, "the last size of argument 1": 6}."""
    found: dict[int, str] = {}
    for exchange in exchanges:
        for number, value in enumerate(exchange.fields.get("args", ()), start=1):
            if isinstance(value, torch.Tensor):
                for dim, size in reversed([*enumerate(value.shape)]):
                    where = "the last size" if dim == value.dim() - 1 else f"size {dim}"
                    found.setdefault(size, f"{where} of argument {number}")
            elif isinstance(value, SimpleNamespace):
                for name, n in vars(value).items():
                    if type(n) is int:
                        found.setdefault(n, name)
            elif type(value) is int:
                found.setdefault(value, f"argument {number}")
    return {name: size for size, name in found.items()}
