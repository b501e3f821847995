"""What a notebook shows of a check: a small table as HTML, and the same in plain text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import FileSystemLoader, Template

from grader.records import CheckResult, Result
from grader.report.render import TEMPLATES, pages
from grader.report.shown import shown
from grader.report.words import OUTCOMES, headline, number, part_of


@dataclass(frozen=True, slots=True)
class Card:
    """The result of a check in a notebook. Front ends ask it for what they can show."""

    title: str
    result: Result
    points: float  # of the whole assignment, hidden checks included
    about: str = ""  # the one name that was checked; all of them when empty

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """The formats that Jupyter may choose from."""
        del include, exclude
        return {"text/html": self.html(), "text/plain": self.text()}

    def html(self) -> str:
        """A piece of a page: no script, nothing from elsewhere, colours that fit light and dark."""
        seen = shown(self.result)
        notes = list(self._notes(seen))
        return _template().render(title=self.title, about=self.about, result=seen, words=headline(seen), notes=notes)

    def text(self) -> str:
        """The same in plain text."""
        seen = shown(self.result)
        words = headline(seen)
        about = f", checks of {self.about}" if self.about else ""
        lines = [f"{self.title}{about}: {_of(seen.score, seen.max_score)} points", ""]
        for check in seen.checks:
            lines.append(f"{OUTCOMES[check.status].label:14}  {_of(check.points, check.max_points):>11}  {check.title}")
            lines += [textwrap.indent(textwrap.fill(said, 90), " " * 6) for said in _said(check)]
        return "\n".join([*lines, "", f"{words.meaning} {words.advice}", *self._notes(seen)])

    def _notes(self, seen: Result) -> Iterator[str]:
        yield from seen.notes
        if self.about:
            yield "`%check` alone runs all public checks."
        elif (hidden := self.points - seen.max_score) > 0:
            yield f"Hidden checks, worth {number(hidden)} more points, run when you hand in."


def _of(points: float, most: float) -> str:
    return f"{part_of(points, most)} of {number(most)}"


def _said(check: CheckResult) -> Iterator[str]:
    if check.message:
        yield check.message
    if check.diagnosis:
        yield f"It looks like this: {check.diagnosis.title}. {check.diagnosis.hint}"
    if check.hint:
        yield f"Hint: {check.hint}"


@cache
def _template() -> Template:
    folders = [Path(__file__).parent / "templates", TEMPLATES]  # the pictures are drawn as in reports
    return pages().overlay(loader=FileSystemLoader(folders)).get_template("card.html.j2")
