"""The pytest plug-in: checks are pytest functions, collected once, run for one submission after another.

`grader grade` drives it (`batch`); an author drives it with `pytest assignments/NAME solutions/NAME`, where the student
is the reference solution itself or, with `--submission FILE`, a file in the sandbox.
"""

from __future__ import annotations

import hashlib
import inspect
import random
import time
from collections.abc import Callable, Collection, Generator
from dataclasses import replace

import pytest
import torch

from grader.assignment import Assignment
from grader.checks.declare import CHECK, Check
from grader.checks.evidence import Evidence, gathering
from grader.errors import GraderError
from grader.records import CheckResult, Curve, Outcome, Visibility
from grader.run.explain import Explainer, Failure
from grader.run.local import LocalPort
from grader.run.reference import ReferencePort
from grader.run.score import Case, case_of, fold
from grader.run.trace import SeededPort, TracedPort, numbers_in, subjects_of
from grader.text import clean
from grader.wire.proxy import Remote, root

Again = Callable[[SeededPort, SeededPort], None]
_SIDES = {"student", "reference"}
_MOST_NUMBERS = 1 << 22  # in the answers to one check, when it is to be explained: they are kept and compared


class Checks:
    """The plug-in of one assignment. `student` is set for each submission; results gather per check."""

    def __init__(
        self,
        assignment: Assignment,
        reference: SeededPort,
        *,
        seed: int = 0,
        reporting: bool = True,
        explain: bool = False,
    ) -> None:
        self.assignment = assignment
        self.reference = reference
        self.student = TracedPort(reference)
        self.explain = explain  # whether failures are to be explained, for which the known mistakes are needed
        self.seed = seed
        self._recorded = not isinstance(reference, LocalPort)  # made of checks that hold for the reference
        self._reporting = reporting  # whether pytest is to show failures; a batch reads `results` instead
        self.before_check: Callable[[Check, Visibility], None] = lambda *_: None
        self.watch: Callable[[str], None] | None = None  # is told how training goes
        self.left_out: Collection[str] = ()  # checks that are not run
        self._cases: dict[str, list[Case]] = {}
        self._failures: dict[tuple[str, int], Failure] = {}  # by check and number of the case
        self._subjects: dict[str, frozenset[str]] = {}  # by check: the names it asks for
        self._asks: dict[str, frozenset[str]] = {}  # the same of all submissions, the solution's among them
        self._items: list[pytest.Function] = []
        self.problems: list[str] = []

    # -- collection, once ------------------------------------------------------------------------------------------

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A check file that cannot be read is a broken assignment."""
        if report.failed:
            lines = [line for line in str(report.longrepr).splitlines() if line.strip()]
            self.problems.append(f"{report.nodeid}: {clean(lines[-1] if lines else 'cannot be collected', 400)}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep declared checks, public ones first, each once. Raises UsageError for checks that contradict each
        other.
        """
        own = [i for i in items if isinstance(i, pytest.Function) and self._is_own(i)]
        undeclared = [i.nodeid for i in own if not hasattr(i.function, CHECK)]
        if undeclared:
            self.problems.append(f"{undeclared[0]} is not declared with @check(points=...)")
        self._items = [i for i in own if hasattr(i.function, CHECK)]
        self._items.sort(key=lambda item: self.visibility(item) == "hidden")
        items[:] = self._items
        functions: dict[str, object] = {}
        for item in self._items:
            check = declared(item)
            if functions.setdefault(check.id, item.function) is not item.function:
                self.problems.append(f"two checks are called test_{check.id}; ids are unique over both check files")
            if check.hidden and self.visibility(item) == "public":
                self.problems.append(f"test_{check.id} is hidden, but lies in {item.path.parent}, which students see")

    def _is_own(self, item: pytest.Function) -> bool:
        """Not a check that the file imported from another to name it in `needs`."""
        return item.path in (self.assignment.public_checks, self.assignment.hidden_checks) and (
            inspect.getsourcefile(inspect.unwrap(item.function)) == str(item.path)
        )

    def visibility(self, item: pytest.Item) -> Visibility:
        """Public beside the handout, hidden beside the solution unless the check says otherwise."""
        if item.path == self.assignment.public_checks or declared(item).hidden is False:
            return "public"
        return "hidden"

    @property
    def train(self) -> bool:
        """Whether some of the checks do."""
        return any(declared(item).seconds is not None for item in self._items)

    # -- fixtures --------------------------------------------------------------------------------------------------

    @pytest.fixture(name="student")
    def _student(self) -> Remote:
        """The student's file."""
        return root(self.student)

    @pytest.fixture(name="reference")
    def _reference(self) -> Remote:
        """The reference solution: the same kind of proxy."""
        return root(self.reference)

    # -- one submission --------------------------------------------------------------------------------------------

    def begin(self, student: SeededPort) -> None:
        """Mark another submission from here on."""
        self.student = TracedPort(student)
        self._cases, self._failures, self._subjects = {}, {}, {}

    def results(self) -> tuple[CheckResult, ...]:
        """One result per declared check, in order; a check without a case is an error, never free points."""
        if self._failures:
            self._explain_failures()
        found: dict[str, tuple[Check, Visibility]] = {}
        for item in self._items:
            found.setdefault(declared(item).id, (declared(item), self.visibility(item)))
        folded = [fold(check, visible, self._cases.get(check.id, [])) for check, visible in found.values()]
        return tuple(replace(check, asks=tuple(sorted(self._asks.get(check.id, ())))) for check in folded)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Seed both sides. A fixture of the check file's own may call the student's code here already."""
        if not isinstance(item, pytest.Function) or not hasattr(item.function, CHECK):
            return (yield)
        unmet = self._unmet(item)
        if unmet is not None or declared(item).id in self.left_out:
            self._record(item, Case(Outcome.SKIPPED, f"not run: first “{unmet}” has to pass"))
            pytest.skip(f"needs {unmet}")
        self.before_check(declared(item), self.visibility(item))
        self._reseed(item, self.student, self.reference)
        try:
            return (yield)
        except Exception as error:
            self._record(item, case_of(error, lambda: self._holds_for_reference(item, None)))
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Count comparisons, turn what happened into a case."""
        if not isinstance(item, pytest.Function) or not hasattr(item.function, CHECK):
            return (yield)
        started = time.monotonic()
        again = self._again(item)
        with gathering(self.watch) as evidence:
            try:
                outcome = yield
                if not evidence.compared and not self._reporting:  # an author's pytest does not count plain asserts
                    raise GraderError(f"test_{declared(item).id} compared nothing")
            except BaseException as error:
                self._failed(item, again, error, evidence, time.monotonic() - started)
                if self._reporting or not isinstance(error, Exception):
                    raise
                return None
        self._record(item, Case(Outcome.PASSED, curves=_drawn(evidence)), time.monotonic() - started)
        return outcome

    def _failed(
        self, item: pytest.Function, again: Again | None, error: BaseException, evidence: Evidence, seconds: float
    ) -> None:
        check, answers = declared(item), self.student.exchanges
        if isinstance(error, pytest.skip.Exception) and not check.points:
            self._record(item, Case(Outcome.SKIPPED, f"not run: {clean(error.msg, 300)}"))
            return
        case = case_of(error, lambda: self._holds_for_reference(item, again))
        doubts = [why for name, why in self.student.doubted.items() if name in subjects_of(answers)]
        if doubts and case.outcome is Outcome.FAILED and case.fault is None:
            case = replace(case, message=f"{case.message}. But {doubts[0]}")
        self._record(item, replace(case, curves=_drawn(evidence)), seconds)
        small = check.seconds is None and sum(numbers_in(exchange.answer) for exchange in answers) <= _MOST_NUMBERS
        if again and small and case.outcome is Outcome.FAILED and isinstance(error, Exception):
            place = check.id, len(self._cases[check.id]) - 1
            public = self.visibility(item) == "public"
            self._failures[place] = Failure(check, error, again, answers, public, bool(doubts))

    def _unmet(self, item: pytest.Function) -> str | None:
        titles = {declared(i).id: declared(i).title for i in self._items}
        for need in declared(item).needs:
            cases = self._cases.get(need)
            if need not in titles or need in self.left_out:
                continue  # deselected with -k: the author asked for this check alone
            if not cases or any(case.outcome is not Outcome.PASSED for case in cases):
                return titles[need]
        return None

    def _reseed(self, item: pytest.Item, student: SeededPort, reference: SeededPort) -> None:
        digest = hashlib.sha256(f"{self.seed}/{self.assignment.name}/{item.name}".encode()).digest()
        number = int.from_bytes(digest[:6], "big")
        torch.default_generator.manual_seed(number)
        random.seed(number)
        student.reseed(number)
        reference.reseed(number + (1 << 20))

    def _again(self, item: pytest.Function) -> Again | None:
        """How to run the check again as it ran, with others as student and reference.

        None when a fixture of the check file's own holds on to these.
        """
        wanted = set(inspect.signature(item.function).parameters)
        made = {name: item.funcargs[name] for name in wanted - _SIDES if name in item.funcargs}
        fixtures = item._fixtureinfo.name2fixturedefs
        if wanted - set(made) - _SIDES or any(_SIDES & set(fixtures[n][-1].argnames) for n in made if n in fixtures):
            return None
        kept = {name: _copy(value) for name, value in made.items()}

        def again(student: SeededPort, reference: SeededPort) -> None:
            self._reseed(item, student, reference)
            sides = {"student": student, "reference": reference}
            fresh = {name: _copy(value) for name, value in kept.items()}
            item.function(**fresh, **{name: root(sides[name]) for name in wanted & _SIDES})

        return again

    def _record(self, item: pytest.Function, case: Case, seconds: float = 0.0) -> None:
        label = item.callspec.id if hasattr(item, "callspec") else ""
        timed = replace(case, seconds=seconds, label=label)
        self._cases.setdefault(declared(item).id, []).append(timed)
        if case.outcome is not Outcome.SKIPPED:  # what was asked last is then another check's
            check, asked = declared(item).id, subjects_of(self.student.exchanges)
            for names in (self._subjects, self._asks):
                names[check] = names.get(check, frozenset()) | asked

    def _holds_for_reference(self, item: pytest.Function, again: Again | None) -> bool:
        if self._recorded or again is None:
            return self._recorded or "student" in item.fixturenames  # a fixture stumbled, not so for the solution
        try:
            again(self.reference, self.reference)
        except Exception:
            return False
        return True

    def _explain_failures(self) -> None:
        reference = self.reference
        if not self.explain or not isinstance(reference, ReferencePort):
            return
        passed = {
            check: self._subjects[check]
            for check, cases in self._cases.items()
            if all(case.outcome is Outcome.PASSED for case in cases)
        }
        Explainer(self.assignment, reference, self.student, list(self._failures.values()), passed).explain()
        for (check, number), failure in self._failures.items():
            case = self._cases[check][number]
            if failure.followed:
                case = replace(case, outcome=Outcome.PASSED, followed=failure.followed)
            self._cases[check][number] = replace(case, diagnosis=failure.diagnosis)
        self._failures = {}


def _drawn(evidence: Evidence) -> tuple[Curve, ...]:
    return tuple(Curve(name, tuple(points)) for name, points in evidence.curves.items())


def _copy(value: object) -> object:
    return value.clone() if isinstance(value, torch.Tensor) else value


def declared(item: pytest.Item) -> Check:
    """The record that @check attached."""
    record: Check = getattr(item.function, CHECK)  # type: ignore[attr-defined]
    return record
