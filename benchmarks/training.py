"""How much held-out scores differ from seed to seed: the reference of each assignment that trains, against its levels.

    nice python benchmarks/training.py [SEEDS] [NAME ...]

Every check with `seconds=` is run on the reference, with the languages, sentences or weights of another seed each time.
All scores come from one run. A ratio is the score over the level, or the level over the score where less is better.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grader.checks
from grader.assignment import Assignment, assignment_names, load_assignment
from grader.checks.training import tiers
from grader.run.local import LocalPort, run_trusted
from grader.run.plugin import Checks, declared
from grader.run.reference import ReferencePort
from grader.run.session import drive_pytest
from grader.run.tensors import fixed_tensors

ROOT = Path(__file__).parents[1]
SEEDS = 20

Score = tuple[float, tuple[float, ...], bool]  # a value, its levels, and whether less is better


class _Training:
    """pytest's run loop: the checks that train, on the reference, with one seed after another."""

    def __init__(self, assignment: Assignment, checks: Checks, seeds: int) -> None:
        self.scores: dict[str, list[Score]] = defaultdict(list)  # by check and what was measured
        self.seconds: list[float] = []
        self._assignment, self._checks, self._seeds = assignment, checks, seeds
        self._running = ""
        self._seen = 0  # calls of `tiers` in the running check
        self.error: BaseException | None = None

    def note(self, value: float, at: Sequence[float], what: str, *, below: bool = False) -> None:
        """Stand in for `tiers`: keep the score, then do as it does."""
        self._seen += 1
        label = self._running if self._seen == 1 else f"{self._running} ({self._seen})"
        self.scores[label].append((float(value), tuple(at), below))
        tiers(value, at, what, below=below)

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run what trains. Nothing may leave through pytest, which would print it."""
        try:
            training = [item for item in session.items if declared(item).seconds is not None]
            for seed in range(self._seeds if training else 0):
                self._checks.seed = seed
                self._checks.begin(LocalPort(run_trusted(self._assignment, self._assignment.solution), as_student=True))
                for item in training:
                    self._running, self._seen = declared(item).id, 0
                    begun = time.process_time()
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                    self.seconds.append(time.process_time() - begun)
        except BaseException as error:
            self.error = error
        return True


def measure(assignment: Assignment, seeds: int) -> _Training:
    """Run the checks of one assignment that train. Raises what went wrong."""
    checks = Checks(assignment, ReferencePort(assignment), reporting=False)
    loop = _Training(assignment, checks, seeds)
    kept = grader.checks.tiers
    grader.checks.tiers = loop.note  # before the check files import it
    try:
        drive_pytest(assignment, [checks, loop, fixed_tensors(assignment)], hidden=True)
    finally:
        grader.checks.tiers = kept
    if loop.error:
        raise loop.error
    return loop


def show(name: str, loop: _Training) -> None:
    """Print one line for each score, and one for the time."""
    for check, scores in loop.scores.items():
        values = [value for value, _, _ in scores]
        _, at, below = scores[0]
        worst = max(values) if below else min(values)
        ratios = ", ".join(f"{level:g}: {level / worst if below else worst / level:.2f}" for level in at)
        print(f"{name:20} {check:24} {len(values):3} scores, {min(values):.4g} to {max(values):.4g}, ", end="")
        print(f"mean {statistics.mean(values):.4g}; worst over level {ratios}")
    if loop.seconds:
        most = max(loop.seconds)
        print(f"{name:20} {'processor time':24} {statistics.median(loop.seconds):.1f} s a check, {most:.1f} s at most")


def main() -> None:
    """Measure the assignments named on the command line, or all."""
    words = sys.argv[1:]
    seeds = int(words.pop(0)) if words and words[0].isdigit() else SEEDS
    for name in words or assignment_names(ROOT):
        show(name, measure(load_assignment(ROOT, name), seeds))


if __name__ == "__main__":
    main()
