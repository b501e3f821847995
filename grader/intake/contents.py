"""What one submission may hold: the caps, what is ignored, what is left out with a note, what is refused."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from grader.errors import Fault, StudentError
from grader.text import clean

FILE = 10 * 2**20  # bytes of one file
TOTAL = 50 * 2**20  # bytes of all files, and of a zip file
COUNT = 500  # files
SEEN = 10_000  # files and folders, ignored ones among them
DEPTH = 10  # folders inside one another
_PATH = 1000  # characters of a path
_CACHES = {"__macosx", "__pycache__", "desktop.ini", "thumbs.db"}


def invalid(message: str) -> StudentError:
    """The error for a submission that is refused: `message` is one clear line, cleaned."""
    return StudentError(Fault.INVALID, message)


def ignored(name: str) -> bool:
    """Whether a file or folder of this name is nobody's work: hidden files, caches, checkpoints."""
    return name.startswith(".") or name.casefold() in _CACHES or name.casefold().endswith(".pyc")


def gradable(path: str) -> bool:
    """Whether this is a file of source."""
    return path.casefold().endswith((".py", ".ipynb"))


@dataclass(slots=True)
class Contents:
    """The files of one submission while they are being read, held to the caps."""

    files: dict[str, bytes] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)
    _total: int = 0
    _count: int = 0
    _seen: int = 0

    def look(self, number: int) -> None:
        """Count files and folders that are looked at, kept or not. Raises StudentError when there are too many."""
        self._seen += number
        if self._seen > SEEN:
            raise invalid(f"holds over {SEEN} files and folders; hand in the source only.")

    def admit(self, path: str, size: int) -> bool:
        """Whether to read the file at `path`, which claims `size` bytes; if not, it is noted. Raises StudentError."""
        self._count += 1
        if self._count > COUNT:
            raise invalid(f"holds over {COUNT} files; hand in the source only.")
        self._claim(path)
        if len(path) > _PATH or clean(path, _PATH, lines=True) != path or not {"\n", "\t"}.isdisjoint(path):
            self.left_out.append(f"{clean(path, 100)} (its name)")
        elif path.casefold().endswith(".zip"):
            self.left_out.append(f"{path} (a zip inside)")
        elif size > FILE and not gradable(path):
            self.left_out.append(f"{path} (over {FILE >> 20} MB)")
        else:
            return True
        return False

    def add(self, path: str, data: bytes) -> None:
        """Keep a file's content, read up to FILE + 1 bytes. Raises StudentError when that is too much."""
        if len(data) > FILE:
            raise invalid(f"{clean(path, 100)} is over {FILE >> 20} MB; hand in the source only.")
        self._total += len(data)
        if self._total > TOTAL:
            raise invalid(f"holds over {TOTAL >> 20} MB in all; hand in the source only.")
        self.files[path] = data

    def notes(self) -> tuple[str, ...]:
        """What was left out, as at most one note."""
        if not self.left_out:
            return ()
        shown, more = ", ".join(self.left_out[:5]), len(self.left_out) - 5
        return (f"Left out: {shown}{f' and {more} more' if more > 0 else ''}.",)

    def _claim(self, path: str) -> None:
        """Refuse two files that would be one on some machine, and a file where a folder must be."""
        folded = unicodedata.normalize("NFC", path).casefold()
        parents = {str(parent) for parent in PurePosixPath(folded).parents} - {"."}
        if folded in self._taken or f"{folded}/" in self._taken or not self._taken.isdisjoint(parents):
            raise invalid(f"holds {clean(path, 100)} twice, or under names that differ in case only.")
        self._taken |= {folded, *(f"{parent}/" for parent in parents)}
