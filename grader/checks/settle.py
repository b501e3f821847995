"""Which plan is right: the one with which the module answers a probe as the reference does, or as a known mistake."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch

from grader.checks.evidence import trying
from grader.checks.layout import Plan
from grader.checks.places import Weights
from grader.checks.weights import Probe, answered, asked, built, load
from grader.errors import GraderError, StudentError
from grader.wire.proxy import Port, Remote

EQUAL, _NEAR = 2e-3, 0.03  # of the largest value: the same function, and one with a small mistake or liberty
_CLEARLY = 5  # times nearer than any other
_MOST_ANSWERS = 500  # of known mistakes, kept

_answers: WeakKeyDictionary[Port, dict[object, list[list[Any]]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Question:
    """A probe, the weights drawn for it and the reference's answers under them; how the modules were constructed."""

    probe: Probe
    draws: Sequence[Weights]
    expected: Sequence[Any]
    ours: Remote
    args: Sequence[object]
    kwargs: Mapping[str, object]
    generator: torch.Generator

    def mistaken(self) -> Iterator[list[Any]]:
        """What the known mistakes answer: kept, for it is asked for many students. Without those that are right."""
        specimens = getattr(self.ours._port, "specimens", ()) if self.ours._target is None else ()
        kept = _answers.setdefault(self.ours._port, {})
        if len(kept) >= _MOST_ANSWERS:
            kept.clear()
        first = tuple(float(value.flatten()[0]) for weights in self.draws for value in weights.values())
        answers = kept.setdefault((self.ours._path, first), [])  # drawn at random: no other question has these weights
        for i, (_, port) in enumerate(specimens):
            if i == len(answers):
                pair = self._specimen(Remote(port, None, self.ours._path))
                answers.append(pair if any(map(_differ, pair, self.expected)) else [])
            if answers[i]:
                yield answers[i]

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


def settle(
    student: Remote, plans: Iterable[Plan], known: object, question: Question, *, same: bool = False
) -> tuple[Plan | None, list[Plan]]:
    """The plan that the module's behaviour shows to be right, None when none is, and all that were tried.

    It is right with the first plan with which it is the reference. Else it is mistaken: the plan is the plain one where
    its layers are the `same`, by name, size and kind; or that of another time, `known` by its traits; or one with which
    it is a known mistake; or one with which it is nearly the reference, where it is that with no other.
    """

    def answer(plan: Plan, number: int) -> Any:
        with trying():
            load(student, plan.fill(question.draws[number], question.generator))
            return answered(student, question.probe)

    def holds(plan: Plan, first: Any, answers: Sequence[Any], most: float = EQUAL) -> bool:
        return apart(first, answers[0]) <= most and apart(answer(plan, 1), answers[1]) <= most

    tried: list[Plan] = []
    firsts: list[Any] = []
    for plan in plans:
        first = answer(plan, 0)
        tried.append(plan)
        firsts.append(first)
        if holds(plan, first, question.expected):
            return plan, tried
    for plan in tried:
        if (same and plan.plain) or (known and plan.traits == known):
            return plan, tried
    if (found := _as_mistaken(tried, firsts, question, holds)) is not None:
        return found, tried
    gaps = [apart(first, question.expected[0]) for first in firsts]
    if tried and (nearest := min(gaps)) <= _NEAR:
        plan, first = tried[gaps.index(nearest)], firsts[gaps.index(nearest)]
        rivals = any(
            gap < _CLEARLY * nearest and apart(its, first) > EQUAL for gap, its in zip(gaps, firsts, strict=True)
        )
        if not rivals and holds(plan, first, question.expected, _NEAR):
            return plan, tried
    return None, tried


def _as_mistaken(
    tried: Sequence[Plan], firsts: Sequence[Any], question: Question, holds: Callable[[Plan, Any, list[Any]], bool]
) -> Plan | None:
    """The plan with which the module is a known mistake."""
    # What is filled at random in the place of something else is none: sizes of known mistakes are the reference's.
    likely = [(plan, first, _sum(first)) for plan, first in zip(tried, firsts, strict=True) if not plan.makeshift]
    for pair in question.mistaken() if likely else ():
        total, most = _sum(pair[0]), _most(pair[0])
        for plan, first, found in likely:
            if not abs(found - total) > most and holds(plan, first, pair):
                return plan
    return None


def _sum(answer: Any) -> float:
    """Of a tensor's values; NaN for anything else. Answers whose sums differ by far need no closer look."""
    return float(answer.double().sum()) if isinstance(answer, torch.Tensor) else math.nan


def _most(answer: Any) -> float:
    """How far the sums of equal answers can lie apart."""
    if not isinstance(answer, torch.Tensor) or not answer.numel():
        return math.inf
    return 2 * EQUAL * answer.numel() * max(float(answer.double().abs().max()), 1.0)


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
