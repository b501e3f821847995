"""Grading as an instructor meets it: fair results, resumed runs, nothing planted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grader.assignment import load_assignment
from grader.errors import GraderError, UsageError
from grader.intake.collect import entries
from grader.records import Outcome, Result, Status
from grader.run.batch import grade_batch
from tests.course import PERFECT, Course, by_id


def test_a_perfect_file_gets_all_points(course: Course) -> None:
    result = course.grade_one(PERFECT)
    assert (result.status, result.score, result.max_score) == (Status.GRADED, 10, 10)
    assert result.protection == "STRICT"
    assert all(check.status is Outcome.PASSED for check in result.checks)
    assert [check.id for check in result.checks] == ["values", "sizes", "width", "layer", "gradient", "input"]


def test_a_wrong_function_loses_its_checks_and_no_others(course: Course) -> None:
    result = course.grade_one(PERFECT.replace("x + x", "x * x").replace("twice(self.a(x))", "2 * self.a(x)"))
    checks = by_id(result)
    assert checks["values"].status is Outcome.FAILED
    assert "twice(x) has the right shape (3, 4)" in (checks["values"].message or "")
    assert checks["values"].picture is not None
    assert checks["sizes"].status is Outcome.SKIPPED
    assert checks["layer"].status is Outcome.PASSED
    assert result.score == 5


def test_cases_earn_their_share(course: Course) -> None:
    result = course.grade_one(PERFECT.replace("return x + x", "return x + x if x.numel() != 3 else x"))
    sizes = by_id(result)["sizes"]
    assert (sizes.status, sizes.points) == (Outcome.PARTIAL, 1.5)
    assert "3 of 4 cases pass" in (sizes.message or "")


def test_hidden_checks_tell_nothing(course: Course) -> None:
    leak = PERFECT.replace("- self.b(x)", "+ self.b(x)").replace(
        "def forward(self, x):", "def forward(self, x):\n        print(x)"
    )
    result = course.grade_one(leak.replace("return x + x", "print('public', x)\n    return x + x"))
    layer = by_id(result)["layer"]
    assert layer.status is Outcome.FAILED
    assert layer.hint == "Look at b."
    assert layer.picture is None
    assert layer.message == "This hidden check did not pass."
    assert "public" in result.output
    assert result.output.count("tensor") <= 5  # printed by the public checks alone


def test_an_exception_of_a_hidden_check_tells_nothing(course: Course) -> None:
    result = course.grade_one(
        PERFECT.replace("return twice(self.a(x)) - self.b(x)", "raise ValueError(str(x.tolist()))")
    )
    assert by_id(result)["layer"].message == "This hidden check did not pass."


def test_weights_are_mapped_by_name_order_and_behaviour(course: Course) -> None:
    renamed = PERFECT.replace("self.a", "self.first").replace("self.b", "self.second")
    swapped = renamed.replace(
        "self.first = nn.Linear(width, width)\n        self.second = nn.Linear(width, width)",
        "self.second = nn.Linear(width, width)\n        self.first = nn.Linear(width, width)",
    )
    assert swapped != renamed
    course.submit(renamed=renamed, swapped=swapped)
    assert {r.score for r in course.grade().values()} == {10}


def test_a_layout_without_a_mapping_is_said_and_the_rest_is_graded(course: Course) -> None:
    result = course.grade_one(
        PERFECT.replace("self.b = nn.Linear(width, width)", "self.b = nn.Linear(width, width, bias=False)")
    )
    assert by_id(result)["layer"].status is Outcome.FAILED
    assert result.score == 7


def test_a_module_that_ignores_its_weights_does_not_pass(course: Course) -> None:
    result = course.grade_one(PERFECT.replace("return twice(self.a(x)) - self.b(x)", "return torch.zeros_like(x)"))
    assert by_id(result)["layer"].status is Outcome.FAILED


def test_an_input_changed_in_place_is_found(course: Course) -> None:
    checks = by_id(course.grade_one(PERFECT.replace("return x + x", "x *= 2; return x")))
    assert checks["values"].status is Outcome.PASSED
    assert checks["input"].status is Outcome.FAILED


def test_a_detached_result_loses_the_gradient_alone(course: Course) -> None:
    result = course.grade_one(PERFECT.replace("return x + x", "return (x + x).detach()"))
    assert {c.id for c in result.checks if c.status is not Outcome.PASSED} == {"gradient"}


def test_a_result_of_another_kind_is_the_students_fault(course: Course) -> None:
    result = course.grade_one(PERFECT.replace("return x + x", "return None"))
    assert result.status is Status.GRADED
    assert "None" in (by_id(result)["values"].message or "")


def test_forbidden_calls_cost_the_name_that_uses_them(course: Course) -> None:
    seen = PERFECT.replace("return x + x", "import torch.nn.functional as F\n    F.softplus(x)\n    return x + x")
    hidden = PERFECT.replace(
        "return x + x", "getattr(torch.nn.functional, 'soft' + chr(112) + 'lus')(x)\n    return x + x"
    )
    named = PERFECT.replace("return x + x", "'F.softplus'  # torch.nn.functional.softplus\n    return x + x")
    course.submit(seen=seen, hidden=hidden, named=named)
    results = course.grade()
    message = by_id(results["seen.py"])["values"].message or ""
    assert "torch.nn.functional.softplus" in message
    assert "line 7" in message
    assert by_id(results["seen.py"])["width"].status is Outcome.PASSED
    assert "not allowed" in (by_id(results["hidden.py"])["values"].message or "")
    assert results["named.py"].score == 10


def test_one_of_two_names_missing_is_graded_for_the_other(course: Course) -> None:
    result = course.grade_one(PERFECT.replace("class Layer", "class Lyer"))
    assert result.status is Status.GRADED
    assert "did you mean `Lyer`" in (by_id(result)["width"].message or "")
    assert result.score == 6


INVALID = {
    "def twice(x:\n    return x": "line 1",
    "x = 1": "does not define `twice`, `Layer`",
    "import sys\nsys.exit(3)": "sys.exit",
    "raise KeyError('no data.csv')": "no data.csv",
}


@pytest.mark.parametrize("source", INVALID)
def test_what_cannot_be_graded_is_invalid_in_one_line(course: Course, source: str) -> None:
    result = course.grade_one(source)
    assert result.status is Status.INVALID
    assert INVALID[source] in (result.message or "")
    assert "\n" not in (result.message or "")


def test_a_solution_that_fails_its_own_checks_stops_the_run(course: Course) -> None:
    solution = course.assignment.solution
    solution.write_text(solution.read_text().replace("- self.b(x)", "- self.b(x) * torch.rand(1)"))
    with pytest.raises(UsageError, match="solution itself does not pass test_layer"):
        course.grade_one(PERFECT)


def test_a_check_that_compares_nothing_stops_the_run(course: Course) -> None:
    path = course.assignment.public_checks
    comparison = 'close(student.twice(x), reference.twice(x), "twice(x)")'
    path.write_text(path.read_text().replace(comparison, "student.twice(x)"))
    with pytest.raises(UsageError, match="compared nothing"):
        course.grade_one(PERFECT)


def test_a_check_that_compares_nothing_of_one_student_is_our_fault_and_nobodys_zero(course: Course) -> None:
    path = course.assignment.public_checks
    comparison = 'close(student.twice(x), reference.twice(x), "twice(x)")'
    path.write_text(path.read_text().replace(comparison, "for row in student.twice(x): assert row.shape == (4,)"))
    result = course.grade_one(PERFECT.replace("return x + x", "return [] if x.dim() == 2 else x + x"))
    assert result.status is Status.ERROR
    assert "not graded" in (result.message or "")
    assert by_id(result)["values"].status is Outcome.ERROR
    assert by_id(result)["gradient"].points == 0


def test_points_that_do_not_add_up_stop_the_run(course: Course) -> None:
    path = course.assignment.public_checks
    path.write_text(path.read_text().replace("points=1)", "points=7)"))
    with pytest.raises(UsageError, match="add up to 16"):
        course.grade_one(PERFECT)


def test_a_broken_check_file_stops_the_run_with_its_name(course: Course) -> None:
    path = course.assignment.hidden_checks
    path.write_text(path.read_text() + "\nimport nothing_like_it\n")
    with pytest.raises(UsageError, match="nothing_like_it"):
        course.grade_one(PERFECT)


def grade_again(course: Course) -> list[tuple[str, bool]]:
    seen: list[tuple[str, bool]] = []

    def note(result: Result, reused: bool) -> None:
        seen.append((result.submission, reused))

    grade_batch(course.assignment, entries([course.folder / "in"], "twice"), course.folder / "out", on_result=note)
    return seen


def test_unchanged_work_is_not_done_again(course: Course) -> None:
    course.submit(a=PERFECT, b=PERFECT + "\n# b")
    assert grade_again(course) == [("a.py", False), ("b.py", False)]
    assert grade_again(course) == [("a.py", True), ("b.py", True)]
    course.submit(b=PERFECT + "\n# changed")
    assert sorted(grade_again(course)) == [("a.py", True), ("b.py", False)]
    path = course.assignment.hidden_checks
    path.write_text(path.read_text() + "\n# a check was mended\n")
    assert sorted(grade_again(course)) == [("a.py", False), ("b.py", False)]


def test_a_planted_record_is_noticed(course: Course) -> None:
    course.submit(a=PERFECT.replace("x + x", "x"))
    grade_again(course)
    path = course.folder / "out" / "a" / "record.json"
    stored = json.loads(path.read_text())
    stored["record"] = stored["record"].replace('"score": ', '"score": 9')
    path.write_text(json.dumps(stored))
    assert grade_again(course) == [("a.py", False)]


def test_a_link_in_the_results_folder_is_not_followed(course: Course) -> None:
    course.submit(a=PERFECT)
    elsewhere = course.folder / "elsewhere"
    elsewhere.mkdir()
    (course.folder / "out").mkdir()
    (course.folder / "out" / "a").symlink_to(elsewhere)
    with pytest.raises(UsageError):
        grade_again(course)
    assert not list(elsewhere.iterdir())


def test_side_by_side_gives_the_same_grades(course: Course) -> None:
    course.submit(**{f"s{i}": PERFECT.replace("x + x", ("x + x", "x", "x * x", "None")[i % 4]) for i in range(8)})
    alone = course.grade(out="one")
    together = course.grade(out="two", jobs=3)
    assert {n: (r.status, r.score, [c.message for c in r.checks]) for n, r in alone.items()} == {
        n: (r.status, r.score, [c.message for c in r.checks]) for n, r in together.items()
    }


def test_every_file_is_whole_and_there(course: Course) -> None:
    course.submit(a=PERFECT, b="x = ")
    course.grade()
    out = course.folder / "out"
    assert {p.name for p in out.iterdir()} == {
        "a",
        "b",
        "class.html",
        "grades.csv",
        "junit.xml",
        "results.json",
        "run.json",
    }
    rows = json.loads((out / "results.json").read_text())["submissions"]
    assert [(row["submission"], row["status"], row["score"]) for row in rows] == [
        ("a.py", "graded", 10),
        ("b.py", "invalid", 0),
    ]
    assert {p.name for p in (out / "a").iterdir()} == {"report.html", "report.md", "record.json"}


def test_nothing_is_left_behind(course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir(mode=0o755)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    course.submit(a=PERFECT + "\nopen('left', 'w').write('x')")
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    course.grade()
    assert list(scratch.iterdir()) == []
    assert len(list(descriptors.iterdir())) <= before


def test_hidden_checks_may_need_public_ones(course: Course) -> None:
    path = course.assignment.hidden_checks
    needing = path.read_text().replace(
        "@check(points=1)\ndef test_input", "@check(points=1, needs=test_values)\ndef test_input"
    )
    path.write_text("from public_checks import test_values\n" + needing)
    course.submit(right=PERFECT, wrong=PERFECT.replace("return x + x", "return x"))
    results = course.grade()
    assert results["right.py"].score == 10
    assert by_id(results["wrong.py"])["input"].status is Outcome.SKIPPED
    assert len(results["right.py"].checks) == 6


def test_settings_for_another_pytest_do_not_reach_this_one(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option -k nothing")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    assert course.grade_one(PERFECT).score == 10


def test_a_pytest_that_does_not_start_is_our_fault(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest.main", lambda *_, **__: pytest.ExitCode.USAGE_ERROR)
    with pytest.raises(GraderError, match="did not run"):
        course.grade_one(PERFECT)


def test_an_interrupted_run_leaves_nothing_behind(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    course.submit(a=PERFECT, b=PERFECT.replace("return x + x", "while True: pass"))

    def stop(result: Result, reused: bool) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade_batch(course.assignment, entries([course.folder / "in"], "twice"), course.folder / "out", on_result=stop)
    assert list(scratch.iterdir()) == []
    assert (course.folder / "out" / "a" / "record.json").is_file()


def test_the_due_date_is_said_for_people(course: Course) -> None:
    path = course.assignment.settings
    path.write_text(path.read_text() + "due: 2027-02-05T23:59:00+01:00\n")
    course.submit(a=PERFECT)
    grade_batch(
        load_assignment(course.folder, "twice"), entries([course.folder / "in"], "twice"), course.folder / "out"
    )
    assert "due 5 February 2027, 23:59 (UTC+0100)" in (course.folder / "out" / "class.html").read_text()
