"""Makes forbidden calls unreachable in the warm process: Python code is replaced in place, operators are overridden.

A forked child cannot put back what is no longer in its memory. A student can read torch's own files and run that code
again, as if they had written it; but where it ends in a forbidden operator it still raises.
"""

from __future__ import annotations

import ctypes
import fnmatch
import pkgutil
import warnings
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, NoReturn

import torch

from grader.errors import UsageError

_DISPATCH: Any = torch._C
_METHODS = ("__init__", "forward")  # what makes a class of torch work

# What does the work beneath a name: forbidden with it. Functions by name, operators by pattern.
_BENEATH: dict[str, tuple[str, ...]] = {
    "torch.nn.functional.scaled_dot_product_attention": (
        "aten::*scaled_dot_product_*",
        "aten::_triton_scaled_dot_attention*",
        "aten::_*_attention_forward*",
    ),
    "torch.nn.functional.multi_head_attention_forward": ("aten::_*_multi_head_attention*",),
    "torch.nn.MultiheadAttention": (
        "torch.nn.functional.multi_head_attention_forward",
        "aten::_*_multi_head_attention*",
    ),
    "torch.nn.Transformer": ("aten::_transformer_encoder_layer_fwd*",),
    "torch.nn.TransformerEncoder": ("aten::_transformer_encoder_layer_fwd*",),
    "torch.nn.TransformerEncoderLayer": ("aten::_transformer_encoder_layer_fwd*",),
}


class ForbiddenCall(RuntimeError):  # noqa: N818 (students read it: it says what they did)
    """A call that this assignment does not allow was reached; `call` is its dotted name."""

    def __init__(self, call: str) -> None:
        super().__init__(f"{call} is not allowed in this assignment")
        self.call = call


def install(forbidden: Sequence[str]) -> None:
    """Make each dotted torch name in `forbidden` raise ForbiddenCall, whichever way it is reached.

    A name is a class, a function or an operator of torch; one that ends in `*` stands for its module's public classes.
    To be called once, before any fork. Raises UsageError when torch has no such name.
    """
    calls = [call for name in forbidden for call in _expand(name)]
    operators: dict[str, str] = {}  # operator with overload, to the name it is forbidden under
    beneath = [(target, call) for call in calls for target in _BENEATH.get(call, ())]
    for target, call in (*zip(calls, calls, strict=True), *beneath):
        for name in _forbid(target, call):
            operators.setdefault(name, call)
    _override(operators)


def _expand(name: str) -> list[str]:
    if not name.startswith("torch."):
        raise UsageError(f"{name}: only names that begin with `torch.` can be forbidden")
    if not name.endswith("*"):
        return [name]
    module, _, pattern = name.rpartition(".")
    names = [key for key, value in vars(_resolve(module)).items() if isinstance(value, type) and key[0] != "_"]
    found = [f"{module}.{key}" for key in fnmatch.filter(names, pattern)]
    if not found:
        raise UsageError(f"{name}: {module} has no such class")
    return found


def _resolve(name: str) -> Any:
    try:
        return pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        raise UsageError(f"{name}: torch {torch.__version__} has no such name") from None


def _forbid(target: str, call: str) -> list[str]:
    """Replace `target`'s Python code under the name `call`, or return the operators that are to be overridden."""
    every = _DISPATCH._dispatch_get_all_op_names()
    if target.startswith("aten::"):
        return fnmatch.filter(every, target)
    found = _resolve(target)
    if isinstance(found, FunctionType):
        _replace_code(found, call)
        return []
    if isinstance(found, type):
        _forbid_class(found, call)
        return []
    overloads = [name for name in every if name.partition(".")[0] == f"aten::{target.rpartition('.')[2]}"]
    if not overloads:
        raise UsageError(f"{target}: neither a class, a function nor an operator, so it cannot be forbidden")
    return overloads


def _forbid_class(found: type, call: str) -> None:
    """The class stays, for aliases and `isinstance`; making one or a subclass's raises, and so does its `forward`."""
    for name in _METHODS:
        method = vars(found).get(name)
        if isinstance(method, FunctionType):  # its own: what it inherits belongs to others too
            _replace_code(method, call)
    found.__new__ = staticmethod(_refusal(call))  # type: ignore[method-assign]  # also for a subclass with its own __init__


def _replace_code(function: FunctionType, call: str) -> None:
    """Give `function` a body that raises. Every alias has it, and nothing keeps the old one."""
    if function.__code__.co_name == _body.__name__:
        return  # forbidden under another name already
    constants = tuple(call if value == "CALL" else value for value in _body.__code__.co_consts)
    free = function.__code__.co_freevars  # Python wants as many as the function's closure has
    function.__code__ = _body.__code__.replace(co_consts=constants, co_freevars=free)


def _body(*_args: object, **_kwargs: object) -> NoReturn:
    from grader.sandbox.guard import ForbiddenCall  # noqa: PLC0415 (runs with torch's globals, not with ours)

    raise ForbiddenCall("CALL")


def _refusal(call: str) -> Callable[..., NoReturn]:
    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise ForbiddenCall(call)

    return refuse


def _override(operators: dict[str, str]) -> None:
    """Put a raising kernel in the place of each kernel these operators have.

    The registration lasts as long as its library object. That object gets one reference too many and is in no variable,
    no module and, being no container, not in `gc`: no Python code can find it and take the registration back.
    """
    if not operators:
        return
    library = _DISPATCH._dispatch_library("IMPL", "aten", "", __file__, 0)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*Warning only once for all operators")
        keys = [key for key in _DISPATCH.DispatchKey.__members__ if _is_key(key)]
        for name, call in operators.items():
            for key in keys:
                if _DISPATCH._dispatch_has_kernel_for_dispatch_key(name, key):
                    library.impl(name, key, _refusal(call))


def _is_key(name: str) -> bool:
    try:
        return name != "Undefined" and bool(_DISPATCH._dispatch_key_parse(name))
    except RuntimeError:  # one of the marks between the keys, or a key that no kernel can have
        return False
