"""What can be seen of a call from where it is made: what it does to its surroundings, to other layouts, to history."""

from __future__ import annotations

import ctypes
import random
from typing import Any

import torch

from grader.wire.values import mapped


def strided(value: Any) -> Any:
    """The same values, column by column in memory: no tensor of two dimensions or more is contiguous any more."""

    def turned(tensor: torch.Tensor) -> torch.Tensor:
        backwards = tuple(range(tensor.dim()))[::-1]
        return tensor.permute(backwards).contiguous().permute(backwards)

    return mapped(value, turned)


def surroundings() -> dict[str, Any]:
    """What all of a process's code shares, and a call should leave as it is."""
    state = torch.default_generator.get_state()
    return {
        "torch": ctypes.string_at(state.data_ptr(), state.numel()),
        "python": random.getstate(),
        "dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
    }


def carries_history(value: Any) -> bool:
    """Whether a tensor inside `value` requires grad."""
    if isinstance(value, torch.Tensor):
        return value.requires_grad
    if isinstance(value, (tuple, list)):
        return any(map(carries_history, value))
    return isinstance(value, dict) and any(map(carries_history, value.values()))
