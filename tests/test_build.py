"""Skeletons: the solution never leaks, the two forms agree, and drift is seen."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from grader.assignment import Assignment, assignment_names, load_assignment
from grader.authoring.build import build, cut, drift
from grader.authoring.new import start
from grader.errors import UsageError
from grader.run.local import LocalPort, overlays, run_trusted
from grader.run.session import rehearse

COURSE = Path(__file__).parent.parent

SOLUTION = '''\
"""Two parts."""

# %%
import torch

# %% [markdown]
# ## Task 1: Double
#
# Twice the input, $2x$.


# %%
def double(x):
    """Return 2x."""
    # BEGIN SOLUTION Task 1: "twice" the input
    secret = 2 * x
    return secret
    # END SOLUTION


# %%
class Half:
    def forward(self, x):
        if x is None:
            # BEGIN SOLUTION Task 2: nothing
            return "hidden"
            # END SOLUTION
        return x / 2
'''


def course(tmp_path: Path, solution: str = SOLUTION) -> Assignment:
    for room in ("assignments", "solutions"):
        (tmp_path / room / "twice").mkdir(parents=True)
    (tmp_path / "assignments/twice/assignment.yaml").write_text("title: Twice\nnames: [double]\npoints: 1\n")
    (tmp_path / "solutions/twice/twice.py").write_text(solution)
    return load_assignment(tmp_path, "twice")


def test_the_module_is_cut(tmp_path: Path) -> None:
    source = cut(SOLUTION, tmp_path).source
    assert source == (
        '''\
"""Two parts."""

import torch

# Task 1: Double
#
# Twice the input, $2x$.


def double(x):
    """Return 2x."""
    raise NotImplementedError("Task 1: \\"twice\\" the input")


class Half:
    def forward(self, x):
        if x is None:
            raise NotImplementedError("Task 2: nothing")
        return x / 2
'''
    )


def test_the_notebook_is_cut(tmp_path: Path) -> None:
    text = cut(SOLUTION, tmp_path).notebook
    notebook = json.loads(text)
    nbformat.validate(notebook)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert [cell["cell_type"] for cell in notebook["cells"]] == ["code", "code", "markdown", "code", "code"]
    assert "".join(notebook["cells"][2]["source"]) == "## Task 1: Double\n\nTwice the input, $2x$."
    assert notebook["cells"][3]["source"][0] == "def double(x):\n"
    assert "%%" not in text
    assert "secret" not in text
    assert "hidden" not in text


def test_the_notebook_runs_as_the_module_does(tmp_path: Path) -> None:
    skeleton = cut(SOLUTION, tmp_path)
    cells = json.loads(skeleton.notebook)["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for text in (skeleton.source, code):
        space: dict[str, object] = {}
        exec(compile(text, "skeleton", "exec"), space)
        double = space["double"]
        assert callable(double)
        with pytest.raises(NotImplementedError, match='Task 1: "twice" the input'):
            double(1)


def test_cell_ids_are_unique_and_stay_when_a_cell_is_added(tmp_path: Path) -> None:
    def ids(text: str) -> list[str]:
        return [cell["id"] for cell in json.loads(cut(text, tmp_path).notebook)["cells"]]

    twice = SOLUTION + "\n\n# %%\nx = 1\n\n# %%\nx = 1\n"
    assert len(set(ids(twice))) == 7
    assert ids(twice)[:5] == ids(SOLUTION)
    assert ids(twice.replace("# %%\nimport", "# %%\nimport math\n\n# %%\nimport"))[2:] == ids(twice)[1:]


REGION = "def f():\n    # BEGIN SOLUTION Task 1: a\n    return 1\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (REGION, ":2: this BEGIN SOLUTION has no END"),
        (
            REGION + "    # BEGIN SOLUTION Task 2: b\n    # END SOLUTION\n",
            ":4: a region begins inside the one of line 2",
        ),
        ("def f():\n    return 1\n    # END SOLUTION\n", ":3: END SOLUTION without"),
        (REGION.replace(" Task 1: a", "") + "    # END SOLUTION\n", ":2: expected `# BEGIN SOLUTION Task 1"),
        (REGION.replace("BEGIN SOLUTION", "begin solution") + "    # END SOLUTION\n", ":2: expected"),
        (REGION + "    x = 1  # END SOLUTION\n", ":4: expected"),
        ("# BEGIN SOLUTION Task 1: a\nx = 1\n# END SOLUTION\n", ":1: a region outside any function"),
        ("def f():\n    return 1\n", "no `# BEGIN SOLUTION"),
        (REGION + "    # END SOLUTION\n# %% Title\n", "`# %% Title`: cells begin with"),
        (REGION + "    # END SOLUTION\n# %% [markdown]\nx = 1\n", "`x = 1` stands in a markdown cell"),
        (REGION + "    # END SOLUTION\n    else: pass\n", "its skeleton is not valid Python, near `else: pass`"),
    ],
)
def test_a_broken_region_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        cut(text, Path("twice.py"))
    assert str(caught.value).startswith("twice.py")
    assert said in str(caught.value)


def test_built_once_and_up_to_date_after(tmp_path: Path) -> None:
    assignment = course(tmp_path)
    assert drift(assignment) == [f"{assignment.skeleton} is missing", f"{assignment.notebook} is missing"]
    assert build(assignment) == [assignment.skeleton, assignment.notebook]
    assert drift(assignment) == []
    assert build(assignment) == []
    assert stat.S_IMODE(assignment.skeleton.stat().st_mode) == 0o644
    assert sorted(path.name for path in assignment.folder.iterdir()) == ["assignment.yaml", "twice.ipynb", "twice.py"]


def test_drift_names_the_file_and_the_line(tmp_path: Path) -> None:
    assignment = course(tmp_path)
    build(assignment)
    lines = assignment.skeleton.read_text().splitlines()
    lines[2] = "import math"
    assignment.skeleton.write_text("\n".join(lines) + "\n")
    (found,) = drift(assignment)
    assert found.startswith(f"{assignment.skeleton}:3: ")
    assert found.endswith("run `grader build twice`")


def test_a_solution_that_is_not_there(tmp_path: Path) -> None:
    assignment = course(tmp_path)
    assignment.solution.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        drift(assignment)


@pytest.mark.parametrize("name", assignment_names(COURSE))
def test_no_skeleton_of_ours_has_drifted(name: str) -> None:
    assert drift(load_assignment(COURSE, name)) == []


def test_new_is_complete_and_up_to_date(tmp_path: Path) -> None:
    assignment = start(tmp_path, "my_gate", 'A "gate": $x')
    assert assignment.title == 'A "gate": $x'
    assert drift(assignment) == []
    present = [
        assignment.handout,
        assignment.public_checks,
        assignment.hidden_checks,
        assignment.mistakes,
        assignment.public_tensors,
        assignment.hidden_tensors,
        *assignment.variants,
    ]
    assert [path for path in present if not path.is_file()] == []
    assert len(assignment.variants) == 1
    assert "Task 1" in assignment.skeleton.read_text()


def test_new_is_proved_as_ours_are(tmp_path: Path) -> None:
    assignment = start(tmp_path, "gate")
    files = {"solution": assignment.solution, "variant": assignment.variants[0], "skeleton": assignment.skeleton}
    students = [(name, LocalPort(run_trusted(assignment, path), as_student=True)) for name, path in files.items()]
    known = list(overlays(assignment))
    students += [(mistake.id, LocalPort(names, as_student=True)) for mistake, names in known]
    results = rehearse(assignment, students)
    points = {name: sum(check.points for check in checks) for name, checks in results.items()}
    assert (points["solution"], points["variant"], points["skeleton"]) == (10, 10, 0)
    assert len(known) == 4
    for mistake, _ in known:
        lost = {check.id for check in results[mistake.id] if check.points < check.max_points}
        assert set(mistake.caught_by) <= lost, mistake.id


def test_new_is_clean_by_our_own_rules(tmp_path: Path) -> None:
    start(tmp_path, "gate")
    config = str(COURSE / "pyproject.toml")
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", config, "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_new_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "solutions" / "gate").mkdir(parents=True)
    with pytest.raises(UsageError, match="exists already"):
        start(tmp_path, "gate")
    assert [path.name for path in tmp_path.iterdir()] == ["solutions"]


@pytest.mark.parametrize("name", ["my-gate", "Gate", "2gates", "class", "json", "torch", "", "../gate", "gäte"])
def test_new_refuses_what_cannot_name_a_module(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        start(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_new_leaves_nothing_behind_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Assignment) -> None:
        raise UsageError("no")

    monkeypatch.setattr("grader.authoring.new.build", broken)
    with pytest.raises(UsageError, match=r"^no$"):
        start(tmp_path, "gate")
    assert list(tmp_path.glob("*/*")) == []
