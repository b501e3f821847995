"""Marks that follow through, and known mistakes found by their answers, as graded in the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.assignment import load_assignment
from grader.records import CheckResult, Outcome
from grader.run.explain import Explainer
from grader.run.local import LocalPort, overlay
from grader.run.session import rehearse
from tests.course import PERFECT, Course, by_id, make_course

ROOT = Path(__file__).parents[1]


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course of its own for each test."""
    return make_course(tmp_path)


def named(checks: dict[str, CheckResult]) -> dict[str, str]:
    return {name: check.diagnosis.id for name, check in checks.items() if check.diagnosis}


def test_a_known_mistake_is_named_and_what_is_built_on_it_earns_its_points(course: Course) -> None:
    source = PERFECT.replace("return x + x", "return x ** 2.0")
    result = course.grade_one(source)
    checks = by_id(result)
    assert named(checks) == {"values": "squared", "gradient": "squared"}
    assert checks["layer"].status is Outcome.PASSED
    assert checks["layer"].followed == ("twice",)
    assert checks["layer"].points == 3
    page = (course.folder / "out" / result.folder / "report.html").read_text(encoding="utf-8")
    assert "It is squared" in page
    assert "Follow-through: your own <code>twice</code>" in page


def test_an_unknown_mistake_follows_through_and_is_not_named(course: Course) -> None:
    checks = by_id(course.grade_one(PERFECT.replace("return x + x", "return 2.5 * x - x.abs()")))
    assert named(checks) == {}
    assert checks["layer"].followed == ("twice",)


def test_a_mistake_of_its_own_does_not_follow_through(course: Course) -> None:
    source = PERFECT.replace("return x + x", "return x * x").replace("- self.b(x)", "- 3 * self.b(x)")
    checks = by_id(course.grade_one(source))
    assert checks["layer"].status is Outcome.FAILED
    assert checks["layer"].followed == ()
    assert named(checks) == {"values": "squared", "gradient": "squared"}


def test_a_part_that_is_right_is_no_excuse(course: Course) -> None:
    checks = by_id(course.grade_one(PERFECT.replace("- self.b(x)", "+ self.b(x)")))
    assert checks["layer"].followed == ()
    assert named(checks) == {"layer": "Added"}


def test_a_part_that_says_nothing_carries_nothing_on(course: Course) -> None:
    """With zeros everywhere a layer that ignores its own first half would be right."""
    source = PERFECT.replace("return x + x", "return 0 * x").replace("twice(self.a(x)) -", "-")
    checks = by_id(course.grade_one(source))
    assert checks["layer"].status is Outcome.FAILED
    assert checks["layer"].followed == ()


def test_two_mistakes_at_once_are_both_named(course: Course) -> None:
    source = PERFECT.replace("return x + x", "return x * x").replace(
        "return twice(self.a(x)) - self.b(x)", "return 2 * self.a(x) + self.b(x)"
    )
    assert named(by_id(course.grade_one(source))) == {"values": "squared", "gradient": "squared", "layer": "Added"}


def test_a_pair_is_found_where_no_single_mistake_is(course: Course) -> None:
    mistakes = course.assignment.mistakes
    mistakes.write_text(
        mistakes.read_text()
        + """
@mistake(replaces="Layer", title="a is halved", hint="Mind a.", caught_by=["layer"])
class Halved(Layer):
    def __init__(self, width):
        super().__init__(width)
        self.a.register_forward_hook(lambda module, args, output: output / 2)
"""
    )
    source = PERFECT.replace("return twice(self.a(x)) - self.b(x)", "return self.a(x) + self.b(x)")
    checks = by_id(course.grade_one(source))
    assert named(checks) == {"layer": "Added+Halved"}
    diagnosis = checks["layer"].diagnosis
    assert diagnosis is not None
    assert "b is added" in diagnosis.title
    assert "a is halved" in diagnosis.title


def test_nothing_is_claimed_of_what_is_right(course: Course) -> None:
    checks = by_id(course.grade_one(PERFECT))
    assert named(checks) == {}
    assert all(check.followed == () for check in checks.values())


def test_a_hostile_part_costs_only_its_own_marks(course: Course) -> None:
    source = PERFECT.replace("return x + x", "import os; os._exit(0)")
    checks = by_id(course.grade_one(source))
    assert {c.status for c in checks.values()} <= {Outcome.FAILED, Outcome.SKIPPED, Outcome.PASSED}
    assert checks["width"].points == 1


def test_gradients_follow_through() -> None:
    """The layer's gradient passes through the student's own function, which is asked for it across the wire."""
    assignment = load_assignment(ROOT, "attention")
    _, names = overlay(assignment, "no_scaling")
    (results,) = rehearse(assignment, [("s", LocalPort(names, as_student=True))], explain=True).values()
    followed = {check.id for check in results if check.followed}
    assert {"layer_values", "layer_sizes", "layer_gradients"} <= followed


@pytest.mark.parametrize(("raised", "looked"), [("NotImplementedError('Task 1')", False), ("RuntimeError('no')", True)])
def test_what_is_not_written_yet_is_looked_for_among_no_mistakes(
    raised: str, looked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritten(*_: object, **__: object) -> None:
        raise NotImplementedError if "Not" in raised else RuntimeError

    asked: list[str] = []

    def reproduces(_: Explainer, ids: tuple[str, ...], __: object) -> bool:
        asked.extend(ids)
        return False

    monkeypatch.setattr(Explainer, "_reproduces", reproduces)
    assignment = load_assignment(ROOT, "masks")
    names = dict.fromkeys(assignment.names, unwritten)
    (checks,) = rehearse(assignment, [("student", LocalPort(names, as_student=True))], explain=True).values()
    assert all(check.points == 0 for check in checks)
    assert bool(asked) is looked


@pytest.mark.parametrize(
    ("right", "wrong", "looked"),
    [
        ("return x + x", "return 2.5 * x", {"squared"}),
        ("- self.b(x)", "- 3 * self.b(x)", {"squared", "Added"}),  # the layer calls `twice`
    ],
)
def test_only_in_what_was_asked_and_in_what_it_uses_a_mistake_is_looked_for(
    right: str, wrong: str, looked: set[str], course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    monkeypatch.setattr(Explainer, "_refuted", lambda _, name, __: asked.add(name))
    names: dict[str, object] = {}
    exec(PERFECT.replace(right, wrong), names)
    (checks,) = rehearse(course.assignment, [("student", LocalPort(names, as_student=True))], explain=True).values()
    assert sum(check.points for check in checks) < course.assignment.points
    assert asked == looked
