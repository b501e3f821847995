"""From what each case of a check did to points: pure arithmetic, whose fault it is kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grader.checks.declare import Check
from grader.errors import Fault
from grader.records import CheckResult, Outcome, Picture, Visibility

# worst first: what a check with several cases comes to when it is not marked `partial`
_ORDER = (Outcome.ERROR, Outcome.FAILED, Outcome.SKIPPED, Outcome.PASSED)
_UNTOLD = "This hidden check did not pass."  # of a hidden check nothing is said that could carry its inputs


@dataclass(frozen=True, slots=True)
class Case:
    """One run of a check's function: the whole check, or one of its parameters."""

    outcome: Outcome
    message: str | None = None
    picture: Picture | None = None
    seconds: float = 0.0
    label: str = ""  # the parameter, in words
    fault: Fault | None = None  # where the student's side failed


def fold(check: Check, visibility: Visibility, cases: Sequence[Case]) -> CheckResult:
    """Return the check's result: all of its points or none, or with `partial` the share of its cases that passed."""
    if not cases:
        cases = (Case(Outcome.ERROR, "the check did not run"),)
    worst = min(cases, key=lambda case: _ORDER.index(case.outcome))
    passed = sum(case.outcome is Outcome.PASSED for case in cases)
    status, points = worst.outcome, check.points if worst.outcome is Outcome.PASSED else 0.0
    if check.partial and worst.outcome is Outcome.FAILED and passed:
        status, points = Outcome.PARTIAL, check.points * passed / len(cases)
    failed = status not in (Outcome.PASSED, Outcome.SKIPPED)
    told = visibility == "public" or status in (Outcome.ERROR, Outcome.SKIPPED)
    message = worst.message
    if message and len(cases) > 1 and worst.label and failed:
        message = f"{passed} of {len(cases)} cases pass; with {worst.label}: {message}"
    return CheckResult(
        id=check.id,
        title=check.title,
        visibility=visibility,
        points=points,
        max_points=check.points,
        status=status,
        message=None if status is Outcome.PASSED else message if told else _UNTOLD,
        hint=check.hint if failed else None,
        fault=worst.fault,
        picture=worst.picture if failed and visibility == "public" else None,
        seconds=round(sum(case.seconds for case in cases), 3),
    )
