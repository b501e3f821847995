"""Packages: those a course lists are loaded before the fork; one that is not here is left out of the cells."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import symtable
import sys
from collections.abc import Sequence

from grader.errors import UsageError

_PARTS = {"matplotlib": ("matplotlib.pyplot", "matplotlib.backends.backend_agg")}  # what it loads when it is first used


def require(packages: Sequence[str]) -> None:
    """Raise UsageError when one of the packages that an assignment lists is not installed on this machine."""
    for name in packages:
        if is_missing(name):
            raise UsageError(f"assignment.yaml lists the package `{name}`, which is not installed here: install it")


def preload(packages: Sequence[str]) -> None:
    """Import, before any fork, what the course's submissions import. A package that fails will fail for them too."""
    for name in packages:
        for part in (name, *_PARTS.get(name, ())):
            with contextlib.suppress(Exception):
                importlib.import_module(part)


def is_missing(name: str) -> bool:
    """Whether `name`, a module or a part of one, lies in a package that cannot be found."""
    package = name.partition(".")[0]
    try:
        return package not in sys.modules and importlib.util.find_spec(package) is None
    except (OSError, ValueError):  # a name that no file can have
        return True


def leave_out(cell: ast.Module) -> dict[str, str]:
    """Take imports of packages that cannot be found off the margin of `cell`; its lines keep their numbers.

    Returns each name that is not bound now, with its package. An import inside `try`, `if` or a function stays.
    """
    gone: dict[str, str] = {}
    for place, node in enumerate(cell.body):
        match node:
            case ast.Import():
                kept = [alias for alias in node.names if not is_missing(alias.name)]
                lost = {(a.asname or a.name).partition(".")[0]: a.name for a in node.names if a not in kept}
                node.names = kept
            case ast.ImportFrom(module=str() as module, level=0) if is_missing(module):
                kept, lost = [], {alias.asname or alias.name: module for alias in node.names}
            case _:
                continue
        gone.update({name: module.partition(".")[0] for name, module in lost.items()})
        if not kept and lost:
            cell.body[place] = ast.copy_location(ast.Pass(), node)
    return gone


def bound(cell: ast.Module) -> list[str]:
    """The names that `cell` binds at its margin when it runs to its end."""
    try:
        table = symtable.symtable(ast.unparse(cell), "<cell>", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [name.get_name() for name in table.get_symbols() if name.is_assigned() or name.is_imported()]
