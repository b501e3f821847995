"""When two tensors are the same up to rounding, and how much it proves that they are: what the detectors rest on.

All tensors here are float64 (the student's values may be NaN or infinite), whatever the dtype of what was compared.
"""

from __future__ import annotations

import torch

Tensor = torch.Tensor

_ROUNDING = 256 * 2.0**-23  # of the spread of the values: as `close` allows for float32, whatever dtype they came in
_CLEARLY = 10  # times that: a difference that is none of rounding
_FEWEST = 4  # values that must differ clearly: of fewer, each could be wrong for a reason of its own
_LEVELS = 6  # values of clearly different size, below which one fitted number explains anything
_BITS = 15.0  # of information in the values that a rearrangement puts in their places
_SAMPLE = 100_000  # values looked at to estimate either


def spread(t: Tensor) -> float:
    """The largest value minus the smallest; 0.0 for an empty tensor, one that is not finite and one that is constant
    up to rounding.
    """
    if not t.numel():
        return 0.0
    low, high = t.aminmax()
    largest = max(abs(low.item()), abs(high.item()))
    width = (high - low).item()
    return width if torch.isfinite(high - low) and width > 1e-4 * largest else 0.0


def near(actual: Tensor, claim: Tensor) -> bool:
    """Whether each value of `actual` is that of `claim` up to rounding. Constant tensors are near to nothing."""
    return actual.shape == claim.shape and bool(((actual - claim).abs() < _ROUNDING * spread(claim)).all())


def apart(actual: Tensor, expected: Tensor) -> bool:
    """Whether enough values of two tensors of one shape differ by more than rounding ever explains."""
    return int(((actual - expected).abs() > _CLEARLY * _ROUNDING * spread(expected)).sum()) >= _FEWEST


def varied(t: Tensor) -> bool:
    """Whether `t` holds enough values of clearly different size (a hundredth of its spread) to fit one number to."""
    return len(_counts(t, 100)) >= _LEVELS


def telling(t: Tensor, orders: float = 1) -> bool:
    """Whether the values of `t` are so many and so different that they stand in their places by no chance, where
    `2 ** orders` arrangements are open.

    Measured in bits: the number of values times the entropy of their distribution. A causal mask of 4 tokens holds 15.
    """
    shares = _counts(t, 10_000).to(torch.float64)
    shares /= shares.sum()
    return t.numel() * -float((shares * shares.log2()).sum()) >= _BITS + orders - 1


def _counts(t: Tensor, steps: int) -> Tensor:
    """How many values lie at each of the levels that divide the spread into `steps`; empty levels are left out."""
    values = t.flatten()[:: t.numel() // _SAMPLE + 1]
    width = spread(values)
    if not width:
        return torch.zeros(0)
    counts = ((values - values.min()) * (steps / width)).round().to(torch.int64).bincount()
    return counts[counts > 0]
