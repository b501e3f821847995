"""Sizes for a check to try: drawn anew for each submission, the smallest ones always among them."""

from __future__ import annotations

import random
from collections.abc import Iterator

_TRIES = 300  # draws until no two sizes are equal


def sizes(draws: int = 3, **ranges: tuple[int, int]) -> Iterator[tuple[int, ...]]:
    """Sizes from `ranges`, both ends included: `for B, T, C in sizes(B=(1, 3), T=(1, 7), C=(2, 8))`.

    The last draw is every range's lowest value. In those before it no two sizes are equal where the ranges allow it,
    so that no dimension is taken for another, and none is the lowest of its range where that leaves a choice.
    They come from Python's random numbers, which the check's seed decides. Raises ValueError for ranges without sizes.
    """
    if draws < 2 or not ranges or any(low > high for low, high in ranges.values()):
        raise ValueError("sizes needs two draws or more, and ranges whose lowest value comes first")
    found = [_apart(list(ranges.values())) for _ in range(draws - 1)]
    return iter([*found, tuple(low for low, _ in ranges.values())])  # drawn at once, whatever happens in between


def _apart(ranges: list[tuple[int, int]]) -> tuple[int, ...]:
    """The draw with the fewest equal sizes, and then the fewest lowest ones, of many."""
    best: tuple[int, ...] = ()
    most, wanted = (-1, -1), (len(ranges), sum(low < high for low, high in ranges))
    for _ in range(_TRIES):
        drawn = tuple(random.randint(low, high) for low, high in ranges)
        above = sum(size > low for size, (low, _) in zip(drawn, ranges, strict=True))
        if (len(set(drawn)), above) > most:
            best, most = drawn, (len(set(drawn)), above)
        if most == wanted:
            break
    return best
