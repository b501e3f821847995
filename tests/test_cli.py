"""The command line as its users meet it: run as a program, judged by exit code, standard output and standard error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from grader import __version__
from grader.authoring.new import start
from grader.cli import parse_threshold
from grader.commands.grade import exit_code
from grader.commands.terminal import STYLES
from grader.records import Result, Status
from grader.report.words import Tone

COURSE = Path(__file__).parent.parent
COMMANDS = ("grade", "check", "build", "new", "validate", "report", "doctor")

WRONG = "from torch import nn\n\n\nclass Gate(nn.Linear):\n    def __init__(self, n):\n        super().__init__(n, n)\n"
BROKEN = "def gate(:\n"
GRADER = (sys.executable, "-P", "-m", "grader")
Ran = subprocess.CompletedProcess[str]


def grader(*arguments: str | Path, cwd: Path) -> Ran:
    command = [*GRADER, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=environment(cwd), capture_output=True, text=True, check=False, timeout=300
    )


def environment(folder: Path) -> dict[str, str]:
    """Ours, with this user's key in `folder`."""
    return {**os.environ, "XDG_STATE_HOME": str(folder / ".state")}


def one_line(ran: Ran) -> str:
    """The one line on standard error with which a command refused."""
    assert ran.stdout == ""
    assert ran.stderr.startswith("grader: ")
    assert ran.stderr.count("\n") == 1, ran.stderr
    return ran.stderr


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with the one assignment that `grader new` makes, and three submissions."""
    root = tmp_path_factory.mktemp("course")
    made = start(root, "gate")
    handed_in = root / "handed in"
    handed_in.mkdir()
    (handed_in / "anna.py").write_text(made.variants[0].read_text())
    (handed_in / "[red]ben.py").write_text(WRONG)
    (handed_in / "cleo.py").write_text(BROKEN)
    return root


@pytest.fixture(scope="module")
def graded(gates: Path) -> Ran:
    return grader("grade", "gate", "handed in", "-o", "out", cwd=gates)


def test_help_names_every_command(tmp_path: Path) -> None:
    ran = grader("--help", cwd=tmp_path)
    assert ran.returncode == 0
    assert ran.stderr == ""
    assert [name for name in COMMANDS if f"    {name} " not in ran.stdout] == []


def test_help_is_quick(tmp_path: Path) -> None:
    def seconds() -> float:
        began = time.perf_counter()
        assert grader("--help", cwd=tmp_path).returncode == 0
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.2


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str, tmp_path: Path) -> None:
    ran = grader(command, "--help", cwd=tmp_path)
    assert ran.returncode == 0
    assert ran.stdout.startswith(f"usage: grader {command}")


def test_version(tmp_path: Path) -> None:
    assert grader("--version", cwd=tmp_path).stdout == f"torchgrade {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "required: COMMAND"),
        (("grde",), "invalid choice: 'grde'"),
        (("grade", "gate"), "required: PATH, -o/--out"),
        (("grade", "gate", "x", "-o", "out", "-j", "0"), "expected a whole number from 1"),
        (("grade", "gate", "x", "-o", "out", "--min-score", "lots"), "expected points such as 12"),
        (("grade", "gate", "x", "-o", "out", "--min-score", "nan"), "expected points such as 12"),
        (("grade", "gaet", "handed in", "-o", "out"), "did you mean `gate`?"),
        (("grade", "gate", "nowhere", "-o", "out"), "nowhere"),
        (("grade", "gate", "assignments/gate/README.md/x", "-o", "out"), "README.md"),
        (("build", "gaet"), "did you mean `gate`?"),
        (("new", "gate"), "exists already"),
        (("new", "my-gate"), "cannot name a module"),
        (("report", "nowhere"), "nowhere: no such folder"),
        (("report", "assignments"), "not the OUT folder"),
        (("check", "nowhere.py"), "nowhere.py: no such file"),
    ],
)
def test_wrong_usage_is_one_line_and_2(arguments: tuple[str, ...], said: str, gates: Path) -> None:
    ran = grader(*arguments, cwd=gates)
    assert said in one_line(ran)
    assert ran.returncode == 2


def test_outside_any_course(tmp_path: Path) -> None:
    ran = grader("build", cwd=tmp_path)
    assert "no folder `assignments`" in one_line(ran)
    assert ran.returncode == 2


def test_a_broken_assignment_is_one_line_and_2(tmp_path: Path) -> None:
    made = start(tmp_path, "gate")
    made.settings.write_text(made.settings.read_text().replace("title:", "titel:"))
    ran = grader("grade", "gate", made.variants[0], "-o", "out", cwd=tmp_path)
    assert f"{made.settings}: unknown key `titel`, did you mean `title`?" in one_line(ran)
    assert ran.returncode == 2


def test_points_that_do_not_add_up_are_one_line_and_2(tmp_path: Path) -> None:
    made = start(tmp_path, "gate")
    made.settings.write_text(made.settings.read_text().replace("points: 10", "points: 11"))
    ran = grader("grade", "gate", made.variants[0], "-o", "out", cwd=tmp_path)
    assert "11" in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("grader: ")
    assert ran.returncode == 2


@pytest.mark.slow
def test_new_says_what_to_do_next_and_it_works(tmp_path: Path) -> None:
    ran = grader("new", "gate", "--title", "A gate", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    (line,) = (line for line in ran.stdout.splitlines() if line.startswith("Try it: grader "))
    tried = grader(*line.removeprefix("Try it: grader ").split(), cwd=tmp_path)
    assert tried.returncode == 0, tried.stderr
    assert "10 of 10" in tried.stdout


def test_build_and_its_check(tmp_path: Path) -> None:
    made = start(tmp_path, "gate")
    assert grader("build", cwd=tmp_path).stdout == "gate: up to date\n"
    assert grader("build", "--check", cwd=tmp_path).returncode == 0
    made.solution.write_text(made.solution.read_text() + "\n\nmore = 1\n")
    ran = grader("build", "--check", cwd=made.folder)  # from a folder below the root, too
    assert ran.returncode == 2
    assert "run `grader build gate`" in ran.stderr
    assert f"gate: wrote {made.notebook}" in grader("build", "gate", cwd=tmp_path).stdout
    assert grader("build", "--check", cwd=tmp_path).returncode == 0


def test_grade_ends_with_a_table_and_the_page(graded: Ran, gates: Path) -> None:
    assert graded.returncode == 0, graded.stderr
    table = graded.stdout
    anna, ben, cleo = (next(line for line in table.splitlines() if name in line) for name in ("anna", "ben", "cleo"))
    assert "10 of 10" in anna
    assert "[red]ben.py" in ben
    assert "graded" in ben
    assert "invalid" in cleo
    assert "line 1" in cleo
    assert "3 submissions: 2 graded, 1 invalid; mean " in table
    assert table.splitlines()[-1] == "out/class.html"
    assert (gates / "out" / "class.html").is_file()


def test_progress_is_a_line_each_on_standard_error(graded: Ran) -> None:
    lines = graded.stderr.splitlines()
    assert [line.partition("]")[0] for line in lines] == ["[1/3", "[2/3", "[3/3"]
    assert any(line.endswith("anna.py: 10 of 10") for line in lines)


def test_again_nothing_is_graded_twice(graded: Ran, gates: Path) -> None:
    again = grader("grade", "gate", "handed in", "-o", "out", cwd=gates)
    assert again.returncode == 0
    assert [line.endswith(", as before") for line in again.stderr.splitlines()] == [True] * 3
    assert again.stdout == graded.stdout


def test_json_is_results_json_and_nothing_else(graded: Ran, gates: Path) -> None:
    ran = grader("grade", "gate", "handed in", "-o", "out", "--json", "-j", "2", "--min-score", "60%", cwd=gates)
    data = json.loads(ran.stdout)
    assert data == json.loads((gates / "out" / "results.json").read_text())
    assert (data["schema"], data["assignment"]) == (1, "gate")
    assert [row["status"] for row in data["submissions"]].count("graded") == 2
    assert ran.returncode == 1  # two of the three are below 60 percent


def scored(score: float, status: Status = Status.GRADED) -> Result:
    return Result("a.py", "a", status, score, 8.0, 0.1, None, ())


@pytest.mark.parametrize(
    ("results", "threshold", "code"),
    [
        ([scored(0), scored(8)], None, 0),
        ([scored(4), scored(8)], "4", 0),
        ([scored(3.9), scored(8)], "4", 1),
        ([scored(4), scored(8)], "50%", 0),
        ([scored(3.9), scored(8)], "50%", 1),
        ([scored(0, Status.INVALID)], "0", 0),
        ([scored(0, Status.INVALID)], "1", 1),
        ([scored(0, Status.ERROR), scored(0)], "1", 3),
        ([scored(8), scored(0, Status.ERROR)], None, 3),
    ],
)
def test_exit_codes(results: list[Result], threshold: str | None, code: int) -> None:
    assert exit_code(results, None if threshold is None else parse_threshold(threshold)) == code


FAULTY = '''

@check(points=1)
def test_small(student, x):
    """The output is no larger than the input."""
    output = student.Gate(x.shape[-1])(x)
    if (output.abs() <= x.abs()).all():  # else it compares nothing: a slip that the solution does not bring to light
        assert output.shape == x.shape
'''


def test_a_fault_of_ours_is_3(tmp_path: Path) -> None:
    made = start(tmp_path, "gate")
    made.hidden_checks.write_text(made.hidden_checks.read_text() + FAULTY)
    made.settings.write_text(made.settings.read_text().replace("points: 10", "points: 11"))
    doubled = made.variants[0].read_text().replace("tokens / (1 +", "2 * tokens * (1 +")
    (tmp_path / "doubled.py").write_text(doubled)
    ran = grader("grade", "gate", "doubled.py", "-o", "out", "--min-score", "0", cwd=tmp_path)
    assert ran.returncode == 3, ran.stderr
    assert "not graded" in ran.stdout


def test_report_writes_the_pages_again(graded: Ran, gates: Path) -> None:
    page = gates / "out" / "class.html"
    before = page.read_text()
    page.unlink()
    ran = grader("report", "out", cwd=gates)
    assert (ran.returncode, ran.stdout) == (0, "out/class.html\n")
    assert page.read_text() == before


def test_check_finds_the_file_and_says_what_is_wrong(tmp_path: Path) -> None:
    made = start(tmp_path, "gate")
    made.skeleton.write_text(made.solution.read_text().replace("torch.sigmoid", "torch.tanh"))
    os.utime(made.notebook, (0, 0))
    ran = grader("check", cwd=made.folder)
    assert ran.returncode == 0, ran.stderr
    assert "gate.py" in ran.stdout
    assert "Passed          2 of 2  The output has the shape of the input." in ran.stdout
    assert "Not passed yet  0 of 4  Each feature is multiplied by its gate." in ran.stdout
    assert "Hint: Squash" in ran.stdout
    assert "2 of 6 points" in ran.stdout
    assert "gradient" not in ran.stdout  # that one is hidden


def test_check_recognises_a_file_by_the_names_it_defines(gates: Path) -> None:
    (gates / "my work.py").write_text((gates / "handed in" / "anna.py").read_text())
    ran = grader("check", "my work.py", cwd=gates)
    assert ran.returncode == 0, ran.stderr
    assert "6 of 6 points" in ran.stdout


def test_check_asks_when_it_cannot_tell(gates: Path) -> None:
    (gates / "other.py").write_text("x = 1\n")
    ran = grader("check", "other.py", cwd=gates)
    assert "--assignment NAME (gate)" in one_line(ran)
    assert ran.returncode == 2


@pytest.mark.slow
def test_doctor_tells_people_and_machines_the_same(tmp_path: Path) -> None:
    told, data = grader("doctor", cwd=tmp_path), grader("doctor", "--json", cwd=tmp_path)
    protection = json.loads(data.stdout)
    assert told.returncode == data.returncode == (0 if protection["level"] == "STRICT" else 3)
    for probe in protection["probes"]:
        line = next(line for line in told.stdout.splitlines() if probe["title"] in line)
        assert line.startswith("ok" if probe["ok"] else "MISS")
    assert f"\n{protection['level']}: " in told.stdout


@pytest.fixture
def slow(gates: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that will not end by itself for a while."""
    (gates / "slow.py").write_text("import time\n\ntime.sleep(50)\n")
    command = [*GRADER, "grade", "gate", "handed in/anna.py", "slow.py", "-o", "slow"]
    with subprocess.Popen(
        command,
        cwd=gates,
        env=environment(gates),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_was(slow: subprocess.Popen[str], gates: Path) -> None:
    assert slow.stderr is not None
    assert slow.stderr.readline() == "[1/2] anna.py: 10 of 10\n"
    slow.send_signal(signal.SIGINT)
    rest = slow.communicate(timeout=60)[1]
    assert slow.returncode == 130
    assert "run the same command again" in rest.splitlines()[-1]
    again = grader("grade", "gate", "handed in/anna.py", "-o", "slow", cwd=gates)
    assert again.stderr == "[1/1] anna.py: 10 of 10, as before\n"


def test_whoever_reads_may_leave(graded: Ran, gates: Path) -> None:
    command = [*GRADER, "grade", "gate", "handed in", "-o", "out", "--json"]
    with subprocess.Popen(
        command, cwd=gates, env=environment(gates), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode in (0, 3)


def test_every_tone_has_a_style() -> None:
    assert set(STYLES) == set(get_args(Tone))
