"""What a student gets, and nothing else: a folder or an archive in the course's own layout."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from grader.assignment import Assignment
from grader.authoring.answers import outdated
from grader.authoring.build import LOOKS_LIKE_REGION, drift, write_whole
from grader.errors import UsageError

ROOMS = ("assignments", "solutions", "fixtures")
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # so that the same files make the same archive


def release(assignment: Assignment, target: Path) -> list[str]:
    """Pack into the folder `target`, or the archive when it ends in .zip; return the paths in it, in order.

    Raises UsageError, before anything is written, when something is not up to date or somebody's work is in the way.
    """
    found = [*drift(assignment), *outdated(assignment)]
    if found:
        raise UsageError(found[0])
    packed = {path.relative_to(assignment.root).as_posix(): _content(path) for path in sorted(_files(assignment))}
    _refuse_own_folders(assignment, [target, *(target / name for name in packed)])
    if target.suffix == ".zip":
        _refuse_other_archive(target, packed)
        write_whole(target, _archive(packed))
        return list(packed)
    theirs = {assignment.skeleton, assignment.notebook, *_provided(assignment)}  # what students work in
    for path in sorted(theirs):
        name = path.relative_to(assignment.root).as_posix()
        if (there := target / name).exists() and there.read_bytes() != packed[name]:
            raise UsageError(
                f"{there} is there already and is not what would be released, so it may hold somebody's work; "
                "move it away, or release into a new folder"
            )
    for name, data in packed.items():
        write_whole(target / name, data)
    return list(packed)


def left_out(assignment: Assignment) -> list[Path]:
    """Files that lie beside the handout and are not packed: to be told, in case they were forgotten."""
    return sorted({path for path in assignment.folder.glob("[!.]*") if path.is_file()} - {*_files(assignment)})


def _files(assignment: Assignment) -> Iterator[Path]:
    """By name, one for one: nothing comes along because of where it lies."""
    yield from (assignment.handout, assignment.settings, assignment.public_checks)
    yield from (assignment.skeleton, assignment.notebook, *_provided(assignment), assignment.recorded)
    if assignment.public_tensors.is_file():
        yield assignment.public_tensors


def _provided(assignment: Assignment) -> list[Path]:
    return [assignment.folder / name for name in assignment.provided]


def _content(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: a release needs it, and it cannot be read: {error.strerror}") from error
    if LOOKS_LIKE_REGION.search(data.decode("utf-8", "replace")):
        raise UsageError(f"{path}: a region of a solution is marked in it, and students would be given it")
    return data


def _refuse_own_folders(assignment: Assignment, paths: list[Path]) -> None:
    own = [assignment.root / room for room in ROOMS]
    for path in paths:
        if any(path.resolve().is_relative_to(folder.resolve()) for folder in own):
            raise UsageError(f"{path} lies in the course's own folders; release into a folder outside of them")


def _refuse_other_archive(target: Path, packed: dict[str, bytes]) -> None:
    if target.exists() and not (zipfile.is_zipfile(target) and {*zipfile.ZipFile(target).namelist()} <= packed.keys()):
        raise UsageError(f"{target} is there already and holds something else; choose another name")


def _archive(packed: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, data in packed.items():
            member = zipfile.ZipInfo(name, LONG_AGO)
            member.external_attr, member.create_system = 0o644 << 16, 3  # as Unix writes it, wherever it is made
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)
    return whole.getvalue()
