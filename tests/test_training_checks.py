"""Checks that train: our loop beside their module, curves, levels, their own time limit, what is run only once."""

from __future__ import annotations

import json
import re
from pathlib import Path
from threading import Semaphore

import pytest

from grader.checks import curve, send, tiers
from grader.checks.evidence import CheckFailed, gathering
from grader.records import Outcome, Result
from grader.report.render import render_student
from grader.report.shown import Heading
from grader.run.local import LocalPort
from grader.wire.proxy import root
from tests.course import Course, by_id, make_course
from tests.test_lend import make_again

SETTINGS = """title: Trained
names: [Line]
points: 10
limits: {call_seconds: 0.2, load_seconds: 2, total_seconds: 60, cpu_seconds: 40}
"""
SOLUTION = """
import torch

class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x):
        # BEGIN SOLUTION
        return self.slope * x
        # END SOLUTION
"""
MISTAKES = """
import torch
from trained import Line
from grader.checks import mistake

@mistake(replaces="Line", title="Half", hint="Half.", caught_by=["learns", "answer"])
class Half(Line):
    def forward(self, x):
        return 0.5 * self.slope * x.clamp(max=0.1) + 1
"""
HIDDEN = '''
import pytest
import torch
from grader.checks import check, close, curve, lend, send, tiers, twins

RUNS = []

def fit(model, told):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for step in range(400):
        x = torch.rand(8)
        loss = (model(x) - 3 * x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            told(step, loss.item())

@check(points=4)
def test_answer(student, reference):
    """The line is right."""
    theirs, ours = twins(student.Line, reference.Line, probe=(torch.ones(2),))
    close(theirs(torch.ones(3)), ours(torch.ones(3)))

@check(points=6, partial=True, hidden=False, seconds=5)
def test_learns(student):
    """It learns."""
    model = student.Line()
    send(student, fit)(model, lend(student, lambda step, loss: curve("training loss", step, loss)))
    x = torch.rand(100)
    tiers((model(x) - 3 * x).abs().mean().item(), (2, 0.5, 0.05), "the error", below=True)

@check(points=0)
def test_extra(student):
    """An extra."""
    pytest.skip("needs the package nothing")
'''
SLOW = SOLUTION.replace("return self.slope", "sum(range(120_000)); return self.slope")


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course with a check that trains."""
    course = make_course(tmp_path)
    (tmp_path / "assignments/twice/assignment.yaml").write_text(SETTINGS)
    (tmp_path / "assignments/twice/checks.py").unlink()
    (tmp_path / "solutions/twice/mistakes.py").write_text(MISTAKES.replace("trained", "twice"))
    (tmp_path / "solutions/twice/checks.py").write_text(HIDDEN)
    (tmp_path / "solutions/twice/twice.py").write_text(SOLUTION)
    return make_again(course)


def test_training_is_graded_by_levels_and_drawn(course: Course) -> None:
    course.submit(right=SOLUTION, half=SOLUTION.replace("self.slope * x", "0 * self.slope * x + 1.2"))
    results = course.grade("right.py", "half.py")
    right, half = results["right.py"], results["half.py"]
    learns = by_id(right)["learns"]
    assert learns.status is Outcome.PASSED, learns
    (drawn,) = learns.curves
    assert drawn.name == "training loss"
    assert [x for x, _ in drawn.points] == list(range(0, 400, 20))
    assert drawn.points[-1][1] < 0.01 < drawn.points[0][1]
    partly = by_id(half)["learns"]
    assert (partly.status, round(partly.points, 3)) == (Outcome.PARTIAL, 2.0)
    assert partly.message is not None
    assert re.fullmatch(
        r"the error is 0\.\d+: 1 of 3 levels are reached; the next one asks for at most 0\.5", partly.message
    )
    assert partly.diagnosis is None
    files = render_student(Heading("twice", "Trained"), Result.from_json(json.loads(json.dumps(half.to_json()))))
    assert "<polyline points=" in files["report.html"]
    assert "training loss:** from" in files["report.md"]


def test_a_check_that_trains_has_its_own_time(course: Course) -> None:
    result = course.grade_one(SLOW)  # more than the time of a usual call
    assert by_id(result)["learns"].status is Outcome.PASSED, by_id(result)["learns"].message
    stuck = SOLUTION.replace("return self.slope", "sum(0 for _ in iter(int, 1)); return self.slope")
    result = course.grade_one(stuck)
    assert "longer than 5 seconds" in (by_id(result)["learns"].message or "")
    assert result.status == "graded"


def test_what_cannot_be_run_here_is_told_and_costs_nothing(course: Course) -> None:
    extra = by_id(course.grade_one(SOLUTION))["extra"]
    assert (extra.status, extra.message) == (Outcome.SKIPPED, "not run: needs the package nothing")


def test_a_check_worth_points_is_not_skipped(course: Course) -> None:
    path = course.folder / "solutions/twice/checks.py"
    path.write_text(HIDDEN.replace("points=0", "points=1"))
    (course.folder / "assignments/twice/assignment.yaml").write_text(SETTINGS.replace("points: 10", "points: 11"))
    with pytest.raises(Exception, match="does not pass test_extra"):
        make_again(course).grade_one(SOLUTION)


def test_validate_trains_where_it_is_asked_to(course: Course) -> None:
    from grader.proof.prove import prove

    proof = prove(course.assignment, seeds=4, with_mutants=True, spare=Semaphore(1))
    assert not [p for p in proof.problems if p.kind not in ("survivor", "skeleton")], proof.problems
    assert proof.rows[0].cells["learns"] == "caught"


def test_a_curve_holds_numbers_and_stays_small() -> None:
    with gathering() as evidence:
        for step in range(10_000):
            curve("loss", step, 1 / (step + 1))
        curve("loss", 1, float("nan"))
        curve("<b>\x00", 1, 2)
        with pytest.raises(TypeError, match="two numbers"):
            curve("loss", "1", 2)  # type: ignore[arg-type]
        for number in range(50):
            curve(str(number), 0, 0)
    assert len(evidence.curves) == 6
    assert len(evidence.curves["loss"]) <= 240
    assert evidence.curves["loss"][0] == (0, 1)
    assert evidence.curves["loss"][-1][0] > 9_000


@pytest.mark.parametrize(
    ("value", "earned"), [(0.5, 0.0), (0.6, 1 / 3), (0.85, 2 / 3), (float("nan"), 0.0), (True, 0.0)]
)
def test_levels(value: float, earned: float) -> None:
    with pytest.raises(CheckFailed) as raised:
        tiers(value, (0.6, 0.8, 0.9), "the share")
    assert raised.value.earned == pytest.approx(earned)
    tiers(0.9, (0.6, 0.8, 0.9), "the share")


OUTSIDE = 3


def test_what_is_sent_brings_everything_with_it() -> None:
    side = root(LocalPort({}, as_student=True))

    def good(n: int) -> int:
        import math

        return math.factorial(n) + len(torch_name())

    def torch_name() -> str:
        return "torch"

    def bad(n: int) -> int:
        return max(OUTSIDE for _ in range(n))

    def fine(n: int) -> int:
        import math

        return math.factorial(n)

    assert send(side, fine)(4) == 24
    with pytest.raises(TypeError, match="`torch_name` is not there"):
        send(side, good)
    with pytest.raises(TypeError, match="`OUTSIDE` is not there"):
        send(side, bad)
