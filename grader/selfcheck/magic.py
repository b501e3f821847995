"""`%check` and `grader.check(...)`: the public checks on what a notebook's session defines, shown below the cell."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
import torch

from grader.assignment import Assignment, assignment_names, find_root, load_assignment
from grader.checks.declare import Check
from grader.errors import Fault, GraderError, StudentError, UsageError
from grader.records import Result
from grader.selfcheck.card import Card
from grader.selfcheck.live import LivePort, inspected, left_alone
from grader.selfcheck.recognise import recognise
from grader.selfcheck.session import check_own
from grader.text import clean

_UNSEEN = "Forbidden calls were not looked for, as they are when you hand in: "
_UNDEFINED = "What is not defined here yet: run its cell, then check again."


def register(shell: Any) -> None:
    """Add `%check` to an IPython session."""
    shell.register_magic_function(_magic, "line", "check")


def _magic(line: str) -> None:
    """Run an assignment's public checks on what this session defines.

    %check               the assignment of this notebook or folder, or the one whose names are defined
    %check ASSIGNMENT    the assignment of that name
    %check NAME          of its checks those that ask for this function or class
    """
    check(line.strip() or None)


def check(what: object = None) -> None:
    """Run the public checks and show how they went. What is in the way of that is said in one line."""
    ipython: Any = sys.modules.get("IPython")  # a session has it already, and nobody else needs it
    shell = ipython and ipython.get_ipython()
    title = ""

    def begin(check: Check) -> None:
        nonlocal title
        title = f" during “{clean(check.title, 200)}”"

    try:
        if shell is None:
            raise UsageError("`grader.check()` is for notebooks; a file is checked with `grader check FILE`")
        with left_alone() as dtype:
            card = _checked(shell, what, dtype, begin)
    except GraderError as error:
        _say(error)
    except KeyboardInterrupt:
        _say(f"stopped{title}; your session is as it was, and `%check` starts again")
    except Exception as error:
        _say(f"a fault of the grader, not of your code: {type(error).__name__}: {error}")
    else:
        ipython.display.display(card)


def _say(what: object) -> None:
    sys.stderr.write(f"grader: {clean(what)}\n")


def _checked(shell: Any, what: object, dtype: torch.dtype, begin: Callable[[Check], None]) -> Card:
    names: dict[str, object] = shell.user_ns
    assignment, about = _chosen(names, what)
    if about and not isinstance(what, str):  # it may have another name here, or none
        names = {**names, about: what}
    elif about and about not in names:
        raise UsageError(f"`{about}` is not defined here yet: run its cell, then check again")
    elif not about and not set(assignment.names) & names.keys():
        wanted = " or ".join(f"`{name}`" for name in assignment.names)
        raise UsageError(f"nothing to check yet: run the cells that define {wanted}, then check again")
    port, notes = _port(shell, names, assignment, dtype)

    def before(check: Check, _: object) -> None:
        port.begin_check(check)
        begin(check)

    only = _Only(about)
    try:
        result = check_own(assignment, port, assignment.name, before_check=before, plugins=[only])
    except UsageError:
        if not only.some:
            raise UsageError(f"no public check asks for `{about}`; what is hidden runs when you hand in") from None
        raise
    if any(check.fault == Fault.MISSING for check in result.checks):
        notes.append(_UNDEFINED)
    return Card(assignment.title, replace(only.of(result), notes=tuple(notes)), assignment.points, about)


def _chosen(names: Mapping[str, object], what: object) -> tuple[Assignment, str]:
    """The assignment that is meant, and the one name of it if one is meant."""
    try:
        root = find_root()
    except UsageError:
        words = "start the notebook in your course's folder, or go there with `%cd FOLDER`"
        raise UsageError(f"there is no folder `assignments` in {Path.cwd()} or above it; {words}") from None
    if isinstance(what, str) and what in assignment_names(root):
        return load_assignment(root, what), ""
    called = []
    if isinstance(what, str):
        called = [what]
    elif what is not None:
        own = getattr(what, "__name__", None)  # a partial or an instance has none
        called = [*([own] if isinstance(own, str) else ()), *(name for name, value in names.items() if value is what)]
    notebook = names.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
    found = recognise(root, (Path(str(notebook)).stem, Path.cwd().name), lambda: called or names)
    if found is None:
        raise UsageError(f"say which assignment to check: %check {' or '.join(assignment_names(root)) or 'NAME'}")
    assignment = load_assignment(root, found)
    asked = (*assignment.names, *assignment.parts)
    about = next((name for name in called if name in asked), "")
    if what is not None and not about:
        theirs = f"`{called[0]}`" if called else "this object"
        raise UsageError(f"the assignment {found} asks for {', '.join(assignment.names)}; {theirs} is none of these")
    return assignment, about


def _port(
    shell: Any, names: Mapping[str, object], assignment: Assignment, dtype: torch.dtype
) -> tuple[LivePort, list[str]]:
    """What answers for the session, and what to say about it."""
    port = LivePort(assignment, names, getattr(shell.compile, "_filename_map", {}), dtype)
    found: Mapping[str, Any] = {"names": {}, "imported": [], "findings": []}
    notes = []
    try:
        found = inspected([cell for cell in shell.history_manager.input_hist_raw if cell.strip()], assignment)
    except StudentError as error:
        notes.append(f"{_UNSEEN}{error.message}")
    hidden = {*shell.user_ns_hidden, *found["imported"]} - {*assignment.names, *assignment.parts}
    port.names = {n: found["names"].get(n, "") for n in names if n not in hidden and not n.startswith("_")}
    port.findings = found["findings"]
    return port, notes


class _Only:
    """A plug-in of pytest: of the checks those that ask for one name; all of them when it is empty."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.some = True  # whether there are any

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what does not so much as mention it."""
        if self._name:
            items[:] = [item for item in items if isinstance(item, pytest.Function) and self._name in _words(item)]
            self.some = bool(items)

    def of(self, result: Result) -> Result:
        """Leave out what ran and asked for other names only: a word may be there for something else."""
        checks = tuple(c for c in result.checks if not (self._name and c.asks) or self._name in c.asks)
        points, most = sum(c.points for c in checks), sum(c.max_points for c in checks)
        return replace(result, checks=checks, score=round(points, 4), max_score=most)


def _words(item: pytest.Function) -> set[str]:
    """What a check reads by name, with the functions and fixtures of its file, and the texts it holds."""
    file = inspect.unwrap(item.function).__globals__
    given = item.callspec.params.values() if hasattr(item, "callspec") else ()
    found = {value for value in given if isinstance(value, str)}
    makers = [definitions[-1].func for definitions in item._fixtureinfo.name2fixturedefs.values()]
    functions = [inspect.unwrap(item.function), *makers]
    waiting = [function.__code__ for function in functions if hasattr(function, "__code__")]
    while waiting:
        code = waiting.pop()
        new = {*code.co_names, *(text for text in code.co_consts if isinstance(text, str))} - found
        found |= new
        waiting += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
        helpers = [file.get(name) for name in new]
        waiting += [h.__code__ for h in helpers if isinstance(h, FunctionType) and h.__globals__ is file]
    return found
