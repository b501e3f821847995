"""Assignments proven side by side: no core waits while another assignment's checks are collected and warmed."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextvars import ContextVar
from itertools import islice
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
    forking, count = multiprocessing.get_context("fork"), min(jobs, len(assignments))
    spare = forking.Semaphore(jobs - count)  # each process has a turn of its own beside these
    left, proofs = iter(assignments), dict[str, Proof | UsageError]()
    running: dict[Future[Proof], Assignment] = {}
    idle = 0
    with ProcessPoolExecutor(count or 1, forking, _spare.set, (spare,)) as pool:
        try:
            for wanted in assignments:
                while wanted.name not in proofs:
                    # Never more than work at once: what is handed over cannot be taken back when Ctrl-C is pressed.
                    for following in islice(left, count - idle - len(running)):
                        running[pool.submit(_prove, following, seeds, with_mutants, few)] = following
                    for _ in range(count - idle - len(running)):  # who finds nothing more to do leaves its turn
                        spare.release()
                        idle += 1
                    for done in wait(running, return_when=FIRST_COMPLETED).done:
                        proofs[running[done].name] = _result(done)
                        del running[done]
                yield proofs[wanted.name]
        except BrokenExecutor:
            names = " or ".join(sorted(assignment.name for assignment in running.values()))
            raise GraderError(f"a process ended by itself while {names} was proven; is memory short?") from None
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _result(proof: Future[Proof]) -> Proof | UsageError:
    try:
        return proof.result()
    except UsageError as error:
        return error


def _prove(assignment: Assignment, seeds: int, with_mutants: bool, few: bool) -> Proof:
    return prove(assignment, seeds=seeds, with_mutants=with_mutants, few=few, spare=_spare.get())
