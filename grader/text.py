"""The one place where a student's string is capped and loses what could fool a reader.

Escaping for HTML, Markdown, CSV, XML or a terminal comes after this, in the room that writes that format.
"""

from __future__ import annotations

import unicodedata

LIMIT = 2000  # characters of one student string that anyone will read


def clean(text: object, limit: int = LIMIT, *, lines: bool = False) -> str:
    """Return `text` without control, bidirectional, format, surrogate or unassigned characters, at most `limit` long.

    With `lines` newlines and tabs stay; otherwise every run of white space becomes one blank. A cut is marked in the
    middle.
    """
    raw = text if type(text) is str else str(text)
    if len(raw) > 4 * limit:  # bound the work before looking at each character
        raw = raw[: 2 * limit] + raw[-2 * limit :]
    kept = "".join(c if _harmless(c) else "\N{REPLACEMENT CHARACTER}" for c in raw.replace("\r\n", "\n"))
    if not lines:
        kept = " ".join(kept.split())
    if len(kept) <= limit:
        return kept
    half = (limit - 5) // 2
    return f"{kept[:half]} ... {kept[-half:]}"


def _harmless(character: str) -> bool:
    if character in "\n\t ":
        return True
    # Cc control, Cf format (bidirectional marks among them), Cs surrogate, Co private, Cn unassigned, Zl/Zp separators
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
