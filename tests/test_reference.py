"""The reference's memory: what was asked before is not computed again, and nobody can tell the difference."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from grader.checks import lend
from grader.checks.evidence import trying
from grader.errors import GraderError
from grader.run.reference import ReferencePort
from grader.wire.proxy import root
from tests.course import make_course

SOLUTION = """
import random
import torch
from torch import nn

calls = []

def twice(x):
    calls.append("twice")
    return 2 * x

def noise(x):
    calls.append("noise")
    return x + torch.rand(()) + random.random()

def wide(config):
    calls.append("wide")
    return config.width

def broken():
    calls.append("broken")
    raise ValueError("no")

class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        calls.append("Layer")
        self.a = nn.Linear(width, width)

    def forward(self, x):
        calls.append("forward")
        return self.a(x)
"""


@pytest.fixture
def port(tmp_path: Path) -> ReferencePort:
    assignment = make_course(tmp_path).assignment
    assignment.solution.write_text(SOLUTION)
    return ReferencePort(assignment)


def calls(port: ReferencePort) -> list[str]:
    """What the solution has run since the last time somebody asked."""
    made: list[str] = port._namespace["calls"]  # type: ignore[assignment]
    seen = made[:]
    made.clear()
    return seen


X = torch.arange(6.0).reshape(2, 3)


def everything(port: ReferencePort, seed: int, x: torch.Tensor = X, *, other: bool = False) -> list[Any]:
    """A check's questions: a module that is drawn, another that is dropped, noise of torch's and Python's."""
    port.reseed(seed)
    side = root(port)
    dropped = side.Layer(2)
    del dropped
    layer = side.Layer(3)
    answers = [layer(x), side.noise(x)]
    if other:
        answers.append(side.twice(x))
    return [*answers, side.Layer(3)(x), layer(x), side.noise(x)]


ALL = ["Layer", "Layer", "forward", "noise", "Layer", "forward", "forward", "noise"]


def test_what_was_asked_before_is_answered_from_memory(port: ReferencePort) -> None:
    first = everything(port, 7)
    assert calls(port) == ALL
    again = everything(port, 7)
    assert calls(port) == []
    assert all(map(torch.equal, first, again))
    elsewhere = everything(port, 8)
    assert calls(port) == ALL
    assert not any(map(torch.equal, first, elsewhere))


def changed_input(port: ReferencePort) -> list[Any]:
    return everything(port, 7, X + 1)


def another_question(port: ReferencePort) -> list[Any]:
    return everything(port, 7, other=True)


@pytest.mark.parametrize("ask", [changed_input, another_question])
def test_another_question_is_answered_as_if_nothing_had_been_remembered(
    port: ReferencePort, ask: Callable[[ReferencePort], list[Any]]
) -> None:
    everything(port, 7)
    calls(port)
    found = ask(port)
    assert sorted(calls(port)) == sorted([*ALL, *(["twice"] if ask is another_question else [])])
    expected = ask(ReferencePort(port._assignment))
    assert all(map(torch.equal, found, expected))
    everything(port, 7)
    assert calls(port) == []  # and what was remembered still is


def test_the_checks_own_random_numbers_do_not_tell_whether_it_was_remembered(port: ReferencePort) -> None:
    drawn = []
    for _ in range(2):
        torch.manual_seed(1)
        random.seed(1)
        everything(port, 7)
        drawn.append((float(torch.rand(())), random.random()))
    assert drawn[0] == drawn[1]


def test_a_check_may_change_what_it_asked_with_and_what_it_was_answered(port: ReferencePort) -> None:
    for _ in range(3):
        x = X.clone()
        port.reseed(7)
        answer = root(port).twice(x)
        assert torch.equal(answer, 2 * X)
        answer.zero_()
        x.zero_()
    assert calls(port) == ["twice"]


def test_a_check_may_change_its_settings_between_two_questions(port: ReferencePort) -> None:
    for widths in ((2, 3), (2, 3), (3, 2)):
        port.reseed(7)
        config = SimpleNamespace(width=0)
        for width in widths:
            config.width = width
            assert root(port).wide(config) == width
    assert calls(port) == ["wide"] * 4


def test_a_check_that_goes_further_is_remembered_further(port: ReferencePort) -> None:
    for questions in (1, 3, 3):
        port.reseed(7)
        for number in range(questions):
            root(port).twice(X + number)
    assert calls(port) == ["twice"] * 4  # one; that again and two more, for it was not known where they lead; none


def test_what_asks_back_is_asked_in_earnest(port: ReferencePort) -> None:
    asked: list[torch.Tensor] = []

    def answer(x: torch.Tensor) -> torch.Tensor:
        asked.append(x)
        return x

    for _ in range(2):
        port.reseed(7)
        side = root(port)
        side.twice(X)
        model = lend(side, answer)
        model(X)
    assert len(asked) == 2
    assert calls(port) == ["twice"] * 2


def test_an_error_is_met_again(port: ReferencePort) -> None:
    for _ in range(2):
        port.reseed(7)
        root(port).twice(X)
        with pytest.raises(GraderError, match="no"):
            root(port).broken()
        root(port).noise(X)
    assert calls(port) == ["twice", "broken", "noise"] * 2


def test_what_is_tried_moves_no_random_number_and_is_not_remembered(port: ReferencePort) -> None:
    answers = []
    for tries in (0, 2, 2, 0):
        port.reseed(7)
        side = root(port)
        side.noise(X)
        for _ in range(tries):
            with trying():
                side.twice(X)
        answers.append(side.noise(X))
    assert all(torch.equal(answers[0], answer) for answer in answers)


def test_objects_of_an_earlier_check_leave_those_of_this_one_alone(port: ReferencePort) -> None:
    port.reseed(7)
    old = root(port).Layer(3)
    port.reseed(8)
    layer = root(port).Layer(3)
    del old  # its number is that of the new one
    assert layer(X).shape == X.shape
