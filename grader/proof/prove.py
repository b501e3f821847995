"""What an assignment's checks are worth: every program they should judge, judged, and what that leaves unproven."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

from grader.assignment import Assignment
from grader.checks.declare import MISTAKE, Mistake
from grader.errors import UsageError
from grader.intake.source import nearest
from grader.proof.equivalent import Explanation, explanations
from grader.proof.mutants import Mutant, mutants
from grader.proof.stage import Spare, perform
from grader.proof.trial import Program, Trial
from grader.proof.verdict import Cell, Problem, Row, Survivor, against, loose, margins, row, unused
from grader.records import CheckResult
from grader.run.local import known_mistakes, overlay, run_trusted

_VARIANT_SEEDS, _MISTAKE_SEEDS = 20, 3  # at most; fewer when fewer are asked for
_OF_EVERY_CLASS = {
    "__module__",
    "__doc__",
    "__qualname__",
    "__annotations__",
    "__firstlineno__",
    "__static_attributes__",
}
_OF_EVERY_CLASS |= {MISTAKE}
_TRAININGS = 2  # seeds with which the solution is trained


@dataclass(frozen=True, slots=True)
class Proof:
    """What was seen. Proven when there is no problem."""

    name: str
    title: str
    checks: tuple[CheckResult, ...]
    rows: tuple[Row, ...]  # one for each known mistake
    variants: Mapping[str, bool]  # by file name: whether it gets all points
    killed: int  # mutants that lose points
    survivors: tuple[Survivor, ...]
    margins: Mapping[str, tuple[float, str]]  # by check: the closest known mistake, in times the allowance
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    seconds: float

    @property
    def points(self) -> float:
        """What the checks are worth together."""
        return sum(check.max_points for check in self.checks)

    @property
    def caught(self) -> int:
        """Known mistakes that lose points where they should."""
        return sum(not {Cell.MISSED, Cell.FLAKY} & set(row.cells.values()) for row in self.rows)

    @property
    def idle_points(self) -> float:
        """The points of checks that no known mistake fails."""
        idle = {problem.where for problem in self.problems if problem.kind == "unneeded check"}
        return sum(check.max_points for check in self.checks if check.id in idle)


def prove(assignment: Assignment, *, seeds: int, with_mutants: bool, spare: Spare, few: bool = False) -> Proof:
    """Run the checks on solution, skeleton, variants, known mistakes and mutants; with `few` on as many mistakes as
    every check needs to fail once. Raises UsageError for a broken assignment.
    """
    started = time.monotonic()
    known = [record for name in known_mistakes(assignment) for record in overlay(assignment, name)[0]]
    tried = _one_for_each_check(known) if few else {record: record.caught_by for record in known}
    known = [*tried]
    made = mutants(assignment.solution.read_text(encoding="utf-8"), assignment.parts) if with_mutants else []
    explained = explanations(assignment.solution_folder / "equivalent.yaml") if with_mutants else []
    programs = _programs(assignment, tried, seeds, few=few)
    programs += [_changed(assignment, mutant, explained=_why(mutant, explained) is not None) for mutant in made]
    checks, trials = perform(assignment, _solution(assignment, seeds), programs, spare=spare)
    _refuse_unknown(assignment, known, checks)

    rows = tuple(row(mistake, checks, trials[f"mistake {mistake.id}"]) for mistake in known)
    problems = against("solution", _place(assignment, assignment.solution), checks, trials["solution"])
    problems += against("skeleton", _place(assignment, assignment.skeleton), checks, trials["skeleton"])
    variants = {}
    for path in assignment.variants:
        found = against("variant", _place(assignment, path), checks, trials[f"variant {path.name}"])
        variants[path.name] = not found
        problems += found
    problems += [problem for row in rows for problem in row.problems]
    problems += unused(checks, rows)
    alive = [mutant for mutant in made if not _killed(trials[mutant.id], checks)]
    survivors = tuple(Survivor(mutant, _why(mutant, explained)) for mutant in alive)
    problems += loose(_place(assignment, assignment.solution_folder), assignment.solution.name, survivors, explained)
    closest, warnings = margins(checks, known, {m.id: trials[f"mistake {m.id}"] for m in known})
    return Proof(
        name=assignment.name,
        title=assignment.title,
        checks=checks,
        rows=rows,
        variants=variants,
        killed=len(made) - len(alive),
        survivors=survivors,
        margins=closest,
        problems=tuple(problems),
        warnings=tuple(warnings),
        seconds=round(time.monotonic() - started, 1),
    )


def _one_for_each_check(known: Sequence[Mistake]) -> dict[Mistake, list[str]]:
    """Mistakes that fail every check that one fails; always the one that fails most of what is left, which it is
    tried for.
    """
    tried: dict[Mistake, list[str]] = {}
    left = {check for mistake in known for check in mistake.caught_by}
    while left:
        most = max(known, key=lambda mistake: len(left.intersection(mistake.caught_by)))
        tried[most] = sorted(left.intersection(most.caught_by))
        left -= set(tried[most])
    return tried


def _place(assignment: Assignment, path: Path) -> str:
    return str(path.relative_to(assignment.root))


def _solution(assignment: Assignment, seeds: int) -> Program:
    make = partial(run_trusted, assignment, assignment.solution)
    return Program("solution", make, seeds=range(seeds), trainings=_TRAININGS)


def _programs(
    assignment: Assignment, tried: Mapping[Mistake, Sequence[str]], seeds: int, *, few: bool
) -> list[Program]:
    """The longest first. A mistake is trained for the checks it is `tried` for; with `few` variants are not."""
    trains = () if few else None
    some, fewer = range(min(seeds, _VARIANT_SEEDS)), range(min(seeds, _MISTAKE_SEEDS))
    return [
        *(
            Program(f"variant {path.name}", partial(run_trusted, assignment, path), seeds=some, trains=trains)
            for path in assignment.variants
        ),
        *(
            Program(
                f"mistake {known.id}",
                partial(_laid, assignment, known),
                changes=_changes(assignment, known),
                seeds=fewer,
                trains=checks,
                again=known.caught_by,
            )
            for known, checks in tried.items()
        ),
        Program("skeleton", partial(run_trusted, assignment, assignment.skeleton)),
    ]


def _changed(assignment: Assignment, mutant: Mutant, *, explained: bool) -> Program:
    """What is said to make no difference need not be trained to show it."""
    make, trains = partial(_mutated, assignment, mutant), () if explained else None
    return Program(mutant.id, make, changes=(mutant.within,), brief=True, trains=trains)


def _laid(assignment: Assignment, mistake: Mistake) -> dict[str, object]:
    return overlay(assignment, mistake.id)[1]


def _changes(assignment: Assignment, mistake: Mistake) -> list[str]:
    """What of the solution the mistake replaces: of a class that inherits, only the methods that it writes anew."""
    made, whole = _laid(assignment, mistake)[mistake.replaces], run_trusted(assignment, assignment.solution)
    original: Any = whole[mistake.replaces]
    own = [name for name in vars(made) if name not in _OF_EVERY_CLASS] if isinstance(made, type) else []
    inherits = isinstance(made, type) and original.__name__ in [base.__name__ for base in made.__bases__]
    if inherits and all(isinstance(vars(original).get(name), FunctionType) for name in own):
        return [f"{mistake.replaces}.{name}" for name in own]
    return [mistake.replaces]


def _mutated(assignment: Assignment, mutant: Mutant) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{assignment.name}.py"
        path.write_text(mutant.source, encoding="utf-8")
        return run_trusted(assignment, path)


def _killed(trial: Trial, checks: tuple[CheckResult, ...]) -> bool:
    """Whether it loses points, or does not come to an end."""
    marks, most = trial.marks.get(0, {}), {check.id: check.max_points for check in checks}
    return bool(trial.trouble) or any(mark.points < most[check] - 1e-9 for check, mark in marks.items())


def _why(mutant: Mutant, explained: list[Explanation]) -> str | None:
    return next((entry.why for entry in explained if entry.fits(mutant)), None)


def _refuse_unknown(assignment: Assignment, known: list[Mistake], checks: tuple[CheckResult, ...]) -> None:
    ids = [check.id for check in checks]
    for mistake in known:
        for name in mistake.caught_by:
            if name not in ids:
                guess = nearest(name, ids)
                hint = f"; did you mean `{guess}`?" if guess else ""
                where = f"{assignment.mistakes}: {mistake.id}"
                raise UsageError(f"{where} is caught_by `{name}`, and no check is called so{hint}")
