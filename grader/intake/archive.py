"""Reads a zip file without believing it: names, types, sizes and compression are checked, all reads are capped."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib

from grader.intake.contents import DEPTH, FILE, Contents, ignored, invalid
from grader.text import clean

_RATIO = 200  # source compresses about 5 times, a notebook full of equal lines 50 times
_SMALL = 2**20  # bytes below which no ratio is a bomb
_RECORD = b"PK\x01\x02"  # starts each member's entry in the directory
_DRIVE = re.compile(r"^[A-Za-z]:")
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, OverflowError)


def unpack(data: bytes) -> Contents:
    """Return the files in a zip, hidden ones, caches and zips inside left out. Raises StudentError for any trick."""
    contents = Contents()
    contents.look(data.count(_RECORD))  # before an object is made for each
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                path = _path(member)
                if path and not member.is_dir() and _is_file(member, path) and contents.admit(path, member.file_size):
                    contents.add(path, _content(archive, member, path))
    except _BROKEN:  # NotImplementedError is a RuntimeError, UnicodeError a ValueError
        raise invalid("the zip file is damaged, or no zip file; pack it again.") from None
    return contents


def _path(member: zipfile.ZipInfo) -> str:
    """The member's path, "" when it is ignored. Raises StudentError for a path that leads out of the folder."""
    raw = member.orig_filename
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    if raw.startswith("/") or "\\" in raw or "\0" in raw or _DRIVE.match(raw) or ".." in parts:
        raise invalid(f"the zip holds a path that leads out of its folder, {clean(raw, 100)}.")
    if len(parts) > DEPTH + 1:
        raise invalid(f"the zip holds over {DEPTH} folders inside one another.")
    return "" if any(ignored(part) for part in parts) else "/".join(parts)


def _is_file(member: zipfile.ZipInfo, path: str) -> bool:
    """True; raises StudentError for what is not a plain file packed in a plain way."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise invalid(f"the zip holds a link, {clean(path, 100)}; links are not followed.")
    if kind not in (0, stat.S_IFREG):
        raise invalid(f"the zip holds {clean(path, 100)}, which is not a plain file.")
    if member.flag_bits & _ENCRYPTED:
        raise invalid("the zip is locked with a password; pack it without one.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise invalid("the zip is packed with an unusual method; pack it with the ordinary one.")
    if member.file_size > max(_SMALL, _RATIO * member.compress_size):
        raise invalid(f"the zip holds {clean(path, 100)}, which unpacks to far more than it is worth.")
    return True


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str) -> bytes:
    """Up to FILE + 1 bytes of a member, whatever its header says of its size."""
    with archive.open(member) as file:
        data = file.read(FILE + 1)
    if len(data) > max(_SMALL, _RATIO * member.compress_size):
        raise invalid(f"the zip holds {clean(path, 100)}, which unpacks to far more than it is worth.")
    return data
