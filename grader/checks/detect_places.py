"""The right values in the wrong places: axes, regrouping, order along an axis, shifts, a length off by one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

import torch

from grader.checks.detect_match import apart, near, spread, telling
from grader.records import Diagnosis

Tensor = torch.Tensor

_MOST_DIMS = 5  # whose permutations are tried
_ORDERS = 9  # the exponent of how many regroupings are tried

_AXES = (
    "Write down what each dimension means, (batch, tokens, features) for instance, before and after each transpose, "
    "permute and reshape."
)
_REGROUPED = (
    "`view` and `reshape` read the values in the order they have in memory and never move them past each other; "
    "`transpose` and `permute` do. Write down what each dimension means before and after each of them."
)
_ORDER = "Everything is computed right and put down in another order. Look at indices, at `flip`, `sort` and `gather`."
_MIXED = (
    "Each part is computed right and put in the place of another one. Look where parts are stacked, sorted, gathered "
    "or looked up, and whether a dimension is merged with the batch and taken apart again in the same order."
)
_SHIFTED = (
    "Work out by hand for three positions which one belongs where. Positions count from 0, and a slice ends before "
    "its last number."
)
_LENGTH = "Count the positions by hand for a length of three: a slice and `range` end before their last number."


def rearranged(actual: Tensor, expected: Tensor, sizes: Mapping[str, float]) -> Diagnosis | None:
    """Name the rearrangement of `expected` that is `actual`; None where the values are not the same ones."""
    if actual.numel() != expected.numel() or not telling(expected):
        return None
    if not near(actual.flatten().sort().values, expected.flatten().sort().values):
        return None
    return _reordered(actual, expected) or _regrouped(actual, expected, sizes)


def shifted(actual: Tensor, expected: Tensor, _: Mapping[str, float]) -> Diagnosis | None:
    """Name the dimension along which all values stand one place too early or too late. What stands in the place that
    this leaves open does not matter.
    """
    if actual.shape != expected.shape:
        return None
    for dim in reversed(range(expected.dim())):
        n = expected.shape[dim] - 1
        for start, word in ((1, "late"), (0, "early")) if n > 0 else ():
            mine, right = actual.narrow(dim, start, n), expected.narrow(dim, 1 - start, n)
            if near(mine, right) and telling(right) and apart(mine, expected.narrow(dim, start, n)):
                return Diagnosis(
                    "shifted", f"The values are right, but stand one place too {word} along dim {dim}", _SHIFTED
                )
    return None


def off_by_one(actual: Tensor, expected: Tensor, _: Mapping[str, float]) -> Diagnosis | None:
    """Name the dimension in which `actual` is longer or shorter by one, where all else is equal."""
    if actual.dim() != expected.dim():
        return None
    steps = [a - e for a, e in zip(actual.shape, expected.shape, strict=True)]
    if sorted(map(abs, steps))[-2:] not in ([0, 1], [1]):
        return None
    dim, step = next((dim, step) for dim, step in enumerate(steps) if step)
    longer, n = (actual, expected.shape[dim]) if step > 0 else (expected, actual.shape[dim])
    shorter = expected if step > 0 else actual
    ends = [end for start, end in ((0, "end"), (1, "start")) if near(longer.narrow(dim, start, n), shorter)]
    if not ends or not telling(shorter):
        return None
    what = "There is one place too many" if step > 0 else "One place is missing"
    where = f" at the {ends[0]}" if len(ends) == 1 else ""
    return Diagnosis("length", f"{what}{where} of dim {dim}; the values are right otherwise", _LENGTH)


def _reordered(actual: Tensor, expected: Tensor) -> Diagnosis | None:
    """The same slices along one dimension in another order."""
    if actual.shape != expected.shape:
        return None
    for dim, n in enumerate(expected.shape):
        if n == 2 and near(actual, expected.flip(dim)):
            return Diagnosis("swapped", f"The values are right, but the two places along dim {dim} are swapped", _ORDER)
        if n > 2 and near(actual, expected.flip(dim)):
            return Diagnosis("reversed", f"The values are right, but in reversed order along dim {dim}", _ORDER)
    for dim, n in enumerate(expected.shape):
        if n < 3 or not telling(expected, math.lgamma(n + 1) / math.log(2) if n < expected.numel() else 1):
            continue
        order = _order(actual, expected, dim)
        if not near(actual, expected.index_select(dim, order)):
            continue
        steps = (torch.arange(n) - order) % n
        if (steps == steps[0]).all():
            by = min(int(steps[0]), int(steps[0]) - n, key=abs)
            title = (
                f"The values are right, but rolled by {by} along dim {dim}: what leaves one end comes in at the other"
            )
            return Diagnosis("rolled", title, _SHIFTED)
        if n < expected.numel():
            rows = "the rows of the batch are mixed up" if dim == 0 else f"their order along dim {dim} is another one"
            return Diagnosis("mixed", f"The values are right, but {rows}", _MIXED)
    return None


def _order(actual: Tensor, expected: Tensor, dim: int) -> Tensor:
    """Where along `dim` of `expected` each slice of `actual` would be found, judged by one number for each slice."""

    def ranked(t: Tensor) -> Tensor:
        slices = t.movedim(dim, 0).flatten(1) if t.dim() > 1 else t[:, None]
        return (slices @ torch.arange(1.0, slices.shape[1] + 1, dtype=t.dtype).mul(1.7).cos()).argsort(stable=True)

    order = torch.empty(expected.shape[dim], dtype=torch.int64)
    order[ranked(actual)] = ranked(expected)
    return order


def _regrouped(actual: Tensor, expected: Tensor, sizes: Mapping[str, float]) -> Diagnosis | None:
    """The axes in another order, or that and then read in memory order with this shape."""
    if expected.dim() <= _MOST_DIMS:
        for axes in itertools.permutations(range(expected.dim())):
            if near(actual, expected.permute(axes)):
                moved = [dim for dim, axis in enumerate(axes) if dim != axis]
                how = f"dims {moved[0]} and {moved[1]} swapped" if len(moved) == 2 else f"the dims in the order {axes}"
                return Diagnosis("axes", f"The values are right, but with {how}", _AXES)
    if actual.flatten().shape == expected.flatten().shape and near(actual.flatten(), expected.flatten()):
        shapes = f"{tuple(actual.shape)} instead of {tuple(expected.shape)}"
        return Diagnosis("shape", f"The values are right and in the right order; only the shape is {shapes}", _AXES)
    values, room = actual.flatten(), 1e-3 * spread(expected)
    for source in _split(expected, sizes) if telling(expected, _ORDERS) else ():
        for axes in itertools.permutations(range(source.dim())):
            moved_to = source.permute(axes)
            row = moved_to[(0,) * (source.dim() - 1)]  # spares copying the whole for most orders
            if torch.allclose(values[: len(row)], row, rtol=0, atol=room) and near(values, moved_to.flatten()):
                title = (
                    "The values are right, but grouped in another way, as a reshape without the right transpose does"
                )
                return Diagnosis("grouped", title, _REGROUPED)
    return None


def _split(expected: Tensor, sizes: Mapping[str, float]) -> Iterator[Tensor]:
    """`expected`, and with its last dimension taken apart by each known number that divides it (heads, mostly)."""
    if expected.dim() <= _MOST_DIMS:
        yield expected
    if 0 < expected.dim() < _MOST_DIMS:
        last = expected.shape[-1]
        for n in sorted({n for n in sizes.values() if isinstance(n, int) and 1 < n < last and last % n == 0}):
            yield expected.reshape(*expected.shape[:-1], n, last // n)
