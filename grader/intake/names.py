"""Names for submissions: what people read in a row, and what a folder inside OUT is called."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from grader.text import clean

_LONGEST = 60  # characters of a folder's name before what makes it unique
_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)
_ENDINGS = re.compile(r"\.(py|ipynb|zip)$", re.IGNORECASE)


def label(raw: str) -> str:
    """A file's name as found, fit to show: undecodable bytes as \\xNN, nothing that could fool a reader."""
    return clean(os.fsencode(raw).decode("utf-8", "backslashreplace"), 200) or "submission"


def labels(paths: Sequence[Path]) -> list[str]:
    """A label for each path, in order, no two alike: a later one of the same look gets a number."""
    names = [label(path.name) for path in paths]
    first: dict[str, int] = {}
    for i in sorted(range(len(paths)), key=lambda i: names[i] != paths[i].name):  # names kept as found go first
        first.setdefault(_folded(names[i]), i)
    taken = set(first)
    for i, name in enumerate(names):
        if first[_folded(name)] != i:
            names[i] = _numbered(name, taken)
            taken.add(_folded(names[i]))
    return names


def folders(paths: Sequence[Path]) -> list[str]:
    """A folder name for each path, in order: ASCII letters, digits, "_" and "-", no two alike on any file system.

    What the grader itself writes into OUT is hidden or has a dot in its name, so that none of these can be it.
    """
    plain = [_plain(path.name) for path in paths]
    taken: set[str] = set()
    made: dict[int, str] = {}
    for i in sorted(range(len(paths)), key=lambda i: plain[i] != _ENDINGS.sub("", paths[i].name)):
        name, attempt = plain[i], 0
        while _unsafe(name, paths[i].name, attempt) or name.casefold() in taken:
            seed = os.fsencode(paths[i].name) + b"/%d" % attempt
            name, attempt = f"{plain[i]}-{hashlib.sha256(seed).hexdigest()[:8]}".lstrip("-"), attempt + 1
        made[i] = name
        taken.add(name.casefold())
    return [made[i] for i in range(len(paths))]


def _unsafe(name: str, raw: str, attempt: int) -> bool:
    """Whether a first attempt says too little of the name, or means a device to Windows."""
    lossy = not raw.isascii() or len(raw) > _LONGEST or not name
    return attempt == 0 and (lossy or _WINDOWS.fullmatch(name) is not None)


def _plain(raw: str) -> str:
    text = unicodedata.normalize("NFKD", _ENDINGS.sub("", raw)).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", lambda run: "-" if run[0] == "-" else "_", text)[:_LONGEST].strip("_-")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _numbered(name: str, taken: set[str]) -> str:
    number = 2
    while _folded(f"{name} ({number})") in taken:
        number += 1
    return f"{name} ({number})"
