"""What a check lends to the student's side: a module whose calls come back to the check."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from grader.checks import lend
from grader.checks.evidence import CheckError
from grader.errors import StudentError
from grader.records import Outcome
from grader.run.local import LocalPort
from grader.wire.proxy import root
from tests.course import Course, by_id, make_course

SETTINGS = "title: Lent\nnames: [ask]\npoints: 10\nlimits: {call_seconds: 1, load_seconds: 2, total_seconds: 30}\n"
SOLUTION = """
def ask(model, x):
    return model(x[:, -model.width:])[0].argmax(-1)
"""
HIDDEN = '''
import torch
from grader.checks import check, close, equal, lend

TABLE = torch.randn(5, 5, generator=torch.Generator().manual_seed(1))

@check(points=4)
def test_answer(student, reference):
    """What the model says is used."""
    x = torch.tensor([[1, 2, 3], [3, 4, 0]])
    seen = []
    def logits(idx):
        seen.append(tuple(idx.shape))
        return TABLE[idx[:, -1]], None
    model = lend(student, logits, width=2)
    equal(student.ask(model, x), TABLE[x[:, -1]].argmax(-1))
    assert seen == [(2, 2)], f"the model was called with {seen}"

@check(points=2)
def test_mode(student):
    """The model stays in its mode."""
    model = lend(student, lambda idx: (TABLE[idx[:, -1]], None), width=2).train()
    student.ask(model, torch.tensor([[1, 2]]))
    assert model.training, "the model is in evaluation mode afterwards"

@check(points=2)
def test_asks_back(student):
    """What the model is called with may be looked at where it lies."""
    names = []
    visit = lend(student, lambda module: names.append(repr(module)))
    layers = student.torch.nn.Sequential(student.torch.nn.Linear(2, 3), student.torch.nn.Tanh())
    layers.apply(visit)
    assert len(names) == 3, f"{names}"
    told = []
    layers.apply(lend(student, lambda module: told.append(module.extra_repr())))
    equal(told[0], "in_features=2, out_features=3, bias=True")

@check(points=2)
def test_still_there(student):
    """The process is well after all this."""
    model = lend(student, lambda idx: (TABLE[idx[:, -1]], None), width=1)
    equal(student.ask(model, torch.tensor([[4]])), TABLE[[4]].argmax(-1))
'''


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course whose student is handed a model."""
    course = make_course(tmp_path)
    (tmp_path / "assignments/twice/assignment.yaml").write_text(SETTINGS)
    (tmp_path / "assignments/twice/checks.py").unlink()
    (tmp_path / "solutions/twice/mistakes.py").unlink()
    (tmp_path / "solutions/twice/checks.py").write_text(HIDDEN)
    (tmp_path / "solutions/twice/twice.py").write_text(SOLUTION)
    return make_again(course)


def make_again(course: Course) -> Course:
    """The course, its settings read again."""
    from grader.assignment import load_assignment

    return Course(load_assignment(course.folder, "twice"), course.folder)


def test_a_model_is_lent_across_the_wire(course: Course) -> None:
    result = course.grade_one(SOLUTION)
    assert {c.id: c.status for c in result.checks} == dict.fromkeys(
        ("answer", "mode", "asks_back", "still_there"), Outcome.PASSED
    )


@pytest.mark.parametrize(
    ("body", "passed"),
    [
        ("return model(x)[0].argmax(-1)", {"mode", "asks_back", "still_there"}),  # no cropping: seen on our side
        ("model.eval(); return model(x[:, -model.width:])[0].argmax(-1)", {"answer", "asks_back", "still_there"}),
        ("return model('x', 3, print)[0]", {"asks_back"}),  # called wrongly: words, and their process lives on
        ("while True: model(x)", {"asks_back"}),
        ("return model(x, **{'y' * 100000: [x] * 10})[0]", {"asks_back"}),
        ("model._function.func.__self__._borrow(99, ((), {})); return x", {"asks_back"}),
        ("model._function.func.__self__._borrow('a', 7); return x", {"asks_back"}),
    ],
)
def test_what_a_student_does_with_it_costs_only_them(course: Course, body: str, passed: set[str]) -> None:
    result = course.grade_one(f"def ask(model, x):\n    {body}\n")
    assert result.status == "graded", result.message
    assert {c.id for c in result.checks if c.status is Outcome.PASSED} == passed
    assert all(c.status is not Outcome.ERROR for c in by_id(result).values())


def test_in_process_it_is_the_same() -> None:
    def ask(model: torch.nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, bool]:
        y = model(x)
        return y, bool(y.requires_grad)

    for as_student in (False, True):
        side = root(LocalPort({"ask": ask}, as_student=as_student))
        value, history = side.ask(lend(side, lambda x: 2 * x), torch.ones(3))
        assert value.tolist() == [2, 2, 2]
        assert history
    with pytest.raises(StudentError, match="cannot be called like this"):
        side.ask(lend(side, lambda x: {}[x]), torch.ones(3))
    side = root(LocalPort({"ask": ask}))
    with pytest.raises(CheckError):
        side.ask(lend(side, lambda x: {}[x]), torch.ones(3))


def test_an_object_over_there_has_a_length_and_items() -> None:
    class Words:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, i: int) -> object:
            return {"ids": [i, i + 1]}

    class Odd:
        def __len__(self) -> object:
            return "many"  # noqa: PLE0303 - as a student may

    side = root(LocalPort({"Words": Words, "Odd": Odd}, as_student=True))
    words = side.Words()
    assert len(words) == 2
    assert words[1] == {"ids": [1, 2]}
    assert words
    assert side.Odd()
    with pytest.raises(StudentError, match="not a number"):
        len(side.Odd())
