"""Laws that an answer obeys whatever its numbers are. Each names the first place where it does not hold.

A law about a function takes the student's own, or a lambda around it that picks what the law is about.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch

from grader.checks.compare import STEPS, kind
from grader.checks.evidence import CheckError, CheckFailed, compared
from grader.checks.tolerance import difference, taken
from grader.errors import Fault, StudentError
from grader.text import clean
from grader.wire.proxy import Remote


def causal(function: Callable[..., Any], x: torch.Tensor, *others: Any, dim: int = 1) -> None:
    """Pass when position t of x changes outputs at t or later only, and the first one does change later ones.

    x: numbers or token ids with positions along `dim`, where the output (one tensor) has them, too. Each position is
    changed in its own copy of the first row; copies go through the function as one batch. Raises CheckFailed.
    """
    T, rest = x.size(dim), list(others)
    if T < 2:
        raise CheckError("causal needs two positions or more")
    if dim:  # one row is enough, and its copies make a batch
        x, *rest = taken([x, *rest], [0], len(x))
    copies = [x, *(_with_other(x, dim, t) for t in range(T))]
    if dim:
        several = _asked(function, torch.cat(copies), taken(rest, [0] * len(copies), 1), dim)
        plain, *moved = (answer[None] for answer in several)
    else:
        plain, *moved = (_asked(function, copy, rest, dim) for copy in copies)
    most = _rounding(plain)
    for t in range(1, T):
        if _first_moved(plain, moved[t], dim, t, most) is None:
            continue
        before, after = (_asked(function, copy, rest, dim) for copy in (x, copies[t + 1]))
        first = _first_moved(before, after, dim, t, most)
        if first is None:
            raise CheckFailed("the rows of a batch change one another")
        raise CheckFailed(f"output {first} changes when token {t}, which comes later, changes")
    if difference(plain.narrow(dim, 1, T - 1), moved[0].narrow(dim, 1, T - 1), most) is None:
        raise CheckFailed("a change of token 0 changes no later output: nobody looks back at it")


def _first_moved(before: torch.Tensor, after: torch.Tensor, dim: int, stop: int, most: float) -> int | None:
    """The first position before `stop` whose output is another one."""
    pairs = zip(before.unbind(dim)[:stop], after.unbind(dim)[:stop], strict=True)
    return next((i for i, (b, a) in enumerate(pairs) if difference(b, a, most) is not None), None)


def padding_ignored(
    function: Callable[..., Any], x: torch.Tensor, length: torch.Tensor, *rest: Any, pad: float | None = None
) -> None:
    """Pass when padding changes nothing: more columns of it, other values in it, or none at all and the row alone.

    x: (B, T, ...), of which row b is real up to length[b]. `function(x, length, *rest)` gives one tensor, (B, T, ...)
    of which the real positions count, or (B, ...), which counts whole. Padding holds `pad`, or anything where that is
    None. Raises CheckFailed with the first row that changes.
    """
    B, T = x.shape[:2]
    real = torch.arange(T + 2) < length[:, None]  # (B, T + 2)
    wide = _padded(torch.cat([x, x[:, :1], x[:, :1]], dim=1), real, pad)  # (B, T + 2, ...)
    x = _padded(x, real[:, :T], pad)
    short = int(length.argmin())
    trials = {
        "with two more columns of padding": (range(B), [wide, length, *rest]),
        "alone and without padding": ([short], taken([x[:, : int(length[short])], length, *rest], [short], B)),
    }
    if pad is None:
        trials["with other values in the padding"] = (range(B), [_padded(x, real[:, :T], pad), length, *rest])
    plain, *answers = (
        _asked(function, v, others, 0) for v, *others in ([x, length, *rest], *(a for _, a in trials.values()))
    )
    per_token = plain.dim() > 1 and len({answer.shape[1:2] for answer in (plain, *answers)}) > 1
    for (how, (rows, _)), answer in zip(trials.items(), answers, strict=True):
        for row, after in zip(rows, answer, strict=True):
            n = int(length[row])
            pair = (plain[row][:n], after[:n]) if per_token else (plain[row], after)
            if (where := difference(*pair, _rounding(plain))) is not None:
                raise CheckFailed(f"row {row}, of length {n}, has another output {how}: {where}")


def permutation_equivariant(function: Callable[..., Any], x: torch.Tensor, *rest: Any, dim: int = 1) -> None:
    """Pass when tokens in another order, along `dim` of x, give their outputs in that order. Raises CheckFailed."""
    T = x.size(dim)
    order = torch.randperm(T)
    order = order.roll(1) if (order == torch.arange(T)).all() else order
    plain, mixed = (_asked(function, tokens, rest, dim) for tokens in (x, x.index_select(dim, order)))
    most = _rounding(plain)
    for new, old in enumerate(order.tolist()):
        if (where := difference(plain.select(dim, old), mixed.select(dim, new), most)) is not None:
            words = f"when token {old} moves to place {new} its output does not move along unchanged"
            raise CheckFailed(f"{words}: {where}")


def rows_sum_to_one(weights: Any, dim: int = -1, *, what: str = "the weights") -> None:
    """Pass when `weights` are finite, not negative and sum to one along `dim`. Raises CheckFailed."""
    found = _tensor(weights, what)
    if (found < 0).any():
        raise CheckFailed(f"{what} hold a number below zero, at {(found < 0).nonzero()[0].tolist()}")
    sums = found.sum(dim=dim)
    wrong = (sums - 1).abs() > STEPS * torch.finfo(weights.dtype).eps
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        where = f" at {place}" if place else ""
        raise CheckFailed(f"{what}{where} sum to {sums[wrong][0].item():.6g} along dimension {dim}, not to 1")


def parameter_count(module: Remote, expected: int | Remote) -> None:
    """Pass when a module says that it has as many trainable parameters as `expected`, shared ones counted once.

    `expected` is a number, or the reference's module: then a failure lists the shapes in which the two differ. The
    count is what the student's side says of itself, so it proves nothing on its own. Raises CheckFailed.
    """
    wanted = expected if isinstance(expected, int) else _trainable(expected)
    found = _trainable(module)
    compared()
    total = wanted if isinstance(wanted, int) else _numbers(wanted)
    if _numbers(found) == total:
        return
    words = f"the module has {_numbers(found):,} trainable parameters; {total:,} are expected"
    if not isinstance(wanted, int):
        words += f". Where the two differ, by shape:\n{_by_shape(found, wanted)}"
    raise CheckFailed(words)


_Shapes = dict[str, tuple[int, ...]]  # of parameters, by name
_MOST_LINES = 7  # shapes that are listed


def _trainable(module: Remote) -> _Shapes:
    """Of each parameter that trains, under the first of its names."""
    rows = module._ask("layout")
    try:
        if type(rows) is not list or not all(type(row) is dict and type(row["shape"]) is tuple for row in rows):
            raise TypeError
        own = [row for row in rows if row["shared_with"] == row["name"] and row["trainable"] is True]
        return {str(row["name"]): tuple(int(size) for size in row["shape"]) for row in own}
    except (TypeError, KeyError, ValueError):
        raise StudentError(Fault.WIRE, "your module's layers could not be listed") from None


def _numbers(shapes: _Shapes) -> int:
    return sum(map(math.prod, shapes.values()))


def _by_shape(found: _Shapes, wanted: _Shapes) -> str:
    """The shapes that one side has more often, a line each, the largest difference first."""
    counts, expected = Counter(found.values()), Counter(wanted.values())
    apart = [shape for shape in {**counts, **expected} if counts[shape] != expected[shape]]
    apart.sort(key=lambda shape: abs(counts[shape] - expected[shape]) * math.prod(shape), reverse=True)
    lines = [
        f"{shape}: you have {_so_many(shape, found, wanted)}, expected {_so_many(shape, wanted, found)}"
        for shape in apart[:_MOST_LINES]
    ]
    more = len(apart) - len(lines)
    return ";\n".join([*lines, f"and {more} shapes more"] if more else lines)  # reports may put all on one line


def _so_many(shape: tuple[int, ...], side: _Shapes, other: _Shapes) -> str:
    """How many parameters of a side have this shape, with a name, one that the other side does not know if it can be,
    and how many numbers they hold together.
    """
    names = [name for name, its in side.items() if its == shape]
    if not names:
        return "none"
    name = next((name for name in names if other.get(name) != shape), names[0])
    such_as = "such as " if len(names) > 1 else ""
    return f"{len(names)} ({such_as}`{clean(name, 60)}`, {len(names) * math.prod(shape):,} numbers)"


def _tensor(value: Any, what: str) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise CheckFailed(f"{what} should be a tensor; yours is {kind(value)}")
    if not value.isfinite().all() or not value.numel():
        raise CheckFailed(f"{what} hold values that are not finite, or none at all")
    compared()
    return value.double()


def _asked(function: Callable[..., Any], x: torch.Tensor, rest: Sequence[Any], dim: int) -> torch.Tensor:
    """The output in float64, with as many rows as x, and as many positions along `dim`."""
    found = _tensor(function(x, *rest), "the output")
    for d in (0, dim):
        if found.dim() <= d or found.size(d) != x.size(d):
            raise CheckFailed(f"the output has shape {tuple(found.shape)}; its dimension {d} should be {x.size(d)}")
    return found


def _with_other(x: torch.Tensor, dim: int, position: int) -> torch.Tensor:
    """x with another value at `position`."""
    changed = x.clone()
    part = changed.select(dim, position)
    part.copy_(_other(part, x))
    return changed


def _other(part: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Other values in the place of `part`: numbers of the size of those in x, or other ones of its ids."""
    if x.is_floating_point():
        return part + (1 + torch.rand_like(part)) * x.std().clamp_min(0.1)
    ids = int(x.max()) + 1
    if ids < 2:
        raise CheckError("the law needs two different ids or more in its input")
    return torch.where(part < 0, part, (part + torch.randint(1, ids, part.shape)) % ids)


def _padded(x: torch.Tensor, real: torch.Tensor, pad: float | None) -> torch.Tensor:
    """x (B, T, ...) with `pad` where `real` (B, T) is False, or with other values where that is None."""
    keep = real.reshape(*real.shape, *(1 for _ in x.shape[2:]))
    return torch.where(keep, x, _other(x, x) if pad is None else torch.full_like(x, pad))


def _rounding(t: torch.Tensor) -> float:
    return STEPS * torch.finfo(torch.float32).eps * t.abs().max().item()
