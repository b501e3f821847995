"""`grader check` as a student meets it: in a released folder, without the solution, on whatever machine."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from grader.assignment import load_assignment
from grader.authoring.answers import refresh
from grader.commands.heat import can_draw, heat_maps
from grader.commands.told import compared
from grader.intake.collect import entries
from grader.records import CheckResult, Grid, Outcome, Picture, Result, Status
from grader.run.batch import grade_batch
from grader.sandbox.clock import TimeUp, clock
from grader.selfcheck.supervise import Workers, check_file
from tests.course import PERFECT, make_course

GRADER = (sys.executable, "-P", "-m", "grader")
WRONG = PERFECT.replace("return x + x", "return x * x")
REST = "; hidden checks add the other 5 of 10 when you hand in."
# What a Windows lacks, taken away before anything else is imported, here and in the process that is started from here.
WINDOWS = """
import os, select, signal, sys
for name in ("resource", "fcntl", "grp", "pwd", "termios", "pty", "tty"):
    sys.modules[name] = None
gone = {os: ["fork", "forkpty", "pidfd_open", "setsid", "mkfifo", "chown", "O_NOFOLLOW"],
        signal: ["SIGALRM", "setitimer", "ITIMER_REAL", "SIGXCPU", "SIGSYS", "pthread_sigmask"],
        select: ["poll", "epoll"]}
gone[os] += [name for name in dir(os) if name.startswith("sched_")]
for module, names in gone.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What students get of the assignment `twice`, in a folder of a difficult name."""
    course = make_course(tmp_path_factory.mktemp("course"))
    refresh(course.assignment)
    made = tmp_path_factory.mktemp("at home") / "Übung 1 (für alle)"
    shutil.copytree(course.assignment.folder, made / "assignments" / "twice")
    (made / "fixtures" / "twice").mkdir(parents=True)
    for path in (course.assignment.public_tensors, course.assignment.recorded):
        shutil.copy(path, made / "fixtures" / "twice")
    return made


@pytest.fixture
def here(folder: Path) -> Iterator[Path]:
    """Where the student works; nothing is left of it for the next test."""
    where = folder / "assignments" / "twice"
    before = set(where.iterdir())
    yield where
    for path in set(where.iterdir()) - before:
        path.unlink()


def check(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*GRADER, "check", *map(str, arguments)]
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **offline, **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def row(source: str, here: Path, name: str = "twice.py") -> dict[str, Any]:
    """The row of a file with this source."""
    (here / name).write_text(source, encoding="utf-8")
    ran = check(name, "--json", cwd=here)
    assert (ran.returncode, ran.stdout.count("\n")) == (0, 1), ran.stderr
    data: dict[str, Any] = json.loads(ran.stdout)
    assert json.loads(json.dumps(Result.from_json(data).to_json())) == data
    return data


def outcomes(data: dict[str, Any]) -> dict[str, str]:
    return {each["id"]: each["status"] for each in data["checks"]}


def message(data: dict[str, Any], name: str) -> str:
    return next(str(each["message"]) for each in data["checks"] if each["id"] == name)


def test_a_right_file_in_words(here: Path) -> None:
    (here / "twice.py").write_text(PERFECT)
    ran = check(cwd=here)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Twice and a layer: twice.py\n")
    assert "Passed          2 of 2  twice doubles every value." in ran.stdout
    assert f"All checks passed. Well done.\n\n5 of 5 points in the public checks{REST}" in ran.stdout
    assert not list(here.rglob("__pycache__"))


def test_a_wrong_file_in_words_where_the_encoding_is_poor(here: Path) -> None:
    (here / "twice.py").write_text(WRONG)
    ran = check("twice.py", cwd=here.parent.parent / "assignments" / "twice", PYTHONIOENCODING="ascii")
    assert ran.returncode == 0, ran.stderr
    assert "Not passed yet  0 of 2  twice doubles every value." in ran.stdout
    assert "twice(x) has the right shape (3, 4), but every value differs." in ran.stdout
    assert "Hint: Two times." in ran.stdout
    assert "not run: first ?twice doubles every value.? has to pass" in ran.stdout
    assert "\x1b" not in ran.stdout
    assert f"1 of 5 points in the public checks{REST}" in ran.stdout


@pytest.mark.slow
def test_a_call_that_never_ends_and_one_that_crashes_cost_their_own_checks(here: Path) -> None:
    source = """
        import ctypes
        print("loading " + "é" * 50_000)
        def twice(x):
            while x.dim() == 2:
                try:
                    x = x + 0
                except Exception:
                    pass
            return 2 * x
        class Layer:
            def __init__(self, width):
                print("about to go")
                ctypes.string_at(0)
    """
    began = time.monotonic()
    data = row(re.sub(r"(?m)^ {8}", "", source), here)
    assert data["status"] == "graded"
    assert outcomes(data) == {"values": "failed", "sizes": "skipped", "width": "failed"}
    stopped = "the call took longer than 1 seconds and was stopped (twice.py, line "
    assert message(data, "values").startswith(stopped)
    assert message(data, "values").endswith("; is there a loop that never ends?")
    assert message(data, "width") == "your code crashed Python (Segmentation fault)"
    assert "about to go" in data["output"]
    assert len(data["output"]) < 40_000
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [
        ("def twice(x:\n", "invalid", "twice.py, line 1: syntax error, '(' was never closed: def twice(x:"),
        ("def twcie(x):\n    return x\n", "invalid", "did you mean `twcie` (line 1)?"),
        ("import sys\nsys.exit()\n", "invalid", "called sys.exit (or exit) instead of returning (twice.py, line 2"),
        ("import os\nos._exit(0)\n", "crashed", "your code ended Python (os._exit, perhaps) instead of returning"),
        ("x = 1\nwhile True:\n    x += 1\n", "timeout", "loading the file took longer than 2 seconds"),
        ("import nowhere_at_all\n", "invalid", "imports `nowhere_at_all`, which is not installed here"),
    ],
    ids=["syntax", "near miss", "sys.exit", "os._exit", "loop", "package"],
)
def test_a_file_that_cannot_be_loaded(source: str, status: str, said: str, here: Path) -> None:
    data = row(source, here)
    assert (data["status"], data["score"], data["max_score"], data["checks"]) == (status, 0.0, 5.0, [])
    assert said in data["message"]


@pytest.mark.slow
def test_forbidden_calls_and_sleep_and_a_module_beside_the_file(here: Path) -> None:
    (here / "helper.py").write_text("import torch\ndef double(x):\n    return torch.nn.functional.softplus(x)\n")
    data = row("import helper, time\ndef twice(x): return helper.double(x)\ndef Layer(w): time.sleep(60)\n", here)
    assert outcomes(data) == {"values": "failed", "sizes": "skipped", "width": "failed"}
    assert "torch.nn.functional.softplus" in message(data, "values")
    assert message(data, "width").startswith("the call did not come to an end and was stopped")
    assert data["notes"] == ["Your file imports helper.py: hand that in with it, in one folder or zip."]


def notebook(*cells: str) -> str:
    code = [{"cell_type": "code", "metadata": {}, "source": cell, "outputs": []} for cell in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": code})


@pytest.mark.parametrize("name", ["twice.py", "twice.ipynb"])
def test_where_there_is_no_unix(name: str, here: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WINDOWS)
    source = PERFECT if name == "twice.py" else notebook("1 / 0", PERFECT)
    (here / name).write_text(source)
    ran = check(name, "--json", cwd=here, PYTHONPATH=str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    data = json.loads(ran.stdout)
    assert (data["status"], data["score"]) == ("graded", 5.0), data
    assert data["notes"] == ([] if name == "twice.py" else ["cell 1 stopped with ZeroDivisionError: division by zero"])


def test_the_process_that_waits_loads_nothing_heavy() -> None:
    code = "import grader.commands.check, grader.commands.told, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "pytest", "_pytest", "IPython", "nbclient"} & set(done.stdout.split()) == set()


# --- again at each save


class Watching:
    """`grader check --watch --json`, its rows as they come."""

    def __init__(self, here: Path) -> None:
        self.process = subprocess.Popen(
            [*GRADER, "check", "twice.py", "--watch", "--json"],
            cwd=here,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def row(self, seconds: float = 60.0) -> dict[str, Any]:
        assert self.process.stdout
        assert select.select([self.process.stdout], [], [], seconds)[0], "no row came"
        data: dict[str, Any] = json.loads(self.process.stdout.readline())
        return data


@pytest.fixture
def watching(here: Path) -> Iterator[Watching]:
    (here / "helper.py").write_text("factor = 3\n")
    (here / "twice.py").write_text(
        PERFECT.replace("x + x", "helper.factor * x").replace("import torch", "import torch, helper", 1)
    )
    watching = Watching(here)
    yield watching
    watching.process.kill()
    watching.process.communicate()


@pytest.mark.slow
def test_each_save_is_checked(watching: Watching, here: Path) -> None:
    assert watching.row()["score"] == 1.0
    (here / "helper.py").write_text("factor = 2\n")
    assert watching.row()["score"] == 5.0
    file, took = here / "twice.py", []
    for source, score in ((WRONG, 1.0), (PERFECT, 5.0)):
        time.sleep(4)  # until the next process is warm
        new = here / "twice.py.tmp"  # as editors do it: another file in its place
        new.write_text(source)
        began = time.monotonic()
        new.replace(file)
        assert watching.row()["score"] == score
        took.append(time.monotonic() - began)
    assert min(took) < 2.0  # half a second where nothing else runs
    with file.open("w") as writing:  # as others do it: emptied, then written
        writing.flush()
        time.sleep(0.1)
        writing.write(WRONG)
    assert watching.row()["score"] == 1.0  # and not that of an empty file
    file.write_text("while True:\n    pass\n")
    time.sleep(1.0)
    file.write_text(PERFECT)  # while the endless one is being checked
    assert watching.row()["score"] == 5.0
    watching.process.send_signal(signal.SIGINT)
    rest, said = watching.process.communicate(timeout=20)
    assert (watching.process.returncode, rest) == (0, "")
    assert said == "\nNo longer watching.\n"


@pytest.mark.slow
def test_what_a_terminal_shows(here: Path) -> None:
    """In colour: the picture, then after a save how much better it is, then the prompt again."""
    (here / "twice.py").write_text(WRONG)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "120", "LINES": "50"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [*GRADER, "check", "--watch"],
        cwd=here,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        first = read_until(ours, "Ctrl-C ends this.")
        assert re.search(r"twice\.py \(\d\d:\d\d:\d\d\)", first)
        assert "largest difference: " in first
        assert "\x1b[38;2;" in first
        (here / "twice.py").write_text(PERFECT)
        second = read_until(ours, "Ctrl-C ends this.")
        assert "2 more checks pass than before. Save twice.py to check it again" in second
        process.send_signal(signal.SIGINT)
        assert "No longer watching." in read_until(ours, "watching.")
    assert process.returncode == 0


def read_until(terminal: int, end: str) -> str:
    """What comes on the terminal, up to `end`."""
    seen, deadline = b"", time.monotonic() + 60
    while end.encode() not in seen:
        assert select.select([terminal], [], [], deadline - time.monotonic())[0], seen.decode()
        seen += os.read(terminal, 1 << 16)
    return seen.decode()


@pytest.mark.slow
def test_ctrl_c_ends_a_check_and_its_process(here: Path) -> None:
    (here / "twice.py").write_text("import os\nopen('process.pid', 'w').write(str(os.getpid()))\nwhile True: pass\n")
    with subprocess.Popen([*GRADER, "check"], cwd=here, stderr=subprocess.PIPE, text=True) as process:
        told = here / "process.pid"
        while not (told.is_file() and told.read_text()):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1] == "\nStopped.\n"
    assert process.returncode == 130
    assert not Path(f"/proc/{told.read_text()}").exists()


# --- the parts


def test_a_clock_ends_what_takes_too_long_and_nothing_else() -> None:
    def stubborn() -> None:
        began = time.monotonic()
        while time.monotonic() - began < 20:
            try:
                while True:
                    pass
            except BaseException:
                if time.monotonic() - began > 1.0:
                    raise

    assert clock().limited(0.2, "it", lambda: sum(range(1000))) == 499500
    with pytest.raises(TimeUp, match=r"it took longer than 0\.2 seconds and was stopped"):
        clock().limited(0.2, "it", stubborn)
    assert clock().limited(5, "outer", lambda: clock().limited(0.1, "inner", lambda: 1)) == 1
    began = time.monotonic()
    while time.monotonic() - began < 1.5:  # nothing comes late
        pass


def drawn(picture: Picture, width: int, colours: str = "truecolor") -> list[str]:
    out = Console(file=StringIO(), width=width, force_terminal=True, color_system=colours, legacy_windows=False)  # type: ignore[arg-type]
    with out.capture() as capture:
        out.print(heat_maps(picture, width))
    return re.sub(r"\x1b\[[\d;]*m", "", capture.get()).splitlines()


def square(n: int, *, hole: bool = False) -> Picture:
    mine: Grid = tuple(tuple(float(r * n + c) for c in range(n)) for r in range(n))
    if hole:
        mine = ((None, *mine[0][1:]), *mine[1:])
    return Picture("output[0]", mine, mine, tuple(tuple(0.5 for _ in range(n)) for _ in range(n)))


def test_heat_maps_fit_the_terminal() -> None:
    small = drawn(square(3, hole=True), 100)
    assert small[0].rstrip() == "output[0]:"
    assert re.split(r"\s{2,}", small[1].strip()) == ["Yours", "Expected", "Difference"]
    assert small[2].split() == ["nan", "1.00", "2.00", "nan", "1.00", "2.00", "0.50", "0.50", "0.50"]
    large = drawn(square(16), 60)
    assert large[2].split() == ["▀" * 16] * 3
    assert sum("▀" in line for line in large) == 8
    assert " ".join(large).split("largest difference: ")[1].startswith("0.5 in row 0, column 0")
    medium = drawn(square(10), 100)
    assert medium[2].split() == ["▀" * 20] * 3
    narrow = drawn(square(16), 40)  # below each other
    assert [line.strip() for line in narrow if line.strip() in ("Yours", "Expected", "Difference")] == [
        "Yours",
        "Expected",
        "Difference",
    ]
    odd = drawn(square(13, hole=True), 60)
    assert odd[2].startswith("▄▀")


@pytest.mark.parametrize(
    ("environment", "draws"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "linux"}, False),
    ],
)
def test_heat_maps_are_drawn_only_where_colours_tell(environment: dict[str, str], draws: bool) -> None:
    class Terminal(StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    assert can_draw(Console(file=Terminal(), _environ=environment)) is draws
    assert not can_draw(Console(file=StringIO(), _environ=environment))


def test_what_a_save_changed_in_words() -> None:
    passed = CheckResult("a", "A", "public", 1, 1, Outcome.PASSED)
    failed = replace(passed, status=Outcome.FAILED)
    result = Result("a.py", "", Status.GRADED, 1, 2, 0.1, None, (passed, failed))
    better = replace(result, checks=(passed, passed))
    assert compared(result, better) == "1 more check passes than before."
    assert compared(better, replace(result, checks=())) == "2 fewer checks pass than before."
    assert compared(result, result) == "As many checks pass as before."


SAMPLES = {
    "attention": (
        "no_scaling.py",
        "segmentation_fault.py",
        "heads_split_by_view.ipynb",
        "renamed_layers.py",
    ),
    "masks": ("off_by_one.py", "float_masks.py", "names_inside_a_class.py", "notebook_with_failing_cell.ipynb"),
    "generation": ("only_the_last_token.py", "perfect_numpy_style.py", "prompt_cut_off.ipynb", "wrong_keyword.py"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_checking_and_grading_agree(name: str, root: Path) -> None:
    assignment = load_assignment(root, name)
    files = [root / "examples" / "submissions" / name / sample for sample in SAMPLES[name]]
    graded = {result.submission: result for result in grade_batch(assignment, entries(files, name), None, jobs=2)}
    for file in files:
        with Workers(assignment, notebook=file.suffix == ".ipynb") as workers:
            mine = check_file(file, workers)
        theirs = graded[file.name]
        assert mine
        assert mine.status == theirs.status, file.name
        expected = {c.id: c.status for c in theirs.checks if c.visibility == "public" and not c.followed}
        found = {c.id: c.status for c in mine.checks if c.id in expected}
        assert found == expected, file.name
