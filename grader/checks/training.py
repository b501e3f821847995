"""What a check says of training: curves that grow while it runs, and marks by the levels that a number reaches."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grader.checks.compare import kind
from grader.checks.evidence import CheckFailed, compared, current
from grader.text import clean

_MOST_CURVES, _MOST_POINTS = 6, 240  # of one check


def curve(name: str, x: float, y: float) -> None:
    """Add a point to a curve of the running check. It is shown while the check runs, and drawn in the report.

    From the student's side: `told = lend(student, lambda step, loss: curve("training loss", step, loss))`. What is no
    finite number is left out; of a long curve every second point goes. Raises TypeError for what is no number at all.
    """
    for value in (x, y):
        if type(value) not in (int, float):
            raise TypeError(f"a curve takes two numbers, not {kind(value)}")
    evidence, name = current(), clean(name, 60)
    if name not in evidence.curves and len(evidence.curves) >= _MOST_CURVES:
        return
    points = evidence.curves.setdefault(name, [])
    if abs(x) < 1e12 and abs(y) < 1e12:  # and none that is nan
        points.append((float(x), float(y)))
    if len(points) > _MOST_POINTS:
        del points[1::2]
    if evidence.watch:
        evidence.watch(f"{name} {y:.4g} at {x:g}")


def tiers(value: float, at: Sequence[float], what: str, *, below: bool = False) -> None:
    """Pass when `value` reaches the last of the levels `at`; each level earns the same share in a `partial` check.

    at: from the easiest level on, growing, or falling with `below`, where less is better. `what`: "the share of right
    answers". Raises CheckFailed with the levels that are reached and the next one.
    """
    compared()
    if type(value) not in (int, float) or not math.isfinite(value):
        raise CheckFailed(f"{what} is {kind(value) if type(value) not in (int, float) else value}, not a finite number")
    reached = sum(value <= level if below else value >= level for level in at)
    if reached == len(at):
        return
    least, so_far = "at most" if below else "at least", f"{reached} of {len(at)} levels are reached"
    words = f"{what} is {value:.4g}: {so_far}; the next one asks for {least} {at[reached]:g}"
    raise CheckFailed(words, earned=reached / len(at))
