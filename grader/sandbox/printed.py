"""What a student's code printed: read as it comes, kept at both ends, whatever it amounts to."""

from __future__ import annotations

import re

_TO_TERMINAL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")  # what has a terminal colour, or go up a line


class Printed:
    """The first half and the latest half of `limit` bytes. Of a line that is written over, as progress bars do, the
    last state.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._cut = False

    def add(self, piece: bytes) -> None:
        """Take what came next."""
        self._kept += piece
        if b"\r" in piece:
            start = self._kept.rfind(b"\n", 0, -len(piece)) + 1
            self._kept[start:] = _settled(self._kept[start:])
        if len(self._kept) > 2 * self._limit:
            half = self._limit // 2
            self._kept[half:-half] = b""
            self._cut = True

    def text(self) -> str:
        """All that is kept, with a mark where something is not."""
        text = _TO_TERMINAL.sub(b"", self._kept.rstrip(b"\r")).decode("utf-8", "replace")
        if self._cut or len(text) > self._limit:
            return f"{text[: self._limit // 2]}\n... (cut) ...\n{text[-self._limit // 2 :]}"
        return text


def _settled(text: bytearray) -> bytes:
    lines = text.split(b"\n")
    open_end = b"\r" if lines[-1].endswith(b"\r") else b""  # what comes next is written over it
    return b"\n".join(line.rstrip(b"\r").rpartition(b"\r")[2] for line in lines) + open_end
