"""The reference: the solution, which remembers what it answered, and its known mistakes."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cached_property

import torch

from grader.assignment import Assignment
from grader.checks.declare import Mistake
from grader.checks.evidence import is_trying, trying
from grader.run.local import LocalPort, overlays, run_trusted
from grader.run.trace import Exchange, numbers_in
from grader.wire.values import mapped

_MOST_CHECKS, _MOST_NUMBERS = 1000, 1 << 20  # remembered, and in the answer to one question


class ReferencePort(LocalPort):
    """The solution, and its known mistakes: what a wrong module may compute.

    What a check asks of it depends on nothing of the student's. A question is answered from memory when it and all
    before it were asked under this seed before; at the first other one all of them are asked in earnest.
    """

    def __init__(self, assignment: Assignment) -> None:
        super().__init__(run_trusted(assignment, assignment.solution))
        self._assignment = assignment
        self.learns = True
        self._memory: dict[int, list[Exchange]] = {}  # what a check asked first, by its seed
        self._known: list[Exchange] = []
        self._played: int | None = None  # questions of this check answered from memory; None: it asks in earnest
        self._keeps = False  # whether the next answer goes on with what is known

    def reseed(self, seed: int) -> None:
        """A check begins. Its objects are numbered from one: in memory they go by their numbers."""
        super().reseed(seed)
        self.start_anew()
        known = self._memory.get(seed)
        if known is None and self.learns and len(self._memory) < _MOST_CHECKS:
            known = self._memory[seed] = []
        self._known = known if known is not None else []
        self._played, self._keeps = 0, self.learns and known is not None

    def request(self, op: str, fields: dict[str, object]) -> object:
        """Do `op`, or answer as before."""
        if self._played is not None:
            known = self._known[self._played] if self._played < len(self._known) else None
            if known and known.fits(op, fields) and not is_trying():
                self._played += 1
                return mapped(known.answer, torch.Tensor.clone)
            asked, self._played = self._known[: self._played], None
            self._keeps = self._keeps and len(asked) == len(self._known)
            with trying(False):
                for exchange in asked:
                    super().request(exchange.op, exchange.fields)
        keeps, self._keeps = self._keeps and not is_trying(), False  # nothing behind what is not kept
        question = mapped(fields, torch.Tensor.clone) if keeps else {}
        answer = super().request(op, fields)
        if keeps and op != "lend" and numbers_in(answer) <= _MOST_NUMBERS:  # who is lent something asks back
            self._known.append(Exchange(op, question, mapped(answer, torch.Tensor.clone)))
            self._keeps = True
        return answer

    @cached_property
    def mistakes(self) -> dict[str, Mistake]:
        """By id, in order of declaration."""
        return {record.id: record for record, _ in self._overlays}

    def hides(self, name: str, earlier: str) -> bool:
        """Whether the mistake, laid over another, leaves nothing of it: it replaces the same and does not use it."""
        over, under = self.mistakes[name], self.mistakes[earlier]
        return over.replaces == under.replaces and name not in self._building

    @cached_property
    def _building(self) -> frozenset[str]:
        """The mistakes that use what they replace: a class inherits from it, a function calls it."""
        return frozenset(
            record.id
            for record, names in self._overlays
            for made in [names[record.replaces]]
            if isinstance(made, type) or record.replaces in getattr(getattr(made, "__code__", None), "co_names", ())
        )

    def reach(self, names: Iterable[str]) -> set[str]:
        """`names`, and all of the solution's that is mentioned where these are defined, and so on."""
        found, waiting = set[str](), [*names]
        while waiting:
            found.add(name := waiting.pop())
            waiting += self._mentions.get(name, set()) - found
        return found

    @cached_property
    def _mentions(self) -> dict[str, set[str]]:
        """By name that the solution binds: the names where it does so."""
        mentions: dict[str, set[str]] = {}
        for node in ast.parse(self._assignment.solution.read_bytes()).body:
            names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
            bound = [name.id for name in names if isinstance(name.ctx, ast.Store)]
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                bound = [node.name]
            mentions.update((name, {part.id for part in names}) for name in bound)
        return mentions

    @cached_property
    def specimens(self) -> tuple[tuple[str, LocalPort], ...]:
        """Each known mistake laid over the solution, as a student, by id."""
        return tuple((record.id, LocalPort(names, as_student=True)) for record, names in self._overlays)

    @cached_property
    def _overlays(self) -> list[tuple[Mistake, dict[str, object]]]:
        return list(overlays(self._assignment))
