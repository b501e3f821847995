"""From marks to verdicts, in words: what is not proven, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from grader.checks.declare import Mistake
from grader.proof.equivalent import Explanation
from grader.proof.mutants import Mutant
from grader.proof.trial import Mark, Trial
from grader.records import CheckResult, Outcome

CLOSE = 10.0  # times the allowance: a known mistake nearer than this is hardly told from rounding
Checks = Sequence[CheckResult]


class Cell(StrEnum):
    """What one check says of one known mistake."""

    CAUGHT = "caught"
    MISSED = "missed"  # it should lose points here
    STRAY = "stray"  # it should not
    FLAKY = "flaky"  # it does with some seeds
    SKIPPED = "skipped"  # a check it needs did not pass
    FOLLOWED = "followed"  # points by follow-through
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is not proven: its kind, where, what was seen, and what to do."""

    kind: str
    where: str
    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.what}. {self.advice}"


@dataclass(frozen=True, slots=True)
class Row:
    """One known mistake under every check."""

    mistake: Mistake
    cells: Mapping[str, Cell]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that loses no points, and why that is right, if somebody said so."""

    mutant: Mutant
    why: str | None


def against(kind: str, where: str, checks: Checks, trial: Trial) -> list[Problem]:
    """What speaks against the solution or a variant, which lose nothing, or the skeleton, which earns nothing."""
    if trial.trouble:
        return [Problem(kind, where, f"it could not be run to the end: {trial.trouble}", "Run it by hand and mend it.")]
    found = []
    for check in checks:
        marks = _marks(trial, check.id)
        earns = kind == "skeleton"
        bad = [
            seed
            for seed, mark in marks.items()
            if (mark.points > 0 if earns else mark.points < check.max_points - 1e-9)
        ]
        if not bad:
            continue
        said = f": {marks[bad[0]].message}" if marks[bad[0]].message else ""
        if marks[bad[0]].status is Outcome.SKIPPED:
            continue  # the check that it needs is told
        if earns:
            what = (
                f"what is not written yet earns {marks[bad[0]].points:g} of {check.max_points:g} points in `{check.id}`"
            )
            found.append(Problem(kind, where, what, "Let the check ask for something that only written code does."))
        elif len(bad) < len(marks):
            found.append(_flaky(where, check.id, bad, marks, said))
        else:
            what = f"it is right, and loses points in `{check.id}`{said}"
            found.append(Problem(kind, where, what, "Widen what the check accepts, or mend this file."))
    return found


def row(mistake: Mistake, checks: Checks, trial: Trial) -> Row:
    """Judge one known mistake."""
    where = f"mistake {mistake.id}"
    if trial.trouble:
        what = f"it could not be run to the end: {trial.trouble}"
        return Row(mistake, {c.id: Cell.MISSED for c in checks}, (Problem("mistake", where, what, "Mend it."),))
    cells = {check.id: _cell(_marks(trial, check.id), check.id in mistake.caught_by) for check in checks}
    problems = []
    if missed := _those(cells, Cell.MISSED):
        followed = any(mark.followed for check in missed for mark in _marks(trial, check).values())
        what = f"it loses nothing in {_listed(missed)}{': points follow through' if followed else ''}"
        advice = "Let the check see it, or take the check from its caught_by."
        problems.append(Problem("mistake not caught", where, what, advice))
    for check, mark in [(c.id, mark) for c in checks for mark in list(_marks(trial, c.id).values())[:1]]:
        if mark.status is Outcome.ERROR:
            advice = "Mend the check: this would be no student's fault."
            problems.append(Problem("broken check", where, f"`{check}` cannot judge it: {mark.message}", advice))
    if stray := _those(cells, Cell.STRAY):
        said = next(mark.message for mark in _marks(trial, stray[0]).values() if mark.lost)
        advice = "Name the check in its caught_by, or let the check ask for one thing only."
        problems.append(Problem("stray loss", where, f"it also loses points in {_listed(stray)}: {said}", advice))
    for check in _those(cells, Cell.FLAKY):
        marks = _marks(trial, check)
        problems.append(_flaky(where, check, [seed for seed, mark in marks.items() if mark.lost], marks, ""))
    return Row(mistake, cells, tuple(problems))


def unused(checks: Checks, rows: Sequence[Row]) -> list[Problem]:
    """Checks that no known mistake fails."""
    advice = "Write a mistake that it catches, or drop it."
    return [
        Problem(
            "unneeded check",
            check.id,
            f"no known mistake fails it, so its points ({check.max_points:g}) prove nothing",
            advice,
        )
        for check in checks
        if check.max_points and not {row.cells[check.id] for row in rows} & {Cell.CAUGHT, Cell.STRAY, Cell.FLAKY}
    ]


def loose(folder: str, solution: str, survivors: Sequence[Survivor], explained: Sequence[Explanation]) -> list[Problem]:
    """Survivors without an explanation, and explanations without a survivor."""
    found = []
    for mutant in [survivor.mutant for survivor in survivors if survivor.why is None]:
        what = f"`{mutant.before}` may become `{mutant.after}` ({mutant.operator}), and no check loses a point"
        advice = "Sharpen a check and add this as a mistake, or say in equivalent.yaml why it is the same."
        found.append(Problem("survivor", f"{folder}/{solution}:{mutant.line}", what, advice))
    for entry in explained:
        if not any(entry.fits(survivor.mutant) for survivor in survivors):
            what = f"no mutant that survives turns `{entry.line}` into `{entry.change or 'anything'}`"
            advice = "Take the entry out, or bring it up to date."
            found.append(Problem("stale explanation", f"{folder}/equivalent.yaml", what, advice))
    return found


def margins(
    checks: Checks, known: Sequence[Mistake], trials: Mapping[str, Trial]
) -> tuple[dict[str, tuple[float, str]], list[Problem]]:
    """By check how many times the allowance its closest mistake is off, and which it is; warnings where it is close."""
    closest: dict[str, tuple[float, str]] = {}
    for mistake in known:
        for check in mistake.caught_by:
            ratios = [mark.ratio for mark in _marks(trials[mistake.id], check).values() if mark.lost]
            if measured := [ratio for ratio in ratios if ratio is not None]:
                closest[check] = min(closest.get(check, (min(measured), mistake.id)), (min(measured), mistake.id))
    advice = "Choose inputs on which the mistake shows more, or allow less."
    return closest, [
        Problem("close call", check.id, f"{name} is only {ratio:.2g} times as far off as what passes", advice)
        for check in checks
        for ratio, name in [closest.get(check.id, (CLOSE, ""))]
        if ratio < CLOSE
    ]


def _cell(marks: Mapping[int, Mark], expected: bool) -> Cell:
    losses = [mark.lost for mark in marks.values() if mark.status is not Outcome.SKIPPED]
    if not losses:
        return Cell.SKIPPED
    if any(losses):
        return Cell.FLAKY if not all(losses) else Cell.CAUGHT if expected else Cell.STRAY
    if expected:
        return Cell.MISSED
    return Cell.FOLLOWED if any(mark.followed for mark in marks.values()) else Cell.CLEAR


def _marks(trial: Trial, check: str) -> dict[int, Mark]:
    return {seed: run[check] for seed, run in trial.marks.items() if check in run}


def _those(cells: Mapping[str, Cell], wanted: Cell) -> list[str]:
    return [check for check, cell in cells.items() if cell is wanted]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _flaky(where: str, check: str, bad: Sequence[int], marks: Mapping[int, Mark], said: str) -> Problem:
    seeds = ", ".join(map(str, bad[:5])) + (" ..." if len(bad) > 5 else "")
    what = f"`{check}` takes points with {len(bad)} of {len(marks)} seeds ({seeds}){said}"
    advice = "The same code should fare alike with every seed: draw more, or allow what chance can do."
    return Problem("flaky check", where, what, advice)
