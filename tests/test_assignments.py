"""The shipped assignments prove themselves: full marks for what is right, marks lost where a mistake should cost
them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from threading import Semaphore

import pytest
import torch
from safetensors.torch import load_file

from grader.assignment import Assignment, assignment_names, load_assignment
from grader.proof.prove import Proof, prove
from grader.records import CheckResult, Outcome
from grader.run.local import LocalPort, overlays, run_trusted
from grader.run.recorded import record, recorded
from grader.run.session import rehearse

ROOT = Path(__file__).parents[1]
NAMES = assignment_names(ROOT)


@pytest.fixture(params=NAMES)
def assignment(request: pytest.FixtureRequest) -> Assignment:
    """Each shipped assignment."""
    return load_assignment(ROOT, request.param)


def lost(results: tuple[CheckResult, ...]) -> dict[str, str | None]:
    """Checks that did not earn all their points, and why."""
    return {check.id: check.message for check in results if check.status is not Outcome.PASSED}


def student(assignment: Assignment, path: Path) -> LocalPort:
    return LocalPort(run_trusted(assignment, path), as_student=True)


@cache
def proof(assignment: Assignment) -> Proof:
    """`grader validate` tries more of all."""
    return prove(assignment, seeds=1, with_mutants=False, spare=Semaphore(1), few=True)


@pytest.mark.slow
def test_there_are_enough_of_everything(assignment: Assignment) -> None:
    checks = proof(assignment).checks
    assert len(checks) >= {"attention": 10, "masks": 8}.get(assignment.name, 6)
    assert len(list(overlays(assignment))) >= 12
    assert len(assignment.variants) >= 4
    assert sum(check.max_points for check in checks) == assignment.points
    assert {check.visibility for check in checks} == {"public", "hidden"}


@pytest.mark.slow
def test_the_checks_are_proven(assignment: Assignment) -> None:
    assert [str(problem) for problem in proof(assignment).problems] == []


def test_the_recorded_answers_are_those_of_the_solution(assignment: Assignment, tmp_path: Path) -> None:
    fresh = tmp_path / "recorded.safetensors"
    fresh.write_bytes(record(assignment))
    assert load_file(fresh).keys() == load_file(assignment.recorded).keys(), "run `grader build`"
    port = recorded(assignment.recorded)
    students = [
        ("right", student(assignment, assignment.solution)),
        ("wrong", student(assignment, assignment.skeleton)),
    ]
    results = rehearse(assignment, students, hidden=False, reference=port)
    assert lost(results["right"]) == {}
    assert all(check.points == 0 for check in results["wrong"])


def test_fixed_tensors_come_from_their_script(assignment: Assignment, tmp_path: Path) -> None:
    script = assignment.make_tensors
    namespace: dict[str, object] = {"__name__": "__main__", "__file__": str(tmp_path / script.name)}
    exec(compile(script.read_text(), str(script), "exec"), namespace)
    for path in (assignment.public_tensors, assignment.hidden_tensors):
        kept, made = load_file(path), load_file(tmp_path / path.name)
        assert kept.keys() == made.keys()
        assert all(torch.equal(made[name], tensor) for name, tensor in kept.items())


def test_nothing_hidden_lies_among_what_students_see(assignment: Assignment) -> None:
    seen = "\n".join(
        p.read_text(encoding="utf-8") for p in assignment.folder.iterdir() if p.suffix in (".py", ".md", ".ipynb")
    )
    hidden = assignment.hidden_checks.read_text(encoding="utf-8")
    for line in hidden.splitlines():
        if line.startswith("def test_"):
            assert f"{line.partition('(')[0]}(" not in seen
    assert "@mistake" not in seen
    assert "BEGIN SOLUTION" not in seen
