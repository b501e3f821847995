"""Which plan is right: the one with which the module answers a probe as the reference does, or as a known mistake."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from weakref import WeakKeyDictionary

import torch

from grader.checks.evidence import trying
from grader.checks.layout import Plan
from grader.checks.places import Weights
from grader.checks.weights import asked, built, load
from grader.errors import GraderError, StudentError
from grader.wire.proxy import Port, Remote

EQUAL, _NEAR = 1e-4, 0.03  # of the largest value: the same function, and one with a small mistake or liberty
_CLEARLY = 5  # times nearer than any other
_MOST_ANSWERS = 500  # of known mistakes, kept

_answers: WeakKeyDictionary[Port, dict[object, list[list[Any]]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Question:
    """A probe, the weights drawn for it and the reference's answers under them; how the modules were constructed."""

    probe: Sequence[object]
    draws: Sequence[Weights]
    expected: Sequence[Any]
    ours: Remote
    args: Sequence[object]
    kwargs: Mapping[str, object]
    generator: torch.Generator

    def mistaken(self) -> list[list[Any]]:
        """What the known mistakes answer: kept, for it is asked for many students. Without those that are right."""
        specimens = getattr(self.ours._port, "specimens", ())
        if not specimens or self.ours._target is not None:
            return []
        kept = _answers.setdefault(self.ours._port, {})
        first = tuple(float(value.flatten()[0]) for weights in self.draws for value in weights.values())
        key = (self.ours._path, first)  # the weights are drawn at random: no other question has these
        if key not in kept:
            if len(kept) >= _MOST_ANSWERS:
                kept.clear()
            answers = [self._specimen(Remote(port, None, self.ours._path)) for _, port in specimens]
            kept[key] = [pair for pair in answers if pair and any(map(_differ, pair, self.expected))]
        return kept[key]

    def _specimen(self, constructor: Remote) -> list[Any]:
        """The answers of one known mistake; none where it cannot be asked."""
        try:
            module, own = built(constructor, self.args, self.kwargs)
            shapes = {parameter.name: parameter.shape for parameter in own if parameter.name == parameter.own}
            if any(name not in self.draws[0] or self.draws[0][name].shape != shapes[name] for name in shapes):
                return []
            return asked(module, [{name: weights[name] for name in shapes} for weights in self.draws], self.probe)
        except (StudentError, GraderError):
            return []


def settle(student: Remote, plans: Iterable[Plan], known: object, question: Question) -> tuple[Plan | None, list[Plan]]:
    """The plan that the module's behaviour shows to be right, None when none is, and all that were tried.

    It is right with the first plan with which it is the reference; else it is a known mistake; else it is nearly the
    reference, and with no other plan as near. `known` are the traits of a plan that was right before.
    """

    def answer(plan: Plan, number: int) -> Any:
        with trying():
            load(student, plan.fill(question.draws[number], question.generator))
            return student(*question.probe)

    def is_mistaken(plan: Plan, first: Any) -> bool:
        return any(
            apart(first, pair[0]) <= EQUAL and apart(answer(plan, 1), pair[1]) <= EQUAL for pair in question.mistaken()
        )

    tried: list[tuple[float, Plan, Any]] = []
    found: Plan | None = None
    for plan in plans:
        first = answer(plan, 0)
        gap = apart(first, question.expected[0])
        tried.append((gap, plan, first))
        right = gap <= EQUAL and apart(answer(plan, 1), question.expected[1]) <= EQUAL
        if right or (known and plan.traits == known and is_mistaken(plan, first)):
            found = plan
            break
    else:
        found = next((plan for _, plan, first in tried if is_mistaken(plan, first)), None)
    if found is None and tried:
        gap, plan, first = min(tried, key=itemgetter(0))
        rivals = [other for other, _, its in tried if other < _CLEARLY * gap and apart(its, first) > EQUAL]
        if gap <= _NEAR and not rivals and apart(answer(plan, 1), question.expected[1]) <= _NEAR:
            found = plan
    return found, [plan for _, plan, _ in tried]


def apart(found: Any, expected: Any) -> float:
    """The largest difference over the largest expected value; infinite where the forms differ."""
    if isinstance(expected, torch.Tensor):
        if not isinstance(found, torch.Tensor) or found.shape != expected.shape:
            return math.inf
        left, right = found.double(), expected.double()
        gap = (left - right).abs().masked_fill(left == right, 0.0)
        scale = right[right.isfinite()].abs()
        worst = float(gap.max() / (scale.max() if scale.any() else 1.0)) if gap.numel() else 0.0
        return math.inf if math.isnan(worst) else worst
    if isinstance(expected, dict):
        if not isinstance(found, dict) or found.keys() != expected.keys():
            return math.inf
        return max((apart(found[key], value) for key, value in expected.items()), default=0.0)
    if isinstance(expected, (tuple, list)):
        if not isinstance(found, (tuple, list)) or len(found) != len(expected):
            return math.inf
        return max(map(apart, found, expected), default=0.0)
    if isinstance(expected, float) and isinstance(found, float):
        return apart(torch.tensor(found), torch.tensor(expected))
    return 0.0 if isinstance(expected, Remote) or (type(found) is type(expected) and found == expected) else math.inf


def _differ(found: Any, expected: Any) -> bool:
    return apart(found, expected) > EQUAL
