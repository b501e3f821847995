"""The student's own notebook with a summary on top and a card behind each cell that defines what was checked."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grader.records import CheckResult, Result
from grader.report.notebook import Json, fresh, identities, notebook_of, repaired
from grader.report.render import markdown_page, summary_of
from grader.report.shown import Heading, shown

NAME = "feedback.ipynb"
_CELL = re.compile(r"cell (\d+)\b", re.IGNORECASE)


@dataclass(slots=True)
class _Card:
    """What is said behind one cell."""

    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checks: tuple[CheckResult, ...] = ()


def feedback(
    heading: Heading,
    result: Result,
    metadata: object,
    cells: Sequence[tuple[int, Json]],
    where: Mapping[str, str],
    names: Collection[str],
) -> str:
    """Return the notebook's text.

    `cells` are the student's, each with its number (0 for one that is not run); `where` says of a name what a note
    says of a place: "cell 3, line 4"; `names` are those that the assignment asks for.
    """
    seen = shown(result)
    asked = sorted({*names, *(name for check in seen.checks for name in check.asks)})
    cards = _cards(seen, {name: place for name in asked if (place := _cell(where.get(name, "")))})
    told = {check.id for card in cards.values() for check in card.checks}
    theirs = [(number, cell) for number, cell in cells if not _is_card(cell)]
    ids = identities([cell for _, cell in theirs])
    taken = set(ids)
    summary = summary_of(heading, seen) | {
        "missing": ", ".join(f"`{name}`" for name in asked if name not in where),
        "checks": [check for check in seen.checks if check.id not in told],
    }
    made = [_markdown("summary", markdown_page("summary.md.j2", summary), taken)]
    for (number, cell), ident in zip(theirs, ids, strict=True):
        made.append(repaired(cell, ident))
        if number and number in cards:
            made.append(_behind(cards[number], number, taken))
    return _dumped(notebook_of(metadata, made))


def _cards(seen: Result, places: Mapping[str, int]) -> Mapping[int, _Card]:
    cards: defaultdict[int, _Card] = defaultdict(_Card)
    for name, place in places.items():
        cards[place].names.append(name)
    for card in cards.values():
        card.checks = tuple(check for check in seen.checks if set(check.asks) & set(card.names))
    for note in seen.notes:
        if place := _cell(note):
            cards[place].notes.append(note)
    return cards


def _cell(text: str) -> int:
    """The number of the cell that `text` begins with, 0 where it does not."""
    match = _CELL.match(text)
    return int(match[1]) if match else 0


def _behind(card: _Card, number: int, taken: set[str]) -> Json:
    values = {"names": " and ".join(f"`{name}`" for name in card.names), "notes": card.notes, "checks": card.checks}
    lines = markdown_page("card.md.j2", values).splitlines()
    return _markdown(str(number), "\n".join(f"> {line}".rstrip() for line in lines), taken)


def _markdown(name: str, text: str, taken: set[str]) -> Json:
    return {
        "cell_type": "markdown",
        "id": fresh(f"torchgrade-{name}", taken),
        "metadata": {"torchgrade": {"card": True}},
        "source": text.strip("\n"),
    }


def _is_card(cell: Json) -> bool:
    """Whether it is one of ours, in a notebook that was handed in with the cards of another time."""
    metadata: Any = cell.get("metadata")
    mark = metadata.get("torchgrade") if isinstance(metadata, dict) else None
    return cell.get("cell_type") == "markdown" and isinstance(mark, dict) and mark.get("card") is True


def _dumped(notebook: Json) -> str:
    """The text: ASCII, for a lone surrogate has no other form. JSON has no NaN, though Python's writes and reads it."""
    try:
        return json.dumps(notebook, indent=1, allow_nan=False) + "\n"
    except ValueError:
        clean = json.loads(json.dumps(notebook), parse_constant=lambda _: None)
        return json.dumps(clean, indent=1, allow_nan=False) + "\n"
