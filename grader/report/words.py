"""The words of a report: what each status and outcome means, and how numbers are written."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from grader.records import CheckResult, Outcome, Result, Status

Tone = Literal["good", "calm", "part", "bad", "mute", "ours"]  # also the name of the icon and of the colours
NOT_FINITE = "not a number"


@dataclass(frozen=True, slots=True)
class Words:
    """A state in words: never shown by colour alone."""

    tone: Tone
    label: str
    meaning: str
    advice: str = ""


OUTCOMES = {
    Outcome.PASSED: Words("good", "Passed", "This works."),
    Outcome.PARTIAL: Words("part", "Partly passed", "Some of the cases work."),
    Outcome.FAILED: Words("bad", "Not passed yet", "This does not work yet."),
    Outcome.SKIPPED: Words("mute", "Skipped", "Not tried, because a check that this one needs did not pass."),
    Outcome.ERROR: Words("ours", "Not graded", "The grader could not run this check. That is the grader's own fault."),
}

STATUSES = {
    Status.GRADED: Words("good", "Graded", "The checks ran."),
    Status.INVALID: Words(
        "bad",
        "Could not be loaded",
        "Your submission could not be loaded, so there was nothing to check.",
        "Mend what is named below, restart Python, run your file from top to bottom, and submit it again.",
    ),
    Status.CRASHED: Words(
        "bad",
        "Crashed",
        "Python itself stopped while it was running your code, so the rest could not be checked.",
        "Look for calls that end the process or reach deep into memory, try it in a fresh Python, and submit again.",
    ),
    Status.TIMEOUT: Words(
        "bad",
        "Out of time",
        "Your code took longer than this assignment allows, so the rest could not be checked.",
        "Look for a loop that never ends, or for training and experiments that run when the file is loaded.",
    ),
    Status.MEMORY: Words(
        "bad",
        "Out of memory",
        "Your code used more memory than this assignment allows, so the rest could not be checked.",
        "Look for a tensor that is much larger than its inputs, or for a list that keeps growing.",
    ),
    Status.BLOCKED: Words(
        "bad",
        "Stopped",
        "Your code tried something that is locked during grading, such as the network, other programs or other files.",
        "Take that part out (or move it under `if __name__ == '__main__':`) and submit again.",
    ),
    Status.ERROR: Words(
        "ours",
        "Not graded",
        "Not graded: the grader's own fault.",
        "You have not lost any points. Your instructor can see this and will grade your submission again.",
    ),
}


def headline(result: Result) -> Words:
    """Return the status of `result` in words; for a graded one also how many checks passed and what to do next."""
    words = STATUSES[result.status]
    if result.status is not Status.GRADED or not result.checks:
        return words
    total = len(result.checks)
    passed = sum(check.status is Outcome.PASSED for check in result.checks)
    ungraded = sum(check.status is Outcome.ERROR for check in result.checks)
    if passed == total:
        return replace(words, meaning="All checks passed." if total > 1 else "The check passed.", advice="Well done.")
    meaning = f"{passed} of {total} checks passed."
    if passed == 0 and not ungraded:
        meaning = "Your code was loaded and run; no check passed yet."
    advice = "Start with the first check that did not pass; later ones often build on it."
    if ungraded:
        advice = f"{ungraded} could not be graded: the grader's own fault, not yours. Your instructor can see it."
    return replace(words, tone="calm", meaning=meaning, advice=advice)


def follow_through(check: CheckResult) -> str:
    """Return why a check that failed earned its points all the same; empty where none did."""
    if not check.followed:
        return ""
    names = " and ".join(f"`{name}`" for name in check.followed)
    return (
        f"Follow-through: your own {names} gives other results than asked, which costs points where it is checked "
        f"itself. With your {names} in its place this part is right, and earns its points."
    )


def number(value: float) -> str:
    """Return `value` with at most two decimals, and none that say nothing: 2, 1.5, 1.33."""
    if not math.isfinite(value):
        return NOT_FINITE
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def part_of(value: float, top: float) -> str:
    """Return `value` as `number` does, but never rounded up to a full mark: 9.999 of 10 is 9.99."""
    if value < top - 1e-9 and number(value) == number(top):
        return number(math.floor(value * 100) / 100)
    return number(value)


def percent(value: float, top: float) -> float | None:
    """Return how much of `top` `value` is, from 0 to 100; None when that means nothing."""
    if not (math.isfinite(value) and math.isfinite(top)) or top <= 0:
        return None
    return min(100.0, max(0.0, 100 * (value / top)))


def whole_percent(value: float, top: float) -> int | None:
    """Return `percent` rounded down, so that 100 means all of it."""
    share = percent(value, top)
    return None if share is None else math.floor(share + 1e-9)
