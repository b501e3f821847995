"""What goes wrong with weights and masks: NaN rows, inverted masks, leaks, a softmax over another axis, a missing or
doubled softmax, exponential, root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch

from grader.checks.detect_match import apart, near, spread, telling, varied
from grader.records import Diagnosis

Tensor = torch.Tensor
Sizes = Mapping[str, float]

_FEWEST = 6  # values left over when all that is free has been fitted

_NAN_ROWS = (
    "0/0 and inf - inf are NaN. A softmax over a row in which every entry is hidden, and a mean over nothing, are 0/0: "
    "find out what such a row should hold and where it is made."
)
_NAN_ZERO = "0 * inf is NaN: multiplying by 0 removes no infinite value. Look at what is infinite before it is hidden."
_INFINITE = "log(0), a division by zero and the exp of a large number are infinite. Look at what stands there before."
_INVERTED = "Read in the handout whether 1 (True) marks what may be seen or what is hidden, and try it on two tokens."
_LEAK = (
    "What is hidden must have a weight of exactly 0. Look at where the mask acts, at its shape and at what it holds."
)
_HIDDEN = "The mask covers more than it should. Work out by hand for three tokens which of them each may see."
_SCORES = "Scores, probabilities and their logarithms are three different things: read which of them is asked for."
_SQUARE = "A variance is the square of a standard deviation: read which of the two is asked for."
_LAST = "Compare the last step of yours with the handout's formula: what is done to the result before it is returned?"
_NORM = "Find out over which values the result is to be normalised, and whether anything is changed after that step."
_AXIS = "`dim` names the dimension over which the values sum to one. Say for one weight what it is a share of."


def not_finite(actual: Tensor, expected: Tensor) -> Diagnosis | None:
    """Name where the values are NaN or infinite, when all others are right."""
    bad = ~actual.isfinite()
    if actual.shape != expected.shape or not telling(expected[~bad]) or not near(actual[~bad], expected[~bad]):
        return None
    if not actual.isnan().any():
        return Diagnosis("infinite", "Some values are infinite; all others are right", _INFINITE)
    if not torch.equal(bad, actual.isnan()):
        return None
    if torch.equal(bad.all(-1, keepdim=True).expand_as(bad), bad):
        return Diagnosis("nan_rows", "Whole rows (along the last dim) are NaN; all other values are right", _NAN_ROWS)
    if not expected[bad].any():
        return Diagnosis("nan_zero", "NaN where 0 is expected; all other values are right", _NAN_ZERO)
    return None


def inverted(actual: Tensor, expected: Tensor, _: Sizes) -> Diagnosis | None:
    """Name a mask that holds 1 for 0 and 0 for 1."""
    binary = bool(((expected == 0) | (expected == 1)).all())
    if actual.shape != expected.shape or not binary or not telling(expected) or not near(actual, 1 - expected):
        return None
    return Diagnosis("inverted", "The mask is inverted: 1 where 0 is expected, and 0 where 1 is", _INVERTED)


def one_function(actual: Tensor, expected: Tensor, _: Sizes) -> Diagnosis | None:
    """Name a well known function that, applied to one of the two, gives the other."""
    if actual.shape != expected.shape or not varied(actual) or not varied(expected):
        return None
    for name, function, hint in _functions(expected):
        if near(expected, function(actual)):
            return Diagnosis("missing", f"What is expected is the {name} of your values", hint)
        if near(actual, function(expected)):
            return Diagnosis("doubled", f"Your values are the {name} of what is expected", hint)
    for dim in _dims(expected):
        for by, total in (("sum", actual.sum(dim, keepdim=True)), ("length", actual.norm(dim=dim, keepdim=True))):
            if near(expected, actual / total):
                title = (
                    f"Your values are right up to a factor for each row: divided by their {by} over dim {dim}, they fit"
                )
                return Diagnosis("norm", title, _NORM)
    return None


def leaking(actual: Tensor, expected: Tensor, _: Sizes) -> Diagnosis | None:
    """Name zeros that are none (or the other way round), when the other values are right up to what a row sums to."""
    if actual.shape != expected.shape:
        return None
    for seen, full, leaks in ((expected, actual, True), (actual, expected, False)):
        zero = seen == 0
        stray = zero & (full != 0)
        kept = full.masked_fill(zero, 0.0)
        if not varied(seen[~zero]) or not apart(full, kept):
            continue
        sums = [kept / kept.sum(dim, keepdim=True) for dim in range(seen.dim()) if sums_to_one(seen, dim)]
        if any(near(claim.nan_to_num(0.0), seen) for claim in (kept, *sums)):
            first = stray.nonzero()[0].tolist()
            if leaks:
                title = f"Entries that must be exactly 0 are not, the first at {first}; the others are in proportion"
                return Diagnosis("leak", title, _LEAK)
            title = f"Entries are 0 that should not be, the first at {first}; the others are in proportion"
            return Diagnosis("hidden", title, _HIDDEN)
    return None


def other_axis(actual: Tensor, expected: Tensor, _: Sizes) -> Diagnosis | None:
    """Name the axis along which `actual` sums to one instead of `expected`'s; call it a softmax only where it is one of
    the same scores.
    """
    if actual.shape != expected.shape or not varied(actual) or not varied(expected):
        return None
    mine, wanted = ({dim for dim in range(t.dim()) if sums_to_one(t, dim)} for t in (actual, expected))
    pairs = [(j, k) for j in sorted(mine - wanted) for k in sorted(wanted - mine)]
    for j, k in pairs:
        if _same_scores(actual, expected, j, k):
            return Diagnosis("softmax_axis", f"The softmax is taken over dim {j}; over dim {k} is expected", _AXIS)
    if pairs:
        j, k = pairs[0]
        return Diagnosis("sum_axis", f"Your values sum to one along dim {j}; those expected do along dim {k}", _AXIS)
    return None


def sums_to_one(t: Tensor, dim: int) -> bool:
    """Whether `t` holds shares along `dim`: none below 0, and each sum 1, or 0 where all are."""
    total = t.sum(dim)
    right = ((total - 1).abs() < 1e-4) | (total == 0)
    return t.shape[dim] > 1 and bool((t >= 0).all() and right.all() and (total > 0.5).any())


def _same_scores(actual: Tensor, expected: Tensor, j: int, k: int) -> bool:
    """Whether both are a softmax of the same scores, over `j` and over `k`: then their logarithms differ by one number
    for each row and one for each column, and by nothing else.
    """
    if not torch.equal(actual == 0, expected == 0):
        return False
    mixed = [(t.log().diff(dim=j).diff(dim=k)) for t in (actual / expected, expected)]
    known = mixed[1].isfinite() & mixed[0].isfinite()
    residual, scores = (t[known] for t in mixed)
    enough = residual.numel() >= _FEWEST and varied(scores) and spread(scores) > 0.1
    return enough and bool((residual.abs() < 1e-3).all())


def _functions(expected: Tensor) -> Iterator[tuple[str, Callable[[Tensor], Tensor], str]]:
    """A name for "the ... of your values", the function, and a hint."""
    yield "exponential", torch.exp, _SCORES
    yield "square", torch.square, _SQUARE
    for name, function in (("sigmoid", torch.sigmoid), ("tanh", torch.tanh), ("relu", torch.relu)):
        yield name, function, _LAST
    for dim in _dims(expected):
        yield f"softmax over dim {dim}", partial(torch.softmax, dim=dim), _SCORES
        yield f"log-softmax over dim {dim}", partial(torch.log_softmax, dim=dim), _SCORES


def _dims(expected: Tensor) -> list[int]:
    """The dimensions along which one number for each row can be fitted and enough values are left to prove it."""
    return [dim for dim, n in enumerate(expected.shape) if expected.numel() - expected.numel() // n >= _FEWEST]
