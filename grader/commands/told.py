"""What `grader check` prints of a result."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.assignment import Assignment
from grader.commands.heat import can_draw, heat_maps
from grader.commands.terminal import STYLES
from grader.records import CheckResult, Outcome, Result, Status
from grader.report.shown import printed, shown
from grader.report.words import OUTCOMES, headline, part_of

_LINES = 8  # of what the file printed, the last ones
_LONG = 300  # characters of one of them
_LABEL = len("Not passed yet")
_NARROW = 80  # columns of a terminal in which there is none to spare beside messages and pictures
_ADVICE = {  # of a file that nobody has handed in yet
    Status.INVALID: "Mend what is named below, and check again.",
    Status.CRASHED: "Look for calls that end Python or reach deep into memory.",
    Status.TIMEOUT: "Look for a loop that never ends, or for training that runs when the file is loaded.",
}


def account(assignment: Assignment, file: str, result: Result, console: Console) -> RenderableType:
    """Each check, what is wrong with it, and the points so far."""
    seen = shown(result)
    words = headline(seen)
    parts: list[RenderableType] = [Text(f"{assignment.title}: {file}", "bold"), ""]
    width = max((len(_of(check.points, check.max_points)) for check in seen.checks), default=0)
    parts += [_told(check, width, console) for check in seen.checks]
    advice = _ADVICE.get(seen.status, words.advice)
    parts += ["", *_printed(result)] if seen.checks else _printed(result)
    parts += [Text(f"{words.meaning} {advice}", STYLES[words.tone])]
    parts += [Text(note) for note in filter(None, (seen.message, *seen.notes))]
    return Group(*parts, "", _points(assignment, seen))


def compared(before: Result, now: Result) -> str:
    """How many checks more or fewer pass than before."""
    more = _passing(now) - _passing(before)
    if not more:
        return "As many checks pass as before."
    checks = "check passes" if abs(more) == 1 else "checks pass"
    return f"{abs(more)} {'more' if more > 0 else 'fewer'} {checks} than before."


def _passing(result: Result) -> int:
    return sum(check.status is Outcome.PASSED for check in result.checks)


def _told(check: CheckResult, points: int, console: Console) -> RenderableType:
    """A check's line, and below it what to read when it did not pass. `points` is how wide these are at most."""
    outcome = OUTCOMES[check.status]
    table = Table.grid(padding=(0, 2))
    for width in (_LABEL, points):
        table.add_column(width=width, no_wrap=True)
    earned = _of(check.points, check.max_points)
    table.add_row(Text(outcome.label, STYLES[outcome.tone]), earned, Text(check.title, "bold"))
    left = max(2, min(_LABEL + points + 4, console.width - _NARROW))
    lines = [text for text in (check.message, check.hint and f"Hint: {check.hint}") if text]
    parts: list[RenderableType] = [Text(line) for line in lines]
    if check.picture and can_draw(console):
        parts.append(heat_maps(check.picture, console.width - left))
    return Group(table, *(Padding(part, (0, 0, 0, left), expand=False) for part in parts))


def _printed(result: Result) -> Iterator[RenderableType]:
    lines = printed(result).split("\n")
    if lines == [""]:
        return
    more = f", the last {_LINES} of {len(lines)} lines" if len(lines) > _LINES else ""
    yield Text(f"Your code printed{more}:")
    yield Padding(Text("\n".join(line[:_LONG] for line in lines[-_LINES:]), "dim"), (0, 0, 1, 2), expand=False)


def _points(assignment: Assignment, result: Result) -> Text:
    hidden = assignment.points - result.max_score
    rest = f"; hidden checks add the other {part_of(hidden, hidden)} of {part_of(assignment.points, assignment.points)}"
    return Text(
        f"{_of(result.score, result.max_score)} points in the public checks"
        f"{f'{rest} when you hand in' if hidden > 0 else ''}."
    )


def _of(points: float, most: float) -> str:
    return f"{part_of(points, most)} of {part_of(most, most)}"
