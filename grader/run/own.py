"""The student's own earlier parts in the solution's place, called across the wire: what is built on a mistake that has
cost its points can still be right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from grader.assignment import Assignment
from grader.checks.transplant import twins
from grader.errors import StudentError
from grader.run.local import LocalPort, run_trusted
from grader.run.trace import SeededPort, alike
from grader.wire.proxy import Remote, gradients, root
from grader.wire.values import mapped


class OwnParts:
    """The solution with some of its names replaced by the student's."""

    def __init__(self, student: SeededPort, assignment: Assignment, names: Sequence[str]) -> None:
        self.namespace = run_trusted(assignment, assignment.solution)
        self._said: dict[str, set[Any]] = {}  # names that were called, and some of the numbers they gave
        theirs = root(student)
        for name in names:
            part, original = getattr(theirs, name), self.namespace.get(name)
            if isinstance(original, type) and issubclass(original, nn.Module):
                self.namespace[name] = self._module(name, part, original)
            elif callable(original) and not isinstance(original, type):
                self.namespace[name] = self._function(name, part, original)

    def used(self) -> tuple[str, ...]:
        """The names that were called. None when one of them gave the same number everywhere: it carries nothing on."""
        return tuple(self._said) if all(len(said) > 1 for said in self._said.values()) else ()

    def _function(self, name: str, part: Remote, original: Callable[..., Any]) -> Callable[..., Any]:
        def own(*args: Any, **kwargs: Any) -> Any:
            answer = self._seen(name, _across(part, args, kwargs, {}), lambda: original(*args, **kwargs))
            if len(self._said[name]) < 2:  # one number so far: does it depend on anything?
                with suppress(StudentError):
                    self._seen(name, part(*(_halved(arg) for arg in args), **_plain(kwargs)))
            return answer

        return own

    def _module(self, name: str, part: Remote, original: type[nn.Module]) -> type[nn.Module]:
        """The solution's class with its parameters, whose forward is the student's."""
        seen = self._seen
        inner = getattr(root(LocalPort({name: original})), name)

        class Own(original):  # type: ignore[misc, valid-type]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self._made_with = args, kwargs
                self._twin: Any = None

            def forward(self, *args: Any, **kwargs: Any) -> Any:
                if self._twin is None:
                    made_args, made_kwargs = self._made_with
                    self._twin, _ = twins(part, inner, *made_args, probe=_plain(args), **made_kwargs)
                weights = dict(self.named_parameters())
                self._twin.give({n: p.detach() for n, p in weights.items()})
                self._twin.train(self.training)
                return seen(name, _across(self._twin, args, kwargs, weights))

        Own.__name__ = Own.__qualname__ = original.__name__
        return Own

    def _seen(self, name: str, answer: Any, right: Callable[[], Any] | None = None) -> Any:
        said = self._said.setdefault(name, set())
        for value in answer if isinstance(answer, (tuple, list)) else (answer,):
            if torch.is_tensor(value) and value.numel():
                flat = value.flatten()
                said.update((flat[0].item(), *flat[flat != flat[0]][:1].tolist()))
            elif type(value) in (bool, int, float, str):
                said.add(value)
        if len(said) < 2 and right is not None and alike(answer, right()):
            said.update((True, "right"))  # it may be all ones, as the solution's is here
        return answer


def _halved(value: Any) -> Any:
    return 0.5 * value.detach() if torch.is_tensor(value) and value.is_floating_point() else value


def _plain(value: Any) -> Any:
    return mapped(value, torch.Tensor.detach)


def _across(part: Remote, args: Sequence[Any], kwargs: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> Any:
    """Call the student's part; gradients pass through it where they are asked for."""
    plain, named = _plain(tuple(args)), _plain(kwargs)
    wrt = tuple(i for i, arg in enumerate(args) if torch.is_tensor(arg) and arg.requires_grad)
    leaves = [*(args[i] for i in wrt), *weights.values()]
    answer = part(*plain, **named)
    outputs = answer if isinstance(answer, (tuple, list)) else (answer,)
    floating = [i for i, o in enumerate(outputs) if torch.is_tensor(o) and o.is_floating_point()]
    if not (torch.is_grad_enabled() and floating and any(leaf.requires_grad for leaf in leaves)):
        return answer

    def pull(cotangents: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
        given = dict(zip(floating, cotangents, strict=True))
        cotangent: Any = tuple(given.get(i) for i in range(len(outputs)))
        alone = not isinstance(answer, (tuple, list))
        found = gradients(part, *plain, wrt=wrt, cotangent=cotangent[0] if alone else cotangent, **named)
        return [*found.inputs, *(found.parameters.get(name) for name in weights)]

    followed = _Across.apply(pull, [outputs[i] for i in floating], *leaves)  # type: ignore[no-untyped-call]
    joined = [followed[floating.index(i)] if i in floating else o for i, o in enumerate(outputs)]
    return type(answer)(joined) if isinstance(answer, (tuple, list)) else joined[0]


class _Across(torch.autograd.Function):
    """Outputs that were computed on the other side; their gradients are asked for there."""

    @staticmethod
    def forward(ctx: Any, pull: Callable[..., Any], outputs: list[torch.Tensor], *_: torch.Tensor) -> Any:
        ctx.pull = pull
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        with torch.enable_grad():  # off in here, and the other side may be this process
            return (None, None, *ctx.pull(cotangents))
