"""Code that asks for a GPU runs on the processor: where this is graded, there is none.

What names a device is replaced in torch, and only for code that names one. `torch.device("cuda")` can still be made,
and `torch.cuda.is_available()` stays False.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils import _device

_MENTION = re.compile(rb"cuda|\bmps\b")
_SAYS_WHERE = ("device", "map_location")  # keyword arguments
_METHODS = ("to", "new_empty", "new_empty_strided", "new_full", "new_ones", "new_tensor", "new_zeros")
_VOID = ("synchronize", "set_device", "reset_peak_memory_stats", "ipc_collect", "get_device_name")  # asked in passing


def is_mentioned(*files: Path) -> bool:
    """Whether one of the files speaks of a GPU."""
    return any(_MENTION.search(file.read_bytes()) for file in files)


def use_the_cpu() -> None:
    """From here on a GPU that is asked for is the processor. For a process that is given over to a student's code."""
    T: Any = torch.Tensor
    for name in _METHODS:
        setattr(T, name, _redirected(getattr(T, name)))
    T.cuda = T.pin_memory = lambda tensor, *_args, **_kwargs: tensor
    makers = _device._device_constructors()
    for module in (torch, torch.fft):
        for name, value in list(vars(module).items()):
            if name.endswith("_like") or (callable(value) and not isinstance(value, type) and value in makers):
                setattr(module, name, _redirected(value))
    for owner, name in ((torch, "load"), (_device.DeviceContext, "__init__")):
        setattr(owner, name, _redirected(getattr(owner, name)))
    torch.Generator = _Generator  # type: ignore[misc]
    gpu: Any = torch.cuda
    for name in _VOID:
        setattr(gpu, name, lambda *_args, **_kwargs: None)
    for name in [name for name in vars(gpu) if name.endswith("Tensor")]:
        setattr(gpu, name, getattr(torch, name))


class _Generator(torch.Generator):
    """One of the processor's, wherever it is asked for."""

    def __new__(cls, device: Any = "cpu") -> _Generator:
        return super().__new__(cls, _here(device))  # type: ignore[call-arg]  # as torch's own, which mypy does not see


def _redirected(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def redirected(*args: Any, **kwargs: Any) -> Any:
        for name in _SAYS_WHERE:
            if name in kwargs:
                kwargs[name] = _here(kwargs[name])
        return function(*map(_here, args), **kwargs)

    return redirected


def _here(value: Any) -> Any:
    """`value`, or the processor where it names a GPU."""
    kind = value.type if isinstance(value, torch.device) else value.partition(":")[0] if type(value) is str else ""
    return "cpu" if kind in ("cuda", "mps") else value
