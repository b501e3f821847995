"""What may be shown of a result: every string cleaned, and nothing of a hidden check but title, points and hints."""

from __future__ import annotations

from dataclasses import dataclass, replace

from grader.records import CheckResult, Diagnosis, Outcome, Picture, Result, Status
from grader.text import clean

NAME = 200  # characters of a name or title
PRINTED = 64 * 1024  # characters of printed output


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above every report of an assignment."""

    name: str  # its id: the folder's name
    title: str
    due: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The checks of one visibility, with what they add up to."""

    hidden: bool
    checks: tuple[tuple[int, CheckResult], ...]  # number in the report, check
    points: float
    max_points: float


def shown(result: Result) -> Result:
    """Return `result` as anyone may read it. Its printed output is left out: `printed` returns that.

    All renderers start here, so that a message or picture of a hidden check cannot reach any file.
    """
    return replace(
        result,
        submission=clean(result.submission, NAME) or "(no name)",
        message=_prose(result.message),
        checks=tuple(_check(check) for check in result.checks),
        notes=tuple(clean(note) for note in result.notes),
        output="",
        protection=clean(result.protection, NAME),
        environment=clean(result.environment),
    )


def printed(result: Result) -> str:
    """Return what the student's code printed, cleaned, its lines kept."""
    return clean(result.output, PRINTED, lines=True).strip("\n")


def groups(result: Result) -> tuple[Group, ...]:
    """Return the public and then the hidden checks of `result`, leaving out an empty group."""
    numbered = tuple(enumerate(result.checks, start=1))
    made = []
    for hidden in (False, True):
        checks = tuple((n, check) for n, check in numbered if (check.visibility != "public") is hidden)
        points = sum(check.points for _, check in checks if check.status is not Outcome.ERROR)
        made.append(Group(hidden, checks, points, sum(check.max_points for _, check in checks)))
    return tuple(group for group in made if group.checks)


def has_score(result: Result) -> bool:
    """Return whether the score of `result` says anything about the student."""
    return result.status is not Status.ERROR


def _check(check: CheckResult) -> CheckResult:
    passed, hidden = check.status is Outcome.PASSED, check.visibility != "public"  # anything unknown counts as hidden
    return replace(
        check,
        id=clean(check.id, NAME),
        title=clean(check.title, NAME) or clean(check.id, NAME),
        message=None if hidden or passed else _prose(check.message),
        hint=None if passed else _prose(check.hint),
        diagnosis=None if passed else _diagnosis(check.diagnosis),
        picture=None if hidden or passed else _picture(check.picture),
        curves=() if hidden else tuple(replace(c, name=clean(c.name, NAME)) for c in check.curves if c.points),
        followed=tuple(clean(name, NAME) for name in check.followed),
        asks=tuple(clean(name, NAME) for name in check.asks),
    )


def _diagnosis(diagnosis: Diagnosis | None) -> Diagnosis | None:
    if diagnosis is None:
        return None
    return Diagnosis(clean(diagnosis.id, NAME), clean(diagnosis.title, NAME), clean(diagnosis.hint, lines=True).strip())


def _picture(picture: Picture | None) -> Picture | None:
    if picture is None or not picture.student or not picture.student[0]:
        return None
    return replace(picture, caption=clean(picture.caption))


def _prose(text: str | None) -> str | None:
    return None if text is None else clean(text, lines=True).strip() or None
