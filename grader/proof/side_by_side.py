"""Assignments proven side by side: no core waits while another assignment's checks are collected and warmed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextvars import ContextVar
from multiprocessing import get_context
from multiprocessing.synchronize import Semaphore

import torch

from grader.assignment import Assignment
from grader.errors import GraderError, UsageError
from grader.proof.prove import Proof, prove

_spare: ContextVar[Semaphore] = ContextVar("spare")  # in a process of the pool: turns that nobody else needs


def prove_all(
    assignments: Sequence[Assignment], *, seeds: int, with_mutants: bool, few: bool, jobs: int
) -> Iterator[Proof | UsageError]:
    """Each one's proof, in order, or what is broken about it; no more than `jobs` programs run at a time.

    Raises GraderError when a process that proves ends by itself.
    """
    torch.set_num_threads(1)  # before this process forks: no thread may be alive in it
    forking, count = get_context("fork"), min(jobs, len(assignments))
    spare = forking.Semaphore(jobs - count)  # each process has a turn of its own beside these
    with ProcessPoolExecutor(count, forking, _spare.set, (spare,)) as pool:
        proofs = [pool.submit(_prove, each, seeds, with_mutants, few) for each in assignments]
        done = itertools.count(1)
        for proof in proofs:  # whoever finds nothing more to do leaves its turn to the others
            proof.add_done_callback(lambda _: spare.release() if next(done) > len(proofs) - count else None)
        try:
            for assignment, proof in zip(assignments, proofs, strict=True):
                yield _result(assignment, proof)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _result(assignment: Assignment, proof: Future[Proof]) -> Proof | UsageError:
    try:
        return proof.result()
    except UsageError as error:
        return error
    except BrokenExecutor:
        raise GraderError(f"a process ended by itself while {assignment.name} was proven; is memory short?") from None


def _prove(assignment: Assignment, seeds: int, with_mutants: bool, few: bool) -> Proof:
    return prove(assignment, seeds=seeds, with_mutants=with_mutants, few=few, spare=_spare.get())
