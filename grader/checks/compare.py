"""Comparisons in a student's words: what kind of thing, its shape, its dtype, then where and how far the numbers
differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch

from grader.checks.evidence import CheckError, CheckFailed, compared
from grader.checks.picture import draw
from grader.errors import Fault, StudentError
from grader.text import clean
from grader.wire.proxy import Remote

# Two correct float32 attentions that sum in another order differ by a few rounding steps of the largest value; 256
# steps leave
# room for long sums and are still 1,000 times smaller than the effect of a known mistake on the shipped inputs.
STEPS = 256
_SHOWN = 12  # values of a container that are shown


def close(
    actual: Any,
    expected: Any,
    what: str = "output",
    *,
    rtol: float | None = None,
    allowed: Mapping[str, float] | None = None,
) -> None:
    """Pass when `actual` equals `expected` up to rounding; containers element by element.

    The allowance is 256 rounding steps of the dtype (or `rtol`), relative to each value plus the tensor's largest one.
    `allowed` names the largest difference instead, for each tensor by the name that it has in a failure's words.
    Raises CheckFailed with a sentence for the student, CheckError when `expected` cannot be compared with.
    """
    if isinstance(expected, (tuple, list)):
        _same_length(actual, expected, what)
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            close(a, e, f"{what}[{i}]", rtol=rtol, allowed=allowed)
    elif isinstance(expected, dict):
        _same_keys(actual, expected, what)
        for key, e in expected.items():
            close(actual[key], e, f"{what}[{key!r}]", rtol=rtol, allowed=allowed)
    elif isinstance(expected, torch.Tensor):
        _same_form(actual, expected, what)
        _same_dtype(actual, expected, what)
        _same_values(actual, expected, what, rtol, (allowed or {}).get(what))
    elif isinstance(expected, float):
        if type(actual) not in (int, float):
            raise CheckFailed(f"{what} should be a number; yours is {kind(actual)}")
        wanted = torch.tensor(expected, dtype=torch.float64)
        found = torch.tensor(float(actual), dtype=torch.float64)
        _same_values(found, wanted, what, 1e-6 if rtol is None else rtol, (allowed or {}).get(what))
    else:
        equal(actual, expected, what)


def equal(actual: Any, expected: Any, what: str = "result", *, any_dtype: bool = False) -> None:
    """Pass when `actual` is exactly `expected`: whole numbers, bools, strings, shapes, tensors of those; dicts key by
    key, sets member by member.

    With `any_dtype` a tensor's values count and its dtype does not. Raises CheckFailed with a sentence for the student.
    """
    if isinstance(expected, torch.Tensor):
        _same_form(actual, expected, what)
        if not any_dtype:
            _same_dtype(actual, expected, what)
        left, right = actual.to(torch.float64), expected.to(torch.float64)
        if expected.numel() == 0:
            raise CheckError(f"{what}: the expected tensor is empty, so nothing would be compared")
        compared()
        if not torch.equal(left, right):
            words = _differences(left, right, left != right, what, None)
            raise CheckFailed(words, draw(left, right, what), pair=(left, right))
        return
    compared()
    if isinstance(expected, dict):
        _same_keys(actual, expected, what)
        for key, e in expected.items():
            equal(actual[key], e, f"{what}[{key!r}]", any_dtype=any_dtype)
    elif isinstance(expected, (set, frozenset)):
        _same_members(actual, expected, what)
    elif type(actual) is not type(expected) or actual != expected:
        raise CheckFailed(f"{what} should be {clean(repr(expected), 200)}; yours is {kind(actual)}")


def shaped(
    actual: Any, shape: Sequence[int], what: str = "the output", *, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Return `actual` when it is a tensor of this shape and dtype that holds finite numbers.

    Raises CheckFailed with a sentence for the student.
    """
    compared()
    expected = torch.empty(tuple(shape), dtype=dtype, device="meta")
    _same_form(actual, expected, what)
    _same_dtype(actual, expected, what)
    if not actual.isfinite().all():
        raise CheckFailed(f"{what} holds values that are infinite or not a number (NaN)")
    return cast("torch.Tensor", actual)


def several(answer: Any, *names: str) -> Sequence[Any]:
    """Return `answer` when it holds one result for each of `names`: `output, weights = several(answer, ...)`.

    Raises CheckFailed.
    """
    compared()
    if not isinstance(answer, (tuple, list)) or len(answer) != len(names):
        raise CheckFailed(f"there should be {len(names)} results, {', then '.join(names)}; yours is {kind(answer)}")
    return answer


@contextmanager
def raises(error_type: type[Exception], why: str) -> Iterator[None]:
    """Pass when the student's code inside raises `error_type`. `why` completes "... should raise ValueError".

    Raises CheckFailed when it raises something else, or nothing.
    """
    try:
        yield
    except StudentError as error:
        compared()
        if error.fault not in (Fault.RAISED, Fault.MISSING, Fault.EXITED):
            raise
        if error_type.__name__ in (error.exception or "").split():
            return
        raise CheckFailed(f"{why} should raise {error_type.__name__}; instead {error.message}") from None
    compared()
    raise CheckFailed(f"{why} should raise {error_type.__name__}, but nothing was raised")


def kind(value: object) -> str:
    """What `value` is, in words for a sentence: "a list of 200", "[1, 2]", "a tensor of shape (3, 4)", "None"."""
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if _is_short(value):
        return clean(repr(value), 200)
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, Remote):
        return "an object that is no tensor, number, string or container of them"
    return f"a {clean(type(value).__name__, 60)}"


def _is_short(value: object) -> bool:
    """Whether `value` is plain, and so little that it is best shown as it is."""
    if isinstance(value, (tuple, list)):
        return len(value) <= _SHOWN and all(map(_is_short, value))
    return value is None or type(value) in (bool, int, float, str)


def _same_members(actual: Any, expected: Collection[Any], what: str) -> None:
    if not isinstance(actual, (set, frozenset)):
        raise CheckFailed(f"{what} should be a set; yours is {kind(actual)}")
    pairs = (("lacks", set(expected) - actual), ("should not hold", actual - set(expected)))
    if words := [f"{verb} {_members(members)}" for verb, members in pairs if members]:
        raise CheckFailed(f"{what} {', and '.join(words)}")


def _members(members: Collection[Any]) -> str:
    shown = sorted(map(repr, members))  # in an order that is the same in every run
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return clean(", ".join(shown[:_SHOWN]), 200) + more


def _same_length(actual: Any, expected: Any, what: str) -> None:
    if not isinstance(actual, (tuple, list)) or len(actual) != len(expected):
        raise CheckFailed(f"{what} should hold {len(expected)} values; yours is {kind(actual)}")
    if not expected:
        raise CheckError(f"{what}: an empty expectation compares nothing")


def _same_keys(actual: Any, expected: Any, what: str) -> None:
    if not isinstance(actual, dict) or set(actual) != set(expected):
        raise CheckFailed(
            f"{what} should be a dict with the keys {clean(sorted(map(str, expected)), 200)}; yours is {kind(actual)}"
        )
    if not expected:
        raise CheckError(f"{what}: an empty expectation compares nothing")


def _same_form(actual: Any, expected: torch.Tensor, what: str) -> None:
    if actual is None:
        raise CheckFailed(f"{what} is None where a tensor of shape {tuple(expected.shape)} is expected")
    if not isinstance(actual, torch.Tensor):
        raise CheckFailed(f"{what} should be a tensor of shape {tuple(expected.shape)}; yours is {kind(actual)}")
    if actual.shape == expected.shape:
        return
    words = f"{what} has shape {tuple(actual.shape)}; {tuple(expected.shape)} is expected"
    if sorted(actual.shape) == sorted(expected.shape):
        words += ". The sizes are right, their order is not: look for a transpose too many or too few"
    elif actual.numel() == expected.numel():
        words += ". The number of values is right: they are grouped in another way"
    raise CheckFailed(words, pair=None if expected.is_meta else (actual, expected))


def _same_dtype(actual: torch.Tensor, expected: torch.Tensor, what: str) -> None:
    if actual.dtype != expected.dtype:
        mine, wanted = (str(t.dtype).removeprefix("torch.") for t in (actual, expected))
        raise CheckFailed(f"{what} has dtype {mine}; {wanted} is expected")


def _same_values(
    actual: torch.Tensor, expected: torch.Tensor, what: str, rtol: float | None, most: float | None
) -> None:
    if expected.numel() == 0:
        raise CheckError(f"{what}: the expected tensor is empty, so nothing would be compared")
    if not expected.isfinite().all():
        raise CheckError(f"{what}: the expected tensor is not finite")
    compared()
    if not expected.is_floating_point():
        equal(actual, expected, what)
        return
    left, right = actual.to(torch.float64), expected.to(torch.float64)
    scale = right.abs().max().item() or 1.0
    step = torch.finfo(expected.dtype).eps
    allowed = (STEPS * step if rtol is None else rtol) * (right.abs() + scale) / 2
    if most is not None:
        allowed = torch.full_like(right, most)
    gap = (left - right).abs()
    wrong = ~(gap <= allowed)  # NaN is never within the allowance
    if wrong.any():
        words = _differences(left, right, wrong, what, scale * step)
        raise CheckFailed(words, draw(left, right, what), pair=(left, right), ratio=(gap / allowed).max().item())


def _differences(left: torch.Tensor, right: torch.Tensor, wrong: torch.Tensor, what: str, step: float | None) -> str:
    """First and largest difference; `step` is one rounding step of the largest value, None for exact comparisons."""
    count, total = int(wrong.sum()), wrong.numel()
    share = "every value differs" if count == total else f"{count} of {total} values differ"
    if (bad := ~left.isfinite()).any():
        nan = int(left.isnan().sum())
        place = _place(bad)
        kind = "NaN" if nan else "infinite"
        return f"{what} holds {int(bad.sum())} values that are {kind}, the first at {place}; all should be finite"
    gap = torch.where(wrong, (left - right).abs(), 0.0)
    largest = gap == gap.max()
    words = f"{what} has the right shape {tuple(left.shape)}, but {share}. "
    words += f"The first is at {_place(wrong)}: {_pair(left, right, wrong)}"
    if count > 1 and _place(largest) != _place(wrong):
        words += f". The largest is at {_place(largest)}: {_pair(left, right, largest)}"
    if step is not None:
        words += f", off by {gap.max().item():.3g}: about {_times(gap.max().item() / step)} what rounding explains"
    return words


def _place(where: torch.Tensor) -> str:
    return str(where.nonzero()[0].tolist()) if where.dim() else "the only value"


def _pair(left: torch.Tensor, right: torch.Tensor, where: torch.Tensor) -> str:
    return f"yours {left[where][0].item():.6g}, expected {right[where][0].item():.6g}"


def _times(ratio: float) -> str:
    if ratio >= 1e6:
        return f"{ratio / 1e6:,.0f} million times"
    return f"{float(f'{ratio:.2g}'):,.0f} times"
