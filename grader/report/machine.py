"""Results for pipelines and spreadsheets: `results.json`, `grades.csv` and `junit.xml`."""

from __future__ import annotations

import csv
import io
import json
import math
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

from grader.records import CheckResult, Outcome, Result, Status
from grader.report.shown import Heading, has_score, shown
from grader.report.words import OUTCOMES, STATUSES, part_of, percent
from grader.text import clean

SCHEMA = 1
BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"  # tells Excel that the file is UTF-8
COLUMNS = ("submission", "status", "score", "max_score", "percent")


def results_json(heading: Heading, results: Sequence[Result]) -> str:
    """Return the text of `results.json` as `docs/results.md` promises it."""
    rows = [_row(result) for result in results]
    data = {"schema": SCHEMA, "assignment": heading.name, "submissions": rows}
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def grades_csv(results: Sequence[Result]) -> str:
    """Return the text of `grades.csv`: one row for each submission, a column for each check, all cells quoted.

    The score is empty where the grader failed: an empty cell is no grade, a zero would be one. Quotes around each
    cell keep a semicolon in a name from starting a new cell in countries where Excel expects semicolons.
    """
    ids = list(dict.fromkeys(check.id for result in results for check in result.checks))
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    taken = {*COLUMNS, "message"}
    writer.writerow([*COLUMNS, *(_cell(f"check {name}" if name in taken else name) for name in ids), "message"])
    for result in results:
        visible = shown(result)
        earned = {check.id: _decimal(check.points) for check in result.checks if check.status is not Outcome.ERROR}
        writer.writerow(
            [
                _cell(result.submission),
                visible.status.value,
                *_score(visible),
                *(earned.get(name, "") for name in ids),
                _cell(" ".join((visible.message or "").split())),
            ]
        )
    return BYTE_ORDER_MARK + text.getvalue()


def junit_xml(heading: Heading, results: Sequence[Result]) -> str:
    """Return the text of `junit.xml`: a suite for each submission, a case for each check."""
    root = ET.Element("testsuites", name=clean(heading.name))
    for result in results:
        root.append(_suite(heading, shown(result)))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    root.set("time", _seconds(sum(result.seconds for result in results)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _row(result: Result) -> dict[str, Any]:
    visible = shown(result)
    return {
        "submission": _whole(result.submission),
        "folder": _whole(result.folder),
        "status": result.status.value,
        "score": _finite(result.score),
        "max_score": _finite(result.max_score),
        "seconds": _finite(result.seconds),
        "message": visible.message,
        "checks": [_check(check) for check in visible.checks],
        "notes": list(visible.notes),
        "feedback": visible.feedback,
        "protection": visible.protection,
        "environment": visible.environment,
    }


def _check(check: CheckResult) -> dict[str, Any]:
    found = check.diagnosis
    return {
        "id": check.id,
        "title": check.title,
        "visibility": check.visibility,
        "points": _finite(check.points),
        "max_points": _finite(check.max_points),
        "status": check.status.value,
        "message": check.message,
        "hint": check.hint,
        "fault": check.fault,
        "diagnosis": None if found is None else {"id": found.id, "title": found.title, "hint": found.hint},
        "followed": list(check.followed),
        "asks": list(check.asks),
        "curves": [{"name": curve.name, "points": curve.points} for curve in check.curves],
        "seconds": _finite(check.seconds),
    }


def _score(result: Result) -> tuple[str, str, str]:
    if not has_score(result):
        return "", _decimal(result.max_score), ""
    share = percent(result.score, result.max_score)
    score = part_of(result.score, result.max_score) if _finite(result.score) is not None else ""
    return score, _decimal(result.max_score), "" if share is None else part_of(share, 100)


def _suite(heading: Heading, result: Result) -> ET.Element:
    suite = ET.Element("testsuite", name=result.submission)
    if result.status is not Status.GRADED:
        case = _case(suite, heading, result, "submission", result.seconds if not result.checks else 0.0)
        kind = "error" if result.status is Status.ERROR else "failure"
        _trouble(case, kind, result.status.value, result.message or STATUSES[result.status].meaning)
    for check in result.checks:
        case = _case(suite, heading, result, check.id, check.seconds)
        if check.status in _KINDS:
            told = check.diagnosis.title if check.diagnosis else check.message
            _trouble(case, _KINDS[check.status], check.status.value, told or OUTCOMES[check.status].meaning, check)
    suite.set("tests", str(len(suite)))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", _seconds(result.seconds))
    return suite


_KINDS = {
    Outcome.FAILED: "failure",
    Outcome.PARTIAL: "failure",
    Outcome.ERROR: "error",
    Outcome.SKIPPED: "skipped",
}


def _case(suite: ET.Element, heading: Heading, result: Result, name: str, seconds: float) -> ET.Element:
    where = f"{clean(heading.name)}.{result.submission}"
    return ET.SubElement(suite, "testcase", classname=where, name=name, time=_seconds(seconds))


def _trouble(case: ET.Element, kind: str, state: str, message: str, check: CheckResult | None = None) -> None:
    trouble = ET.SubElement(case, kind, message=message)
    if kind != "skipped":  # its schema has no type
        trouble.set("type", state)
    if check is not None:
        points = f"{part_of(check.points, check.max_points)} / {part_of(check.max_points, check.max_points)} points"
        trouble.text = "\n".join(filter(None, (check.title, points, check.message, check.hint)))


def _cell(text: str) -> str:
    """Return a name or message as a cell that no spreadsheet takes for a formula."""
    safe = clean(text, lines=True).replace("\n", " ").replace("\t", " ")  # a run of blanks belongs to the name
    start = unicodedata.normalize("NFKC", safe).lstrip(" \N{REPLACEMENT CHARACTER}'\"")
    return f"'{safe}" if start.startswith(("=", "+", "-", "@", "\N{MINUS SIGN}")) else safe


def _whole(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _decimal(value: float) -> str:
    return "" if _finite(value) is None else part_of(value, value)


def _finite(value: float) -> float | None:
    """Return `value`, or None (JSON's null) for what JSON has no number for."""
    return value if math.isfinite(value) else None


def _seconds(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "0.000"
