"""The window of a failed comparison that is worth looking at."""

from __future__ import annotations

import math

import torch

from grader.records import Grid, Picture

_SIDE = 16  # rows and columns a picture shows at most


def draw(actual: torch.Tensor, expected: torch.Tensor, what: str) -> Picture:
    """The two-dimensional slice with the largest difference, at most 16 by 16 around it. Both float64, one shape."""
    gap = torch.nan_to_num((actual - expected).abs(), nan=math.inf)
    place = (gap == gap.max()).nonzero()[0].tolist()
    leading = tuple(place[:-2])
    row, column = ([0, 0, *place])[-2:]
    rows, columns = ([1, 1, *actual.shape])[-2:]
    top, left = _start(row, rows), _start(column, columns)

    def window(t: torch.Tensor) -> Grid:
        plane = t[leading].reshape(rows, columns)[top : top + _SIDE, left : left + _SIDE]
        return tuple(tuple(float(f"{v:.6g}") if math.isfinite(v) else None for v in line) for line in plane.tolist())

    index = f"[{', '.join(map(str, leading))}]" if leading else ""
    cut = ""
    if rows > _SIDE or columns > _SIDE:
        cut = f", rows {top} to {min(top + _SIDE, rows) - 1}, columns {left} to {min(left + _SIDE, columns) - 1}"
    return Picture(f"{what}{index}{cut}", window(actual), window(expected), window(actual - expected))


def _start(index: int, size: int) -> int:
    return max(0, min(index - _SIDE // 2, size - _SIDE))
