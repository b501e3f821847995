"""The answering end: holds objects, answers calls on them. The same class serves the student's side and the
reference.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import torch
from torch import nn

from grader.text import clean
from grader.wire.values import DTYPES, Handle
from grader.wire.watch import carries_history, strided, surroundings

_PLAIN = (type(None), bool, int, float, str, torch.dtype, Handle)
_MAX_ITEMS = 200_000  # elements of one returned list or dict
_MAX_TEXT = 1 << 20  # characters of one returned string

Borrow = Callable[[int, object], object]  # number of a lent function and its arguments, to what it returns


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception, in words: evidence, never a verdict."""

    name: str
    bases: tuple[str, ...]  # names of the classes it inherits from
    message: str
    line: int | None  # in the student's own file
    code: str  # that line's text
    file: str

    @staticmethod
    def of(error: BaseException, is_own: Callable[[str], bool]) -> Raised:
        """Describe `error`; the line is the deepest one in a file for which `is_own` holds."""
        own = [f for f in traceback.extract_tb(error.__traceback__, limit=-200) if is_own(f.filename)]
        where = own[-1] if own else None
        try:
            message = str(error)
        except BaseException:  # their __str__ may do anything
            message = "(its message could not be read)"
        bases = tuple(c.__name__ for c in type(error).__mro__ if c not in (object, BaseException))
        return Raised(
            name=clean(type(error).__name__, 100),
            bases=tuple(clean(b, 100) for b in bases[:20]),
            message=clean(message, 600),
            line=where.lineno if where else None,
            code=clean(where.line or "", 200) if where else "",
            file=clean(Path(where.filename).name, 100) if where else "",
        )


class Host:
    """Objects by number, names by path, and the acts that can be asked for: call, get, vjp, build, layout, load,
    lend, send.
    """

    def __init__(self, namespace: Mapping[str, object], borrow: Borrow | None = None) -> None:
        self._namespace = namespace
        self._borrow = borrow
        self._objects: dict[int, object] = {}
        self._next = 0

    def answer(self, op: str, fields: Mapping[str, Any]) -> object:
        """Do what is asked; return a value that can cross. Whatever the code called raises comes out as it is."""
        if fields.get("attempt"):  # whether it can be asked so is part of the answer
            try:
                return self.answer(op, {**fields, "attempt": False})
            except Exception:
                return None
        for number in fields.get("drop", ()):
            self._objects.pop(number, None)
        if (seed := fields.get("seed")) is not None:
            torch.default_generator.manual_seed(seed)  # manual_seed itself writes out the whole stack for CUDA
            random.seed(seed)
        dtype, recording = torch.get_default_dtype(), torch.is_grad_enabled()
        try:
            return self._act(op, self._resolve(fields.get("target"), fields.get("path", ())), fields)
        finally:  # what one call leaves switched costs nothing in the next
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(recording)

    def _act(self, op: str, target: Any, fields: Mapping[str, Any]) -> object:
        match op:
            case "call":
                return self._call(target, fields)
            case "get":
                return self._export(target)
            case "vjp":
                return self._vjp(target, fields)
            case "build":
                return self._build(target, fields)
            case "layout":
                return _layout(target)
            case "load":
                _load(target, fields["weights"])
                return None
            case "lend":
                return self._keep(Borrowed(partial(self._call_lent, fields["number"]), fields["attributes"]))
            case "send":
                return self._keep(_run_source(fields["source"], fields["name"]))
        raise ValueError(f"unknown act {op!r}")

    def _resolve(self, target: Handle | None, path: Sequence[str]) -> Any:
        if target is None:
            value: Any = torch if path[:1] == ("torch",) else self._namespace[path[0]] if path else None
            path = path[1:]
        else:
            value = self._objects[target.number]
        for name in path:
            value = getattr(value, name)
        return value

    def _call(self, target: Any, fields: Mapping[str, Any]) -> object:
        args, kwargs = self._import(fields["args"]), self._import(fields["kwargs"])
        if fields.get("strided"):
            args, kwargs = strided((args, kwargs))
        if not fields.get("watch"):
            return self._export(target(*args, **kwargs))
        before = surroundings()
        output = target(*args, **kwargs)
        after = surroundings()
        return {
            "output": self._export(output),
            "arguments": self._export((args, kwargs)),
            "moved": [name for name, state in before.items() if state != after[name]],
            "history": carries_history(output),
        }

    def _call_lent(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._borrow is None:
            raise RuntimeError("nothing is lent here")
        return self._import(self._borrow(number, self._export((args, kwargs))))

    def _build(self, target: Any, fields: Mapping[str, Any]) -> object:
        """Construct a module, put it in evaluation mode, say which parameters it has; None for these when it is no
        module.
        """
        module = target(*self._import(fields["args"]), **self._import(fields["kwargs"]))
        if not isinstance(module, nn.Module):
            return self._export(module), None
        module.eval()
        return self._keep(module), _layout(module)

    def _import(self, value: Any) -> Any:
        match value:
            case Handle():
                return self._objects[value.number]
            case tuple() | list():
                return type(value)(self._import(item) for item in value)
            case dict():
                return {k: self._import(v) for k, v in value.items()}
            case SimpleNamespace():
                return SimpleNamespace(**{k: self._import(v) for k, v in vars(value).items()})
        return value

    def _export(self, value: Any, depth: int = 0) -> object:
        """Values cross; anything else stays here and crosses as a handle."""
        if isinstance(value, torch.Tensor):
            crosses = value.layout is torch.strided and value.dtype in DTYPES.values() and value.device.type == "cpu"
            return value.detach() if crosses and not value.is_nested else self._keep(value)
        if type(value) in _PLAIN:
            return value[:_MAX_TEXT] if type(value) is str else value
        if isinstance(value, (tuple, list)) and depth < 16 and len(value) <= _MAX_ITEMS:
            items = [self._export(item, depth + 1) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        if type(value) is dict and depth < 16 and len(value) <= _MAX_ITEMS and all(type(k) in _PLAIN for k in value):
            return {k: self._export(v, depth + 1) for k, v in value.items()}
        if isinstance(value, (bool, int, float, str)):  # subclasses: enums, numpy scalars
            return next(plain(value) for plain in (bool, int, float, str) if isinstance(value, plain))
        return self._keep(value)

    def _keep(self, value: object) -> Handle:
        self._next += 1
        self._objects[self._next] = value
        return Handle(self._next, clean(type(value).__name__, 100))

    def _vjp(self, target: Any, fields: Mapping[str, Any]) -> object:
        """Outputs of a call, and the gradients of `cotangent . output` for the arguments `wrt` and for the
        parameters.
        """
        args = list(self._import(fields["args"]))
        leaves = {i: args[i].detach().clone().requires_grad_() for i in fields["wrt"]}
        for i, leaf in leaves.items():
            args[i] = leaf
        parameters = dict(target.named_parameters()) if isinstance(target, nn.Module) else {}
        output = target(*args, **self._import(fields["kwargs"]))
        pairs = [
            (o, c)
            for o, c in zip(_several(output), _several(fields["cotangent"]), strict=False)
            if c is not None and isinstance(o, torch.Tensor) and o.requires_grad and o.shape == c.shape
        ]
        wanted = [*leaves.values(), *(p for p in parameters.values() if p.requires_grad)]
        grads: Sequence[torch.Tensor | None] = [None] * len(wanted)
        if pairs and wanted:
            # One number whose gradient is the product with the cotangent: `grad_outputs` would import half of sympy.
            with torch.enable_grad():  # which the call may have switched off
                number = sum(((o * c.to(o.dtype)).sum() for o, c in pairs), torch.zeros(()))
            grads = torch.autograd.grad(number, wanted, allow_unused=True)
        by_identity = {id(w): g for w, g in zip(wanted, grads, strict=True)}
        return {
            "output": self._export(output),
            "inputs": tuple(by_identity[id(leaf)] for leaf in leaves.values()),
            "parameters": {name: by_identity.get(id(p)) for name, p in parameters.items()},
        }


class Borrowed(nn.Module):
    """A function of the other side's, as a module here: what it is called with crosses, and so does what it returns.

    Its one parameter is 1; floating results are multiplied by it, so that they carry a gradient's history.
    """

    def __init__(self, function: Callable[[tuple[Any, ...], dict[str, Any]], Any], attributes: dict[str, Any]) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))
        self._function = function
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Whatever the function returns for these arguments."""
        return self._followed(self._function(args, kwargs))

    def _followed(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return value * self.one.to(value.dtype)
        return type(value)(self._followed(item) for item in value) if isinstance(value, (tuple, list)) else value


def _run_source(source: str, name: str) -> object:
    """What `source`, a function of the checks, defines under `name`: it knows torch, and what it imports itself."""
    names: dict[str, object] = {"torch": torch}
    exec(_compiled(source), names)
    return names[name]


@lru_cache(maxsize=64)
def _compiled(source: str) -> CodeType:
    return compile(source, "<checks>", "exec", dont_inherit=True)


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (tuple, list)) else (value,)


def _layout(module: nn.Module) -> list[dict[str, object]]:
    """Every parameter's name, shape, dtype, the class of the layer that holds it, and the first name of those it is
    shared with.
    """
    layers, first = dict(module.named_modules(remove_duplicate=False)), dict[int, str]()
    return [
        {
            "name": name,
            "shape": tuple(parameter.shape),
            "trainable": parameter.requires_grad,
            "dtype": parameter.dtype if parameter.dtype in DTYPES.values() else None,
            "layer": type(layers[name.rpartition(".")[0]]).__name__,
            "shared_with": first.setdefault(id(parameter), name),
        }
        for name, parameter in module.named_parameters(remove_duplicate=False)
    ]


def _load(module: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    parameters = dict(module.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, value in weights.items():
            parameters[name].copy_(value)
