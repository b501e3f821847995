"""The known mistakes once more, as students make them: small edits of right files that look nothing like the solution.

`styles/NAME/BASE.py` is such a right file. `styles/NAME/BASE.known.diff` turns it into known mistakes, a section for
each: `[mistake]`, then hunks with an empty line between them, of lines to take out (`-`) and to put in (`+`).
`BASE.unknown.diff` makes files that are wrong in a way no catalogue knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

STYLES = Path(__file__).parent / "styles"
Hunk = tuple[str, str]  # whole lines, and what stands there instead


@dataclass(frozen=True)
class Style:
    """A right file, and the edits that make it wrong, by name."""

    name: str
    source: str
    known: Mapping[str, Sequence[Hunk]]
    unknown: Mapping[str, Sequence[Hunk]]

    def edited(self, *edits: Sequence[Hunk]) -> str:
        """The source after these edits, one after the other. Raises ValueError where lines are not there just once."""
        text = "\n" + self.source
        for old, new in (hunk for edit in edits for hunk in edit):
            if text.count("\n" + old) != 1:
                raise ValueError(f"{self.name} has these lines {text.count(old)} times:\n{old}")
            text = text.replace("\n" + old, "\n" + new)
        return text[1:]


def styles(assignment: str) -> list[Style]:
    """The right files of an assignment with their edits."""
    return [
        Style(
            path.stem,
            path.read_text(encoding="utf-8"),
            _sections(path.with_suffix(".known.diff")),
            _sections(path.with_suffix(".unknown.diff")),
        )
        for path in sorted((STYLES / assignment).glob("*.py"))
    ]


def styled(assignment: str) -> dict[str, str]:
    """The source of each known mistake in a student's style, by the mistake's id."""
    return {name: style.edited(hunks) for style in styles(assignment) for name, hunks in style.known.items()}


def unknown(assignment: str) -> dict[str, str]:
    """Sources that are wrong in a way of their own, by a name for it."""
    return {name: style.edited(hunks) for style in styles(assignment) for name, hunks in style.unknown.items()}


def paired(assignment: str, first: str, second: str) -> str:
    """The source with both mistakes in it; both have to be edits of the same right file."""
    (style,) = (s for s in styles(assignment) if first in s.known and second in s.known)
    return style.edited(style.known[first], style.known[second])


def _sections(path: Path) -> dict[str, list[Hunk]]:
    found: dict[str, list[Hunk]] = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    for filled, group in groupby(lines, key=bool):
        block = list(group)
        if filled and block[0].startswith("["):
            name = block.pop(0).strip("[]")
            if name in found:
                raise ValueError(f"{path} has two sections [{name}]")
            found[name] = []
        if filled and block:
            old, new = ("".join(line[1:] + "\n" for line in block if line[0] == sign) for sign in "-+")
            found[name].append((old, new))
    return found
