"""From the bytes of a notebook to the source of its code cells; nothing else in the file is believed or kept.

Cells are numbered as Jupyter numbers them after "Restart and run all": code cells from 1, empty ones left out.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import Any

from grader.errors import Fault, StudentError
from grader.text import clean

_CELLS = 5000
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


def read_cells(data: bytes, name: str) -> tuple[Cell, ...]:
    """Return the code cells of a notebook of format 3 or 4. Raises StudentError(INVALID) when it is not one."""
    notebook = _load(data, name)
    sources = [_source(cell, number, name) for number, cell in enumerate(_cells(notebook, name), 1)]
    code = [source for source in sources if source.strip()]
    if not code:
        raise _invalid(f"{name} has no code in it. Was it saved before it was handed in?")
    return tuple(_cell(number, source) for number, source in enumerate(code, 1))


def _load(data: bytes, name: str) -> dict[str, Any]:
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _invalid(f"{name} is not a notebook: line {line} is not UTF-8 text; {_MEND}.", line) from None
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno} is broken JSON ({error.msg}, column {error.colno})"
        raise _invalid(f"{name} is not a notebook: {problem}; {_MEND}.", error.lineno) from None
    except (ValueError, RecursionError, MemoryError):  # a number with thousands of digits, thousands of brackets
        raise _invalid(f"{name} is not a notebook: its JSON is nested too deeply or too large; {_MEND}.") from None
    if not isinstance(notebook, dict):
        raise _invalid(f"{name} is not a notebook: its JSON holds no notebook object; {_MEND}.")
    return notebook


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
