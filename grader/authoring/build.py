"""Skeletons: `NAME.py` and `NAME.ipynb` cut from the solution, and whether those on disk still are that cut."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from grader.assignment import Assignment
from grader.errors import UsageError

BEGIN = re.compile(r"(?P<indent> *)# BEGIN SOLUTION (?P<task>Task \d[\d.]*: \S.*)")
END = re.compile(r" *# END SOLUTION")
LOOKS_LIKE_REGION = re.compile(r"#\s*(BEGIN|END)\s*SOLUTION", re.IGNORECASE)
EXAMPLE = "# BEGIN SOLUTION Task 1: what to do"
HEADING = re.compile(r"^# #+ ")  # a comment needs no second mark
CODE, MARKDOWN = "# %%", "# %% [markdown]"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the notebook, as lines of the skeleton with their markers gone."""

    kind: Literal["code", "markdown"]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What students start from, in its two forms."""

    source: str
    notebook: str


def build(assignment: Assignment) -> list[Path]:
    """Cut both skeletons, write those that changed and return their paths. Raises UsageError for a broken solution."""
    written = []
    for path, text in _wanted(assignment):
        if _present(path) != text:
            write_whole(path, text.encode())
            written.append(path)
    return written


def drift(assignment: Assignment) -> list[str]:
    """Return one line for each skeleton on disk that is not the cut of today's solution. Raises UsageError."""
    found = []
    for path, text in _wanted(assignment):
        if (present := _present(path)) is None:
            found.append(f"{path} is missing")
        elif present != text:
            pairs = zip_longest(present.splitlines(), text.splitlines())
            first = next((number for number, (old, new) in enumerate(pairs, 1) if old != new), 1)
            found.append(f"{path}:{first}: not what {assignment.solution} gives; run `grader build {assignment.name}`")
    return found


def cut(source: str, path: Path) -> Skeleton:
    """Return the skeletons of the solution `source`; `path` is for messages. Raises UsageError with file and line."""
    cells = _cells(_without_solutions(source.splitlines(), path), path)
    text = _as_module(cells)
    try:
        compile(text, f"skeleton of {path}", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise UsageError(
            f"{path}: its skeleton is not valid Python, near `{(error.text or '').strip()}`: {error.msg}"
        ) from error
    return Skeleton(text, _as_notebook(cells))


def _wanted(assignment: Assignment) -> list[tuple[Path, str]]:
    try:
        source = assignment.solution.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{assignment.solution}: cannot be read, and skeletons are cut from it: {error}") from error
    skeleton = cut(source, assignment.solution)
    return [(assignment.skeleton, skeleton.source), (assignment.notebook, skeleton.notebook)]


def _without_solutions(lines: list[str], path: Path) -> list[str]:
    """The lines with each region replaced by a raise. Strict, because an overlooked region hands out the solution."""
    kept: list[str] = []
    opened = 0  # the line of the region we are in
    for number, line in enumerate(lines, 1):
        begin, end = BEGIN.fullmatch(line.rstrip()), END.fullmatch(line.rstrip())
        if begin:
            if opened:
                raise UsageError(
                    f"{path}:{number}: a region begins inside the one of line {opened}; close that one first"
                )
            if not begin["indent"]:
                raise UsageError(f"{path}:{number}: a region outside any function would stop the skeleton from loading")
            opened = number
            kept.append(f"{begin['indent']}raise NotImplementedError({_quoted(begin['task'])})")
        elif end:
            if not opened:
                raise UsageError(f"{path}:{number}: END SOLUTION without a BEGIN SOLUTION before it")
            opened = 0
        elif LOOKS_LIKE_REGION.search(line):
            raise UsageError(f"{path}:{number}: expected `{EXAMPLE}` or `# END SOLUTION`, alone on its line")
        elif not opened:
            kept.append(line.rstrip())
    if opened:
        raise UsageError(f"{path}:{opened}: this BEGIN SOLUTION has no END SOLUTION")
    if len(kept) == len(lines):
        raise UsageError(f"{path}: no `{EXAMPLE}` region; students would be given the solution")
    return kept


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _cells(lines: list[str], path: Path) -> list[Cell]:
    cells: list[Cell] = []
    kind: Literal["code", "markdown"] = "code"
    body: list[str] = []
    for line in [*lines, CODE]:
        if not line.startswith(CODE):
            if kind == "markdown" and line and not line.startswith("#"):
                raise UsageError(f"{path}: `{line.strip()}` stands in a markdown cell; put `{CODE}` above the code")
            body.append(line)
            continue
        if line not in (CODE, MARKDOWN):
            raise UsageError(
                f"{path}: `{line}`: cells begin with `{CODE}` or `{MARKDOWN}`, and nothing more on the line"
            )
        if stripped := _stripped(body):
            cells.append(Cell(kind, stripped))
        kind, body = ("markdown" if line == MARKDOWN else "code"), []
    return cells


def _stripped(lines: list[str]) -> tuple[str, ...]:
    filled = [number for number, line in enumerate(lines) if line]
    return tuple(lines[filled[0] : filled[-1] + 1]) if filled else ()


def _as_module(cells: list[Cell]) -> str:
    """The cells as one module, with two blank lines around what is defined at the left margin, as formatters do."""
    parts: list[str] = []
    before: Cell | None = None
    for cell in cells:
        if before is not None:
            two = _defines(before) or (cell.kind == "code" and cell.lines[0].startswith(("def ", "class ", "@")))
            parts += ["", ""] if two else [""]
        parts += [HEADING.sub("# ", line) for line in cell.lines] if cell.kind == "markdown" else cell.lines
        before = cell
    return "\n".join(parts) + "\n"


def _defines(cell: Cell) -> bool:
    """Whether the cell ends inside a function or class."""
    return cell.kind == "code" and cell.lines[-1].startswith((" ", "\t"))


def _as_notebook(cells: list[Cell]) -> str:
    drawn: list[dict[str, object]] = []
    seen: Counter[str] = Counter()
    for cell in cells:
        text = "\n".join(_uncommented(line) if cell.kind == "markdown" else line for line in cell.lines)
        seen[text] += 1
        # of the content, so that a new cell leaves the others' ids, and the diff, alone
        cell_id = hashlib.sha256(f"{cell.kind} {seen[text]} {text}".encode()).hexdigest()[:12]
        code_only: dict[str, object] = {"execution_count": None, "outputs": []} if cell.kind == "code" else {}
        source = text.splitlines(keepends=True)
        drawn.append({"cell_type": cell.kind, "id": cell_id, "metadata": {}, "source": source, **code_only})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = {"cells": drawn, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _uncommented(line: str) -> str:
    return line.removeprefix("#").removeprefix(" ")


def _present(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def write_whole(path: Path, data: bytes) -> None:
    """Whole or not at all, whoever looks meanwhile; the folders on the way are made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(data)
        written = Path(file.name)
        written.chmod(0o644)
        written.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
