"""A thousand notebooks, each a good one changed as life changes notebooks: the grade stays, or the file is refused
with a reason.

Every case has a seed of its own: what it is made of does not depend on the cases before it.
"""

from __future__ import annotations

import ast
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from grader.assignment import load_assignment
from grader.intake.collect import entries
from grader.records import Result, Status
from grader.run.batch import grade_batch

CASES = 1000
BASES = {  # what each gets as it is
    "the solution": 10,
    "class/O'Brien homework 3.ipynb": 10,
    "class/ines.ipynb": 10,  # defines padding_mask twice, first a wrong one
    "class/priya_raman.ipynb": 8,
}
REASON = re.compile(r"masks\.ipynb is not a notebook: its JSON breaks off in line \d+")  # of `cut_short` alone
Cell = dict[str, Any]


@dataclass
class Book:
    """A notebook of format 4, and how it is written to a file."""

    cells: list[Cell]
    metadata: dict[str, Any] | None
    minor: int = 5
    old: bool = False  # as format 3
    layout: dict[str, Any] = field(default_factory=dict)  # of json.dumps
    newline: str = "\n"
    start: bytes = b""
    tail: bytes = b"\n"
    share: float = 1.0  # of the file that is there

    def of_kind(self, *kinds: str) -> list[Cell]:
        return [cell for cell in self.cells if cell["cell_type"] in kinds]

    def swap(self, cell: Cell, *others: Cell) -> None:
        """Put `others` where `cell` is."""
        index = next(i for i, found in enumerate(self.cells) if found is cell)
        self.cells[index : index + 1] = others

    def to_bytes(self) -> bytes:
        book: dict[str, Any] = {"cells": self.cells, "nbformat": 4, "nbformat_minor": self.minor}
        if self.old:
            book = {"worksheets": [{"cells": [_old(cell) for cell in self.cells]}], "nbformat": 3, "nbformat_minor": 0}
        if self.metadata is not None:
            book["metadata"] = self.metadata
        text = json.dumps(book, **self.layout).replace("\n", self.newline)
        data = self.start + text.encode() + self.tail
        return data[: int(len(data) * self.share)]


Chance = random.Random
Change = Callable[[Book, Chance], object]
CHANGES: dict[str, Change] = {}


def change(function: Change) -> Change:
    """One kind of change; it does nothing where there is nothing to change."""
    CHANGES[function.__name__] = function
    return function


def text_of(cell: Cell) -> str:
    """A cell's source as one string."""
    return "".join(cell["source"])


def code(text: str) -> Cell:
    """A code cell as Jupyter makes it."""
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": text}


def note(text: str, kind: str = "markdown") -> Cell:
    """A cell that is not code."""
    return {"cell_type": kind, "metadata": {}, "source": text}


def _old(cell: Cell) -> Cell:
    """A cell as format 3 wrote it."""
    if cell["cell_type"] != "code":
        return {key: value for key, value in cell.items() if key in ("cell_type", "metadata", "source")}
    return {"cell_type": "code", "language": "python", "collapsed": False, "input": cell["source"], "outputs": []}


def starts(text: str) -> list[int]:
    """The lines, from 0, where a top-level statement starts; none of a text that is not Python."""
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return []
    lines = [min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1 for node in body]
    return sorted(set(lines))


def quiet(text: str) -> bool:
    """Whether a cell only imports and defines: nothing in it raises, so what is joined to it runs as before."""
    defines = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    return bool(starts(text)) and all(isinstance(node, defines) for node in ast.parse(text).body)


@change
def split(book: Book, chance: Chance) -> None:
    places = [(cell, line) for cell in book.of_kind("code") for line in starts(text_of(cell))[1:]]
    if places:
        cell, line = chance.choice(places)
        lines = re.split(r"\r\n|\r|\n", text_of(cell))
        upper, lower = "\n".join(lines[:line]), "\n".join(lines[line:])
        book.swap(cell, {**cell, "source": upper}, {**deepcopy(cell), "source": lower})


@change
def join(book: Book, chance: Chance) -> None:
    cells = book.of_kind("code")
    pairs = [(a, b) for a, b in itertools.pairwise(cells) if quiet(text_of(a)) and "%%" not in text_of(b)]
    if pairs:
        upper, lower = chance.choice(pairs)
        book.swap(lower)
        book.swap(upper, {**upper, "source": f"{text_of(upper)}\n\n{text_of(lower)}"})


@change
def copy(book: Book, chance: Chance) -> None:
    cell = chance.choice(book.cells)
    book.swap(cell, cell, deepcopy(cell))


@change
def retype(book: Book, chance: Chance) -> None:
    comments = [cell for cell in book.of_kind("code") if not starts(text_of(cell)) and "%" not in text_of(cell)]
    cells = [*(cell for cell in comments if "!" not in text_of(cell)), *book.of_kind("markdown", "raw")]
    if cells:
        cell = chance.choice(cells)
        book.swap(cell, note(text_of(cell), "raw" if cell["cell_type"] == "markdown" else "markdown"))


@change
def insert(book: Book, chance: Chance) -> None:
    texts = [note("## Note to self: ask about `-inf`"), note("raw  text", "raw"), note("", "raw"), note("", "heading")]
    texts += [note("```python\ndef padding_mask(): pass\n```"), code(""), code("  \n\n"), code("# a comment")]
    book.cells.insert(chance.randint(0, len(book.cells)), chance.choice(texts))


@change
def reorder_text(book: Book, chance: Chance) -> None:
    if texts := book.of_kind("markdown", "raw"):
        cell = chance.choice(texts)
        book.swap(cell)
        book.cells.insert(chance.randint(0, len(book.cells)), cell)


@change
def imports_last(book: Book, chance: Chance) -> None:
    imports = [
        cell for cell in book.of_kind("code") if re.match(r'(""".*"""\n|import .*\n?|from .*\n?|\n)+$', text_of(cell))
    ]
    if imports:
        book.swap(imports[0])
        book.cells.append(imports[0])


@change
def book_metadata(book: Book, chance: Chance) -> None:
    kernel = {"kernelspec": {"name": "julia", "display_name": "J", "language": "julia"}}
    book.metadata = chance.choice([None, {}, kernel, {"colab": {"provenance": []}, "accelerator": "GPU"}])


@change
def cell_metadata(book: Book, chance: Chance) -> None:
    for cell in chance.sample(book.cells, chance.randint(1, len(book.cells))):
        cell["metadata"] = chance.choice([{}, None, {"tags": ["skip"]}, {"collapsed": True, "editable": False}, []])
        if chance.random() < 0.5:
            del cell["metadata"]


@change
def ids(book: Book, chance: Chance) -> None:
    new = chance.choice(["same", "no id! " * 30, 7, None])
    for cell in chance.sample(book.cells, chance.randint(1, len(book.cells))):
        cell["id"] = new or f"{chance.getrandbits(32):08x}"


@change
def no_ids(book: Book, chance: Chance) -> None:
    for cell in book.cells:
        cell.pop("id", None)


@change
def outputs(book: Book, chance: Chance) -> None:
    shown = {"text/html": "<script>alert(1)</script>", "image/png": "iVBORw0KGgo=", "text/plain": ["a", "b"]}
    some = [
        {"output_type": "stream", "name": "stdout", "text": "epoch 1 loss 0.7\n" * 2000},
        {"output_type": "display_data", "data": shown, "metadata": {}},
        {"output_type": "error", "ename": "NameError", "evalue": "padding_mask", "traceback": ["\x1b[31mNo\x1b[39m"]},
        {"output_type": "execute_result", "execution_count": 3, "data": {"text/plain": "10"}, "metadata": {}},
        {"output_type": "no such thing"},
    ]
    for cell in book.of_kind("code"):
        cell["outputs"] = chance.sample(some, chance.randint(0, 3))


@change
def no_outputs(book: Book, chance: Chance) -> None:
    for cell in book.of_kind("code"):
        cell["outputs"] = []
        if chance.random() < 0.5:
            del cell["outputs"]


@change
def counts(book: Book, chance: Chance) -> None:
    for cell in book.of_kind("code"):
        cell["execution_count"] = chance.choice([None, chance.randint(0, 99), -1, "4"])


@change
def source_form(book: Book, chance: Chance) -> None:
    for cell in book.cells:
        text = text_of(cell)
        cell["source"] = chance.choice([text, [text], text.splitlines(keepends=True), list(text)])


@change
def source_ends(book: Book, chance: Chance) -> None:
    for cell in book.cells:
        end = chance.choice(["\r\n", "\r", "\n"])
        cell["source"] = text_of(cell).replace("\r\n", "\n").replace("\r", "\n").replace("\n", end)


@change
def mixed_ends(book: Book, chance: Chance) -> None:
    for cell in book.cells:
        cell["source"] = re.sub(r"\r\n|\r|\n", lambda _: chance.choice(["\r\n", "\r", "\n"]), text_of(cell))


@change
def file_ends(book: Book, chance: Chance) -> None:
    book.newline = chance.choice(["\r\n", "\r"])


@change
def unicode(book: Book, chance: Chance) -> None:
    cell = chance.choice(book.cells)
    cell["source"] = f"{text_of(cell)}\n# → naïve 掩码 🙂 \u202eabc Ω\u2028def padding_mask(): pass"
    book.layout["ensure_ascii"] = chance.random() < 0.5


@change
def blanks(book: Book, chance: Chance) -> None:
    for cell in book.of_kind("code"):
        if "%%" not in text_of(cell):
            cell["source"] = chance.choice(["", "\n", " \n\n"]) + text_of(cell) + chance.choice(["", "\n", "  \n\n\t"])


@change
def magic(book: Book, chance: Chance) -> None:
    cell = chance.choice(book.of_kind("code"))
    top = chance.choice(["%%time", "%%capture out", "%matplotlib inline", "!pip install -q einops", "%load_ext grader"])
    cell["source"] = f"{top}\n{text_of(cell)}"


@change
def byte_order_mark(book: Book, chance: Chance) -> None:
    book.start = b"\xef\xbb\xbf" + chance.choice([b"", b"\n", b"  "])


@change
def layout(book: Book, chance: Chance) -> None:
    book.layout |= {"indent": chance.choice([None, 0, 1, 4, "\t"]), "sort_keys": chance.random() < 0.5}


@change
def minor(book: Book, chance: Chance) -> None:
    book.minor = chance.randint(0, 5)


@change
def format_3(book: Book, chance: Chance) -> None:
    book.old = True


@change
def trailing_blanks(book: Book, chance: Chance) -> None:
    book.tail = chance.choice([b"", b"\n\n\n", b"  \r\n", b"\t"])


@change
def trailing_junk(book: Book, chance: Chance) -> None:
    book.tail = chance.choice([b"\n}", b" ]}\n", b"\0\0\0", b"\n<<<<<<< HEAD\n", b"\x1a", b"{}"])


@change
def cut_short(book: Book, chance: Chance) -> None:
    if chance.random() < 0.3:
        book.share = chance.uniform(0.05, 0.97)


def base(name: str, root: Path) -> Book:
    """One of the notebooks that are changed."""
    if name == "the solution":
        text = load_assignment(root, "masks").solution.read_text()
        parts = re.split(r"^# %%( \[markdown\])?\n", text, flags=re.MULTILINE)[1:]
        cells = [note(text) if kind else code(text.strip()) for kind, text in zip(parts[::2], parts[1::2], strict=True)]
        return Book([*cells, code("# nothing but a comment")], {})
    book = json.loads((root / "examples" / name).read_text())
    return Book(book["cells"], book["metadata"])


def grade(result: Result) -> object:
    """What must stay the same."""
    checks = [(check.id, check.status, check.points) for check in result.checks]
    return result.status, result.score, checks


@pytest.mark.slow
def test_a_thousand_changed_notebooks_keep_their_grade_or_are_refused_with_a_reason(root: Path, tmp_path: Path) -> None:
    """Cases are files 0000.ipynb and so on; those of BASES stand beside them, unchanged."""
    made: dict[str, tuple[str, list[str]]] = {}
    handed_in = tmp_path / "handed_in"
    handed_in.mkdir()
    for number, name in enumerate(BASES):
        (handed_in / f"base {number}.ipynb").write_bytes(base(name, root).to_bytes())
    for seed in range(CASES):
        chance = random.Random(seed)
        name, kinds = chance.choice(list(BASES)), chance.sample(sorted(CHANGES), chance.randint(1, 4))
        book = base(name, root)
        for kind in kinds:
            CHANGES[kind](book, chance)
        made[f"{seed:04}.ipynb"] = name, kinds
        (handed_in / f"{seed:04}.ipynb").write_bytes(book.to_bytes())
    found = entries([handed_in], "masks")
    results = {r.submission: r for r in grade_batch(load_assignment(root, "masks"), found, None, jobs=2)}
    wanted = {name: results.pop(f"base {number}.ipynb") for number, name in enumerate(BASES)}
    assert {name: result.score for name, result in wanted.items()} == BASES
    assert set(results) == set(made)
    refused = {name for name, r in results.items() if r.status is Status.INVALID and REASON.search(r.message or "")}
    wrong = [
        f"{handed_in / name} ({made[name]}): {result.status}, {result.score}, {result.message}"
        for name, result in results.items()
        if name not in refused and grade(result) != grade(wanted[made[name][0]])
    ]
    assert not wrong, "\n".join(wrong)
    assert 0 < len(refused) < 0.05 * CASES  # a file that ends in its middle cannot be read
    assert all("cut_short" in made[name][1] for name in refused)
    assert min(Counter(kind for _, kinds in made.values() for kind in kinds).values()) >= 20
