"""Heat maps of a failed comparison: what was computed, what was expected, and the difference, as shapes for SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TypeGuard

from grader.records import Grid, Picture

CELL = 20  # SVG units of one cell's side
LEVELS = 65  # odd, so that the middle of the diverging scale is exactly zero
TOOLTIPS = 12  # rows and columns up to which each cell tells its value
PANEL_PIXELS = 270  # narrowest width at which a panel is drawn beside others
LEGIBLE_PIXELS = 7.5

# Anchors of viridis and of ColorBrewer's RdBu: told apart with each kind of colour blindness, and in grey (viridis).
SEQUENTIAL = "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725"
DIVERGING = "2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a small grid: where its middle is, and what it says."""

    x: int
    y: int
    tip: str
    label: str  # about two significant digits; empty where they would be too small to read
    ink: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One heat map, ready to be drawn."""

    title: str
    alt: str
    width: int
    height: int
    fills: tuple[tuple[str, str], ...]  # colour, path of all its cells
    holes: str  # path that crosses out the cells without a finite number
    cells: tuple[Cell, ...]
    font: float
    mark: tuple[int, int] | None  # corner of the cell with the largest difference
    low: str
    high: str
    ramp: tuple[tuple[str, str], ...]  # the legend, drawn like `fills`


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers to colours."""

    low: float
    high: float
    colours: tuple[str, ...]
    ends: tuple[str, str]  # the first and the last colour in words

    def place(self, value: float | None) -> int | None:
        """Return which colour `value` has, None where it is no finite number."""
        return self.level(value) if _is_finite(value) else None

    def level(self, value: float) -> int:
        """Return which colour a finite `value` has; halves keep the largest floats from overflowing."""
        span = self.high / 2 - self.low / 2
        share = (value / 2 - self.low / 2) / span if span > 0 else 0.5
        return min(LEVELS - 1, max(0, round(share * (LEVELS - 1))))


def panels(picture: Picture) -> tuple[Panel, ...]:
    """Return the heat maps of `picture`."""
    return tuple(_panel(title, grid, scale, worst=grid is picture.difference) for title, grid, scale in scales(picture))


def scales(picture: Picture) -> list[tuple[str, Grid, Scale]]:
    """Return the grids of `picture` with title and scale; the student's and the expected one share a scale."""
    values = [*_finite(picture.student), *_finite(picture.expected or ())]
    ends = min(values, default=0.0), max(values, default=0.0)
    scale = Scale(*ends, _colours(SEQUENTIAL), ("dark violet", "yellow"))
    found = [("Yours", picture.student, scale)]
    if picture.expected:
        found.append(("Expected", picture.expected, scale))
    if picture.difference:
        most = max(map(abs, _finite(picture.difference)), default=0.0)
        around = Scale(-most, most, _colours(DIVERGING), ("blue", "red"))
        found.append(("Difference: yours \N{MINUS SIGN} expected", picture.difference, around))
    return found


def largest(picture: Picture) -> str | None:
    """Return where the largest difference is and how large, in words; None when nothing finite differs."""
    where = _largest(picture.difference or ())
    if where is None or not picture.difference:
        return None
    row, column = where
    value = picture.difference[row][column] or 0.0
    return f"{short(abs(value), 3)} in row {row}, column {column} of the picture, counted from 0"


def short(value: float, digits: int) -> str:
    """Return `value` with `digits` significant digits and a real minus sign."""
    return f"{value or 0.0:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def _panel(title: str, grid: Grid, scale: Scale, *, worst: bool = False) -> Panel:
    columns = max(map(len, grid))
    where = _largest(grid) if worst else None
    cells, font = _cells(grid, scale)
    return Panel(
        title=title,
        alt=_alt(title, grid, where),
        width=columns * CELL,
        height=len(grid) * CELL,
        fills=_fills(grid, scale),
        holes="".join(
            _cross(x, y) for y, row in enumerate(grid) for x, value in enumerate(row) if not _is_finite(value)
        ),
        cells=cells,
        font=font,
        mark=None if where is None else (where[1] * CELL, where[0] * CELL),
        low=short(scale.low, 3),
        high=short(scale.high, 3),
        ramp=tuple((colour, _run(n, 0, 1)) for n, colour in enumerate(scale.colours)),
    )


def _alt(title: str, grid: Grid, where: tuple[int, int] | None) -> str:
    finite = list(_finite(grid))
    size, lost = f"{len(grid)} rows by {max(map(len, grid))} columns", sum(map(len, grid)) - len(finite)
    words = [f"{title}: heat map of {size}"]
    if finite:
        words.append(f"smallest value {short(min(finite), 3)}, largest {short(max(finite), 3)}")
    if lost:
        words.append(f"{lost} without a finite number")
    if where is not None:
        words.append(f"largest difference in row {where[0]}, column {where[1]}, counted from 0")
    return "; ".join(words)


def _fills(grid: Grid, scale: Scale) -> tuple[tuple[str, str], ...]:
    paths: dict[str, list[str]] = {}
    for y, row in enumerate(grid):
        levels = [scale.place(value) for value in row]
        start = 0
        for x in range(1, len(row) + 1):  # neighbours of one colour become one shape
            if x == len(row) or levels[x] != levels[start]:
                level = levels[start]
                if level is not None:
                    paths.setdefault(scale.colours[level], []).append(_run(start, y, x - start))
                start = x
    return tuple((colour, "".join(runs)) for colour, runs in paths.items())


def _cells(grid: Grid, scale: Scale) -> tuple[tuple[Cell, ...], float]:
    columns = max(map(len, grid))
    if max(len(grid), columns) > TOOLTIPS:
        return (), 0.0
    decimals = _decimals(max(map(abs, (scale.low, scale.high))))
    longest = max((len(_label(value, decimals)) for value in _finite(grid)), default=1)
    font = min(0.32 * CELL, 0.8 * CELL / (0.6 * longest))
    legible = font * PANEL_PIXELS / (columns * CELL) >= LEGIBLE_PIXELS
    made = []
    for y, row in enumerate(grid):
        for x, value in enumerate(row):
            text, label, ink = "not a finite number", "", ""
            if _is_finite(value):
                text, label = short(value, 6), _label(value, decimals) if legible else ""
                ink = _ink(scale.colours[scale.level(value)])
            made.append(Cell(x * CELL + CELL // 2, y * CELL + CELL // 2, f"[{y}, {x}] {text}", label, ink))
    return tuple(made), round(font, 2)


def _decimals(most: float) -> int | None:
    """Return how many decimals show two significant digits of the largest value, or None where none would."""
    if not 1e-3 <= most < 1e4:
        return None
    exponent = math.floor(math.log10(most))
    return max(0, 2 - exponent) if exponent >= 0 else max(2, 1 - exponent)


def _label(value: float, decimals: int | None) -> str:
    if decimals is None:
        return short(value, 2)
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if not float(text) else text.replace("-", "\N{MINUS SIGN}")


def _largest(grid: Grid) -> tuple[int, int] | None:
    places = [(abs(v), -y, -x) for y, row in enumerate(grid) for x, v in enumerate(row) if _is_finite(v)]
    most = max(places, default=(0.0, 0, 0))  # the first of equals
    return (-most[1], -most[2]) if most[0] > 0 else None


def _finite(grid: Grid) -> Iterable[float]:
    return (value for row in grid for value in row if _is_finite(value))


def _is_finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _run(x: int, y: int, length: int) -> str:
    return f"M{x * CELL} {y * CELL}h{length * CELL}v{CELL}h{-length * CELL}z"


def _cross(x: int, y: int) -> str:
    left, top, side = x * CELL + 5, y * CELL + 5, CELL - 10
    return f"M{left} {top}l{side} {side}m0 {-side}l{-side} {side}"


@cache
def _colours(anchors: str) -> tuple[str, ...]:
    points = [[int(anchor[n : n + 2], 16) for n in (0, 2, 4)] for anchor in anchors.split()]
    made = []
    for level in range(LEVELS):
        place = level / (LEVELS - 1) * (len(points) - 1)
        left = min(int(place), len(points) - 2)
        share = place - left
        mixed = (round(a + (b - a) * share) for a, b in zip(points[left], points[left + 1], strict=True))
        made.append("#" + "".join(f"{channel:02x}" for channel in mixed))
    return tuple(made)


def _ink(colour: str) -> str:
    """Return black or white, whichever stands out more from `colour`: at least 4.5 to 1."""
    channels = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return "#000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#fff"
