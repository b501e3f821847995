"""The notebook that a student gets back: their own, with cards that show and break nothing; and printed curves."""

from __future__ import annotations

import argparse
import json
import re
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from grader.commands.report import run as report
from grader.records import CheckResult, Outcome, Picture, Result
from grader.report import render_student
from grader.report.feedback import feedback
from grader.report.notebook import identities, notebook_of, repaired
from grader.report.png import png
from grader.report.traces import CURVES, POINTS, traces
from tests.browser import Browser, find_chromium
from tests.course import PERFECT, Course, make_course
from tests.test_cli import environment
from tests.test_report import HEADING, PARSER, SECRET, attention, flat, hostile, hostile_result, make_check, words_of
from tests.test_report import picture as compared

Cell = dict[str, Any]
IMPORTS, TWICE, LAYER = PERFECT.split("\n\n")[0], *("\n" + part for part in PERFECT.strip().split("\n\n")[1:])
WRONG = TWICE.replace("x + x", "x * x")
HOSTILE = (
    "<img src=x onerror=alert(1)> $x$ \\\\(y\\\\) [a](javascript:b) "
    "![i](http://e.example/i.png) | # h ` \\n# h\\n\\n- i"
)
LOG = """
for epoch in range(1, 6):
    for batch in range(3):
        print(f"\\repoch {epoch}: {batch}/3 loss={9 / (3 * epoch + batch):.3f}", end="")
    print(f"\\repoch {epoch}: train loss {3 / epoch:.3f} | val_acc: {20 * epoch}%")
"""


def code(source: str | list[str], **more: Any) -> Cell:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source,
    } | more


def text(source: str, **more: Any) -> Cell:
    return {"cell_type": "markdown", "metadata": {}, "source": source, **more}


def book(*cells: Cell, **more: Any) -> Cell:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}


def old(source: str, **more: Any) -> Cell:
    return {"cell_type": "code", "input": source, "language": "python", "outputs": [], "collapsed": False} | more


SHOWN = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<script>alert(1)</script>"}}
NUMBERS = {"output_type": "display_data", "metadata": {}, "data": {"application/json": {"least": float("nan")}}}
CARD = text("of another time", metadata={"torchgrade": {"card": True}})

BOOKS: dict[str, Cell] = {
    "good": book(
        text("# Mine", id="t", attachments={"a.png": {"image/png": "aGk="}}),
        code(IMPORTS.splitlines(keepends=True), id="a", execution_count=7),
        code("", id="empty"),
        code(WRONG, id="b"),
        code(TWICE + "\ntwice(torch.ones(1))", id="c", outputs=[SHOWN], metadata={"tags": ["x"], "mine": {"z": [1]}}),
        code(LAYER, id="d"),
        code("twice(torch.zeros(2))", id="e"),
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}, "mine": [1, {"k": None}]},
    ),
    "wrong": book(code(IMPORTS), code(WRONG + "\n" + LAYER)),
    "missing": book(code(IMPORTS), code(TWICE), code(LAYER.replace("Layer", "Lyer"))),
    "raised": book(code(IMPORTS), code("print(1)\n1 / 0"), code(TWICE), code(LAYER)),
    "old": {
        "metadata": {"name": "hw", "signature": "sha256:0"},
        "nbformat": 3,
        "nbformat_minor": 0,
        "worksheets": [
            {"cells": [{"cell_type": "heading", "level": 2, "source": ["My\n", "work"]}, old(IMPORTS)]},
            {
                "cells": [
                    old(
                        TWICE,
                        prompt_number=3,
                        outputs=[
                            {"output_type": "pyout", "prompt_number": 3, "text": ["1"], "png": "aGk="},
                            {"output_type": "stream", "stream": "stderr", "text": "w"},
                            {"output_type": "pyerr", "ename": "E", "evalue": "v", "traceback": []},
                        ],
                    ),
                    old(LAYER),
                ]
            },
        ],
    },
    "ragged": book(
        {"cell_type": "code", "source": IMPORTS, "id": "same", "trusted": True},
        {"cell_type": "code", "source": TWICE, "id": "same", "metadata": {"trusted": True, "tags": "no"}, "outputs": 3},
        code(LAYER, id="no id!", outputs=[NUMBERS, "odd", {"output_type": "new"}, {"output_type": "stream"}]),
        {"cell_type": "markdown", "source": 3, "attachments": [], "extra": 1},
        {"cell_type": "query", "source": "select", "metadata": None},
        metadata={"kernelspec": {"name": "python3"}, "trusted": True, "signature": "x", "language_info": 3},
    ),
    "again": book(CARD, code(IMPORTS), code(TWICE), CARD, code(LAYER)),
    "hostile": book(
        code(IMPORTS, metadata={"name": HOSTILE}),
        code(f"raise RuntimeError('{HOSTILE}')"),
        code(TWICE.replace("return x + x", f"raise ValueError('{HOSTILE}')")),
        code(LAYER),
        metadata={"title": HOSTILE},
    ),
    "log": book(code(IMPORTS), code(LOG), code(TWICE), code(LAYER)),
}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `grader grade` leaves for all of these, a broken one and a module."""
    course = make_course(tmp_path_factory.mktemp("feedback"))
    handed_in = course.folder / "in"
    handed_in.mkdir()
    for name, made in BOOKS.items():
        (handed_in / f"{name}.ipynb").write_text(json.dumps(made))
    (handed_in / "broken.ipynb").write_text("{")
    (handed_in / "module.py").write_text(PERFECT)
    command = [sys.executable, "-m", "grader", "grade", "twice", "in", "-o", "out"]
    subprocess.run(command, cwd=course.folder, env=environment(course.folder), check=True, capture_output=True)
    return course.folder / "out"


def given_back(out: Path, name: str) -> Cell:
    """The notebook of a submission, which has to be a valid one."""
    return validated((out / name / "feedback.ipynb").read_text(encoding="utf-8"))


def validated(written: str) -> Cell:
    notebook: Cell = json.loads(written, parse_constant=pytest.fail)
    nbformat.validate(nbformat.reads(written, as_version=4))  # type: ignore[no-untyped-call]
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return notebook


def is_card(cell: Cell) -> bool:
    mark: object = cell["metadata"].get("torchgrade")
    return mark == {"card": True}


def cards(notebook: Cell) -> dict[str, str]:
    """What the cards say, by what stands in the cell before each."""
    before, found = "", {}
    for cell in notebook["cells"]:
        if is_card(cell):
            found[before] = cell["source"]
        else:
            before = "".join(cell["source"]).strip()
    return found


# ---- what is in it


def test_it_is_their_own_notebook_with_a_card_behind_each_graded_name(out: Path) -> None:
    notebook = given_back(out, "good")
    assert [cell for cell in notebook["cells"] if not is_card(cell)] == BOOKS["good"]["cells"]
    assert [list(cell) for cell in notebook["cells"] if not is_card(cell)] == [list(c) for c in BOOKS["good"]["cells"]]
    assert notebook["metadata"] == BOOKS["good"]["metadata"]
    assert [is_card(cell) for cell in notebook["cells"]] == [n in (0, 6, 8) for n in range(10)]
    summary, twice, layer = cards(notebook).values()
    assert "Graded, 10 of 10 points (100 %)" in summary
    assert "| The layer computes what is asked. (hidden) | ✓ Passed | 3&nbsp;/&nbsp;3 |" in summary
    assert "the last definition counts" in summary
    assert twice.startswith("> **Feedback on `twice`**: 6 of 6 points\n")
    assert "The layer computes" not in twice
    assert layer.startswith("> **Feedback on `Layer`**: 4 of 4 points\n")
    assert "> - Hidden: ✓ **Passed** (3 / 3): The layer computes what is asked." in layer


def test_what_went_wrong_stands_behind_its_cell_with_a_picture(out: Path) -> None:
    notebook = given_back(out, "wrong")
    summary, both = cards(notebook).values()  # two names in one cell: one card
    assert both.startswith("> **Feedback on `Layer` and `twice`**: ")
    assert len(re.findall(r"twice doubles every value", both)) == 2  # once by itself, once as what another one needs
    assert "✗ **Not passed yet** (0 / 2): twice doubles every value." in both
    assert "**Why:** twice(x) has the right shape (3, 4)" in both
    assert "**What it looks like:** It is squared. Two times, not to the power of two." in both
    assert "**Hint:** Two times." in both
    assert "It is squared. (as above)" in both
    assert "from left to right: Yours (from " in both
    shown = r"^>     !\[Yours: heat map of 3 rows by 4 columns;.*\]\(data:image/png;base64,[\w+/=]+\)$"
    assert re.search(shown, both, re.MULTILINE)
    assert "Why" not in summary


def test_names_that_no_cell_defines_are_said_on_top(out: Path) -> None:
    summary, twice = cards(given_back(out, "missing")).values()
    assert "**No cell defines:** `Layer`." in summary
    assert "did you mean `Lyer`" in summary
    assert "(cell 3, line" in summary
    assert twice.startswith("> **Feedback on `twice`**: 6 of 6")


def test_a_cell_that_raised_has_a_card_that_says_so(out: Path) -> None:
    said = cards(given_back(out, "raised"))
    assert "cell 2 stopped with ZeroDivisionError" in said["print(1)\n1 / 0"]
    assert len(said) == 4


def test_an_old_notebook_comes_back_in_a_format_that_opens_anywhere(out: Path) -> None:
    notebook = given_back(out, "old")
    own = [cell for cell in notebook["cells"] if not is_card(cell)]
    assert [(cell["cell_type"], cell["source"]) for cell in own] == [
        ("markdown", "## My work"),
        ("code", IMPORTS),
        ("code", TWICE),
        ("code", LAYER),
    ]
    result, stream, error = own[2]["outputs"]
    assert (own[2]["execution_count"], result["execution_count"]) == (3, 3)
    assert result["data"] == {"text/plain": ["1"], "image/png": "aGk="}
    assert (stream["name"], stream["text"], error["ename"]) == ("stderr", "w", "E")
    assert set(cards(notebook)) == {"", TWICE.strip(), LAYER.strip()}


def test_a_ragged_notebook_is_mended_and_trusted_by_nobody(out: Path) -> None:
    notebook = given_back(out, "ragged")
    own = [cell for cell in notebook["cells"] if not is_card(cell)]
    assert [cell["source"] for cell in own] == [IMPORTS, TWICE, LAYER, "", "select"]
    assert [cell["id"] for cell in own] == ["same", "cell-2", "cell-3", "cell-4", "cell-5"]
    assert notebook["metadata"] == {}
    assert all("trusted" not in json.dumps(cell) for cell in notebook["cells"])
    kept = [output["output_type"] for output in own[2]["outputs"]]
    assert kept == ["display_data", "stream"]
    assert own[2]["outputs"][0]["data"] == {"application/json": {"least": None}}  # JSON has no NaN


def test_cards_of_another_time_are_replaced(out: Path) -> None:
    notebook = given_back(out, "again")
    assert "of another time" not in json.dumps(notebook)
    assert len(notebook["cells"]) == 6


def test_nothing_but_a_notebook_comes_back_as_one(out: Path) -> None:
    assert not [name for name in ("broken.ipynb", "module.py") if (out / Path(name).stem / "feedback.ipynb").exists()]
    rows = {row["submission"]: row for row in json.loads((out / "results.json").read_text())["submissions"]}
    assert {name for name, row in rows.items() if row["feedback"]} == {f"{name}.ipynb" for name in BOOKS}
    assert {tuple(check["asks"]) for check in rows["good.ipynb"]["checks"]} == {("twice",), ("Layer",)}
    page = (out / "class.html").read_text()
    assert 'href="good/feedback.ipynb"' in page
    assert 'href="module/feedback.ipynb"' not in page
    assert 'href="feedback.ipynb"' in (out / "good" / "report.html").read_text()
    assert 'href="feedback.ipynb"' not in (out / "module" / "report.html").read_text()


def test_a_later_run_takes_the_old_one_away_and_a_report_leaves_it(course: Course) -> None:
    (course.folder / "in").mkdir()
    handed_in, written = course.folder / "in" / "one.ipynb", course.folder / "out" / "one" / "feedback.ipynb"
    handed_in.write_text(json.dumps(BOOKS["good"]))
    course.grade()
    before = written.read_bytes()
    assert report(argparse.Namespace(out=course.folder / "out")) == 0
    assert written.read_bytes() == before
    handed_in.write_text("{")
    course.grade()
    assert not written.exists()


# ---- what must not be in it


def made_of(result: Result) -> Cell:
    """The notebook of two cells, with a card behind the first for all checks but the last, which belongs to none."""
    *most, last = result.checks
    asking = (*(replace(check, asks=("f",)) for check in most), replace(last, asks=()))
    cells = [(1, code("def f(): ...")), (0, text("end"))]
    where = {"f": "cell 1, line 1"}
    return validated(feedback(HEADING, replace(result, checks=asking), {}, cells, where, ["f"]))


def sources(notebook: Cell) -> str:
    return "\n\n".join(cell["source"] for cell in notebook["cells"] if is_card(cell))


def test_hidden_messages_and_pictures_reach_no_card() -> None:
    leak = Picture("secret caption", ((0.271828,),), ((0.314159,),), ((0.057722,),))
    checks = tuple(
        make_check(f"c{n}", "A title", status, 0, 1, visibility="hidden", message=SECRET, hint="A hint.", picture=leak)
        for n, status in enumerate(Outcome)
    )
    said = sources(made_of(attention(checks=checks)))
    assert "A hint." in said
    for part in ("271828", "314159", "057722", "secret", "data:image"):
        assert part not in said


PLAIN = made_of(hostile_result("xplain"))


@settings(max_examples=40, deadline=None)
@given(hostile)
def test_no_string_breaks_out_of_a_card(string: str) -> None:
    made = made_of(hostile_result(string))
    assert len(made["cells"]) == len(PLAIN["cells"]) == 4
    for cell, plain in zip(made["cells"], PLAIN["cells"], strict=True):
        assert flat(PARSER.parse(cell["source"])) == flat(PARSER.parse(plain["source"]))
        assert "$" not in cell["source"]  # notebooks set formulas between two of them
        if is_card(cell):
            assert "\\(" not in cell["source"]
            assert "\\begin" not in cell["source"]


def inline(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from inline(token.children or [])


def test_words_of_a_notebook_stay_words(out: Path) -> None:
    notebook = given_back(out, "hostile")
    for source in cards(notebook).values():
        for token in inline(PARSER.parse(source)):
            assert token.type not in {"link_open", "heading_open", "html_block"}
            assert token.type != "html_inline" or token.content in ("<span>", "</span>")
            assert token.type != "image" or str(token.attrs["src"]).startswith("data:image/png;base64,")
    said = words_of(MarkdownIt("commonmark").enable("table").render(cards(notebook)[TWICE_RAISES]))
    plain = said.replace("\N{WORD JOINER}", "").replace(" ", "")
    assert "<imgsrc=xonerror=alert(1)>$x$\\(y\\)[a](javascript:b)![i](http://e.example/i.png)|#h`" in plain


TWICE_RAISES = str(BOOKS["hostile"]["cells"][2]["source"]).strip()


# ---- any notebook becomes a valid one

ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 9), st.text(max_size=4), st.just("text/plain")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def odd(*names: str, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Cell]:
    """Records with some of these keys, with anything in them or something fitting."""
    return st.fixed_dictionaries(
        {}, optional={**dict.fromkeys(names, ANYTHING), **{n: s | ANYTHING for n, s in known.items()}}
    )


KINDS = st.sampled_from(["stream", "error", "execute_result", "display_data", "pyout", "pyerr"])
DATA = st.dictionaries(st.sampled_from(["text/plain", "application/json", "application/x+json", "a"]), ANYTHING)
OUTPUTS = st.lists(
    odd(
        "name",
        "text",
        "ename",
        "evalue",
        "traceback",
        "metadata",
        "execution_count",
        "html",
        output_type=KINDS,
        data=DATA,
    )
)
CELLS = odd(
    "id", "source", "input", "level", "extra", "execution_count", "prompt_number",
    cell_type=st.sampled_from(["code", "markdown", "raw", "heading"]),
    metadata=odd("name", "tags", "jupyter", "collapsed", "scrolled", "format", "execution", "trusted"),
    outputs=OUTPUTS,
    attachments=st.dictionaries(st.text(max_size=3), DATA),
)  # fmt: skip
WHOLE = odd("kernelspec", "orig_nbformat", "title", "authors", language_info=odd("name", "codemirror_mode", "mimetype"))


@settings(max_examples=150, deadline=None)
@given(WHOLE, st.lists(CELLS, max_size=3))
def test_whatever_a_notebook_holds_it_becomes_a_valid_one(metadata: Cell, cells: list[Cell]) -> None:
    own = [repaired(cell, name) for cell, name in zip(cells, identities(cells), strict=True)]
    validated(json.dumps(notebook_of(metadata, own)))
    again = [repaired(cell, name) for cell, name in zip(own, identities(own), strict=True)]
    assert again == own  # what is valid stays as it is


# ---- pictures


def test_the_picture_is_a_png_with_three_maps_side_by_side() -> None:
    seen = compared(4, 6, holes=True)
    data = png(seen)
    chunks, place = {}, 8
    while place < len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        assert struct.unpack(">I", data[place + 8 + size : place + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind], place = body, place + 12 + size
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (width, height, form) == (3 * 192 + 2 * 16, 4 * 32, [8, 3, 0, 0, 0])
    lines = zlib.decompress(chunks[b"IDAT"])
    assert len(lines) == height * (width + 1)
    pixels = [lines[y * (width + 1) + 1 : (y + 1) * (width + 1)] for y in range(height)]
    colour = [tuple(chunks[b"PLTE"][3 * n : 3 * n + 3]) for n in range(len(chunks[b"PLTE"]) // 3)]
    assert colour[pixels[5][5]] == (128, 128, 128)  # the first value is none
    assert pixels[5][200] == 0 == chunks[b"tRNS"][0]  # see-through between the maps
    assert len({pixels[40][5 + 32 * n] for n in range(6)}) > 2


# ---- as a browser shows it


@pytest.mark.slow
def test_a_browser_shows_cards_and_pictures(out: Path, tmp_path: Path) -> None:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        exporter = pytest.importorskip("nbconvert").HTMLExporter(require_js_url="", mathjax_url="")
        pages = {name: exporter.from_filename(str(out / name / "feedback.ipynb"))[0] for name in ("wrong", "hostile")}
    with Browser(chromium) as browser:
        for name, page in pages.items():
            (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")
            browser.open(tmp_path / f"{name}.html")
            found = browser.run("[...document.images].map(image => [image.naturalWidth > 100, image.src.slice(0, 15)])")
            assert found == ([[True, "data:image/png;"]] if name == "wrong" else [])
            assert browser.run("document.querySelectorAll('blockquote').length") >= 1
            assert browser.run("document.querySelectorAll('main a[href]:not(.anchor-link), [onerror]').length") == 0


# ---- curves in what was printed


def test_a_log_becomes_curves(out: Path) -> None:
    result = json.loads(json.loads((out / "log" / "record.json").read_text())["record"])
    lines = result["output"].splitlines()
    assert lines[:2] == ["epoch 1: train loss 3.000 | val_acc: 20%", "epoch 2: train loss 1.500 | val_acc: 40%"]
    page = words_of((out / "log" / "report.html").read_text())
    assert "Curves in what was printed" in page
    assert "train loss, at the end 0.6" in page
    assert "val acc, at the end 100" in page
    assert "Curves in what was printed" not in (out / "good" / "report.html").read_text()


@pytest.mark.parametrize(
    ("log", "name", "points"),
    [
        ("step 0: loss 4.2\nstep 50: loss 3.1\nstep 100: loss 2.5", "loss", [(0, 4.2), (50, 3.1), (100, 2.5)]),
        (
            "Epoch [1/2], Step [1/2], Loss: 3\nEpoch [1/2], Step [2/2], Loss: 2\nEpoch [2/2], Step [1/2], Loss: 1e-1",
            "loss",
            [(1, 3), (2, 2), (3, 0.1)],
        ),
        ("{'eval_loss': 3, 'epoch': 1.0}\n{'eval_loss': 2, 'epoch': 2.5}\n{'eval_loss': 1, 'epoch': 3}", "eval loss",
         [(1, 3), (2.5, 2), (3, 1)]),
        ("Accuracy: 50%\nAccuracy: 60%\nAccuracy: 61.5 %", "accuracy", [(1, 50), (2, 60), (3, 61.5)]),
        ("loss tensor(3., grad_fn=<A>)\nloss tensor(2.)\nloss nan\nloss -1", "loss", [(1, 3), (2, 2), (3, -1)]),
    ],
)  # fmt: skip
def test_lines_of_many_forms_are_read(log: str, name: str, points: list[tuple[float, float]]) -> None:
    (curve,) = traces(log)
    assert (curve.name, list(curve.points)) == (name, points)


@pytest.mark.parametrize(
    "log", ["loss 1\nloss 2", "gloss 1\n" * 5, "loss2: 1\n" * 5, "acc: 4/5\n" * 5, "loss_fn 3\n" * 5]
)
def test_other_lines_are_no_curve(log: str) -> None:
    assert traces(log) == ()


def test_curves_are_few_and_short() -> None:
    log = "".join(f"a{chr(97 + n)}_loss {n}\n" for n in range(20)) * 3 + "loss 1\n" * 3
    assert len(traces(log)) == CURVES
    (curve,) = traces("".join(f"loss {n}\n" for n in range(10_000)))
    assert len(curve.points) == POINTS
    assert (curve.points[0], curve.points[-1]) == ((1, 0), (10_000, 9999))
    for odd_log in ("a_" * 40_000, "train " * 20_000, "loss" + " " * 80_000, "1" * 80_000, "loss: 1e999\n" * 3):
        assert traces(odd_log) == ()


def test_what_was_printed_is_escaped() -> None:
    page = render_student(HEADING, attention(output="<i>_loss 1\n" * 3 + "x_loss: 2\n" * 3))["report.html"]
    assert "x loss, at the end" in words_of(page)
    assert "<i>" not in page


def test_asks_and_feedback_survive_storage() -> None:
    check = CheckResult("c", "T", "public", 1, 1, Outcome.PASSED, asks=("f", "g"))
    result = attention(checks=(check,), feedback=True)
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result
