"""How far a right answer may lie from the reference's: measured with the reference itself, on the very inputs.

Two right programs add the same numbers in another order and round differently. How much that is depends on the
inputs: the reference's own rounding (float32 against float64) and what it makes of inputs that are off by one rounding
step say it. A fixed number of steps is too wide where nothing is lost, and too narrow where large terms cancel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from grader.checks.compare import STEPS
from grader.wire.values import mapped

# Eight shipped variants of attention, function and layer, 240 seeds with three sizes each: the largest difference
# between two right answers, values and gradients, was 0.15 of what these allow.
_FACTOR = 48  # times the noise
_SHARE = 0.2  # of a rounding step of the largest of several tensors: what cancels in one comes from the others

Named = dict[str, torch.Tensor]


def named(value: Any, what: str) -> Named:
    """The tensors inside `value`, and its floats as tensors, by the names under which `close` speaks of them."""
    if isinstance(value, torch.Tensor):
        return {what: value}
    if type(value) is float:
        return {what: torch.tensor(value)}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (tuple, list)) else ()
    return {name: tensor for key, item in items for name, tensor in named(item, f"{what}[{key!r}]").items()}


def taken(value: Any, rows: Sequence[int], batch: int) -> Any:
    """`value` with these rows of its tensors of `batch` rows; a row may come several times. Others stay whole."""
    index = torch.tensor(rows)
    return mapped(value, lambda t: t[index] if t.dim() and len(t) == batch else t)


def doubled(value: Any) -> Any:
    """`value` with its floating tensors in float64."""
    return mapped(value, lambda t: t.double() if t.is_floating_point() else t)


def nudged(value: Any) -> Any:
    """`value` in float64, each number one rounding step up or down; whole numbers (a mask's, say) stay as they are."""

    def nudge(t: torch.Tensor) -> torch.Tensor:
        if not t.is_floating_point() or bool((t == t.round()).all()):
            return doubled(t)  # type: ignore[no-any-return]
        signs = torch.randint(0, 2, t.shape, dtype=torch.float64) * 2 - 1
        return t.double() * (1 + signs * torch.finfo(t.dtype).eps)

    return mapped(value, nudge)


def allowances(single: Mapping[str, torch.Tensor], doubles: Sequence[Named], rtol: float | None) -> dict[str, float]:
    """The largest difference that a right answer may have, for each floating tensor of the reference's.

    doubles: the same tensors computed in float64, on the inputs and on nudged ones; none where the reference cannot:
    then it is `close`'s number of rounding steps. With `rtol` at least this share of the tensor's largest value.
    """
    values = {name: t.double() for name, t in single.items() if t.is_floating_point() and t.numel()}
    scales = {name: v.abs().max().item() for name, v in values.items()}
    allowed = {}
    for name, value in values.items():
        step, scale = torch.finfo(single[name].dtype).eps, scales[name] or 1.0
        allowed[name] = STEPS * step * max(scale, _SHARE * max(scales.values()))
        if doubles:
            exact, *moved = (double[name].double() for double in doubles)
            measured = max((other - exact).abs().max().item() for other in (value, *moved))
            allowed[name] = _FACTOR * max(measured, step * scale, _SHARE * step * max(scales.values()))
        allowed[name] = max(allowed[name], (rtol or 0.0) * scale)
    return allowed


def difference(before: torch.Tensor, after: torch.Tensor | None, most: float = 0.0) -> str | None:
    """Where `after` is not `before`, in words; None where they are the same up to `most`, NaN like NaN."""
    if after is None:
        return "there is nothing"
    if before.shape != after.shape:
        return f"the shape is {tuple(after.shape)}, not {tuple(before.shape)}"
    left, right = before.to(torch.float64), after.to(torch.float64)
    same = ((left - right).abs() <= most) | (left == right) | (left.isnan() & right.isnan())
    if same.all():
        return None
    place, wrong = (~same).nonzero()[0].tolist(), ~same
    where = f"the value at {place}" if place else "the value"
    return f"{where} is {right[wrong][0].item():.6g}, not {left[wrong][0].item():.6g}"
