"""General detectors: what kind of difference lies between a student's tensor and the expected one.

Behind the known mistakes stand these. Each claims something only when the transformation it names turns one tensor into
the other, all values up to rounding, and the values are so many and so different that chance would not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import torch

from grader.checks.detect_match import apart, near, spread, varied
from grader.checks.detect_places import off_by_one, rearranged, shifted
from grader.checks.detect_weights import inverted, leaking, not_finite, one_function, other_axis, sums_to_one
from grader.records import Diagnosis

Tensor = torch.Tensor
Sizes = Mapping[str, float]
Reading = tuple[str, float, tuple[float, ...], str]  # "sqrt(6)", 2.449, the known numbers in it, a hint

_MOST_VALUES = 1_000_000
_MOST_READINGS = 3  # of one factor; a factor that could be anything is named as nothing

_EXACT = 2e-5  # how closely a factor must be the known number it is called

_SIGN = "Look for a difference taken the other way round, a minus too many, or one that was left out."
_OFFSET = "Everything else is right. Look for a constant that is added once too often, or never."
_BIAS = "What differs does not depend on the position, only on the feature: so it is added, whatever the input is."
_GAIN = "What differs does not depend on the position, only on the feature: so each feature is multiplied by something."
_FACTOR = "All but one factor is right. Look for a scale that is applied twice, in the wrong place, or not at all."
_ROOT = (
    "A sum of n products of random numbers grows like the square root of n, which is why many formulas divide by one. "
    "Find each scale of the formula in your code, and the size it is made of."
)
_COUNT = (
    "A mean is a sum divided by how many were summed. Find out for each sum and mean what it runs over, and how many."
)
_BESSEL = "A variance is a mean over n values or a sum divided by n - 1. Read which of the two is asked."
_RATE = "What is kept by chance is scaled so that its expected value stays the same. Look at where, when and by what."


def detect(actual: Tensor, expected: Tensor, sizes: Sizes) -> Diagnosis | None:
    """Name the difference between a student's tensor and the expected one, of whatever shapes, or say nothing.

    `sizes` are the numbers known of the call by name, {"n_head": 3, "dropout": 0.1}: a factor is named by them.
    Nothing is claimed of half precision, of more than a million values, or where `expected` is not finite.
    """
    if max(actual.numel(), expected.numel()) > _MOST_VALUES or actual.is_complex() or expected.is_complex():
        return None
    left, right = actual.detach().to(torch.float64), expected.detach().to(torch.float64)
    known = {name: n for name, n in sizes.items() if type(n) in (int, float) and 0 < n < math.inf}
    if not right.isfinite().all():
        return None
    if not left.isfinite().all():
        return not_finite(left, right)
    if left.shape == right.shape and not apart(left, right):
        return None
    return next((found for look in _DETECTORS if (found := look(left, right, known))), None)


def _factor(actual: Tensor, expected: Tensor, sizes: Sizes) -> Diagnosis | None:
    if actual.shape != expected.shape or not varied(expected.abs()):
        return None
    factor = float((actual * expected).sum() / expected.square().sum())
    if not near(actual, factor * expected):
        return None
    if math.isclose(factor, -1, rel_tol=_EXACT):
        return Diagnosis("sign", "Every value has the wrong sign", _SIGN)
    words, hint = _times(factor, sizes)
    return Diagnosis("factor", f"Every value is {words}", hint)


def _temperature(actual: Tensor, expected: Tensor, sizes: Sizes) -> Diagnosis | None:
    """One factor on all scores before a softmax."""
    if actual.shape != expected.shape or not varied(actual) or not varied(expected):
        return None
    for dim in range(expected.dim()):
        if not (sums_to_one(actual, dim) and sums_to_one(expected, dim)):
            continue
        hidden = (actual == 0) | (expected == 0)
        logs = [t.log().masked_fill(hidden, 0.0) for t in (actual, expected)]
        seen = (~hidden).sum(dim, keepdim=True).clamp(min=1)
        mine, right = ((t - t.sum(dim, keepdim=True) / seen).masked_fill(hidden, 0.0) for t in logs)
        factor = float((mine * right).sum() / right.square().sum())
        if factor > 0 and near(actual, (factor * expected.log()).softmax(dim).nan_to_num(0.0)):
            words, hint = _times(factor, sizes)
            return Diagnosis("temperature", f"The scores before the softmax over dim {dim} are {words}", hint)
    return None


def _times(factor: float, sizes: Sizes) -> tuple[str, str]:
    """The words for it: "sqrt(6) = 2.449 times what is expected; 6 is n_embd", and a hint."""
    names = {n: " and ".join(name for name, size in sizes.items() if size == n) for n in sorted(set(sizes.values()))}
    found = [(form, of, hint) for form, value, of, hint in _forms(names) if math.isclose(factor, value, rel_tol=_EXACT)]
    if 0 < len(found) <= _MOST_READINGS:
        written = " = ".join(dict.fromkeys([*(form for form, _, _ in found), f"{factor:.4g}"]))
        known = ", ".join(f"{n} is {names[n]}" for n in dict.fromkeys(n for _, of, _ in found for n in of))
        return f"{written} times what is expected; {known}", found[0][2] if len(found) == 1 else _FACTOR
    return f"{factor:.4g} times what is expected", _FACTOR


def _forms(known: Iterable[float]) -> Iterator[Reading]:
    """What the formulas of the field make of one known number."""
    for n in known:
        if n == 1:
            continue
        if n < 1:
            yield f"(1 - {n})", 1 - n, (n,), _RATE
            yield f"1/(1 - {n})", 1 / (1 - n), (n,), _RATE
        yield f"{n}", n, (n,), _COUNT
        yield f"1/{n}", 1 / n, (n,), _COUNT
        yield f"sqrt({n})", math.sqrt(n), (n,), _ROOT
        yield f"1/sqrt({n})", 1 / math.sqrt(n), (n,), _ROOT
        if n > 2:
            less = n - 1
            yield f"{n}/{less}", n / less, (n,), _BESSEL
            yield f"{less}/{n}", less / n, (n,), _BESSEL


def _offset(actual: Tensor, expected: Tensor, _: Sizes) -> Diagnosis | None:
    if actual.shape != expected.shape or not varied(expected):
        return None
    offset = float((actual - expected).mean())
    if not near(actual - offset, expected):
        return None
    words = f"{abs(offset):.4g} {'more' if offset > 0 else 'less'} than it should be"
    return Diagnosis("offset", f"Every value is {words}", _OFFSET)


def _feature(actual: Tensor, expected: Tensor, _: Sizes) -> Diagnosis | None:
    """One offset, or one factor, for each place of the last dimension, the same at all other places."""
    if actual.shape != expected.shape or expected.dim() < 2 or expected.shape[-1] < 2:
        return None
    left, right = actual.flatten(0, -2), expected.flatten(0, -2)  # (rows, features)
    centred = right - right.mean(0)
    clear = ((right.abs() > 1e-2 * spread(right)).sum(0) - 1).clamp(min=0)  # values left when one of each is fitted
    if clear.sum() < 6 or not varied(centred) or not (centred.abs() > 1e-2 * spread(right)).any(0).all():
        return None
    if near(left - (left - right).mean(0), right):
        words = "by the same amount at every position, as a bias left out or added does"
        return Diagnosis("bias", f"Each feature (of the last dim) is off {words}", _BIAS)
    if near(left, right * ((left * right).sum(0) / right.square().sum(0))):
        words = "by the same factor at every position, as a weight left out or added does"
        return Diagnosis("gain", f"Each feature (of the last dim) is off {words}", _GAIN)
    return None


_DETECTORS = (
    inverted,
    _factor,
    _offset,
    _temperature,
    one_function,
    rearranged,
    shifted,
    off_by_one,
    leaking,
    other_axis,
    _feature,
)
