"""The sample submissions get what the table beside their folder says, in words that the table quotes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from grader.assignment import assignment_names, load_assignment
from grader.intake.collect import entries
from grader.records import Outcome, Result
from grader.run.batch import grade_batch

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = sorted(path.name for path in (EXAMPLES / "submissions").iterdir() if path.is_dir())
FOLDERS = [*((name, f"submissions/{name}") for name in NAMES), ("masks", "class"), ("attention", "notebooks")]


@pytest.mark.parametrize(("name", "folder"), FOLDERS)
def test_samples_get_what_the_table_says(name: str, folder: str, root: Path, tmp_path: Path) -> None:
    where = root / "examples" / folder
    expected = yaml.safe_load(where.with_name(f"{where.name}.expected.yaml").read_text(encoding="utf-8"))
    found = entries([where], name)
    results = grade_batch(load_assignment(root, name), found, tmp_path, jobs=2)
    assert {result.submission for result in results} == set(expected)
    wrong = [problem for result in results for problem in problems(result, expected[result.submission])]
    assert not wrong, "\n".join(wrong)
    assert len(results) >= {"submissions/attention": 14, "class": 30, "notebooks": 12}.get(folder, 5)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert "root:x:0:0" not in path.read_text(encoding="utf-8")  # a line of the machine's /etc/passwd


def problems(result: Result, row: dict[str, Any]) -> list[str]:
    """What differs from the table's row."""
    lost = {check.id for check in result.checks if check.status in (Outcome.FAILED, Outcome.PARTIAL)}
    said = [result.message, *result.notes]
    for check in result.checks:
        said += [check.message, check.hint, check.diagnosis.title if check.diagnosis else None]
    differences = []
    if result.status != row["status"]:
        differences.append(f"status {result.status} ({result.message}), not {row['status']}")
    if "score" in row and result.score != pytest.approx(row["score"], abs=0.01):
        differences.append(f"score {result.score}, not {row['score']}")
    if "failed" in row and lost != set(row["failed"]):
        differences.append(f"failed {sorted(lost)}, not {sorted(row['failed'])}")
    if "says" in row and not any(row["says"] in text for text in said if text):
        differences.append(f"nothing says {row['says']!r}")
    return [f"{result.submission}: {difference}" for difference in differences]


def test_every_assignment_has_samples(root: Path) -> None:
    assert assignment_names(root) == NAMES


@pytest.mark.parametrize("name", ["attention", "masks"])
def test_no_sample_left_anything_beside_itself(name: str, root: Path) -> None:
    assert not list((root / "examples").rglob("escaped.txt"))
