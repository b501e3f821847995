"""Notices when one's file, or a file that it may use, has been saved: by looking, which works everywhere."""

from __future__ import annotations

import ast
import json
import time
import warnings
from pathlib import Path

from grader.assignment import Assignment

_EVERY = 0.05  # seconds between two looks
_SETTLES = 0.2  # seconds that an editor may take to write a file again

Stamp = tuple[int, int, int]  # when it was written, its size, which file it is


class Watched:
    """A file, the modules beside it and the assignment's own files."""

    def __init__(self, assignment: Assignment, file: Path) -> None:
        self._file = file
        self._course = (
            assignment.settings,
            assignment.public_checks,
            assignment.public_tensors,
            assignment.recorded,
            *assignment.provided_files,
        )
        self._seen = self._look()
        self._looked = 0.0

    def changed(self) -> bool:
        """Whether something is other than when it was last `settled`. To be asked often: it looks now and then."""
        if time.monotonic() - self._looked < _EVERY:
            return False
        self._looked = time.monotonic()
        return self._look() != self._seen

    def wait(self) -> None:
        """Return when something has changed."""
        while not self.changed():
            time.sleep(_EVERY)

    def settled(self) -> bool:
        """Wait until the file is whole: editors empty a file before they write it, or put another in its place.

        Returns whether one of the assignment's own files has changed.
        """
        until = time.monotonic() + _SETTLES
        while not _whole(self._file) and time.monotonic() < until:
            time.sleep(_SETTLES / 10)
        before, self._seen = self._seen, self._look()
        return any(before.get(path) != self._seen.get(path) for path in self._course)

    def _look(self) -> dict[Path, Stamp]:
        paths = {self._file, *self._file.parent.glob("*.py"), *self._course}
        return {path: stamp for path in paths if (stamp := _stamp(path))}


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:  # just being replaced
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _whole(file: Path) -> bool:
    """Whether it is there and can be read; not so a file that ends in the middle, nor one with a slip in it."""
    try:
        data = file.read_bytes()
        if file.suffix.lower() == ".ipynb":
            json.loads(data)
        else:
            with warnings.catch_warnings(action="ignore"):
                ast.parse(data)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return bool(data)
