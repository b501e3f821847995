"""Whether a check drew random numbers, itself or in the code it asked: what draws none ends alike with every seed."""

from __future__ import annotations

import random
from collections.abc import Mapping

import torch

from grader.checks.declare import Mistake
from grader.run.local import LocalPort
from grader.run.reference import ReferencePort


class Watched(LocalPort):
    """A port that notes whether the code behind it has drawn since the check began."""

    watched = False
    drew = False
    began = 0  # the seed of the check's own random numbers, for the student's side
    _own_seed = False  # whether the call that goes on has set torch's seed before torch drew a number

    def reseed(self, seed: int) -> None:
        """A check begins."""
        super().reseed(seed)
        self.began, self.drew = seed, False

    def request(self, op: str, fields: dict[str, object]) -> object:
        """Do `op`. Code that sets torch's seed itself, before it draws, draws the same whatever the check's seed is."""
        seeded = torch.manual_seed

        def noted(seed: int) -> torch.Generator:
            self._own_seed = self._own_seed or not _torch_moved(self._seed)
            return seeded(seed)

        torch.manual_seed = noted
        try:
            return super().request(op, fields)
        finally:
            torch.manual_seed = seeded

    def left(self, seed: int) -> None:
        """A call is over, and the random numbers are as it left them."""
        if self.watched and not self.drew:
            self.drew = _python_moved(seed) or (not self._own_seed and _torch_moved(seed))
        self._own_seed = False


class Student(Watched):
    """One of our own programs."""

    def __init__(self, names: Mapping[str, object]) -> None:
        super().__init__(names, as_student=True)


class Reference(Watched, ReferencePort):
    """The solution, with no known mistakes for a diagnosis: what is wrong is known here, and naming it takes time."""

    @property
    def mistakes(self) -> dict[str, Mistake]:
        """None."""
        return {}


def moved(seed: int) -> bool:
    """Whether torch or Python have drawn a number since they were started at `seed`."""
    return _torch_moved(seed) or _python_moved(seed)


def _torch_moved(seed: int) -> bool:
    return not torch.Generator().manual_seed(seed).get_state().equal(torch.get_rng_state())


def _python_moved(seed: int) -> bool:
    return random.Random(seed).getstate() != random.getstate()
