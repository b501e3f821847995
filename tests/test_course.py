"""The course of 20 students that the demo grades, and files that hold the answers to several assignments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grader.assignment import load_assignment
from grader.intake.collect import entries
from grader.records import Result, Status
from grader.run.batch import grade_batch

ROOT = Path(__file__).parents[1]
ONE_FILE = ("embeddings", "attention", "masks", "transformer", "generation", "encoder_decoder")


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the 20 students handed in."""
    out = tmp_path_factory.mktemp("course")
    subprocess.run([sys.executable, ROOT / "examples/make_course.py", out], check=True)
    return out


def graded(name: str, *paths: Path) -> dict[str, Result]:
    assignment = load_assignment(ROOT, name)
    return {r.submission: r for r in grade_batch(assignment, entries(list(paths), name), None, jobs=2)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_FILE)
def test_one_file_is_graded_for_each_assignment_it_answers(name: str, handed_in: Path) -> None:
    (result,) = graded(name, handed_in / "hamza" / "homework.py").values()
    assert result.status is Status.GRADED, result.message
    assert result.score == result.max_score, [c.message for c in result.checks if c.points < c.max_points]


@pytest.mark.slow
def test_a_class_spreads_over_the_scale(handed_in: Path) -> None:
    results = graded("masks", handed_in)
    assert len(results) == 20
    assert not {Status.ERROR, Status.CRASHED, Status.TIMEOUT} & {result.status for result in results.values()}
    assert sum(result.score == result.max_score for result in results.values()) >= 5
    assert sum(0 < result.score < result.max_score for result in results.values()) >= 3
    assert any(check.diagnosis for result in results.values() for check in result.checks)


def test_the_same_course_is_made_each_time(handed_in: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "examples/make_course.py", tmp_path], check=True)
    made, again = ({p.relative_to(d): p.read_bytes() for p in d.rglob("*.py")} for d in (handed_in, tmp_path))
    assert made == again
    assert len(made) > 100
