"""Finds the calls that an assignment forbids in a submission's source, and which top-level names lead to them.

An import is no use, and neither is a comment, a string, an annotation, or the student's own definition of that name.
What only running the code can tell is left to the guard that watches it run.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from grader.errors import Fault, StudentError
from grader.intake.program import Module, Program
from grader.intake.scopes import Kind, Unit

_LOW_LEVEL = ("torch.ops.", "torch._")  # the operators behind the public functions


@dataclass(frozen=True, slots=True)
class Finding:
    """A forbidden call. It matters when a graded name is among its `owners`."""

    call: str  # "torch.nn.MultiheadAttention"
    where: str  # "line 12", "layers.py, line 3", "cell 2, line 5"
    line: int  # in that file; of a notebook, with its code cells one below the other
    owners: tuple[str, ...]  # the main file's top-level names whose code reaches it


@dataclass(frozen=True, slots=True)
class _Use:
    call: str
    module: Module
    line: int


def uses(program: Program, forbidden: Sequence[str], graded: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Return the uses of `forbidden` (dotted names, the last part may end in "*") that top-level names of the main file
    reach.

    A use that a name reaches only through another of the names `graded` is that one's alone: a mistake costs its marks
    once. A name that an import binds to a forbidden call owns that import. Raises StudentError(INVALID) when the code
    cannot be followed.
    """
    search = _Search(program, forbidden, graded)
    owners: dict[_Use, list[str]] = {}
    try:
        for name in program.names(program.main):
            for use in search.reached(name):
                owners.setdefault(use, []).append(name)
    except RecursionError:
        raise StudentError(Fault.INVALID, "The code is nested too deeply for the grader to follow it.") from None
    found = sorted(owners.items(), key=lambda item: (item[0].module.label, item[0].line, item[0].call))
    return tuple(Finding(use.call, use.module.where(use.line), use.line, tuple(names)) for use, names in found)


def match(path: str, forbidden: Sequence[str]) -> str | None:
    """The forbidden call that the dotted name `path` stands for, as the assignment calls it; None when it is allowed.

    Libraries show one thing under many paths, so the first and the last part decide.
    """
    root, last = path.partition(".")[0], path.rpartition(".")[2]
    for pattern in forbidden:
        home, _, name = pattern.rpartition(".")
        if home.partition(".")[0] == root and fnmatchcase(last, name):
            return f"{home}.{last}"
        if path.startswith(_LOW_LEVEL) and _in_order(name.strip("*").split("_"), last.split("_")):
            return path
    return None


def _in_order(words: list[str], among: list[str]) -> bool:
    """Whether `words` are among these, others in between: `_scaled_dot_product_flash_attention` is one of a kind."""
    rest = iter(among)
    return all(word in rest for word in words if word)


class _Search:
    """Follows what code reads from a name to all it reaches; each piece of code is looked at once."""

    def __init__(self, program: Program, forbidden: Sequence[str], graded: Sequence[str]) -> None:
        self._program = program
        self._graded = {name: self._units(name) for name in graded}
        self._forbidden = forbidden
        self._known: dict[Unit, tuple[set[_Use], set[Unit]]] = {}

    def reached(self, name: str) -> set[_Use]:
        """The uses that the code behind a top-level name of the main file leads to."""
        main = self._program.main
        own = self._units(name)
        uses: set[_Use] = set()
        for binding in main.scope.bindings(name):
            if binding.kind is Kind.IMPORT:
                uses |= self._uses(self._program.locate(binding.path), main, binding.line)
        seen = set().union(*self._graded.values()) - own
        todo = list(own)
        while todo:
            unit = todo.pop()
            if unit not in seen:
                seen.add(unit)
                found, read = self._look(unit)
                uses |= found
                todo += read
        return uses

    def _units(self, name: str) -> set[Unit]:
        """The code behind a top-level name of the main file."""
        return {u for u in self._program.members([self._program.main], [name]) if isinstance(u, Unit)}

    def _look(self, unit: Unit) -> tuple[set[_Use], set[Unit]]:
        """What a piece of code uses, and which others it reads."""
        if unit not in self._known:
            module = self._program.module_of(unit)
            uses: set[_Use] = set()
            read: set[Unit] = set()
            for node, scope in reversed(
                unit.loads
            ):  # inner expressions first, so that long chains are no deep recursion
                line = node.end_lineno if isinstance(node, ast.Attribute) else node.lineno
                uses |= self._uses(self._program.accessed(node, scope), module, line or node.lineno)
                read |= {value for value in self._program.resolve(node, scope) if isinstance(value, Unit)}
            self._known[unit] = (uses, read)
        return self._known[unit]

    def _uses(self, values: frozenset[object], module: Module, line: int) -> set[_Use]:
        calls = (match(value, self._forbidden) for value in values if isinstance(value, str))
        return {_Use(call, module, line) for call in calls if call}
