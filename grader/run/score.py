"""From what each case of a check did to points: pure arithmetic, whose fault it is kept apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grader.checks.declare import Check
from grader.checks.evidence import CheckError, CheckFailed
from grader.errors import Fault, GraderError, StudentError, UsageError
from grader.records import CheckResult, Curve, Diagnosis, Outcome, Picture, Visibility
from grader.text import clean

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
    earned: float = 0.0  # the share that a failed case earns all the same, where the check is `partial`
    followed: tuple[str, ...] = ()  # it passed with these earlier parts of the student's own in the solution's place
    diagnosis: Diagnosis | None = None
    curves: tuple[Curve, ...] = ()


def case_of(error: BaseException, is_theirs: Callable[[], bool]) -> Case:
    """What an exception out of a check says. `is_theirs`: whether the check's own code holds for the solution."""
    match error:
        case CheckFailed():
            return Case(Outcome.FAILED, error.message, error.picture, earned=error.earned)
        case StudentError():
            return Case(Outcome.FAILED, error.message, fault=error.fault)
        case AssertionError():
            return Case(Outcome.FAILED, _said(error))
        case Exception() if (isinstance(error, CheckError) or not isinstance(error, GraderError)) and is_theirs():
            # The check's own code stumbled over what the student's code returned, and does not over the reference's.
            return Case(Outcome.FAILED, f"what your code returned cannot be used as asked: {clean(error, 200)}")
        case UsageError():
            return Case(Outcome.ERROR, clean(error, 400))  # it says itself what to do
    return Case(Outcome.ERROR, f"the grader's own fault in this check: {type(error).__name__}: {clean(error, 300)}")


def _said(error: AssertionError) -> str:
    """The sentence an author wrote behind an assert; pytest's account of the values stays with the author."""
    text = str(error)
    if text.startswith("assert ") or not text:
        return "what this check asks for does not hold"
    return clean(text.partition("\nassert ")[0], 600)


def fold(check: Check, visibility: Visibility, cases: Sequence[Case]) -> CheckResult:
    """Return the check's result: all of its points or none, or with `partial` the share of its cases that passed, and
    of those that did not what they earned all the same.
    """
    if not cases:
        cases = (Case(Outcome.ERROR, "the check did not run"),)
    worst = min(cases, key=lambda case: _ORDER.index(case.outcome))
    passed = sum(case.outcome is Outcome.PASSED for case in cases)
    status, points = worst.outcome, check.points if worst.outcome is Outcome.PASSED else 0.0
    share = sum(1.0 if case.outcome is Outcome.PASSED else case.earned for case in cases) / len(cases)
    if check.partial and worst.outcome is Outcome.FAILED and share:
        status, points = Outcome.PARTIAL, check.points * share
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
        diagnosis=next((case.diagnosis for case in cases if case.diagnosis), None),
        followed=tuple(sorted({name for case in cases for name in case.followed})),
        fault=worst.fault,
        curves=tuple(curve for case in cases for curve in case.curves),
        picture=worst.picture if failed and visibility == "public" else None,
        seconds=round(sum(case.seconds for case in cases), 3),
    )
