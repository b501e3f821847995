"""Curves in what a student's code printed as it trained: read from the text alone, and nothing is claimed."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from grader.records import Curve

CURVES, POINTS, LEAST = 6, 500, 3  # at most so many curves and points are drawn; fewer points are no curve
_LINE = 500  # characters of a line that are looked at
_VALUE = re.compile(
    r"(?<![a-z0-9_])"
    r"(?P<name>(?:(?:[a-z]{1,20}[_/.-]){0,2}|(?:train|training|val|valid|validation|test|eval|dev)\ )"
    r"(?:loss|acc|accuracy|perplexity|ppl))"
    r"(?:['\"]?\s*[:=]\s*|\s+(?:is\s+)?)(?:tensor\()?"
    r"(?P<value>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(?![\w/])",
    re.IGNORECASE,
)
_COUNTERS = ("step", "iter", "batch", "epoch")  # the finest first
_COUNT = re.compile(rf"\b({'|'.join(_COUNTERS)})[a-z]*['\"]?\s*[:=#]?\s*\[?(\d{{1,9}}(?:\.\d{{1,6}})?)", re.IGNORECASE)

Seen = tuple[dict[str, float], float]  # counters of the line by name, and the value


def traces(text: str) -> tuple[Curve, ...]:
    """Return a curve for each loss, accuracy or perplexity that `text` tells three times or more."""
    seen: dict[str, list[Seen]] = {}
    for whole in text.splitlines():
        line = whole[:_LINE]
        counts = {name.lower(): float(number) for name, number in _COUNT.findall(line)}
        for match in _VALUE.finditer(line):
            if math.isfinite(value := float(match["value"])):
                seen.setdefault(re.sub(r"[_/.-]", " ", match["name"].lower()), []).append((counts, value))
    return tuple(_curve(name, found) for name, found in seen.items() if len(found) >= LEAST)[:CURVES]


def _curve(name: str, found: Sequence[Seen]) -> Curve:
    points = list(zip(_across(found), (value for _, value in found), strict=True))
    if len(points) > POINTS:
        points = [points[round(n * (len(points) - 1) / (POINTS - 1))] for n in range(POINTS)]
    return Curve(name, tuple(points))


def _across(found: Sequence[Seen]) -> list[float]:
    """The counter that grows from line to line, or else the number of the value."""
    for counter in _COUNTERS:
        places = [counts.get(counter, math.nan) for counts, _ in found]
        if all(later > before for before, later in pairwise(places)):  # not so where one is NaN
            return places
    return [float(n) for n in range(1, len(found) + 1)]
