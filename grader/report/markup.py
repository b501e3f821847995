"""Strings made safe for the two formats that templates write: HTML and Markdown."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

CODE = re.compile(r"`([^`\n]+)`")
SIGNS = re.compile(r"[`*_{}\[\]~|$\\&<>]")  # what Markdown acts on inside a line
REFERENCES = re.compile(r"(@(?=\w)|://|\bwww(?=\.))", re.IGNORECASE)  # what sites turn into links and mentions
JOINER = "\N{WORD JOINER}"  # invisible


def prose(text: str) -> Markup:
    """Return `text` as HTML, escaped, with what stands between backticks set as code."""
    pieces = CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )


def markdown(value: object) -> str:
    """Return `value` as one line of Markdown that says just that; it must not stand at the start of a line."""
    return str(value) if isinstance(value, Markup) else _plain(" ".join(str(value).split()))


def markdown_prose(text: str) -> Markup:
    """Return `text` as one line of Markdown, with what stands between backticks set as code."""
    pieces = CODE.split(" ".join(text.split()))
    for place in range(len(pieces)):
        code = place % 2 and not set(pieces[place]) & set("|$\\")  # these mean something in tables and to notebooks
        pieces[place] = f"`{pieces[place]}`" if code else _plain(f"`{pieces[place]}`" if place % 2 else pieces[place])
    return Markup("".join(pieces))  # not HTML


def fenced(text: str) -> Markup:
    """Return `text` as a block of Markdown code, within a fence longer than any run of backticks in it."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}text\n{text}\n{fence}")  # the fence is the escape; this is not HTML


def _plain(text: str) -> str:
    return REFERENCES.sub(_unlink, SIGNS.sub(_escape, text))


def _escape(match: re.Match[str]) -> str:
    sign = match.group()
    if sign in "$\\":  # notebooks look for formulas in the text they have made of it, too, but not across tags
        return f"<span>&#{ord(sign)};</span>"
    return str(escape(sign)) if sign in "&<>" else f"\\{sign}"  # every dialect knows the entities


def _unlink(match: re.Match[str]) -> str:
    found = match.group()
    return found[0] + JOINER + found[1:] if found.startswith(":") else found + JOINER
