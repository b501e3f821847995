"""The reports: a result to its student's files, a class's results to its instructor's. No file is written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from grader.records import Outcome, Result
from grader.report.machine import grades_csv, junit_xml, results_json
from grader.report.markup import fenced, markdown, markdown_prose, prose
from grader.report.overview import MARKS, overview
from grader.report.picture import largest, panels
from grader.report.plot import line
from grader.report.png import image, legend
from grader.report.shown import Heading, groups, has_score, printed, shown
from grader.report.traces import traces
from grader.report.words import OUTCOMES, follow_through, headline, number, part_of, whole_percent

TEMPLATES = Path(__file__).parent / "templates"


def render_student(heading: Heading, result: Result) -> dict[str, str]:
    """Return the text of `report.html` and `report.md` of one submission."""
    visible = shown(result)
    first = next((n for n, c in enumerate(visible.checks, 1) if c.status in {Outcome.FAILED, Outcome.PARTIAL}), None)
    values = summary_of(heading, visible) | {
        "groups": groups(visible),
        "first": None if first is None else (first, visible.checks[first - 1]),
        "printed": printed(result),
        "traces": traces(printed(result)),
    }
    return {
        "report.html": pages().get_template("student.html.j2").render(values),
        "report.md": markdown_page("student.md.j2", values),
    }


def summary_of(heading: Heading, visible: Result) -> dict[str, Any]:
    """Return what stands on top of every report of a result that is as `shown` returns it."""
    scored = has_score(visible)
    return {
        "heading": heading,
        "result": visible,
        "words": headline(visible),
        "scored": scored,
        "percent": whole_percent(visible.score, visible.max_score) if scored else None,
    }


def markdown_page(template: str, values: Mapping[str, Any]) -> str:
    """Return Markdown, each value escaped."""
    return _notes().get_template(template).render(values)


def prepare() -> None:
    """Compile the templates of Markdown, before processes are forked that would each do so."""
    for name in _notes().list_templates(filter_func=lambda name: name.endswith(".md.j2")):
        _notes().get_template(name)


def render_class(heading: Heading, results: Sequence[Result]) -> dict[str, str]:
    """Return the text of `results.json`, `grades.csv`, `junit.xml` and `class.html`, each sorted by name."""
    ordered = sorted(results, key=lambda result: (result.submission.casefold(), result.submission, result.folder))
    values = {"heading": heading, "overview": overview([shown(result) for result in ordered])}
    return {
        "results.json": results_json(heading, ordered),
        "grades.csv": grades_csv(ordered),
        "junit.xml": junit_xml(heading, ordered),
        "class.html": pages().get_template("class.html.j2").render(values),
    }


@cache
def pages() -> Environment:
    """Return where the templates of HTML live: each value is escaped."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": number,
        "outcome": OUTCOMES.__getitem__,
        "follow_through": follow_through,
        "panels": panels,
        "largest": largest,
        "line": line,
        "prose": prose,
    }
    made.globals["part_of"] = part_of
    return made


@cache
def _notes() -> Environment:
    made = Environment(  # not HTML: `finalize` escapes each value for Markdown
        loader=FileSystemLoader(TEMPLATES),
        finalize=markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "number": number,
        "outcome": OUTCOMES.__getitem__,
        "follow_through": follow_through,
        "fenced": fenced,
        "prose": markdown_prose,
        "image": image,
        "legend": legend,
    }
    made.globals |= {"part_of": part_of, "marks": MARKS}
    return made
