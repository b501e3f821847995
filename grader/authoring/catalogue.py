"""A page about every assignment of a course: what it teaches, what is checked, which mistakes it can name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.assignment import Assignment, assignment_names, load_assignment
from grader.records import Visibility
from grader.run.plugin import Checks, declared
from grader.run.reference import ReferencePort
from grader.run.session import drive_pytest, total_points
from grader.run.tensors import fixed_tensors

_HEAD = """# The catalogue

Written by `grader catalogue` from the assignments themselves; do not edit. In the order in which they are due.
"""


class _Listing:
    """pytest's run loop that runs nothing."""

    session: pytest.Session

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Keep what was collected."""
        self.session = session
        return True


def catalogue(root: Path) -> str:
    """Return the page as Markdown. Raises UsageError for a broken assignment."""
    found = [load_assignment(root, name) for name in assignment_names(root)]
    found.sort(key=lambda a: (a.due.timestamp() if a.due else float("inf"), a.name))
    rows = ["| assignment | points | write | builds on |", "|---|---|---|---|"]
    for assignment in found:
        link = f"[{assignment.title}](#{assignment.name.replace('_', '-')})"
        rows.append(f"| {link} | {assignment.points:g} | {_code(assignment.names)} | {_code(assignment.parts)} |")
    sections = ["\n".join(_section(assignment)) for assignment in found]
    return "\n".join([_HEAD, *rows, "", "\n\n".join(sections), ""])


def _section(assignment: Assignment) -> Iterator[str]:
    listing, reference = _Listing(), ReferencePort(assignment)
    checks = Checks(assignment, reference, reporting=False)
    drive_pytest(assignment, [checks, listing, fixed_tensors(assignment)], hidden=True)
    total_points(checks, listing.session)
    yield f'<a id="{assignment.name.replace("_", "-")}"></a>'
    yield f"## {assignment.title}\n"
    yield f"{_first_paragraph(assignment.handout)}\n"
    yield f"`grader grade {assignment.name}`: [handout](../assignments/{assignment.name}/README.md)"
    if assignment.forbidden:
        yield f"\nNot allowed: {_code(assignment.forbidden)}"
    yield "\n| check | points | |\n|---|---|---|"
    rows: dict[str, tuple[str, float, Visibility]] = {}
    for item in listing.session.items:
        check = declared(item)
        rows[check.id] = check.title, check.points, checks.visibility(item)
    for title, points, visibility in rows.values():
        yield f"| {title.replace('|', chr(92) + '|')} | {points:g} | {visibility} |"
    known = reference.mistakes.values()
    yield f"\n<details><summary>{len(known)} mistakes it names</summary>\n"
    yield from (f"- {mistake.title}" for mistake in known)
    yield "\n</details>"


def _first_paragraph(handout: Path) -> str:
    """What stands below the heading; nothing where there is no handout yet."""
    if not handout.is_file():
        return ""
    pieces = handout.read_text(encoding="utf-8").split("\n\n")
    return next((piece.strip() for piece in pieces if not piece.lstrip().startswith("#")), "")


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
