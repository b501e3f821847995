"""From a submitted file to its source code and what is known of it without running it."""

from __future__ import annotations

import ast
import difflib
import io
import os
import tokenize
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from grader.errors import Fault, StudentError
from grader.intake.notebook_source import Cell, parse, read_cells
from grader.intake.scopes import Kind, Scope
from grader.intake.walk import module_scope
from grader.text import clean

SIZE = 10 * 2**20  # bytes of one file of source
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_KINDS: Mapping[type, str] = {IndentationError: "indentation error", TabError: "tabs and spaces mixed"}


@dataclass(frozen=True, slots=True)
class Definition:
    """A top-level name: what binds it, and where."""

    name: str
    kind: Literal["definition", "value", "import"]
    where: str  # "line 12" or "cell 3, line 4"
    line: int


@dataclass(frozen=True, slots=True)
class Source:
    """A file's code. `text` is what to compile; of a notebook it is empty, and what to run is each cell's `source`."""

    name: str
    kind: Literal["py", "ipynb"]
    text: str
    tree: ast.Module  # of a notebook: all cells that parse, one below the other
    scope: Scope
    cells: tuple[Cell, ...]
    starts: tuple[int, ...]  # the line of `tree` where each cell starts
    definitions: Mapping[str, Definition]  # the last one of each name
    notes: tuple[str, ...]

    def where(self, line: int) -> str:
        """A line of `tree` in words: "line 12", "cell 3, line 4"."""
        return _where(self.starts, line)


def read_source(path: Path, package: str = "") -> Source:
    """Return the code of a .py or .ipynb file, of a module of `package`.

    Raises StudentError(INVALID), one line that says what and where.
    """
    name = clean(path.name, 100)
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _SAFELY), "rb") as file:
            data = file.read(SIZE + 1)
    except OSError as error:
        raise _invalid(f"{name} cannot be read ({clean(error.strerror, 100)}).") from None
    if len(data) > SIZE:
        raise _invalid(f"{name} is over {SIZE >> 20} MB; hand in the source only, notebooks without their outputs.")
    if not data.strip():
        raise _invalid(f"{name} is empty.")
    try:
        with warnings.catch_warnings():  # of odd escapes in strings; running the code will tell the student
            warnings.simplefilter("ignore")
            return _notebook(data, name) if path.suffix.lower() == ".ipynb" else _script(data, name, package)
    except (RecursionError, MemoryError):
        raise _invalid(f"{name} is nested too deeply to be read.") from None


def nearest(missing: str, found: Iterable[str]) -> str | None:
    """The name in `found` that `missing` was most likely meant to be; None when none is close."""
    names: dict[str, str] = {}
    for name in sorted(found):
        names.setdefault(_plain(name), name)
    close = difflib.get_close_matches(_plain(missing), names, n=1, cutoff=0.6)
    return names[close[0]] if close else None


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()


def _script(data: bytes, name: str, package: str) -> Source:
    text = _decode(data, name)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise _invalid(f"{name} is not a text file: line {line} holds a null byte; save it as UTF-8 text.", line)
    try:
        tree = parse(text)
        compile(text, name, "exec", dont_inherit=True)  # finds what a parse does not: `return` in no function
    except SyntaxError as error:
        raise _syntax_error(error, text, name) from None
    except ValueError:
        raise _invalid(f"{name} holds characters that Python cannot read; save it as UTF-8 text.") from None
    scope = module_scope(tree, package)
    return Source(name, "py", text, tree, scope, (), (), _definitions(scope, ()), _repeated(scope, ()))


def _decode(data: bytes, name: str) -> str:
    """The text that Python would compile: byte order mark, coding line, any line ends."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _invalid(f"{name} is UTF-16 text, which Python cannot read; save it as UTF-8.")
    encoding = "utf-8"
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(data, name, encoding, error.start) from None
    except SyntaxError as error:
        try:
            data.decode("utf-8-sig")
        except UnicodeDecodeError as undecodable:
            raise _undecodable(data, name, "utf-8", undecodable.start) from None
        raise _invalid(f"{name} cannot be decoded ({clean(error.msg, 100)}); save it as UTF-8.") from None
    except (LookupError, ValueError):
        raise _invalid(f"{name} names an encoding ({clean(encoding, 40)}) that is none; save it as UTF-8.") from None
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def _undecodable(data: bytes, name: str, encoding: str, start: int) -> StudentError:
    line = data[:start].count(b"\n") + 1
    kind = "UTF-8" if encoding.startswith("utf-8") else clean(encoding, 40)
    return _invalid(f"{name}: line {line} is not {kind} text; save the file as UTF-8.", line)


def _syntax_error(error: SyntaxError, text: str, name: str) -> StudentError:
    lines, line = text.split("\n"), error.lineno or 1
    code = clean(lines[line - 1], 120) if 0 < line <= len(lines) else ""
    quoted = f": {code}" if code else ""
    kind = _KINDS.get(type(error), "syntax error")
    return _invalid(f"{name}, line {line}: {kind}, {clean(error.msg, 200)}{quoted}", line)


def _notebook(data: bytes, name: str) -> Source:
    cells, notes = read_cells(data, name)
    starts, body, line = [], [], 1
    for cell in cells:
        starts.append(line)
        if cell.tree is not None:
            ast.increment_lineno(cell.tree, line - 1)
            body += cell.tree.body
        line += cell.source.count("\n") + 1
    if not body and all(cell.problem for cell in cells):
        raise _invalid(f"{name}: no cell is Python; cell 1, {cells[0].problem}", None)
    tree = ast.Module(body, [])
    scope = module_scope(tree, script=False)
    broken = [
        f"Cell {cell.number} is not Python ({cell.problem}) and defines nothing." for cell in cells if cell.problem
    ]
    notes = (*notes, *broken[:5], *_repeated(scope, tuple(starts)))
    return Source(name, "ipynb", "", tree, scope, cells, tuple(starts), _definitions(scope, tuple(starts)), notes)


def _where(starts: tuple[int, ...], line: int) -> str:
    if not starts:
        return f"line {line}"
    cell = max(bisect_right(starts, line), 1)
    return f"cell {cell}, line {line - starts[cell - 1] + 1}"


def _definitions(scope: Scope, starts: tuple[int, ...]) -> Mapping[str, Definition]:
    found = {}
    for name, bindings in scope.names.items():
        real = [b for b in bindings if b.kind is not Kind.PATCH]
        if real:
            last = max(real, key=lambda b: b.end)
            kind: Literal["definition", "value", "import"] = (
                "definition" if last.kind is Kind.DEFINITION else "import" if last.kind is Kind.IMPORT else "value"
            )
            found[name] = Definition(name, kind, _where(starts, last.line), last.line)
    return MappingProxyType(dict(sorted(found.items(), key=lambda item: item[1].line)))


def _repeated(scope: Scope, starts: tuple[int, ...]) -> tuple[str, ...]:
    """A note for each function or class that is defined again: people wonder which one was graded."""
    notes = []
    for name, bindings in scope.names.items():
        lines = sorted(b.line for b in bindings if b.kind is Kind.DEFINITION and b.fixed)
        if len(lines) > 1 and name != "_":
            places = ", ".join(_where(starts, line) for line in lines[:5])
            notes.append(f"{clean(name, 100)} is defined {len(lines)} times ({places}); the last definition counts.")
    return tuple(notes[:20])


def _invalid(message: str, line: int | None = None) -> StudentError:
    return StudentError(Fault.INVALID, message, line=line)
