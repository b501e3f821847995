"""The reports: what they say, what they never say, and that no student's string breaks out of any format."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from grader.records import CheckResult, Diagnosis, Grid, Outcome, Picture, Result, Status
from grader.report import Heading, render_class, render_student
from grader.report.picture import panels
from grader.report.render import TEMPLATES
from grader.report.words import number, part_of, percent, whole_percent

HEADING = Heading("attention", "Scaled dot-product attention", "2026-11-30 23:59")
SECRET = "hidden-message-with-0.271828"


def grid(rows: int, columns: int, *, shift: float = 0.0, scale: float = 1.0) -> Grid:
    """Return smooth numbers, as a softmax or an output would be."""
    return tuple(
        tuple(scale * math.sin(0.7 * r + shift) * math.cos(0.45 * c - shift) for c in range(columns))
        for r in range(rows)
    )


def picture(rows: int, columns: int, *, holes: bool = False) -> Picture:
    """Return a comparison that differs a little everywhere, and where `holes` has a NaN in the first row."""
    mine, theirs = grid(rows, columns, scale=1.6), grid(rows, columns, shift=0.25)
    first = (None, *mine[0][1:]) if holes else mine[0]
    student: Grid = (first, *mine[1:])
    difference: Grid = tuple(
        tuple(None if a is None or b is None else a - b for a, b in zip(one, two, strict=True))
        for one, two in zip(student, theirs, strict=True)
    )
    return Picture("output[0, 1]: rows are queries, columns are channels", student, theirs, difference)


def make_check(name: str, title: str, status: Outcome, points: float, top: float, **more: object) -> CheckResult:
    """Return a check that is public unless `more` says otherwise."""
    return CheckResult(name, title, more.pop("visibility", "public"), points, top, status, **more)  # type: ignore[arg-type]


def attention_checks() -> tuple[CheckResult, ...]:
    """Return ten checks with every outcome."""
    passed, failed = Outcome.PASSED, Outcome.FAILED
    scaling = Diagnosis(
        "no_scaling",
        "The scores are not divided by sqrt(D)",
        "Dot products grow with the number of channels D. "
        "What has to happen to `q @ k.transpose(-2, -1)` before the softmax?",
    )
    values = (
        "the output differs in 128 of 128 values. The first difference is at [0, 0, 0, 0]: yours is 0.4127, "
        "expected is 0.3871. The largest is at [0, 1, 5, 2]: yours is 1.3020, expected is 0.4711; "
        "that is about 7000000 times what float32 rounding explains."
    )
    return (
        make_check("output_shape", "The output has one row per query.", passed, 1, 1, seconds=0.004),
        make_check("weights_sum", "The weights of each query sum to one.", passed, 2, 2, seconds=0.004),
        make_check(
            "values",
            "The values match the reference.",
            failed,
            0,
            3,
            message=values,
            diagnosis=scaling,
            picture=picture(8, 8),
        ),
        make_check(
            "mask",
            "Masked keys get no weight, whatever the type of the mask.",
            Outcome.PARTIAL,
            1.3333333333,
            2,
            message="2 of 3 cases pass; with a bool mask the weights[0, 0, 0, 0] is not a number.",
            hint="What does `softmax` return for a row in which every score is minus infinity?",
            picture=picture(16, 16, holes=True),
        ),
        make_check(
            "gradients",
            "Gradients reach q, k and v.",
            Outcome.SKIPPED,
            0,
            2,
            message="This check needs: The values match the reference.",
        ),
        make_check(
            "layer_values",
            "The layer works with given weights.",
            failed,
            0,
            3,
            message="GenericSelfAttention.forward raised RuntimeError on line 48: "
            "shape '[2, 5, 4, 8]' is invalid for input of size 160",
            hint="Which of B, T, C and n_head does the shape you ask for need?",
        ),
        make_check("divisible", "n_embd must be divisible by n_head.", passed, 1, 1),
        make_check(
            "many_keys",
            "More keys than queries work.",
            passed,
            2,
            2,
            visibility="hidden",
        ),
        make_check(
            "large_scores",
            "Large scores do not overflow.",
            failed,
            0,
            2,
            visibility="hidden",
            message=SECRET,
            hint="Try scores of about 1000.",
            picture=picture(8, 8),
        ),
        make_check("dropout", "Dropout rests in eval mode.", Outcome.ERROR, 0, 2, visibility="hidden", message=SECRET),
    )


def attention(**changes: object) -> Result:
    """Return a graded submission with mixed outcomes."""
    result = Result(
        submission="Zoë Nakamura-Łukasik 中村",
        folder="zoe",
        status=Status.GRADED,
        score=7.3333333333,
        max_score=20,
        seconds=0.412,
        message=None,
        checks=attention_checks(),
        notes=("Both attention.py and attention.ipynb are here; attention.py was graded.",),
        output="q torch.Size([2, 4, 5, 8])\nstep 1  loss 0.693\n" + "a very long line " * 20,
        protection="STRICT",
        environment="torchgrade 0.1.0, torch 2.13.0, Python 3.11.7",
    )
    return replace(result, **changes)  # type: ignore[arg-type]


def everything(result: Result) -> dict[str, str]:
    """Return every file that is made of one submission."""
    return {**render_student(HEADING, result), **render_class(HEADING, [result])}


class Structure(HTMLParser):
    """The elements of a page with the names of their attributes, in order, and its links and text."""

    VOID = frozenset({"meta", "br", "path", "circle", "rect"})

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "code":  # what stands between backticks may become one, and nothing else may
            self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action", "xlink:href"}]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def words_of(page: str) -> str:
    """Return the text of a page, with single blanks."""
    return " ".join(" ".join(Structure(page).text).split())


# ---- what the student reads


def test_student_page_tells_scores_outcomes_and_what_to_do() -> None:
    page = words_of(render_student(HEADING, attention())["report.html"])
    for expected in (
        "Scaled dot-product attention",
        "Zoë Nakamura-Łukasik 中村",
        "7.33 of 20 points",
        "4 of 10 checks passed.",
        "Public checks 3 of 7 passed 5.33 / 14",
        "Hidden checks 1 of 3 passed 2 / 6",
        "1.33 / 2",
        "What it looks like: The scores are not divided by sqrt(D)",
        "Hint. What does softmax return",
        "This check needs: The values match the reference.",
        "Largest difference: 0.723 in row 7, column 6 of the picture, counted from 0",
        "step 1 loss 0.693",
        "STRICT",
        "torchgrade 0.1.0, torch 2.13.0, Python 3.11.7",
    ):
        assert expected in page, expected


def test_grader_fault_is_never_a_zero() -> None:
    result = attention(status=Status.ERROR, score=0, checks=(), message="A fixture could not be read.")
    files = everything(result)
    page = words_of(files["report.html"])
    assert "Not graded: the grader's own fault." in page
    assert "You have not lost any points." in page
    assert "of 20 points" not in page
    assert "of 20 points" not in files["report.md"]
    row = next(csv.DictReader(io.StringIO(files["grades.csv"].removeprefix("\ufeff"))))
    assert (row["status"], row["score"], row["percent"], row["max_score"]) == ("error", "", "", "20")
    assert "no grades yet" in words_of(files["class.html"])
    assert "not graded" in words_of(files["class.html"])


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.GRADED])
def test_each_other_status_says_what_happened_and_what_to_do(status: Status) -> None:
    files = render_student(HEADING, attention(status=status, score=0, checks=(), message="line 3: the reason"))
    page = words_of(files["report.html"])
    assert "line 3: the reason" in page
    assert len(page.split("line 3")[0].split()) > 20  # words before it, not only a number
    assert "line 3: the reason" in files["report.md"]


def test_zero_of_a_graded_submission_comes_with_words() -> None:
    checks = tuple(replace(check, status=Outcome.FAILED, points=0.0) for check in attention_checks())
    page = words_of(render_student(HEADING, attention(score=0, checks=checks))["report.html"])
    assert "Your code was loaded and run; no check passed yet." in page


def test_a_check_the_grader_could_not_run_has_no_points_at_all() -> None:
    files = everything(attention())
    assert "no grade yet" in words_of(files["report.html"])
    assert "could not be graded: the grader's own fault" in words_of(files["report.html"])
    row = next(csv.DictReader(io.StringIO(files["grades.csv"].removeprefix("\ufeff"))))
    assert (row["dropout"], row["values"], row["mask"]) == ("", "0", "1.33")


def test_markdown_report_says_the_same() -> None:
    text = MarkdownIt().render(render_student(HEADING, attention())["report.md"])
    page = words_of(text)
    for expected in (
        "7.33 of 20 points (36 %)",
        "4 of 10 checks passed.",
        "What it looks like: The scores",
        "n_embd must be",
    ):
        assert expected in page, expected


# ---- hidden checks


@pytest.mark.parametrize("visibility", ["hidden", "HIDDEN", ""])
def test_hidden_messages_and_pictures_reach_no_file(visibility: str) -> None:
    leak = Picture("secret caption", ((0.271828,),), ((0.314159,),), ((0.057722,),))
    checks = tuple(
        make_check(
            f"c{n}", "A title", status, 0, 1, visibility=visibility, message=SECRET, hint="A hint.", picture=leak
        )
        for n, status in enumerate(Outcome)
    )
    for name, text in everything(attention(checks=checks)).items():
        for part in ("271828", "314159", "057722", "secret", SECRET, "<figure"):
            assert part not in text.replace("\\", ""), f"{part} in {name}"
    assert "A hint." in render_student(HEADING, attention(checks=checks))["report.html"]


def test_hidden_checks_keep_their_diagnosis() -> None:
    known = Diagnosis("d", "The mask is inverted", "Which entries stay?")
    checks = (make_check("c", "T", Outcome.FAILED, 0, 1, visibility="hidden", message=SECRET, diagnosis=known),)
    files = everything(attention(checks=checks))
    assert "The mask is inverted" in files["report.html"]
    assert json.loads(files["results.json"])["submissions"][0]["checks"][0]["diagnosis"]["title"] == known.title
    assert SECRET not in "".join(files.values())


# ---- pictures


def test_student_and_expected_share_one_scale_and_the_difference_is_centred() -> None:
    mine, theirs, difference = panels(picture(8, 8))
    assert (mine.low, mine.high) == (theirs.low, theirs.high)
    assert difference.low.removeprefix("\N{MINUS SIGN}") == difference.high
    zero = panels(Picture("", ((0.0, 1.0),), None, ((0.0, 1.0),)))[1]
    assert zero.fills[0][0] == "#f7f7f7"  # no difference: the neutral middle


def test_alternative_text_tells_size_range_holes_and_the_worst_place() -> None:
    mine, _, difference = panels(Picture("", ((None, 2.0), (3.0, -1.0)), ((1.0, 1.0),) * 2, ((None, 1.0), (2.0, -2.5))))
    assert mine.alt == (
        "Yours: heat map of 2 rows by 2 columns; smallest value \N{MINUS SIGN}1, largest 3; 1 without a finite number"
    )
    assert difference.alt.endswith("largest difference in row 1, column 1, counted from 0")
    assert mine.holes.count("M") == 1
    assert difference.mark == (20, 20)


@pytest.mark.parametrize(
    "values",
    [
        ((None,),),
        ((0.0,),),
        ((1e308, -1e308),),
        ((5e-324, 0.0),),
        ((math.nan, math.inf),),
        ((1.0,) * 40,) * 3,
        ((), ()),
    ],
)
def test_odd_grids_are_drawn_or_left_out(values: Grid) -> None:
    check = make_check("c", "T", Outcome.FAILED, 0, 1, picture=Picture("c", values, values, values))
    page = render_student(HEADING, attention(checks=(check,)))["report.html"]
    Structure(page)
    body = page[page.index("<body>") :].replace("(NaN or infinity)", "").lower()
    assert not re.search(r"\bnan\b|\binf\b", body)


def test_cells_are_covered_exactly_once() -> None:
    grid_ = picture(5, 7, holes=True).student
    fills = panels(Picture("", grid_, None, None))[0].fills
    runs = [int(run.split("h")[1].split("v")[0]) for _, path in fills for run in path.split("M")[1:]]
    assert sum(runs) == (5 * 7 - 1) * 20


# ---- numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.0, "2"), (1.5, "1.5"), (4 / 3, "1.33"), (0.0, "0"), (-0.0, "0"), (10.0, "10"), (100.0, "100")],
)
def test_numbers_have_two_decimals_at_most(value: float, text: str) -> None:
    assert number(value) == text


def test_a_missing_point_is_never_rounded_away() -> None:
    assert part_of(9.999, 10) == "9.99"
    assert part_of(3 * (4 / 3), 4) == "4"
    assert part_of(sum([0.1] * 10), 1) == "1"
    assert whole_percent(99.99, 100) == 99
    assert percent(1, 0) is None


# ---- files for machines


def test_results_json_keeps_its_promise() -> None:
    data = json.loads(render_class(HEADING, [attention()])["results.json"])
    assert (data["schema"], data["assignment"]) == (1, "attention")
    (row,) = data["submissions"]
    promised = {"submission", "status", "score", "max_score", "seconds", "message", "checks"}
    assert set(row) == promised | {"notes", "feedback", "protection", "environment", "folder"}
    check = {"id", "title", "visibility", "points", "max_points", "status", "message", "diagnosis"}
    assert set(row["checks"][0]) == check | {"hint", "fault", "followed", "asks", "curves", "seconds"}
    assert row["checks"][3]["points"] == pytest.approx(4 / 3, abs=1e-6)
    assert row["checks"][2]["diagnosis"]["id"] == "no_scaling"


def test_results_json_is_valid_even_where_a_number_is_not_one() -> None:
    text = render_class(HEADING, [attention(score=math.nan, seconds=math.inf)])["results.json"]
    row = json.loads(text, parse_constant=pytest.fail)["submissions"][0]
    assert (row["score"], row["seconds"]) == (None, None)


def test_junit_counts_students_failures_and_our_errors_apart() -> None:
    broken = attention(submission="ours", status=Status.ERROR, checks=(), message="disk full")
    invalid = attention(submission="theirs", status=Status.INVALID, checks=(), message="line 1")
    root = ET.fromstring(render_class(HEADING, [attention(), broken, invalid])["junit.xml"])
    counts = {
        suite.get("name"): [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] for suite in root
    }
    assert counts == {
        "Zoë Nakamura-Łukasik 中村": ["10", "4", "1", "1"],
        "ours": ["1", "0", "1", "0"],
        "theirs": ["1", "1", "0", "0"],
    }
    assert [root.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["12", "5", "2", "1"]
    assert root.find("testsuite/testcase[@name='output_shape']").get("time") == "0.004"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "\u3000=1",
        "\uff1d1",
        "\uff0b1",
        "\u200b=1",
        "'=1",
        '"=1',
    ],
)
def test_no_name_becomes_a_formula(name: str) -> None:
    text = render_class(HEADING, [attention(submission=name, message=name)])["grades.csv"]
    row = next(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert row["submission"].startswith("'")
    assert row["message"].startswith("'")


def test_names_keep_their_blanks_and_a_check_never_hides_a_column() -> None:
    checks = (make_check("score", "T", Outcome.FAILED, -0.5, 1),)
    text = render_class(HEADING, [attention(submission="Jane  Doe; =1", checks=checks)])["grades.csv"]
    assert text.startswith("\ufeff")
    row = next(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert (row["submission"], row["score"], row["check score"]) == ("Jane  Doe; =1", "7.33", "-0.5")
    assert '"Jane  Doe; =1"' in text  # quoted: a semicolon starts no cell


# ---- the class


def roster(size: int) -> list[Result]:
    """Return a class of every status."""
    made = []
    for n in range(size):
        status = Status.GRADED if n % 5 else list(Status)[n // 5 % len(Status)]
        checks = attention_checks() if status is Status.GRADED else ()
        name, message = f"Student {n:03d} 中村", None if checks else "it went wrong"
        made.append(attention(submission=name, folder=f"s {n}#?", status=status, checks=checks, message=message))
    return made[::-1]


def test_class_page_sums_up_and_links_each_report() -> None:
    note = "attention uses F.scaled_dot_product_attention (line 14), which this assignment asks you to write yourself"
    used = replace(attention_checks()[0], status=Outcome.FAILED, message=note, fault="forbidden")
    results = [*roster(30), attention(submission="aaa", folder="..", checks=(used, *attention_checks()[1:]))]
    text = render_class(HEADING, results)["class.html"]
    structure, page = Structure(text), words_of(text)
    assert "31 submissions" in page
    assert structure.links[1] == "../report.html"
    assert "s%2029%23%3F/report.html" in structure.links
    assert page.index("Student 000") < page.index("Student 001") < page.index("Student 029")
    assert "Forbidden calls" in page
    assert note in page
    assert "26 \N{MULTIPLICATION SIGN} times: The scores are not divided by sqrt(D)" in page


def test_class_of_nobody_and_of_five_hundred() -> None:
    assert "0 submissions" in words_of(render_class(HEADING, [])["class.html"])
    text = render_class(HEADING, roster(500))["class.html"]
    assert text.count("<tr>") > 500
    assert len(text) < 2_000_000


# ---- strings that want out

INLINE = """
<script>alert(1)</script> | "><img src=x onerror=alert(1)> | ' onload='x | </pre></details></style></title> | {{ 7*7 }}
{% raw %} | ]]> | <!-- | --> | &lt;b&gt; | `<b>` | ~~~ | [a](http://e.example) | ![a](x) | <http://e.example> | **b**
__b__ | ~~s~~ | \\ | \\` | @everyone | www.e.example | =cmd|' /C calc'!A0 | ;=1 | "," | " | 中村
"""
NASTY = [
    *INLINE.strip().replace("\n", " | ").split(" | "),
    *(
        "```\n# x\n",
        "| a | b |\n|--|--|\n",
        "\n\n# heading\n",
        "\n- item",
        "\r\n",
        "\x00",
        "\x1b[31m",
        "\ud800",
        "\ufffe",
    ),
    *("\u202e", "\u2028", "\U0001f600"),
]
hostile = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=20)), max_size=6).map(
    lambda parts: "x" + "".join(parts)
)


def hostile_result(text: str) -> Result:
    """Return a submission in which every string is `text`."""
    known = Diagnosis(text, text, text)
    seen = Picture(text, ((1.0,),), ((0.0,),), ((1.0,),))
    checks = tuple(
        make_check(
            text, text, status, 0, 1, message=text, hint=text, diagnosis=known, picture=seen, visibility=visibility
        )
        for status in Outcome
        for visibility in ("public", "hidden")
    )
    return attention(
        submission=text,
        folder=text,
        message=text,
        notes=(text,),
        checks=checks,
        output=text,
        protection=text,
        environment=text,
    )


def flat(tokens: Sequence[Token]) -> list[str]:
    """Return the kinds of Markdown tokens in order, without how text is cut into pieces."""
    kinds: list[str] = []
    for token in tokens:
        if token.type == "code_inline" or token.content in ("<span>", "</span>"):
            continue  # what stands between backticks may become code; a sign that is a formula's elsewhere stands alone
        kinds.append(token.type)
        kinds += [kind for kind in flat(token.children or []) if not kind.startswith("text")]
    return kinds


PLAIN = everything(hostile_result("xplain"))
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hostile)
def test_no_string_breaks_out_of_html_or_markdown(text: str) -> None:
    files = everything(hostile_result(text))
    for page in ("report.html", "class.html"):
        structure = Structure(files[page])
        assert structure.elements == Structure(PLAIN[page]).elements
        own = {"#main", "#check-3", "#check-5", "results.json", "grades.csv", "junit.xml"}
        rest = [link for link in structure.links if link not in own and not link.startswith("#check-")]
        assert all(link.endswith("/report.html") and ":" not in link and link.count("/") == 1 for link in rest)
    assert flat(PARSER.parse(files["report.md"])) == flat(PARSER.parse(PLAIN["report.md"]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hostile)
def test_no_string_breaks_csv_xml_or_json(text: str) -> None:
    files = everything(hostile_result(text))
    rows = list(csv.reader(io.StringIO(files["grades.csv"].removeprefix("\ufeff"), newline=""), strict=True))
    assert [len(row) for row in rows] == [7, 7]
    for cell in (cell for row in rows for cell in row):
        first = unicodedata.normalize("NFKC", cell).lstrip()[:1]
        assert first not in {"=", "+", "-", "@"}
        assert not set(cell) & set("\t\r\n\0")
    root = ET.fromstring(files["junit.xml"].encode())
    assert [suite.get("tests") for suite in root] == ["10"]
    assert {element.tag for element in root.iter()} == {
        "testsuites",
        "testsuite",
        "testcase",
        "failure",
        "error",
        "skipped",
    }
    row = json.loads(files["results.json"])["submissions"][0]
    assert row["submission"] == text.encode("utf-8", "backslashreplace").decode()
    for name, made in files.items():
        assert made.encode("utf-8"), name  # no lone surrogate is left


def test_hostile_names_survive_as_text() -> None:
    name = "<b>Bobby</b> | `x` [y](z) & co"
    files = everything(attention(submission=name))
    assert name in words_of(files["report.html"])
    assert name in words_of(files["class.html"])
    assert name in words_of(PARSER.render(files["report.md"]))


# ---- colours


def test_text_stands_out_in_light_and_dark() -> None:
    css = (TEMPLATES / "style.css").read_text()
    light, dark = css.split("prefers-color-scheme: dark", 1)
    for scheme in (light, dark.split("*, *::before")[0]):
        colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", scheme))
        tones = [(tone, f"{tone}-bg") for tone in ("good", "calm", "part", "bad", "mute", "ours")]
        pairs = [(ink, back) for ink in ("ink", "soft", "link") for back in ("page", "card", "mute-bg")]
        for ink, back in [*pairs, *tones, *((("ink", back) for _, back in tones))]:
            assert contrast(colour[ink], colour[back]) >= 4.5, (ink, back)


def test_numbers_stand_out_on_every_colour_of_the_scales() -> None:
    ramp = tuple(n / 7 for n in range(8))
    for panel in panels(Picture("", (ramp,), None, (tuple(2 * v - 1 for v in ramp),))):
        backs = [colour for colour, _ in panel.fills]
        assert all(contrast(cell.ink, back) >= 4.5 for cell, back in zip(panel.cells, backs, strict=True))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG defines it."""

    def light(colour: str) -> float:
        long = colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])
        parts = [int(long[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)
