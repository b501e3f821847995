"""Laws hold for what is right, and name the first place where something does not hold; so do distributions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from grader.checks import (
    causal,
    drawn_from,
    padding_ignored,
    parameter_count,
    permutation_equivariant,
    rows_sum_to_one,
)
from grader.checks.evidence import CheckError, CheckFailed
from grader.checks.sampling import binomial_tail, furthest_apart
from grader.errors import StudentError
from grader.run.local import LocalPort
from grader.wire.proxy import root
from grader.wire.values import Handle

Tensor = torch.Tensor


def message(act: Callable[..., None], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(CheckFailed) as caught:
        act(*args, **kwargs)
    return caught.value.message


def seeded(seed: int) -> None:
    torch.default_generator.manual_seed(seed)


# -- causal ------------------------------------------------------------------------------------------------------------


def looks_back(x: Tensor) -> Tensor:
    """Each output is the mean of what came before, itself included."""
    return x.cumsum(dim=1) / torch.arange(1, x.size(1) + 1)[:, None]


def looks_ahead_at(t: int) -> Callable[[Tensor], Tensor]:
    def function(x: Tensor) -> Tensor:
        y = looks_back(x).clone()
        y[:, t - 2] += x[:, t]
        return y

    return function


@pytest.mark.parametrize("seed", range(5))
def test_what_looks_back_is_causal(seed: int) -> None:
    seeded(seed)
    causal(looks_back, torch.randn(1 + seed % 3, 6, 3))
    causal(lambda x: x.cumsum(dim=0), torch.randn(5, 2), dim=0)
    causal(lambda x: x.cumsum(dim=2), torch.randn(2, 3, 5, 2), dim=2)
    causal(lambda ids: ids.cumsum(dim=1).float(), torch.randint(0, 9, (2, 6)))


@pytest.mark.parametrize("t", [2, 3, 5])
def test_the_first_output_that_sees_the_future_is_named(t: int) -> None:
    words = f"output {t - 2} changes when token {t}, which comes later, changes"
    assert message(causal, looks_ahead_at(t), torch.randn(2, 6, 3)) == words


def test_whoever_looks_back_at_nothing_is_told() -> None:
    assert "nobody looks back" in message(causal, lambda x: 2 * x, torch.randn(2, 4, 3))


def test_rows_that_mix_are_no_look_ahead() -> None:
    words = message(causal, lambda x: looks_back(x) + (x - x[:1]).flip(1), torch.randn(2, 4, 3))
    assert words == "the rows of a batch change one another"


def test_rows_of_other_arguments_go_with_their_row() -> None:
    seen = []

    def function(x: Tensor, mask: Tensor, lengths: Tensor) -> Tensor:
        seen.append((len(x), tuple(mask.shape), lengths.tolist()))
        return looks_back(x) * lengths[:, None, None]

    causal(function, torch.randn(3, 4, 2), torch.ones(1, 1, 4, 4), torch.tensor([4, 2, 3]))
    assert seen == [(5, (5, 1, 4, 4), [4] * 5)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda _: None, "should be a tensor; yours is None"),
        (lambda x: x[:, 1:], "its dimension 1 should be 4"),
        (lambda x: x[:1], "its dimension 0 should be"),
        (lambda x: x * math.nan, "not finite"),
    ],
)
def test_an_output_of_another_form_is_told(answer: Callable[[Tensor], Any], words: str) -> None:
    assert words in message(causal, answer, torch.randn(2, 4, 3))
    assert words.partition(" should")[0] in message(permutation_equivariant, answer, torch.randn(2, 4, 3))


# -- padding -----------------------------------------------------------------------------------------------------------


class Reader(nn.Module):
    """A small LSTM that reads up to each row's length, or with `sloppy` to the end."""

    def __init__(self, *, sloppy: bool) -> None:
        super().__init__()
        self.table, self.lstm, self.sloppy = nn.Embedding(9, 4), nn.LSTM(4, 5, batch_first=True), sloppy

    def forward(self, ids: Tensor, length: Tensor) -> Tensor:
        table = self.table(ids)
        if self.sloppy:
            return self.lstm(table)[1][0][-1]  # type: ignore[no-any-return]
        packed = nn.utils.rnn.pack_padded_sequence(table, length, batch_first=True, enforce_sorted=False)
        return self.lstm(packed)[1][0][-1]  # type: ignore[no-any-return]


def attend(x: Tensor, length: Tensor, *, real: bool = True) -> Tensor:
    """Attention without weights, under a padding mask that stands for what is real or for nothing."""
    mask = torch.arange(x.size(1)) < length[:, None, None] if real else torch.tensor(data=True)
    return (x @ x.mT).masked_fill(~mask, float("-inf")).softmax(dim=-1) @ x


IDS, LENGTH = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 8, 0, 0]]), torch.tensor([5, 3])


def test_what_stops_at_the_length_ignores_padding() -> None:
    for pad in (0, None):
        padding_ignored(Reader(sloppy=False), IDS, LENGTH, pad=pad)
        padding_ignored(attend, torch.randn(2, 5, 3), LENGTH, pad=pad)
    counted = nn.Embedding(9, 4)
    padding_ignored(lambda ids, _: counted(ids) * (ids > 0).sum(dim=1)[:, None, None], IDS, LENGTH, pad=0)


def test_whoever_reads_padding_is_told_the_row() -> None:
    words = message(padding_ignored, Reader(sloppy=True), IDS, LENGTH, pad=0)
    assert words.startswith("row 0, of length 5, has another output with two more columns of padding: the value at [0]")
    words = message(padding_ignored, lambda x, n: attend(x, n, real=False), torch.randn(2, 5, 3), LENGTH)
    assert "has another output with" in words


def test_padding_that_is_there_already_counts() -> None:
    """More columns of padding change nothing here, yet the row that has some is not what it is alone."""

    def longest(ids: Tensor, length: Tensor) -> Tensor:
        return ids[:, : int(length.max())].double().add(1).mean(dim=1, keepdim=True)

    assert message(padding_ignored, longest, IDS, LENGTH, pad=0).startswith(
        "row 1, of length 3, has another output alone"
    )


def test_outputs_as_long_as_the_longest_row_are_cut_alike() -> None:
    padding_ignored(lambda x, n: attend(x, n)[:, : int(n.max())], torch.randn(2, 6, 3), LENGTH)


# -- order, sums, parameters -------------------------------------------------------------------------------------------


def test_outputs_move_with_their_tokens() -> None:
    permutation_equivariant(lambda x: x - x.mean(dim=1, keepdim=True), torch.randn(2, 5, 3))
    permutation_equivariant(lambda x: x.softmax(dim=0), torch.randn(5, 3), dim=0)
    words = message(permutation_equivariant, looks_back, torch.randn(2, 5, 3))
    assert "its output does not move along unchanged: the value at" in words


def test_rows_that_do_not_sum_to_one_are_named() -> None:
    weights = torch.randn(2, 3, 4).softmax(dim=-1)
    rows_sum_to_one(weights)
    rows_sum_to_one(weights.transpose(0, 2), dim=0)
    weights[1, 2] *= 1.5
    assert message(rows_sum_to_one, weights) == "the weights at [1, 2] sum to 1.5 along dimension -1, not to 1"
    assert message(rows_sum_to_one, torch.tensor([1.5, -0.5])) == "the weights hold a number below zero, at [1]"
    assert "tensor" in message(rows_sum_to_one, [0.5, 0.5])
    assert "finite" in message(rows_sum_to_one, torch.tensor([math.nan, 1]))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.head, self.fixed = nn.Embedding(7, 3), nn.Linear(3, 7), nn.Linear(3, 3)
        self.head.weight = self.table.weight
        self.fixed.requires_grad_(requires_grad=False)


def test_parameters_that_train_are_counted_once() -> None:
    student = root(LocalPort({"Tied": Tied}, as_student=True))
    parameter_count(student.Tied(), 7 * 3 + 7)
    assert message(parameter_count, student.Tied(), 49) == "the module has 28 trainable parameters; 49 are expected"


class Wide(nn.Module):
    """A layer of a name that could fool a reader, and one bias less than Narrow."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.add_module("query\u202e", nn.Linear(2, width))
        self.layers = nn.ModuleList([nn.Linear(width, n, bias=n > 1) for n in range(1, 9)])


class Narrow(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(2, 3)
        self.layers = nn.ModuleList([nn.Linear(3, n) for n in range(1, 9)])


def test_a_wrong_count_says_in_which_shapes() -> None:
    student, reference = (root(LocalPort({"Wide": Wide, "Narrow": Narrow})) for _ in range(2))
    parameter_count(student.Narrow(), reference.Narrow())
    words = message(parameter_count, student.Wide(), reference.Narrow())
    assert words == (
        "the module has 152 trainable parameters; 153 are expected. Where the two differ, by shape:\n"
        "(1,): you have none, expected 1 (`layers.0.bias`, 1 numbers)"
    )
    first, *lines, last = message(parameter_count, student.Wide(4), reference.Narrow()).split("\n")
    assert first.startswith("the module has 191 trainable parameters; 153 are expected.")
    assert lines[0] == "(8, 4): you have 1 (`layers.7.weight`, 32 numbers), expected none;"
    assert len(lines) == 7
    assert last == "and 14 shapes more"
    words = message(parameter_count, student.Wide(50), reference.Narrow())
    assert "(50, 2): you have 1 (`query\N{REPLACEMENT CHARACTER}.weight`, 100 numbers), expected none" in words


NO_ROWS = [None, 3, [3], [{"shape": "ab"}], [{"shape": (1,), "name": "a"}], {"a": 1}, Handle(1, "list")]


@pytest.mark.parametrize("rows", NO_ROWS, ids=repr)
def test_a_layout_that_is_none_is_no_layout(rows: object) -> None:
    asked = []

    class Lying(LocalPort):
        def request(self, op: str, fields: dict[str, object]) -> object:
            asked.append(op)
            return rows if op == "layout" else super().request(op, fields)

    with pytest.raises(StudentError, match="could not be listed"):
        parameter_count(root(Lying({"Tied": Tied})).Tied(), 1)
    assert asked == ["call", "layout"]  # an object on their side is not asked for its rows


# -- distributions -----------------------------------------------------------------------------------------------------


def test_the_tail_is_the_binomial_one() -> None:
    n, p = 12, 0.3
    mass = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    seen = torch.arange(n + 1, dtype=torch.float64)
    found = binomial_tail(seen, n, torch.full((n + 1,), p, dtype=torch.float64)).exp().tolist()
    assert found == pytest.approx([min(sum(mass[: k + 1]), sum(mass[k:])) for k in range(n + 1)])


@pytest.mark.parametrize("p", [(0.5, 0.5), (0.7, 0.2, 0.1), (0.96, 0.04), (1 / 3, 1 / 3, 1 / 3)])
@pytest.mark.parametrize("bound", [0.5, 0.1, 0.001])
def test_right_draws_fail_no_more_often_than_stated(p: tuple[float, ...], bound: float) -> None:
    """Exactly, over all the counts that there can be: no sampling."""
    n = 14
    rate = 0.0
    for counts in itertools.product(range(n + 1), repeat=len(p)):
        if sum(counts) != n:
            continue
        ways = math.factorial(n) // math.prod(map(math.factorial, counts))
        drawn = torch.tensor([outcome for outcome, count in enumerate(counts) for _ in range(count)])
        try:
            drawn_from(drawn, torch.tensor(p), false_alarm=bound)
        except CheckFailed:
            rate += ways * math.prod(q**c for q, c in zip(p, counts, strict=True))
    assert rate <= bound
    if bound == 0.5:
        assert rate > 0.01  # it is no test that lets everything pass


def test_draws_from_another_distribution_are_told() -> None:
    drawn = torch.tensor([0] * 620 + [1] * 1380)
    words = "outcome 0 makes up 31 % of the draws, 2,000 in all; 50 % is expected"
    assert message(drawn_from, drawn, torch.tensor([0.5, 0.5])) == words
    drawn_from(drawn, torch.tensor([0.31, 0.69]))
    assert "62" not in message(drawn_from, drawn, torch.tensor([0.4, 0.6]))
    drawn_from(drawn, torch.tensor([0.35, 0.65]))  # 3.75 standard errors: once in five thousand runs


def test_what_cannot_be_drawn_is_never_drawn() -> None:
    drawn = torch.tensor([0] * 99_999 + [2])
    words = message(drawn_from, drawn, torch.tensor([1.0, 0.0, 0.0]), what="the new tokens")
    assert words == "outcome 2 makes up 0.001 % of the new tokens, 100,000 in all; 0 % is expected"
    assert "hold 3; the outcomes are 0 to 2" in message(drawn_from, drawn + 1, torch.tensor([0.0, 1.0, 0.0]))


def test_each_column_has_its_distribution() -> None:
    drawn = torch.stack([torch.arange(1000) % 2, torch.arange(1000) % 4 // 3], dim=1)
    p = torch.tensor([[0.5, 0.5], [0.75, 0.25]])
    drawn_from(drawn, p)
    words = message(drawn_from, drawn, p.flip(0))
    assert words == "outcome 0 makes up 50 % of the draws in column 0, 1,000 in all; 75 % is expected"
    assert "column 1" in message(drawn_from, drawn, torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize("drawn", [None, torch.rand(5), torch.ones(5, dtype=torch.bool), torch.tensor(1), [0, 1]])
def test_what_is_no_draw_is_told(drawn: Any) -> None:
    assert "a tensor of whole numbers" in message(drawn_from, drawn, torch.tensor([0.5, 0.5]))


def test_draws_of_another_form() -> None:
    p = torch.full((2, 4), 0.25)
    assert "should be (2,) a row" in message(drawn_from, torch.zeros(8, 3, dtype=torch.long), p)
    with pytest.raises(CheckError):
        drawn_from(torch.zeros(0, dtype=torch.long), p[0])
    with pytest.raises(CheckError):
        drawn_from(torch.zeros(5, dtype=torch.long), p[0] - 1)
    drawn_from(torch.arange(4).repeat(5), 3 * p[0])  # weights: shares of their sum


@pytest.mark.parametrize("p", [0.5, 0.1, 0.02])
@pytest.mark.parametrize("n", [20, 200])
def test_two_samples_of_one_distribution_differ_no_more_often_than_stated(p: float, n: int) -> None:
    """Exactly, for draws of 0 and 1: D is the difference of two binomial counts."""
    mass = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    for apart in range(1, n + 1):
        beyond = sum(mass[i] * mass[j] for i in range(n + 1) for j in range(n + 1) if abs(i - j) >= apart)
        assert beyond <= 3 * math.exp(-apart * apart / n) + 1e-12


def test_two_samples_are_told_apart_up_to_rounding() -> None:
    one = torch.randn(500, 3, dtype=torch.float64)
    assert furthest_apart(one.round(), one.round() + 1e-7, 1e-6, 1e-7) is None
    assert furthest_apart(one.round(), one.round() + 1e-7, 0.0, 1e-7) is not None  # equal ones never are
    assert furthest_apart(one, torch.cat([one[:, :2], 3 * one[:, 2:]], dim=1), 1e-6, 1e-7) == 2
