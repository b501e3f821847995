"""What is drawn at random, judged by its distribution. Each bound on false alarms is a true one, not an approximation.

That holds where the draws are independent of one another, as the rows of a batch are.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from grader.checks.compare import kind
from grader.checks.evidence import CheckError, CheckFailed, compared


def drawn_from(
    samples: Any, probabilities: torch.Tensor, what: str = "the draws", *, false_alarm: float = 1e-6
) -> None:
    """Pass when `samples` may well come from `probabilities`.

    samples: whole numbers (N,), or (N, K) and so on for K draws at once. probabilities: (V,), or (K, V) for one
    distribution per column; weights that do not sum to one are shares of their sum. The count of each outcome is held
    against the binomial distribution, both tails, shared out over all outcomes: right draws fail with probability
    `false_alarm` at most. What has probability 0 must never be drawn. Raises CheckFailed with the outcome that is
    furthest off.
    """
    whole = isinstance(samples, torch.Tensor) and not samples.is_floating_point() and samples.dtype is not torch.bool
    if not whole or samples.dim() == 0:
        raise CheckFailed(f"{what} should be a tensor of whole numbers; yours is {kind(samples)}")
    if samples.shape[1:] != probabilities.shape[:-1] and probabilities.dim() > 1:
        raise CheckFailed(f"{what} should be {tuple(probabilities.shape[:-1])} a row; yours are {kind(samples)}")
    n, outcomes = len(samples), probabilities.size(-1)
    flat = samples.reshape(n, math.prod(samples.shape[1:])).long()  # (N, M), a column for each draw
    p = probabilities.double().expand(*samples.shape[1:], outcomes).reshape(-1, outcomes)  # (M, V)
    if flat.numel() == 0 or not ((p >= 0).all() and p.sum(dim=-1).gt(0).all() and p.isfinite().all()):
        raise CheckError(f"{what}: nothing is drawn, or the probabilities are none")
    p = p / p.sum(dim=-1, keepdim=True)
    compared()
    if (outside := (flat < 0) | (flat >= outcomes)).any():
        raise CheckFailed(f"{what} hold {flat[outside][0].item()}; the outcomes are 0 to {outcomes - 1}")
    seen = torch.zeros_like(p).scatter_add_(1, flat.T, torch.ones_like(flat.T, dtype=p.dtype))  # (M, V)
    open_ones = (p > 0) & (p < 1)
    chance = torch.where((p == 0) & (seen > 0), -math.inf, 0.0).double()  # of a count so far off, log, both tails
    chance[open_ones] = binomial_tail(seen[open_ones], n, p[open_ones]) + math.log(2)
    if chance.min().item() < math.log(false_alarm / max(1, int(open_ones.sum()))):
        column, outcome = (chance == chance.min()).nonzero()[0].tolist()
        where = f" in column {column}" if len(p) > 1 else ""
        often, expected = seen[column, outcome].item() / n, p[column, outcome].item()
        words = f"outcome {outcome} makes up {_percent(often)} of {what}{where}, {n:,} in all"
        raise CheckFailed(f"{words}; {_percent(expected)} is expected")


def binomial_tail(seen: torch.Tensor, n: int, p: torch.Tensor) -> torch.Tensor:
    """The log of the smaller of P(X <= seen) and P(X >= seen), X the number of n draws that hit (M,) float64."""
    k = torch.arange(n + 1, dtype=torch.float64)
    ways = math.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)  # (n + 1,)
    tails = []
    for count, chance in zip(seen.tolist(), p.tolist(), strict=True):
        log = ways + k * math.log(chance) + (n - k) * math.log1p(-chance)
        tails.append(torch.minimum(log[: int(count) + 1].logsumexp(0), log[int(count) :].logsumexp(0)))
    return torch.stack(tails) if tails else seen.new_zeros(0)


def furthest_apart(theirs: torch.Tensor, ours: torch.Tensor, tolerance: float, false_alarm: float) -> int | None:
    """The column in which two samples (R, n) are the furthest from coming from one distribution; None when they may.

    Two-sample Kolmogorov-Smirnov per column, values `tolerance` apart counting as one, shared out over the columns.
    The Dvoretzky-Kiefer-Wolfowitz inequality for two samples of one size R: P(D > d) <= 3 exp(-R d^2) for R > 3.
    """
    apart = torch.maximum(_above(theirs, ours, tolerance), _above(ours, theirs, tolerance))  # (n,)
    bound = math.sqrt(math.log(3 * apart.numel() / false_alarm) / len(ours))
    return int(apart.argmax()) if apart.max().item() > bound else None


def _above(left: torch.Tensor, right: torch.Tensor, tolerance: float) -> torch.Tensor:
    """The largest F_left(x) - F_right(x + tolerance) of the empirical distributions (R, n), for each column (n,)."""
    mine, other = left.T.contiguous().sort(dim=1).values, right.T.contiguous().sort(dim=1).values  # (n, R)
    passed = torch.searchsorted(other, mine + tolerance, right=True)  # (n, R), how many of `right` are not larger
    return ((torch.arange(1, len(left) + 1) - passed) / len(left)).amax(dim=1)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
