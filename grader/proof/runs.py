"""One program under the checks, in this process: once for each of its seeds, and what was seen each time."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from functools import partial
from types import FrameType

import pytest

from grader.assignment import Assignment
from grader.checks.declare import Check
from grader.checks.evidence import CheckFailed
from grader.proof.bounds import allow
from grader.proof.draws import Reference, Student, moved
from grader.proof.trial import Mark, Program
from grader.records import CheckResult, Outcome
from grader.run.local import run_trusted
from grader.run.plugin import Checks, declared
from grader.run.session import run_items, total_points
from grader.text import clean

_BRIEFLY, AT_LEAST = 4.0, 0.75  # for a mutant in a check, in times of what the solution took and seconds


class Runs:
    """The collected checks, and an eye on what they raise, use and draw."""

    def __init__(self, assignment: Assignment, plugin: Checks, reference: Reference) -> None:
        self.checks: tuple[CheckResult, ...] = ()  # as the solution has them
        self.seconds = 0.0  # of processor time, which the solution takes without training
        self._assignment = assignment
        self._plugin = plugin
        self._reference = reference
        self._student = Student({})
        self._raised: dict[str, list[Exception]] = {}  # by check, in this run
        self._drew: set[str] = set()  # checks that drew random numbers with a program's first seed
        self._traced: dict[str, object] | None = None  # the solution's names, while what runs of it is noted
        self._used: dict[str, set[str]] = {}  # by check, which of the solution's functions and methods ran for it

    def begin(self, session: pytest.Session) -> None:
        """Run the solution once, without training: it warms what follows. Raises UsageError for broken checks."""
        total_points(self._plugin, session)
        self._plugin.left_out = {check.id for check in map(declared, session.items) if check.seconds is not None}
        begun = time.process_time()
        self._traced = run_trusted(self._assignment, self._assignment.solution)
        self._set_out(Student(self._traced), watched=True)
        run_items(session)
        self._traced, self.seconds = None, time.process_time() - begun
        self.checks = self._plugin.results()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """While the solution goes first, note which of its functions run for the check; and whether it draws."""
        if self._traced is not None:
            sys.settrace(partial(_note, self._traced, self._used.setdefault(declared(item).id, set())))
        try:
            return (yield)
        finally:
            sys.settrace(None)
            drew = self._student.drew or self._reference.drew or moved(self._student.began)
            if drew and self._student.watched and declared(item).id not in self._plugin.left_out:
                self._drew.add(declared(item).id)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Keep what a check raises: the records do not say how large a difference was."""
        try:
            return (yield)
        except Exception as error:
            self._raised.setdefault(declared(item).id, []).append(error)
            raise

    def each(self, session: pytest.Session, program: Program) -> Iterator[tuple[int, dict[str, Mark]]]:
        """Its marks by check, for one seed after the other."""
        settled: set[str] = set()  # fares with every seed as with the first
        for seed in program.seeds:
            marks = self._run(session, program, seed, settled)
            yield seed, marks
            settled |= {name for name, mark in marks.items() if mark.followed or mark.status is Outcome.SKIPPED}
            if program.again is None:
                settled |= marks.keys() - self._drew
            elif self._drew.isdisjoint(set(program.again) - settled):
                settled |= marks.keys()  # all or none: what is wrong may be what one check leaves to another

    def _run(self, session: pytest.Session, program: Program, seed: int, settled: Collection[str]) -> dict[str, Mark]:
        self._plugin.seed = seed
        self._set_out(Student(program.make()), watched=seed == program.seeds[0])
        self._plugin.explain = program.again is None or seed == program.seeds[0]
        checks = {declared(item).id: declared(item) for item in session.items}
        left_out = _left_out([*checks.values()], program, seed).union(settled)
        using = self._using(program, checks)
        alike = set() if program.brief else checks.keys() - using - left_out  # it is the solution, as far as they go
        self._plugin.left_out = left_out | alike
        usual = {result.id: result.seconds for result in self.checks}
        items = self._quickest(session.items, checks, using) if program.brief else session.items
        for item, following in zip(items, [*items[1:], None], strict=True):
            if program.brief:  # one that takes longer has lost
                allow(declared(item).seconds or AT_LEAST + _BRIEFLY * usual[declared(item).id])
            # What runs next on a brief program may be another's first check, in another file.
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None if program.brief else following)
            if program.brief and declared(item).points and declared(item).id in self._raised:
                return {declared(item).id: Mark(Outcome.FAILED, 0.0)}
        run = {result.id: self._mark(result) for result in self._plugin.results() if result.id not in left_out}
        return {**run, **{name: Mark(Outcome.PASSED, checks[name].points) for name in alike}}

    def _set_out(self, student: Student, *, watched: bool) -> None:
        """Another student. What the reference drew for an answer that it remembers was noted with the solution."""
        self._student, student.watched, self._reference.watched = student, watched, watched
        self._plugin.begin(student)
        self._raised.clear()

    def _quickest(
        self, items: Sequence[pytest.Item], checks: Mapping[str, Check], using: Collection[str]
    ) -> list[pytest.Item]:
        """Where one loss is enough: training last, what runs the change first, none before what it needs."""
        seconds = {result.id: result.seconds + 1e-6 for result in self.checks}

        def cost(check: str) -> float:
            return seconds[check] + sum(map(cost, checks[check].needs))

        return sorted(
            items,
            key=lambda item: (declared(item).seconds or 0.0, declared(item).id not in using, cost(declared(item).id)),
        )

    def _using(self, program: Program, checks: Mapping[str, Check]) -> set[str]:
        """The checks for which runs what the program changes, those it is said to fail, and what they need."""
        changes = tuple(f"{name}." for name in program.changes)
        found = {check for check, names in self._used.items() if any(f"{name}.".startswith(changes) for name in names)}
        if not found:
            return set(checks)
        waiting = [*found, *(program.again or ())]
        while waiting:
            found.add(check := waiting.pop())
            waiting += [need for need in checks[check].needs if need not in found]
        return found

    def _mark(self, result: CheckResult) -> Mark:
        errors = self._raised.get(result.id, [])
        ratios = [getattr(error, "ratio", None) if isinstance(error, CheckFailed) else None for error in errors]
        known = [ratio for ratio in ratios if ratio is not None and math.isfinite(ratio)]
        ratio = max(known) if known and len(known) == len(errors) else None
        said = clean(errors[0], 300) if errors else result.message or ""  # the record of a hidden check says nothing
        return Mark(result.status, result.points, bool(result.followed), said, ratio)


def _note(solution: dict[str, object], used: set[str], frame: FrameType, *_: object) -> None:
    if frame.f_globals is solution:  # told of calls alone: no function asks for its lines
        used.add(frame.f_code.co_qualname)


def _left_out(checks: Sequence[Check], program: Program, seed: int) -> set[str]:
    """What is not run on the program with this seed: training that nobody asked for, and what has been seen before."""
    every, training = {check.id for check in checks}, {check.id for check in checks if check.seconds is not None}
    wanted = training if program.trains is None else training & set(program.trains)
    left_out = training - wanted if seed in program.seeds[: program.trainings] else training
    return left_out | (every - set(program.again) if program.again is not None and seed != program.seeds[0] else set())
