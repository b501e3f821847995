"""From the bytes of a notebook to the source of its code cells; nothing else in the file is believed or kept.

Cells are numbered as Jupyter numbers them after "Restart and run all": code cells from 1, empty ones left out.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from dataclasses import dataclass
from typing import Any

from grader.errors import Fault, StudentError
from grader.text import clean

_CELLS = 5000
_BLANK = " \t\r\n\0"  # around the JSON; a disk that was full leaves zeros
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})(?: |$)", re.MULTILINE)
_MEND = "open it in Jupyter, run it and save it again"
# Line magics, shell lines, help. Only looked for on a line that Python itself refuses.
_MAGIC = re.compile(r"^(?P<indent>\s*+)(?:[!%?]|(?P<target>[\w\s,.\[\]]++)=\s*+[!%]|.*\?\s*+$)")
_MAGICS = 200  # in one cell; each costs a parse
_PYTHON_BODY = {"%%time", "%%capture", "%%prun"}  # these cell magics run their cell's Python code in the notebook


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell: its source as written, and as Python that keeps the line numbers (None when it does not parse)."""

    number: int
    source: str
    tree: ast.Module | None
    problem: str | None = None  # why it does not parse


def read_cells(data: bytes, name: str) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """Return the code cells of a notebook of format 3 or 4, and notes. Raises StudentError(INVALID) when it is none."""
    notebook, notes = _load(data, name)
    code = [(number, source) for number, _, source in _numbered(notebook, name) if number]
    if not code:
        raise _invalid(f"{name} has no code in it. Was it saved before it was handed in?")
    return tuple(_cell(number, source) for number, source in code), notes


def numbered(data: bytes, name: str) -> tuple[dict[str, Any], list[tuple[int, dict[str, Any], str]]]:
    """Return a notebook and all its cells: the number of each (0 for one that is not run), the cell, its code."""
    notebook, _ = _load(data, name)
    return notebook, _numbered(notebook, name)


def _numbered(notebook: dict[str, Any], name: str) -> list[tuple[int, dict[str, Any], str]]:
    cells, numbers = _cells(notebook, name), itertools.count(1)
    sources = [_source(cell, place, name) for place, cell in enumerate(cells, 1)]
    marked = [next(numbers) if source.strip() else 0 for source in sources]
    return list(zip(marked, cells, sources, strict=True))


def _load(data: bytes, name: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    try:
        text = data.decode("utf-8-sig").lstrip(_BLANK)
        notebook, end = json.JSONDecoder().raw_decode(text)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _invalid(f"{name} is not a notebook: line {line} is not UTF-8 text; {_MEND}.", line) from None
    except json.JSONDecodeError as error:
        raise _broken(error, data[: len(data) - len(error.doc.encode())].count(b"\n"), name) from None
    except (ValueError, RecursionError, MemoryError):  # a number with thousands of digits, thousands of brackets
        raise _invalid(f"{name} is not a notebook: its JSON is nested too deeply or too large; {_MEND}.") from None
    if not isinstance(notebook, dict):
        raise _invalid(f"{name} is not a notebook: its JSON holds no notebook object; {_MEND}.")
    if not text[end:].strip(_BLANK):
        return notebook, ()
    line = data.count(b"\n") - text[end:].lstrip(_BLANK).count("\n") + 1
    return notebook, (f"{name} goes on after the end of its notebook (line {line}); what stands there was left out.",)


def _broken(error: json.JSONDecodeError, above: int, name: str) -> StudentError:
    """`above` lines stand above what was read as JSON."""
    line = error.lineno + above
    problem = f"line {line} is broken JSON ({error.msg}, column {error.colno}); {_MEND}"
    if conflict := _CONFLICT.search(error.doc):
        line = error.doc.count("\n", 0, conflict.start()) + above + 1
        problem = f"line {line} was left by git where two versions did not fit together; choose one and save it again"
    elif not error.doc[error.pos :].strip(_BLANK) or error.msg.startswith("Unterminated"):
        line = error.doc.rstrip(_BLANK).count("\n") + above + 1
        problem = f"its JSON breaks off in line {line}: it was saved or uploaded in part; hand in the whole file"
    return _invalid(f"{name} is not a notebook: {problem}.", line)


def _cells(notebook: dict[str, Any], name: str) -> list[Any]:
    version = notebook.get("nbformat")
    if type(version) is not int or version not in (3, 4):
        found = f"format {version}" if type(version) is int else "no format number"
        raise _invalid(f"{name} has {clean(found, 40)}; notebooks of format 3 and 4 are graded; {_MEND}.")
    holders = [notebook] if version == 4 else notebook.get("worksheets")
    lists = [h.get("cells") if isinstance(h, dict) else None for h in holders] if isinstance(holders, list) else [None]
    if not all(isinstance(cells, list) for cells in lists):
        raise _invalid(f"{name} is not a notebook: it has no list of cells; {_MEND}.")
    cells = [cell for part in lists if part for cell in part]
    if len(cells) > _CELLS:
        raise _invalid(f"{name} has {len(cells)} cells; {_CELLS} are the most that are graded.")
    return cells


def _source(cell: Any, number: int, name: str) -> str:
    """The source of a code cell, "" for any other cell."""
    if not isinstance(cell, dict):
        raise _invalid(f"{name} is not a notebook: its cell {number} is not a cell; {_MEND}.")
    if cell.get("cell_type") != "code":
        return ""
    source = cell.get("source", cell.get("input", ""))  # format 3 says "input"
    lines = source if isinstance(source, list) else [source]
    text = [line for line in lines if isinstance(line, str)]
    if len(text) < len(lines):
        raise _invalid(f"{name} is not a notebook: the source of its cell {number} is not text; {_MEND}.")
    return "".join(text).replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def _cell(number: int, source: str) -> Cell:
    lines = source.split("\n")
    first = next(i for i, line in enumerate(lines) if line.strip())
    if lines[first].startswith("%%"):
        keep = lines[first].split()[0] in _PYTHON_BODY
        lines = [""] * (first + 1) + (lines[first + 1 :] if keep else [""] * (len(lines) - first - 1))
    problem = None
    for _ in range(_MAGICS):
        try:
            return Cell(number, source, parse("\n".join(lines), notebook=True))
        except SyntaxError as error:
            problem = f"line {error.lineno}: {clean(error.msg, 200)}"
            if not _neutralise(lines, (error.lineno or 0) - 1):
                break
        except (ValueError, RecursionError, MemoryError):
            problem = "it holds what Python cannot read"
            break
    return Cell(number, source, None, problem)


def parse(text: str, *, notebook: bool = False) -> ast.Module:
    """Return the syntax tree. Raises what `compile` raises: SyntaxError, ValueError, RecursionError, MemoryError."""
    flags = ast.PyCF_ONLY_AST | (ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if notebook else 0)
    tree = compile(text, "<submission>", "exec", flags, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


def _neutralise(lines: list[str], index: int) -> bool:
    """Put `pass` (or `target = None`) in place of a magic line, with the lines it continues on; False if it is none."""
    match = _MAGIC.match(lines[index]) if 0 <= index < len(lines) else None
    if match is None:
        return False
    end = index
    while lines[end].endswith("\\") and end + 1 < len(lines):
        end += 1
    target = match["target"]
    lines[index : end + 1] = [f"{target}= None" if target else f"{match['indent']}pass"] + [""] * (end - index)
    return True


def _invalid(message: str, line: int | None = None) -> StudentError:
    return StudentError(Fault.INVALID, message, line=line)
