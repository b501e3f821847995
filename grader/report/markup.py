"""Strings made safe for the two formats that templates write: HTML and Markdown."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

STRUCTURE = re.compile(r"([\\`*_{}\[\]~|])")  # what Markdown acts on inside a line
REFERENCES = re.compile(r"(@(?=\w)|://|\bwww(?=\.))", re.IGNORECASE)  # what sites turn into links and mentions
JOINER = "\N{WORD JOINER}"  # invisible


def prose(text: str) -> Markup:
    """Return `text` as HTML, escaped, with what stands between backticks set as code."""
    pieces = re.split(r"`([^`\n]+)`", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )


def markdown(value: object) -> str:
    """Return `value` as one line of Markdown that says just that; it must not stand at the start of a line.

    Entities rather than backslashes for `<`, `>` and `&`: every dialect knows them.
    """
    if isinstance(value, Markup):
        return str(value)
    text = STRUCTURE.sub(r"\\\1", " ".join(str(value).split()))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return REFERENCES.sub(_unlink, text)


def fenced(text: str) -> Markup:
    """Return `text` as a block of Markdown code, within a fence longer than any run of backticks in it."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}text\n{text}\n{fence}")  # the fence is the escape; this is not HTML


def _unlink(match: re.Match[str]) -> str:
    found = match.group()
    return found[0] + JOINER + found[1:] if found.startswith(":") else found + JOINER
