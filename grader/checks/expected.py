"""What a check asks of both sides, and all that the reference answers before the student's code is asked.

What is asked of the reference depends on nothing of the student's: its answers can be recorded and played back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import torch

from grader.checks.tolerance import Named, allowances, difference, doubled, named, nudged, taken
from grader.wire.proxy import Remote

_DROPS = (200, 1000)  # answers to one row in training mode, fewest and most
_DROPPED_NUMBERS = 50_000  # numbers in all of these answers together
GRADIENT = "the gradient of "


class Face(StrEnum):
    """A side from which `same` looks at an answer."""

    VALUES = "values"  # equal to the reference's
    GRADIENTS = "gradients"  # of floating arguments and of parameters, equal to the reference's
    UNCHANGED = "unchanged"  # the arguments are left as they were
    SURROUNDINGS = "surroundings"  # random states, default dtype and grad mode are left as they were
    REPEATABLE = "repeatable"  # the same question twice has one answer
    STRIDED = "strided"  # tensors that are not contiguous have the same answer
    ROWS = "rows"  # a row of the batch alone has the answer that it has among others
    DROPOUT = "dropout"  # in training mode the answers are distributed as the reference's are


@dataclass(frozen=True, slots=True)
class Question:
    """The arguments of a call, and what its output is called."""

    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    what: str

    def changed(self, act: Callable[[Any], Any]) -> Question:
        """The same with `act` done to the arguments."""
        return Question(act(tuple(self.args)), act(dict(self.kwargs)), self.what)

    @property
    def floating(self) -> tuple[int, ...]:
        """Positions of the arguments that can have a gradient."""
        return tuple(i for i, a in enumerate(self.args) if isinstance(a, torch.Tensor) and a.is_floating_point())

    @property
    def batch(self) -> int:
        """Rows of the first tensor; 0 where there is none."""
        tensors = named([*self.args, *self.kwargs.values()], "").values()
        return next((len(tensor) for tensor in tensors if tensor.dim()), 0)

    def rows(self, rows: Sequence[int]) -> Question:
        """Asked of these rows of the batch alone."""
        return self.changed(lambda arguments: taken(arguments, rows, self.batch))

    def ask(self, side: Remote, **flags: bool) -> Any:
        """Call `side`."""
        return side._ask("call", args=side._out(self.args), kwargs=side._out(self.kwargs), **flags)

    def pulled(self, side: Remote, cotangent: Any) -> Named | None:
        """The reference's outputs and gradients by their names; None where it cannot be differentiated."""
        fields = {"args": side._out(self.args), "kwargs": side._out(self.kwargs), "wrt": self.floating}
        answer = side._ask("vjp", cotangent=cotangent, attempt=True, **fields)
        if answer is None:
            return None
        found = gradients_named(self.floating, answer["inputs"], answer["parameters"])
        return named(answer["output"], self.what) | found


def gradients_named(
    wrt: Sequence[int], inputs: Sequence[torch.Tensor | None], parameters: Mapping[str, torch.Tensor | None]
) -> Named:
    """Gradients by their names, those that arrived; `wrt` are the positions of `inputs` among the arguments."""
    found = {f"argument {i + 1}": g for i, g in zip(wrt, inputs, strict=True)}
    found |= {f"the parameter {name}": g for name, g in parameters.items()}
    return {f"{GRADIENT}{name}": g for name, g in found.items() if g is not None}


@dataclass(slots=True)
class Expected:
    """What the reference answered, and how far a right answer may be from it."""

    question: Question
    output: Any
    cotangent: Any = None
    gradients: Named = field(default_factory=dict)
    allowed: Mapping[str, float] = field(default_factory=dict)
    rows: Sequence[int] = ()  # those that have the same answer alone
    per_row: Collection[str] = ()  # names of the outputs with one entry for each row
    drops: torch.Tensor | None = None  # what `ask_dropped` gives
    main: str = ""  # the first floating output

    @property
    def wrt(self) -> tuple[int, ...]:
        """Positions of the arguments that have a gradient: a mask has none, even one of floats."""
        return tuple(i for i in self.question.floating if f"{GRADIENT}argument {i + 1}" in self.gradients)

    @property
    def named(self) -> Named:
        """The output's tensors by their names."""
        return named(self.output, self.question.what)

    def applies(self, face: Face) -> bool:
        """Whether there is anything to see from this side."""
        match face:
            case Face.GRADIENTS:
                return bool(self.gradients)
            case Face.ROWS:
                return bool(self.per_row) and self.question.batch > 1
            case Face.DROPOUT:
                return self.drops is not None
        return True

    def ask_dropped(self, side: Remote, copies: int, **flags: bool) -> torch.Tensor | None:
        """Answers in training mode to copies of one row (copies, n + 1): the n numbers of `main`, and how far they lie
        from those in eval mode. None when they have another shape or are not finite.
        """
        question, plain = self.question.rows([self.rows[0]] * copies), self.named[self.main][self.rows[0]].double()
        many = named(question.ask(side, **flags), question.what).get(self.main)
        if many is None or many.shape != (copies, *plain.shape) or not many.isfinite().all():
            return None
        flat = many.double().reshape(copies, -1)
        return torch.cat([flat, (flat - plain.flatten()).norm(dim=1, keepdim=True)], dim=1)


def ask_reference(ours: Remote, question: Question, faces: Collection[Face], rtol: float | None) -> Expected:
    """Everything the reference is asked. What can go wrong when it is asked so is an answer, too: None."""
    found = Expected(question, question.ask(ours))
    floating = [name for name, tensor in found.named.items() if tensor.is_floating_point()]
    module = ours._target is not None and isinstance(ours._ask("get", path=("training",), attempt=True), bool)
    if floating:
        found.main = floating[0]
        found.cotangent = _cotangent(found.output) if Face.GRADIENTS in faces else None
        single = found.named
        if found.cotangent is not None and (pulled := question.pulled(ours, found.cotangent)) is not None:
            found.gradients = {name: g for name, g in pulled.items() if name.startswith(GRADIENT)}
            single |= found.gradients
        doubles = _in_double(ours, found, module, single)
        found.allowed = allowances(found.named, doubles, rtol) | allowances(found.gradients, doubles, rtol)
    if question.batch and ({Face.ROWS, Face.DROPOUT} & set(faces)):
        _ask_rows(ours, found)
        if module and Face.DROPOUT in faces and found.main in found.per_row:
            _ask_training(ours, found)
    return found


def _cotangent(output: Any) -> Any:
    """A random one for the first floating tensor of the output, None where there is none to pull from."""
    several = output if isinstance(output, (tuple, list)) else (output,)
    for position, item in enumerate(several):
        if isinstance(item, torch.Tensor) and item.is_floating_point():
            drawn = torch.randn_like(item)
            return drawn if item is output else tuple(drawn if i == position else None for i in range(len(several)))
    return None


def _in_double(ours: Remote, found: Expected, module: bool, single: Named) -> list[Named]:
    """The same answers in float64, on the arguments and on nudged ones; none where the reference cannot."""
    questions = [found.question.changed(doubled), found.question.changed(nudged)]
    cotangent = doubled(found.cotangent)
    if module:
        ours._ask("call", path=("double",), args=(), kwargs={})
    answers: list[Named | None] = []
    for question in questions:
        if found.gradients:
            answers.append(question.pulled(ours, cotangent))
        else:
            answers.append(named(question.ask(ours, attempt=True), question.what))
    if module:
        ours._ask("call", path=("float",), args=(), kwargs={})
    usable = all(a is not None and all(n in a and a[n].shape == t.shape for n, t in single.items()) for a in answers)
    return [answer for answer in answers if answer is not None] if usable else []


def _ask_rows(ours: Remote, found: Expected) -> None:
    """Look for the outputs whose rows are the same alone."""
    batch = found.question.batch
    found.rows = (batch - 1, int(torch.randint(batch - 1, ()))) if batch > 1 else (0,)
    whole = {name: t for name, t in found.named.items() if t.dim() and len(t) == batch}
    for row in found.rows:
        alone = named(found.question.rows([row]).ask(ours, attempt=True), found.question.what)
        whole = {
            name: t
            for name, t in whole.items()
            if difference(t[row : row + 1], alone.get(name), found.allowed.get(name, 0.0)) is None
        }
    found.per_row = set(whole)


def _ask_training(ours: Remote, found: Expected) -> None:
    """Answers to copies of one row in training mode, where these are other answers than in eval mode."""
    size = found.named[found.main][0].numel()
    copies = max(_DROPS[0], min(_DROPS[1], _DROPPED_NUMBERS // max(1, size)))
    ours.train()
    once = named(found.question.ask(ours, attempt=True), found.question.what).get(found.main)
    if once is not None and difference(found.named[found.main], once, found.allowed[found.main]) is not None:
        found.drops = found.ask_dropped(ours, copies, attempt=True)
    ours.eval()
