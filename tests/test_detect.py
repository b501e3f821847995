"""The general detectors: each names its own kind of difference, and what is none of theirs is named by nobody."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from grader.checks.detect import detect
from grader.records import Diagnosis

Tensor = torch.Tensor


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def found(actual: Tensor, expected: Tensor, **sizes: float) -> Diagnosis:
    diagnosis = detect(actual, expected, sizes)
    assert diagnosis
    return diagnosis


def noisy(t: Tensor) -> Tensor:
    """The same up to rounding, as another order of summation gives it."""
    return t * (1 + 1e-6 * draw(*t.shape, seed=9))


X = draw(2, 5, 6)
SCORES = draw(2, 3, 5, 5, seed=1) * 2
CAUSAL = torch.ones(5, 5).tril()
WEIGHTS = SCORES.softmax(-1)
MASKED = SCORES.masked_fill(CAUSAL == 0, -math.inf).softmax(-1)
MASK = CAUSAL * (torch.arange(5) < torch.tensor([[[3]], [[5]]]))  # (2, 5, 5): causal and padded


@pytest.mark.parametrize(
    ("actual", "expected", "name", "words"),
    [
        pytest.param(-X, X, "sign", "wrong sign", id="sign"),
        pytest.param(X + 0.25, X, "offset", "0.25 more", id="offset"),
        pytest.param(torch.arange(9) - 1, torch.arange(9), "offset", "1 less", id="offset-ids"),
        pytest.param(X + draw(6), X, "bias", "same amount", id="bias"),
        pytest.param(X * draw(6), X, "gain", "same factor", id="gain"),
        pytest.param(X.transpose(1, 2), X, "axes", "dims 1 and 2 swapped", id="transposed"),
        pytest.param(X.permute(2, 0, 1), X, "axes", "order (2, 0, 1)", id="permuted"),
        pytest.param(WEIGHTS.transpose(2, 3), WEIGHTS, "axes", "dims 2 and 3 swapped", id="transposed-square"),
        pytest.param(MASK.transpose(1, 2), MASK, "axes", "dims 1 and 2 swapped", id="transposed-mask"),
        pytest.param(X.reshape(2, 30), X, "shape", "(2, 30) instead of (2, 5, 6)", id="reshaped"),
        pytest.param(X[:, None], X, "shape", "(2, 1, 5, 6)", id="one-dim-more"),
        pytest.param(X.transpose(1, 2).reshape(2, 5, 6), X, "grouped", "reshape", id="viewed"),
        pytest.param(X.flip(1), X, "reversed", "along dim 1", id="flipped"),
        pytest.param(X.flip(0), X, "swapped", "along dim 0", id="two-rows-swapped"),
        pytest.param(X.roll(2, 1), X, "rolled", "by 2 along dim 1", id="rolled"),
        pytest.param(X.roll(-1, 2), X, "rolled", "by -1 along dim 2", id="rolled-back"),
        pytest.param(X[:, [1, 0, 4, 2, 3]], X, "mixed", "dim 1", id="another-order"),
        pytest.param(SCORES[[1, 0]][:, [2, 0, 1]], SCORES[[1, 0]], "rolled", "dim 1", id="heads-rolled"),
        pytest.param(draw(7, 3)[[2, 1, 0, 6, 3, 5, 4]], draw(7, 3), "mixed", "rows of the batch", id="batch-mixed"),
        pytest.param(F.pad(X, (0, 0, 1, 0))[:, :-1], X, "shifted", "too late along dim 1", id="shifted"),
        pytest.param(F.pad(X, (0, 0, 0, 1), value=7)[:, 1:], X, "shifted", "too early along dim 1", id="shifted-back"),
        pytest.param(CAUSAL.tril(-1), CAUSAL, "shifted", "one place", id="strict-triangle"),
        pytest.param(X[:, :-1], X, "length", "missing at the end of dim 1", id="shorter"),
        pytest.param(X[:, 1:], X, "length", "missing at the start of dim 1", id="start-missing"),
        pytest.param(F.pad(X, (0, 0, 0, 1)), X, "length", "too many at the end of dim 1", id="longer"),
        pytest.param(1 - MASK, MASK, "inverted", "inverted", id="mask"),
        pytest.param(MASK == 0, MASK == 1, "inverted", "inverted", id="bool-mask"),
        pytest.param(WEIGHTS.log(), WEIGHTS, "missing", "is the exponential of your", id="logs"),
        pytest.param(X, F.softmax(X, 2), "missing", "softmax over dim 2", id="scores"),
        pytest.param(F.softmax(X, 2), X, "doubled", "softmax over dim 2", id="probabilities"),
        pytest.param(F.log_softmax(X, 2), X, "doubled", "log-softmax over dim 2", id="log-probabilities"),
        pytest.param(X, F.log_softmax(X, 2), "missing", "log-softmax", id="logits"),
        pytest.param(F.softmax(X, 2), F.log_softmax(X, 2), "doubled", "are the exponential", id="no-logs"),
        pytest.param(X, torch.sigmoid(X), "missing", "sigmoid", id="no-sigmoid"),
        pytest.param(X, F.relu(X), "missing", "relu", id="no-relu"),
        pytest.param(X.var(1), X.std(1), "doubled", "square", id="variance"),
        pytest.param(WEIGHTS * CAUSAL, MASKED, "norm", "sum over dim 3", id="masked-after-softmax"),
        pytest.param(X, F.normalize(X, dim=2), "norm", "length over dim 2", id="not-normalised"),
        pytest.param(WEIGHTS, MASKED, "leak", "first at [0, 0, 0, 1]", id="no-mask"),
        pytest.param(MASKED + 0.1 * (1 - CAUSAL), MASKED, "leak", "[0, 0, 0, 1]", id="leak"),
        pytest.param(MASKED, WEIGHTS, "hidden", "first at [0, 0, 0, 1]", id="masked-too-much"),
        pytest.param((2.5 * SCORES).softmax(-1), WEIGHTS, "temperature", "dim 3 are 2.5 times", id="temperature"),
        pytest.param(
            (MASKED**0.5) / (MASKED**0.5).sum(-1, True), MASKED, "temperature", "0.5 times", id="masked-scale"
        ),
        pytest.param(SCORES.softmax(-2), WEIGHTS, "softmax_axis", "over dim 2; over dim 3", id="softmax-axis"),
        pytest.param(SCORES.softmax(1), WEIGHTS, "softmax_axis", "over dim 1; over dim 3", id="softmax-heads"),
        pytest.param(
            SCORES.masked_fill(CAUSAL == 0, -math.inf).softmax(-2), MASKED, "softmax_axis", "dim 2", id="masked-axis"
        ),
        pytest.param(draw(2, 3, 5, 5).softmax(-2), WEIGHTS, "sum_axis", "along dim 2", id="other-weights"),
    ],
)
def test_each_difference_has_a_name(actual: Tensor, expected: Tensor, name: str, words: str) -> None:
    diagnosis = found(actual, expected)
    assert (diagnosis.id, words in diagnosis.title) == (name, True), diagnosis
    assert diagnosis.hint[-1] in ".?"
    if actual.is_floating_point() and actual.shape == expected.shape:
        assert found(noisy(actual), expected).id == name
        damaged = actual.flatten().clone()
        damaged[[3, actual.numel() // 2, -4]] += 0.2
        wrong = detect(damaged.reshape(actual.shape), expected, {})
        assert wrong is None or wrong.id == "sum_axis" or name == "leak", wrong  # a leak may be of any size


@pytest.mark.parametrize(
    ("factor", "sizes", "words"),
    [
        (
            math.sqrt(6),
            {"the last dimension of argument 1": 6},
            "sqrt(6) = 2.449 times what is expected; 6 is the last",
        ),
        (1 / math.sqrt(6), {"d": 6, "n_head": 3}, "1/sqrt(6) = 0.4082 times what is expected; 6 is d"),
        (6, {"d": 6}, "is 6 times what is expected; 6 is d"),
        (1 / 3, {"n_head": 3, "d": 7}, "1/3 = 0.3333 times what is expected; 3 is n_head"),
        (5 / 4, {"n": 5}, "5/4 = 1.25 times"),
        (4 / 5, {"n": 5}, "4/5 = 0.8 times"),
        (math.sqrt(6 / 5), {"D": 6, "T": 5}, "is 1.095 times what is expected"),  # of two sizes: too many
        (3, {"n_head": 3, "C": 6, "B": 2}, "is 3 times what is expected; 3 is n_head"),
        (1 / 0.9, {"dropout": 0.1}, "1/(1 - 0.1) = 1.111 times what is expected; 0.1 is dropout"),
        (2, {"B": 2, "T": 4}, "is 2 = sqrt(4) times what is expected; 2 is B, 4 is T"),
        (2, {"n": 7}, "is 2 times what is expected"),
        (0.001, {}, "is 0.001 times what is expected"),
        (2.5, {"n": 7}, "is 2.5 times what is expected"),
        (-0.5, {"n": 2}, "is -0.5 times what is expected"),
        (1.7, {"one": 1, "zero": 0, "inf": math.inf, "nan": math.nan, "yes": True}, "is 1.7 times what"),
    ],
)
def test_a_factor_is_named_by_what_is_known(factor: float, sizes: dict[str, float], words: str) -> None:
    diagnosis = found(noisy(X * factor), X, **sizes)
    assert diagnosis.id == "factor"
    assert words in diagnosis.title


def test_a_factor_that_could_be_anything_is_left_unnamed() -> None:
    assert found(2 * X, X, B=2, T=4, rate=0.5, p=0.25).title == "Every value is 2 times what is expected"


def test_heads_merged_without_transposing_back_are_regrouped() -> None:
    heads = draw(2, 3, 5, 4)
    assert found(heads.reshape(2, 5, 12), heads.transpose(1, 2).reshape(2, 5, 12), n_head=3).id == "grouped"


def spoilt(value: float, where: Callable[[Tensor], Tensor], expected: Tensor) -> Diagnosis | None:
    actual = expected.clone()
    actual[where(actual)] = value
    return detect(actual, expected, {})


def test_what_is_not_finite_is_placed() -> None:
    rows = spoilt(math.nan, lambda t: torch.arange(30).reshape(2, 3, 5)[..., None].expand_as(t) % 7 == 3, WEIGHTS)
    assert rows
    assert rows.id == "nan_rows"
    zero = spoilt(math.nan, lambda t: t == 0, MASKED)
    assert zero
    assert zero.id == "nan_zero"
    infinite = spoilt(-math.inf, lambda t: t == 0, MASKED)
    assert infinite
    assert infinite.id == "infinite"
    assert spoilt(math.nan, lambda t: t > 0.3, WEIGHTS) is None  # anywhere
    assert spoilt(math.nan, lambda t: t > -1, WEIGHTS) is None  # everywhere
    assert detect((WEIGHTS / 2).masked_fill(MASKED == 0, math.nan), MASKED, {}) is None  # the others are wrong


def test_what_is_equal_is_not_explained() -> None:
    for t in (X, WEIGHTS, MASKED, MASK, MASK == 1, torch.arange(12), X.half()):
        assert detect(t.clone(), t, {"n": 6}) is None
    assert detect(noisy(X), X, {}) is None
    assert detect(X * 1.0001, X, {}) is None  # rounding of a kind: too close to call


@pytest.mark.parametrize(
    "change",
    [
        lambda t: -t,
        lambda t: 2.0 * t,
        lambda t: t + 1.0,
        lambda t: t.flip(0),
        lambda t: t.roll(1, -1),
        lambda t: t.transpose(0, -1),
        lambda t: t[1:],
        lambda t: t.double().exp(),
        lambda t: t.double().softmax(-1),
        torch.zeros_like,
        torch.ones_like,
        lambda t: t.double() * math.nan,
        lambda t: 1.0 - t,
    ],
)
def test_too_little_proves_nothing(change: Callable[[Tensor], Tensor]) -> None:
    """Tiny and constant tensors; those of two values; one that is zero but for rounding."""
    one_hot = F.one_hot(torch.tensor([1, 0]), 4)
    for t in (torch.tensor(3.0), draw(2), draw(2, 2), torch.zeros(4, 5), torch.full((4, 5), 0.3), torch.empty(0, 3)):
        assert detect(change(t[None]), t[None], {"n": 2}) is None
    for t in (one_hot, one_hot.float(), torch.tensor([[1.0, 0.0, 1.0]]), 0.3 + 1e-9 * draw(4, 5).double()):
        assert detect(change(t), t, {"n": 2}) is None


def test_zero_and_constant_answers_are_not_explained() -> None:
    for expected in (X, WEIGHTS, MASKED, MASK):
        for value in (0.0, 1.0, 0.2):
            assert detect(torch.full_like(expected, value), expected, {"n": 5}) is None


def test_what_is_wrong_in_one_place_is_not_explained() -> None:
    for expected in (X, WEIGHTS, MASKED, MASK):
        actual = expected.clone()
        actual.view(-1)[7] += 1
        assert detect(actual, expected, {"n": 5}) is None
        places = torch.arange(expected.numel()).reshape(expected.shape)
        mixed = torch.where(places % 3 == places % 7 % 3, expected, expected * 1.5)  # a factor for some of it
        assert detect(mixed, expected, {"n": 5}) is None


ROUNDS = 5
SHAPES = ((5,), (3, 4), (4, 4), (5, 5), (2, 3, 4), (2, 5, 5), (1, 1, 6, 6), (2, 2, 4, 3), (2, 1, 3, 2, 4), (16, 16))
KINDS: dict[str, Callable[[tuple[int, ...], torch.Generator], Tensor]] = {
    "noise": lambda shape, g: torch.randn(shape, generator=g),
    "weights": lambda shape, g: torch.randn(shape, generator=g).softmax(-1),
    "positive": lambda shape, g: torch.rand(shape, generator=g),
    "ids": lambda shape, g: torch.randint(0, 12, shape, generator=g),
    "mask": lambda shape, g: torch.rand(shape, generator=g) < 0.5,
    "sparse": lambda shape, g: torch.relu(torch.randn(shape, generator=g)),
    "sorted": lambda shape, g: torch.rand(shape, generator=g).sort(-1).values,
    "levels": lambda shape, g: torch.randint(-3, 4, shape, generator=g) / 2,
}


@pytest.mark.parametrize("kind", KINDS)
def test_unrelated_tensors_are_never_explained(kind: str) -> None:
    make, sizes = KINDS[kind], {"B": 2, "T": 5, "n_head": 3, "d": 4, "n": 6, "p": 0.1}
    generator = torch.Generator().manual_seed(7)
    for _ in range(ROUNDS):
        for shape in SHAPES:
            expected = make(shape, generator)
            for other in (make(shape, generator), torch.randn(shape, generator=generator)):
                diagnosis = detect(other, expected, sizes)
                assert diagnosis is None, (shape, diagnosis, other, expected)


def test_half_wrong_tensors_are_never_explained() -> None:
    """Right in a part, elsewhere anything: what a student's tensor mostly is."""
    generator = torch.Generator().manual_seed(3)
    for _ in range(ROUNDS):
        for shape in SHAPES[1:]:
            for make in KINDS.values():
                expected = make(shape, generator).float()
                wrong = torch.rand(shape, generator=generator) < 0.4
                actual = torch.where(wrong, make(shape, generator).float() + 0.01, expected)
                assert detect(actual, expected, {"n": 4}) is None


def test_work_is_bounded() -> None:
    big = draw(10, 10, 100, 100)
    times = []
    for actual in (draw(10, 10, 100, 100, seed=5), big.permute(0, 1, 3, 2).reshape(-1)[torch.randperm(1_000_000)]):
        started = time.process_time()
        assert detect(actual.reshape(big.shape), big, {"n": 10, "h": 5, "d": 20}) is None
        times.append(time.process_time() - started)
    assert max(times) < 10  # about two on a quiet machine
    more = draw(1_000_001)
    assert detect(-more, more, {}) is None
