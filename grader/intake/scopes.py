"""Names and scopes of a file: what a name may stand for at a place. `walk` fills these records, `forbidden` reads them.

Every binding of a name is kept, because code may choose between them, but those that a later one surely replaced.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

Position = tuple[int, int]


class Kind(Enum):
    """How a name came to be bound."""

    IMPORT = "import"
    STAR = "star"  # any name of a module
    DEFINITION = "definition"
    VALUE = "value"  # an assignment, a loop, a parameter; `value` is None when nothing is known of it
    PATCH = "patch"  # `name.attribute = ...`: changes what the name stands for, binds nothing


@dataclass(eq=False, slots=True)
class Unit:
    """A piece of top-level code (a function, a class, an assignment): what it evaluates, each part with its scope."""

    root: Scope
    loads: list[tuple[ast.expr, Scope]] = field(default_factory=list)


@dataclass(frozen=True, eq=False, slots=True)
class Binding:
    """One way in which a name is bound."""

    name: str
    kind: Kind
    line: int
    end: Position  # where the binding statement ends
    fixed: bool  # happens whenever its scope runs: in no branch, no loop
    unit: Unit | None  # of a module's own names only
    scope: Scope  # where `value` is evaluated
    value: ast.expr | None = None
    path: str = ""  # what an import names: "torch.nn.functional"


@dataclass(eq=False, slots=True)
class Scope:
    """A module, function, class or comprehension with the names it binds."""

    kind: Literal["module", "function", "class", "comprehension"]
    parent: Scope | None = None
    names: dict[str, list[Binding]] = field(default_factory=dict)
    stars: list[Binding] = field(default_factory=list)
    declared: dict[str, Scope] = field(default_factory=dict)  # `global` and `nonlocal`

    @property
    def root(self) -> Scope:
        """The module's scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def add(self, binding: Binding) -> None:
        """Note that `binding` happens in this scope."""
        (self.stars if binding.kind is Kind.STAR else self.names.setdefault(binding.name, [])).append(binding)

    def bindings(self, name: str, before: Position | None = None) -> list[Binding]:
        """What `name` may stand for at position `before` of this scope, or (None) for code that runs later."""
        found = self.names.get(name, [])
        if self.kind == "class" and before:
            found = [b for b in found if b.end <= before]
        if self.kind == "function" and before is None:  # a closure may run between any two statements
            return found
        sure = [b for b in found if b.fixed and (before is None or b.end <= before)]
        known = max((b.end for b in sure if b.kind in (Kind.IMPORT, Kind.DEFINITION)), default=(0, 0))
        own = max((b.end for b in sure), default=(0, 0))
        return [b for b in self.stars if b.end > own] + [b for b in found if b.end >= known]


def lookup(name: str, scope: Scope, position: Position) -> list[Binding]:
    """The bindings that reading `name` in `scope` at `position` may find; empty for a builtin or unknown name."""
    here: Scope | None = scope.declared.get(name, scope)
    while here is not None:
        if here is scope or here.kind != "class":
            found = here.bindings(name, position if here is scope else None)
            if any(b.kind is not Kind.PATCH for b in found):
                return found
        here = here.parent
    return []
