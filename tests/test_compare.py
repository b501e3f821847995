"""Comparisons: right answers pass, wrong ones fail with a sentence that a student can act on."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from grader.checks import close, equal, raises
from grader.checks.evidence import CheckFailed, gathering
from grader.errors import Fault, GraderError, StudentError

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(2, 3, 4, generator=GENERATOR)


def failure(actual: object, expected: object, **options: Any) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        close(actual, expected, "output", **options)
    return caught.value


def test_equal_tensors_pass_and_count() -> None:
    with gathering() as evidence:
        close(X.clone(), X)
    assert evidence.compared == 1


def test_another_order_of_summation_passes() -> None:
    a, b = torch.randn(64, 512, generator=GENERATOR), torch.randn(512, 64, generator=GENERATOR)
    order = torch.randperm(512, generator=GENERATOR)  # in blocks some processors sum anyway
    other = a[:, order] @ b[order]
    assert not torch.equal(other, a @ b)
    close(other, a @ b)


def test_one_wrong_value_is_found_and_placed() -> None:
    wrong = X.clone()
    wrong[1, 2, 0] += 0.5
    message = failure(wrong, X).message
    assert "1 of 24 values differ" in message
    assert "[1, 2, 0]" in message
    assert f"expected {X[1, 2, 0].item():.6g}" in message
    assert "off by 0.5" in message
    assert "times what rounding explains" in message


def test_the_shape_comes_before_the_values() -> None:
    message = failure(X.transpose(1, 2), X).message
    assert "(2, 4, 3)" in message
    assert "(2, 3, 4) is expected" in message
    assert "transpose" in message
    assert "grouped" in failure(X.reshape(6, 4), X).message


def test_the_dtype_comes_before_the_values() -> None:
    assert failure(X.double() + 1, X).message == "output has dtype float64; float32 is expected"


def test_nan_is_never_right() -> None:
    wrong = X.clone()
    wrong[0, 1, 2] = math.nan
    message = failure(wrong, X).message
    assert "NaN" in message
    assert "[0, 1, 2]" in message


def test_infinity_is_never_right() -> None:
    assert "infinite" in failure(X * math.inf, X).message


@pytest.mark.parametrize(
    ("actual", "words"), [(None, "None"), ([1, 2], "[1, 2]"), (3.0, "3.0"), ("x", "'x'"), ([0] * 20, "a list of 20")]
)
def test_what_is_no_tensor_is_named(actual: object, words: str) -> None:
    assert words in failure(actual, X).message


def test_containers_are_compared_element_by_element() -> None:
    assert "output[1] has shape" in failure((X, X[0]), (X, X)).message
    assert "should hold 2 values" in failure((X,), (X, X)).message
    assert "keys" in failure({"a": X}, {"b": X}).message


def test_an_expectation_that_compares_nothing_is_our_fault() -> None:
    with pytest.raises(GraderError):
        close(torch.empty(0), torch.empty(0))
    with pytest.raises(GraderError):
        close((), ())
    with pytest.raises(GraderError):
        equal(torch.empty(0), torch.empty(0))
    with pytest.raises(GraderError):
        close(X, X * math.nan)


def test_equal_is_exact() -> None:
    mask = torch.tensor([[1, 0], [1, 1]])
    equal(mask.bool(), mask, any_dtype=True)
    with pytest.raises(CheckFailed, match="dtype bool"):
        equal(mask.bool(), mask)
    with pytest.raises(CheckFailed, match="1 of 4 values differ"):
        equal(mask.T.contiguous() * torch.tensor([[1, 0], [1, 1]]), mask)
    equal([1, 2], [1, 2])
    with pytest.raises(CheckFailed, match="should be 2"):
        equal(3, 2, "length")
    with pytest.raises(CheckFailed):
        equal(True, 1, "a bool is no 1")


def test_the_picture_shows_the_worst_slice() -> None:
    wrong = X.clone()
    wrong[1, 2, 0] += 0.5
    picture = failure(wrong, X).picture
    assert picture is not None
    assert picture.caption == "output[1]"
    assert picture.expected is not None
    assert picture.difference is not None
    assert len(picture.student) == 3
    assert picture.difference[2][0] == pytest.approx(0.5)


def test_a_large_picture_is_a_window_around_the_difference() -> None:
    big = torch.zeros(100, 100)
    wrong = big.clone()
    wrong[90, 5] = 1
    picture = failure(wrong + 0.0, big).picture
    assert picture is not None
    assert picture.caption == "output, rows 82 to 97, columns 0 to 15"
    assert sum(value or 0 for row in picture.student for value in row) == 1


def test_scalars_and_vectors_have_pictures_too() -> None:
    assert failure(torch.tensor(1.0), torch.tensor(2.0)).picture is not None
    assert failure(torch.ones(3), torch.zeros(3)).picture is not None


def raised(name: str, fault: Fault = Fault.RAISED) -> StudentError:
    return StudentError(fault, f"your code raised {name}", exception=f"{name} Exception")


def test_raises_wants_the_error_that_is_asked_for() -> None:
    with raises(ValueError, "an odd width"):
        raise raised("ValueError")
    instead = "an odd width should raise ValueError; instead your code raised TypeError"
    with pytest.raises(CheckFailed, match=instead), raises(ValueError, "an odd width"):
        raise raised("TypeError")
    with pytest.raises(CheckFailed, match="nothing was raised"), raises(ValueError, "an odd width"):
        pass
    with pytest.raises(StudentError), raises(ValueError, "an odd width"):
        raise raised("ValueError", Fault.TIMEOUT)


def test_half_precision_is_judged_by_its_own_steps() -> None:
    half = X.half()
    close(half + torch.finfo(torch.float16).eps * half, half)
    assert "differ" in failure(half * 1.5, half).message


def test_a_tighter_tolerance_can_be_asked_for() -> None:
    close(X + 1e-6, X)
    assert failure(X + 1e-6, X, rtol=1e-8)
