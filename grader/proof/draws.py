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

    def reseed(self, seed: int) -> None:
        """A check begins."""
        super().reseed(seed)
        self.began, self.drew = seed, False

    def left(self, seed: int) -> None:
        """A call is over, and the random numbers are as it left them."""
        self.drew = self.drew or (self.watched and moved(seed))


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
    torch_state = torch.Generator().manual_seed(seed).get_state()
    return not torch_state.equal(torch.get_rng_state()) or random.Random(seed).getstate() != random.getstate()
