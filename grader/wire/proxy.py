"""The asking end: what a check holds in its hands. A proxy reads like the object it stands for."""

from __future__ import annotations

import builtins
import dis
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import CodeType
from typing import Any, Protocol, cast

import torch

from grader.errors import Fault, GraderError, StudentError
from grader.text import clean
from grader.wire.values import Handle, mapped


class Port(Protocol):
    """Whatever answers: a student's process, the reference in this process, or a recording of it."""

    @property
    def epoch(self) -> int:
        """Grows when the other side starts anew and its objects are gone."""

    @property
    def lent(self) -> list[Callable[[Any], object]]:
        """What a check lent to the other side, by number."""

    def request(self, op: str, fields: dict[str, object]) -> object:
        """Do `op` on the other side and return its value. Raises StudentError or GraderError."""


@dataclass(frozen=True, slots=True)
class Gradients:
    """What `gradients` returns: outputs of the call, and gradients of `cotangent . output`; None where none arrived."""

    output: Any
    inputs: tuple[torch.Tensor | None, ...]
    parameters: Mapping[str, torch.Tensor | None]


class Remote:
    """A name or an object on the other side.

    Call it, read its attributes, call its methods. Tensors, numbers, strings and containers of them come back as
    values; everything else comes back as another Remote.
    """

    def __init__(self, port: Port, target: Handle | None, path: tuple[str, ...]) -> None:
        self._port = port
        self._target = target
        self._path = path
        self._epoch = port.epoch

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return self._ask("call", args=self._out(args), kwargs=self._out(kwargs))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._target is None and not self._path:  # the file itself: a name, looked up when it is used
            return Remote(self._port, None, (name,))
        return self._ask("get", path=(*self._path, name))

    def __len__(self) -> int:
        count = self._ask("call", path=(*self._path, "__len__"), args=(), kwargs={})
        if type(count) is not int or not 0 <= count < 1 << 31:
            raise StudentError(Fault.RAISED, f"len() of your object gives {clean(repr(count), 60)}, not a number")
        return count

    def __getitem__(self, index: object) -> Any:
        return self._ask("call", path=(*self._path, "__getitem__"), args=(self._out(index),), kwargs={})

    def __bool__(self) -> bool:
        return True  # what it is called with may be empty, the proxy never is

    def __repr__(self) -> str:
        return f"<{'.'.join(self._path) or (self._target.kind if self._target else 'file')} on the other side>"

    def train(self, mode: bool = True) -> Any:
        """Put a module in training mode, or in evaluation mode when `mode` is False; return it."""
        self._ask("call", path=(*self._path, "train"), args=(mode,), kwargs={})
        return self

    def eval(self) -> Any:
        """Put a module in evaluation mode; return it."""
        return self.train(False)

    def __del__(self) -> None:
        if self._target is not None and self._epoch == self._port.epoch:
            released: list[int] | None = getattr(self._port, "released", None)
            if released is not None:
                released.append(self._target.number)

    def _recovered(self, parameters: Mapping[str, torch.Tensor | None]) -> Mapping[str, torch.Tensor | None]:
        """The gradients of its parameters under the names a check knows: here their own."""
        return parameters

    def _ask(self, op: str, **fields: object) -> Any:
        if self._epoch != self._port.epoch and self._target is not None:
            raise StudentError(Fault.CRASHED, "your code's process was stopped earlier in this check")
        answer = self._port.request(op, {"target": self._target, "path": self._path, **fields})
        return self._in(answer)

    def _out(self, value: Any) -> Any:
        """Arguments: a Remote travels as its handle."""

        def handle(remote: Remote) -> object:
            if remote._port is not self._port:
                raise TypeError("an object of one side cannot be handed to the other")
            if remote._target is None or remote._path:
                return remote._port.request("get", {"target": remote._target, "path": remote._path})
            return remote._target

        return mapped(value, handle, Remote)

    def _in(self, value: Any) -> Any:
        return mapped(value, lambda handle: Remote(self._port, handle, ()), Handle)


def lend(side: Remote, function: Callable[..., object], **attributes: object) -> Remote:
    """A torch module on the other side whose forward calls `function` here: a model to hand to the student's code.

    `function` gets what the student's code passed, tensors as values, and sees nothing else of theirs; it returns a
    tensor or a container of tensors. `attributes` are set on the module: `lend(student, logits_of, block_size=4)`.
    `.train()`, `.eval()` and `.training` work; floating results carry a gradient's history.
    """
    port = side._port
    port.lent.append(lambda call: function(*side._in(call[0]), **side._in(call[1])))
    return cast("Remote", side._in(port.request("lend", {"number": len(port.lent) - 1, "attributes": attributes})))


def send(side: Remote, function: Callable[..., object]) -> Remote:
    """`function` of the check file, to be called on the other side: a training loop of ours beside their module.

    Its source crosses and is defined there: it may use its arguments, `torch`, builtins and what it imports itself.
    Student code can read it, so it holds no answers. Raises TypeError when it uses anything else of its file.
    """
    asked: dict[str, object] = {"source": _source(function.__code__), "name": function.__name__}
    return cast("Remote", side._in(side._port.request("send", asked)))


@lru_cache(maxsize=256)  # the same for every submission
def _source(code: CodeType) -> str:
    foreign = _globals_of(code) - {"torch", *vars(builtins)} | set(code.co_freevars)
    if foreign:
        words = f"`{min(foreign)}` is not there: give it as an argument, or import it inside"
        raise TypeError(f"{code.co_name} is to run on the other side, where {words}")
    return f"from __future__ import annotations\n{textwrap.dedent(inspect.getsource(code))}"


def _globals_of(code: CodeType) -> set[str]:
    """The names of its file that a function uses, and those that the functions inside it use."""
    own = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    return own.union(*(_globals_of(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def answer_lent(port: Port, number: object, arguments: object) -> object:
    """Call what was lent. Raises TypeError with words for the other side when it cannot be called so."""
    well = type(number) is int and 0 <= number < len(port.lent)
    if not well or type(arguments) is not tuple or len(arguments) != 2 or type(arguments[1]) is not dict:
        raise TypeError("nothing of that kind was lent")
    try:
        return port.lent[cast("int", number)](arguments)
    except (GraderError, StudentError):
        raise
    except Exception as error:
        raise TypeError(f"the grader's model cannot be called like this: {clean(error, 200)}") from error


class File(Remote):
    """A file on the other side. It has no mode: `train` and `eval` are functions that it defines."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("train", "eval"):
            return Remote(self._port, None, (name,))
        return super().__getattribute__(name)


def root(port: Port) -> File:
    """The file on the other side: `root(port).attention(q, k, v)`."""
    return File(port, None, ())


def gradients(
    target: Remote,
    *args: object,
    wrt: Sequence[int] = (0,),
    cotangent: torch.Tensor | tuple[torch.Tensor | None, ...],
    **kwargs: object,
) -> Gradients:
    """Call `target` and pull `cotangent` back: gradients for the arguments at positions `wrt` and for the module's
    parameters.

    `cotangent` has the shape of the output; for several outputs a tuple, None for those that do not count.
    Raises StudentError when the output's shape is another one.
    """
    out = target._out
    answer = target._ask("vjp", args=out(args), kwargs=out(kwargs), wrt=tuple(wrt), cotangent=cotangent)
    found = _checked(answer, cotangent, len(wrt))
    return replace(found, parameters=target._recovered(found.parameters))


def _checked(answer: Any, cotangent: Any, inputs: int) -> Gradients:
    """Believe the shape of nothing: a reply of another form is a failed call."""
    try:
        grads, parameters = answer["inputs"], answer["parameters"]
        output = answer["output"]
        well = type(grads) is tuple and len(grads) == inputs and type(parameters) is dict
        well = well and all(g is None or isinstance(g, torch.Tensor) for g in (*grads, *parameters.values()))
    except (TypeError, KeyError):
        well = False
    if not well:
        raise StudentError(Fault.WIRE, "your code's process gave an answer that is not one")
    several = cotangent if isinstance(cotangent, tuple) else (cotangent,)
    outputs = output if isinstance(output, (tuple, list)) else (output,)
    for position, expected in enumerate(several):
        if expected is None:
            continue
        found = outputs[position] if position < len(outputs) else None
        if not isinstance(found, torch.Tensor) or found.shape != expected.shape:
            shape = tuple(found.shape) if isinstance(found, torch.Tensor) else clean(type(found).__name__, 60)
            raise StudentError(Fault.RAISED, f"the output is {shape}; its shape should be {tuple(expected.shape)}")
    return Gradients(output, grads, parameters)
