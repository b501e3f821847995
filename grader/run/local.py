"""Trusted code behind the same port as the student's: our own programs, and known mistakes laid over the solution."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import torch

from grader.assignment import Assignment
from grader.checks.declare import MISTAKE, Mistake
from grader.checks.evidence import CheckError, is_trying
from grader.errors import Fault, GraderError, StudentError, UsageError
from grader.text import clean
from grader.wire.host import Host, Raised
from grader.wire.proxy import answer_lent
from grader.wire.values import mapped


class LocalPort:
    """Answers calls in this process. `as_student` says who is at fault when the code raises: a mistake plays the
    student.
    """

    def __init__(self, namespace: Mapping[str, object], *, as_student: bool = False) -> None:
        self._namespace = namespace
        self._as_student = as_student
        self._seed = 0
        self.epoch = 0
        self.start_anew()
        self.lent: list[Callable[[Any], object]] = []

    @property
    def names(self) -> Collection[str]:
        """What the file defines."""
        return self._namespace.keys()

    def start_anew(self) -> None:
        """Forget all objects, and number the next ones from one."""
        self._host = Host(self._namespace, partial(answer_lent, self))
        self.released: list[int] = []
        self.epoch += 1

    def reseed(self, seed: int) -> None:
        """Start the random numbers of the next calls at `seed`. A check begins, and what was lent is given back."""
        self._seed = seed
        self.lent.clear()

    def left(self, seed: int) -> None:
        """Called when a call is over that began with the random numbers at `seed`, and they are as it left them."""

    def request(self, op: str, fields: dict[str, object]) -> object:
        """Do `op` here, on copies of the tensors and apart from the check's own random numbers."""
        self._seed += not is_trying()  # how a mapping was found moves no random number of the check's
        drop, self.released = tuple(self.released), []
        python = random.getstate()
        try:
            with torch.random.fork_rng(devices=[]):
                seed = self._seed
                try:
                    return self._host.answer(op, {**mapped(fields, torch.Tensor.clone), "seed": seed, "drop": drop})
                finally:
                    self.left(seed)
        except (GraderError, StudentError):  # of what the check lent
            raise
        except Exception as error:
            raised = Raised.of(error, lambda _: True)
            said = raised.message
            words = f"{raised.name}: {said}"
            if not self._as_student:
                raise CheckError(f"the reference raised {words}") from error
            path: Any = fields.get("path")
            if fields.get("target") is None and path and path[0] not in self._namespace:
                raise StudentError(Fault.MISSING, f"`{clean(path[0])}` is not defined") from None
            kinds = " ".join((raised.name, *raised.bases))
            raise StudentError(
                Fault.RAISED, f"your code raised {words}", exception=kinds, said=raised.message
            ) from None
        finally:
            random.setstate(python)


@contextmanager
def _importable(name: str, module: ModuleType, folder: Path) -> Iterator[None]:
    """Let the code inside import `name` and the assignment's provided modules."""
    before = sys.modules.get(name)
    sys.modules[name] = module
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(name, None)
        if before is not None:
            sys.modules[name] = before


def run_trusted(assignment: Assignment, path: Path) -> dict[str, object]:
    """Run one of our own files as the module NAME; return its names. Raises UsageError with the line when it does
    not run.
    """
    return _run(path, ModuleType(assignment.name), assignment)


def _run(path: Path, module: ModuleType, assignment: Assignment, over: ModuleType | None = None) -> dict[str, object]:
    module.__file__ = str(path)
    try:
        code = _compiled(str(path), path.read_bytes())
        with _importable(assignment.name, over or module, assignment.folder):
            exec(code, module.__dict__)
    except Exception as error:
        raised = Raised.of(error, lambda name: name == str(path))
        raise UsageError(f"{path}, line {raised.line}: {raised.name}: {raised.message}") from error
    return module.__dict__


@lru_cache(maxsize=64)  # pairs of mistakes are laid over each other a hundred times
def _compiled(path: str, source: bytes) -> CodeType:
    return compile(source, path, "exec", dont_inherit=True)


def overlays(assignment: Assignment) -> Iterator[tuple[Mistake, dict[str, object]]]:
    """Each known mistake with the solution it is laid over: fresh modules, so that no mistake sees another."""
    for name in known_mistakes(assignment):
        ((record,), names) = overlay(assignment, name)
        yield record, names


def overlay(assignment: Assignment, *known: str) -> tuple[list[Mistake], dict[str, object]]:
    """Known mistakes, and the solution with all of them laid over it, one over the other.

    A mistake that builds on what it replaces builds on the mistake that was laid there before. Raises UsageError for a
    mistake that replaces nothing.
    """
    solution = ModuleType(assignment.name)
    _run(assignment.solution, solution, assignment)
    records = []
    for name in known:
        replacement: Any = _run(assignment.mistakes, ModuleType("mistakes"), assignment, over=solution)[name]
        record: Mistake = getattr(replacement, MISTAKE)
        if record.replaces not in solution.__dict__:
            raise UsageError(
                f"{assignment.mistakes}: {name} replaces {record.replaces!r}, which the solution does not define"
            )
        original = solution.__dict__[record.replaces]
        for heir in [v for v in vars(solution).values() if isinstance(v, type) and original in v.__bases__]:
            if heir is not replacement:  # what inherits from the name inherits from the mistake
                heir.__bases__ = tuple(replacement if base is original else base for base in heir.__bases__)
        setattr(solution, record.replaces, replacement)
        records.append(record)
    return records, solution.__dict__


def known_mistakes(assignment: Assignment) -> list[str]:
    """The names of the assignment's known mistakes, in order of declaration; none where there is no such file."""
    if not assignment.mistakes.is_file():
        return []
    solution = ModuleType(assignment.name)
    _run(assignment.solution, solution, assignment)
    names = _run(assignment.mistakes, ModuleType("mistakes"), assignment, over=solution)
    return [name for name, value in names.items() if isinstance(getattr(value, MISTAKE, None), Mistake)]
