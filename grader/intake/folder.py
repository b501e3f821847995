"""Reads a file or folder that a student made: nothing is followed, nothing special is opened, all reads are capped."""

from __future__ import annotations

import os
import stat
from itertools import islice
from pathlib import Path

from grader.intake.contents import DEPTH, FILE, SEEN, Contents, ignored, invalid
from grader.text import clean

_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)  # Windows
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)


def read_file(path: Path | str, limit: int, *, within: int | None = None) -> bytes:
    """Return up to `limit` + 1 bytes of a regular file, in the open folder `within`. Raises StudentError, OSError."""
    _check_kind(os.lstat(path) if within is None else os.stat(path, dir_fd=within, follow_symlinks=False), str(path))
    descriptor = os.open(path, os.O_RDONLY | _SAFELY | _BINARY, dir_fd=within)
    with os.fdopen(descriptor, "rb") as file:
        _check_kind(os.fstat(descriptor), str(path))  # it may have been exchanged since
        return file.read(limit + 1)


def read_folder(path: Path) -> Contents:
    """Return the files below `path`, hidden ones and caches left out. Raises StudentError, OSError."""
    contents = Contents()
    descriptor = os.open(path, os.O_RDONLY | _DIRECTORY | _SAFELY)
    try:
        _read_below(descriptor, "", contents)
    finally:
        os.close(descriptor)
    return contents


def _read_below(folder: int, prefix: str, contents: Contents) -> None:
    if prefix.count("/") > DEPTH:
        raise invalid(f"holds over {DEPTH} folders inside one another.")
    with os.scandir(folder) as listing:
        names = sorted(entry.name for entry in islice(listing, SEEN + 1))
    contents.look(len(names))
    for name in names:
        if ignored(name):
            continue
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            inner = os.open(name, os.O_RDONLY | _DIRECTORY | _SAFELY, dir_fd=folder)
            try:
                _read_below(inner, f"{prefix}{name}/", contents)
            finally:
                os.close(inner)
        else:
            _check_kind(found, prefix + name)
            if contents.admit(prefix + name, found.st_size):
                contents.add(prefix + name, read_file(name, FILE, within=folder))


def _check_kind(found: os.stat_result, path: str) -> None:
    name = clean(Path(path).name, 100)
    if stat.S_ISLNK(found.st_mode):
        raise invalid(f"{name} is a link; links are not followed, hand in the file itself.")
    if not stat.S_ISREG(found.st_mode):
        raise invalid(f"{name} is not a plain file; hand in a .py, .ipynb or .zip file.")
