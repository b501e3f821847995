"""The heat maps of a failed comparison side by side as a PNG: where notebooks show pictures, they show these."""

from __future__ import annotations

import base64
import struct
import zlib

from markupsafe import Markup

from grader.records import Picture
from grader.report.markup import markdown
from grader.report.picture import largest, panels, scales, short

PANEL = 192  # pixels of a map's longer side, about
LEAST, MOST = 12, 40  # pixels of a cell's side
GAP = 16
NOTHING, HOLE = b"\0", b"\1"  # places of the palette: see-through between the maps, grey where there is no number
GREY = "#808080"


def png(picture: Picture) -> bytes:
    """Return the file: the student's values, the expected ones and the difference, in the colours of the report."""
    drawn = scales(picture)
    rows = max(len(grid) for _, grid, _ in drawn)
    side = max(LEAST, min(MOST, PANEL // max(rows, *(len(row) for _, grid, _ in drawn for row in grid))))
    colours = ["#000000", GREY]
    lines = [b""] * rows
    for _, grid, scale in drawn:
        first, gap = len(colours), NOTHING * GAP if lines[0] else b""
        colours += scale.colours
        width = side * max(map(len, grid))
        for y in range(rows):
            row = grid[y] if y < len(grid) else ()
            cells = (HOLE if (level := scale.place(v)) is None else bytes([first + level]) for v in row)
            lines[y] += gap + b"".join(cell * side for cell in cells).ljust(width, NOTHING)
    pixels = b"".join((b"\0" + line) * side for line in lines)
    head = struct.pack(">IIBBBBB", len(lines[0]), rows * side, 8, 3, 0, 0, 0)  # 8 bits a pixel, by palette
    palette = b"".join(bytes.fromhex(colour[1:]) for colour in colours)
    parts = ((b"IHDR", head), (b"PLTE", palette), (b"tRNS", b"\0"), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def image(picture: Picture) -> Markup:
    """Return Markdown that shows `picture` from within. Of all notebook programs, Colab shows no attachments."""
    alt = markdown(". ".join(panel.alt for panel in panels(picture)))
    return Markup(f"![{alt}](data:image/png;base64,{base64.b64encode(png(picture)).decode()})")  # not HTML


def legend(picture: Picture) -> str:
    """Return what the colours of `png` mean, in words."""
    words = [
        f"{title} (from {short(scale.low, 3)}, {scale.ends[0]}, to {short(scale.high, 3)}, {scale.ends[1]})"
        for title, _, scale in scales(picture)
    ]
    worst, holes = largest(picture), any(panel.holes for panel in panels(picture))
    return (
        f"{picture.caption}, from left to right: {'; '.join(words)}."
        + (f" Largest difference: {worst}." if worst else "")
        + (" Grey: not a finite number (NaN or infinity)." if holes else "")
    )
