"""From paths to submissions: which there are, what is in each, and a private copy of one for the student's side.

Runs on the trusted side, so nothing here parses what a student wrote: it is only listed, capped, read and copied.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from grader.errors import GraderError, StudentError, UsageError
from grader.intake.archive import unpack
from grader.intake.contents import FILE, TOTAL, Contents, gradable, ignored, invalid
from grader.intake.folder import read_file, read_folder
from grader.intake.names import folders, label, labels
from grader.text import clean


@dataclass(frozen=True, slots=True)
class Entry:
    """One submission, not yet read."""

    name: str  # as found, fit to show, unique
    folder: str  # its folder inside OUT: safe and unique on every file system
    path: Path


@dataclass(frozen=True, slots=True)
class Bundle:
    """One submission's files."""

    files: Mapping[str, bytes]  # by relative path with "/"
    main: str  # the path of the file that is graded
    notes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over the main file's path, all paths and contents, each with its length."""
        digest = hashlib.sha256()
        parts = [
            self.main.encode(),
            *(part for path in sorted(self.files) for part in (path.encode(), self.files[path])),
        ]
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.hexdigest()


def entries(paths: Sequence[Path], assignment: str, *, one: bool = False) -> list[Entry]:
    """Return the submissions at `paths`, sorted by name. With `one`, a folder that holds one file of source is one.

    Raises UsageError for a path that does not exist or cannot be listed, and when there is nothing to grade.
    """
    unique = {Path(os.path.abspath(path)): None for path in paths}  # noqa: PTH100 -- resolve() would follow links
    found = {entry: None for path in unique for entry in _submissions(path, assignment, one)}
    if not found:
        raise UsageError(f"Nothing to grade in {', '.join(label(str(path)) for path in paths) or 'no path at all'}.")
    ordered = sorted(found, key=lambda path: (os.fsencode(path.name), os.fsencode(path)))
    return [Entry(*row) for row in zip(labels(ordered), folders(ordered), ordered, strict=True)]


def read(entry: Entry, assignment: str, *, one: bool = False) -> Bundle:
    """Return the files of a submission. With `one`, its only file of source may lie in any folder of it.

    Raises StudentError(INVALID), one line, for what cannot be read as a submission or tries to be more than one.
    """
    try:
        if stat.S_ISDIR(os.lstat(entry.path).st_mode):
            return _choose(read_folder(entry.path), assignment, one)
        suffix = entry.path.suffix.casefold()
        if suffix == ".zip":
            data = read_file(entry.path, TOTAL)
            if len(data) > TOTAL:
                raise invalid(f"the zip is over {TOTAL >> 20} MB; hand in the source only.")
            return _choose(unpack(data), assignment, one)
        return _single(entry.path, f"{assignment}{suffix}")
    except OSError as error:
        raise invalid(f"cannot be read ({clean(error.strerror, 100)}).") from None


def stage(bundle: Bundle, directory: Path) -> None:
    """Write the files below `directory`, which must be new or empty, and make all of it read-only.

    Raises GraderError when it is neither, OSError when it cannot be written.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.is_symlink() or any(directory.iterdir()):
        raise GraderError(f"{directory} is not an empty folder of the grader's own.")
    made = {directory}
    for path, data in bundle.files.items():
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts:
            raise GraderError(f"A file of the submission leads out of its folder: {label(path)}")
        target = directory.joinpath(*parts)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made.update(directory.joinpath(*parts[:depth]) for depth in range(1, len(parts)))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
            file.write(data)
        target.chmod(0o444)
    for folder in sorted(made, reverse=True):  # inner ones first
        folder.chmod(0o555)


def _submissions(path: Path, assignment: str, one: bool) -> list[Path]:
    """`path` itself, or what it holds when it is a folder of many."""
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return [path]
        with os.scandir(path) as listing:
            folder = {e.name: e.is_dir(follow_symlinks=False) for e in listing if not ignored(e.name)}
    except FileNotFoundError:
        raise UsageError(f"{label(str(path))} does not exist.") from None
    except OSError as error:
        raise UsageError(f"{label(str(path))} cannot be listed ({error.strerror}).") from None
    sources = {name for name, is_folder in folder.items() if gradable(name) and not is_folder}
    if {f"{assignment}.py", f"{assignment}.ipynb"} & sources or (one and len(sources) == 1):
        return [path]
    return [path / name for name in folder]


def _single(path: Path, main: str) -> Bundle:
    """A file on its own goes by the assignment's name, whatever it was called."""
    data = read_file(path, FILE)
    if not gradable(path.name):
        raise invalid(f"{label(path.name)} is not a .py, .ipynb or .zip file.")
    contents = Contents()
    contents.add(main, data)
    return Bundle(MappingProxyType(contents.files), main, ())


def _choose(contents: Contents, assignment: str, one: bool) -> Bundle:
    files = _unwrapped(contents.files)
    main, notes = _main(files, assignment, one)
    return Bundle(MappingProxyType(dict(sorted(files.items()))), main, (*notes, *contents.notes()))


def _unwrapped(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files without the one folder that wraps them all, if there is one."""
    tops = {path.partition("/")[0] for path in files}
    if len(tops) == 1 and all("/" in path for path in files):
        return {path.partition("/")[2]: data for path, data in files.items()}
    return files


def _main(files: Iterable[str], assignment: str, one: bool) -> tuple[str, tuple[str, ...]]:
    script, notebook = f"{assignment}.py", f"{assignment}.ipynb"
    sources = sorted(path for path in files if gradable(path))
    if script in sources:
        return script, (f"Both {script} and {notebook} are there; {script} was graded.",) if notebook in sources else ()
    if notebook in sources:
        return notebook, ()
    top = [path for path in sources if "/" not in path]
    candidates = top or (sources if one else [])
    if len(candidates) == 1:
        return candidates[0], (f"There is no {script} or {notebook}; {candidates[0]} was graded.",)
    raise _no_main(sources, f"{script} or {notebook}")


def _no_main(sources: list[str], expected: str) -> StudentError:
    if not sources:
        return invalid(f"holds no .py or .ipynb file; expected {expected}.")
    more = f" and {len(sources) - 5} more" if len(sources) > 5 else ""
    return invalid(f"expected {expected}; found {', '.join(clean(path, 100) for path in sources[:5])}{more}.")
