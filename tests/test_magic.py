"""`%check` and `grader.check(...)` in a running session: what is shown, what is found, and that nothing is changed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from grader.run.recorded import record
from tests.course import PERFECT, Course, make_course

# Imports once and forks for each session. Cells run as a Jupyter kernel runs them: in an event loop, one after another.
DRIVER = """
import asyncio, json, os, signal, sys
import numpy
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
import grader.selfcheck.magic

async def run(shell, cells):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as a kernel does, and not asyncio's own
    said = []
    for cell in cells:
        with capture_output() as seen:
            ran = await shell.run_cell_async(cell, store_history=True, transformed_cell=shell.transform_cell(cell))
        error = ran.error_before_exec or ran.error_in_exec
        said.append({"shown": [shown.data for shown in seen.outputs], "stdout": seen.stdout, "stderr": seen.stderr,
                     "error": repr(error) if error else None, "value": ran.result if ran.success else None})
    return said

for line in sys.stdin:
    asked = json.loads(line)
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        os.chdir(asked["folder"])
        os.environ.update(asked["environment"])
        out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        said = asyncio.run(run(InteractiveShell.instance(), asked["cells"]))
        print(json.dumps(said, default=repr), file=out, flush=True)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        print('null', flush=True)
"""

Said = list[dict[str, Any]]
Session = Callable[..., Said]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course as students have it: with recorded answers, and without the solution."""
    course = make_course(tmp_path_factory.mktemp("course"))
    course.assignment.recorded.write_bytes(record(course.assignment))
    (course.folder / "solutions").rename(course.folder / "elsewhere")
    return course


@pytest.fixture(scope="module")
def session(taught: Course, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Runs cells in a session of its own; returns what each showed and said."""
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-W", "error", "-c", DRIVER]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "IPYTHONDIR": str(home)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as driver:
        assert driver.stdin
        assert driver.stdout

        def run(*cells: str, folder: Path = taught.assignment.folder, **more: str) -> Said:
            assert driver.stdin
            assert driver.stdout
            asked = {"cells": [textwrap.dedent(cell) for cell in cells], "folder": str(folder), "environment": more}
            driver.stdin.write(json.dumps(asked) + "\n")
            driver.stdin.flush()
            said: Said = json.loads(driver.stdout.readline())
            return said

        yield run
        driver.stdin.close()


LOAD = "%load_ext grader"
TWICE = "def twice(x):\n    return 2 * x\n"
WRONG = "def twice(x):\n    return x * x\n"
LAYER = "import torch\nfrom torch import nn\n" + PERFECT.partition("return x + x\n")[2]


def text(said: dict[str, Any]) -> str:
    """The one card of a cell, in plain text on one line; nothing else was shown or said."""
    assert said["error"] is None
    assert (said["stdout"], said["stderr"]) == ("", "")
    (card,) = said["shown"]
    assert set(card) == {"text/html", "text/plain"}
    assert isinstance(card["text/plain"], str)
    return " ".join(card["text/plain"].split())


def html(said: dict[str, Any]) -> str:
    """The one card of a cell, as HTML."""
    text(said)
    page = said["shown"][0]["text/html"]
    assert isinstance(page, str)
    return page


def line(said: dict[str, Any]) -> str:
    """The one line of a cell that could not check."""
    assert (said["error"], said["shown"], said["stdout"]) == (None, [], "")
    assert said["stderr"].startswith("grader: ")
    assert said["stderr"].count("\n") == 1
    return str(said["stderr"])


def test_all_is_right(session: Session) -> None:
    card = session(LOAD, PERFECT, "%check")[-1]
    assert "Twice and a layer: 5 of 5 points " in text(card)
    assert text(card).count("Passed") == 3
    assert "Hidden checks, worth 5 more points, run when you hand in." in text(card)
    assert html(card).count('class="badge good"') == 3
    assert "Hint" not in html(card)


def test_a_wrong_function_is_told_drawn_and_hinted_at(session: Session) -> None:
    card = session(LOAD, WRONG, LAYER, "%check twice")[-1]
    assert "1 of 5 points" in text(card)
    assert "Not passed yet 0 of 2 twice doubles every value." in text(card)
    assert "has the right shape (3, 4), but every value differs" in text(card)
    assert "Hint: Two times." in text(card)
    assert "Skipped 0 of 2 twice works for every size." in text(card)
    assert re.findall(r"<h4>(.*?)</h4>", html(card)) == [
        "Yours",
        "Expected",
        "Difference: yours \N{MINUS SIGN} expected",
    ]
    assert html(card).count('<svg class="map" role="img"') == 3
    assert "<b>Hint.</b> Two times." in html(card)


def test_checks_of_one_name(session: Session) -> None:
    _, _, _, *cards = session(
        "import grader", WRONG, LAYER, "grader.check(Layer)", "grader.check(twice)", "grader.check('Layer')"
    )
    assert "checks of Layer: 1 of 1 points" in text(cards[0])
    assert "A width below 1 is refused." in text(cards[0])
    assert "doubles every value" not in text(cards[0])
    assert "checks of twice: 0 of 4 points" in text(cards[1])
    assert "Skipped" in text(cards[1])
    assert "A width" not in text(cards[1])
    assert text(cards[2]) == text(cards[0])


def test_each_way_to_call(session: Session) -> None:
    cards = session(LOAD, PERFECT, "%check", "%check twice", "import grader\ngrader.check()", "grader.check('twice')")
    assert {text(cards[n]) for n in (2, 3, 4, 5)} == {text(cards[2])}


@pytest.mark.parametrize(
    "definition",
    [
        "twice = lambda x: x + x",
        "from functools import partial\nimport torch\ntwice = partial(torch.mul, torch.tensor(2.0))",
        "class Doubler:\n    def __call__(self, x):\n        return 2 * x\ntwice = Doubler()",
        "import torch\n@torch.no_grad()\ndef twice(x):\n    return 2 * x",
    ],
)
def test_whatever_can_be_called(session: Session, definition: str) -> None:
    said = session(LOAD, definition, "%check", "import grader\ngrader.check(twice)")
    assert "4 of 5 points" in text(said[2])  # the layer is not there
    assert "checks of twice: 4 of 4 points" in text(said[3])


def test_what_is_handed_over_is_what_is_checked(session: Session) -> None:
    said = session("import grader", TWICE + "mine = twice\n" + WRONG, "grader.check(mine)", "grader.check(twice)")
    assert "4 of 4 points" in text(said[2])
    assert "0 of 4 points" in text(said[3])


def test_the_last_definition_counts(session: Session) -> None:
    said = session(LOAD, WRONG, "%check", TWICE, "%check", LAYER, "%check")
    assert [f"{points} of 5 points" in text(said[n]) for n, points in ((2, 0), (4, 4), (6, 5))] == [True] * 3


def test_what_is_not_defined_yet(session: Session) -> None:
    near = "def twicee(x):\n    return 2 * x\n" + LAYER
    said = session(LOAD, "%check", "%check nothing", "%check Layer", near, "%check")
    assert line(said[1]) == (
        "grader: nothing to check yet: run the cells that define `twice` or `Layer`, then check again\n"
    )
    assert "does not define `twice`; did you mean `twicee` (cell 5, line 1)?" in text(said[5])
    assert "run its cell, then check again" in text(said[5])
    assert line(said[2]) == "grader: the assignment twice asks for twice, Layer; `nothing` is none of these\n"
    assert line(said[3]) == "grader: `Layer` is not defined here yet: run its cell, then check again\n"


def test_a_name_that_the_assignment_does_not_ask_for(session: Session) -> None:
    said = session("import grader", TWICE + "class Other: pass", "grader.check(Other)", "grader.check(3)")
    assert line(said[2]) == "grader: the assignment twice asks for twice, Layer; `Other` is none of these\n"
    assert "this object is none of these" in line(said[3])


def test_forbidden_calls_are_found_in_the_cells(session: Session) -> None:
    forbidden = "from torch.nn import functional as F\ndef twice(x):\n    F.softplus(x)\n    return 2 * x"
    helper = "def helper(x):\n    return F.softplus(x)\n\ndef twice(x):\n    helper(x)\n    return 2 * x"
    softplus = "F.softplus is torch.nn.functional.softplus and float(F.softplus(torch.zeros(())))"
    said = session(LOAD, LAYER, forbidden, "%check", "%%time\n" + helper, "%check", TWICE, "%check", softplus)
    words = "`twice` uses torch.nn.functional.softplus (cell {}), which this assignment asks you to write yourself"
    assert words.format("3, line 3") in text(said[3])
    assert words.format("5, line 3") in text(said[5])
    assert "5 of 5 points" in text(said[7])
    assert round(said[8]["value"], 3) == 0.693  # torch itself is as it was


def test_a_helper_file_is_looked_through_too(session: Session, taught: Course) -> None:
    helper = taught.assignment.folder / "my_helper.py"
    helper.write_text("import torch\n\ndef plus(x):\n    return torch.nn.functional.softplus(x)\n")
    try:
        said = session(LOAD, "from my_helper import plus", "def twice(x):\n    plus(x)\n    return 2 * x", "%check")
    finally:
        helper.unlink()
    assert "(my_helper.py, line 4)" in text(said[3])


def test_where_the_assignment_is_found(session: Session, taught: Course, tmp_path: Path) -> None:
    other = taught.folder / "assignments" / "thrice"
    other.mkdir()
    settings = (taught.assignment.folder / "assignment.yaml").read_text().replace("[twice, Layer]", "[thrice]")
    (other / "assignment.yaml").write_text(settings.replace("Twice and a layer", "Thrice"))
    root = taught.folder
    by_names = session(LOAD, PERFECT, "%check", folder=root)[-1]
    unclear = session(LOAD, PERFECT + "thrice = Layer2 = 3", "del Layer", "%check", folder=root)[-1]
    by_notebook = session(LOAD, TWICE + "thrice = 3", "%check", folder=root, JPY_SESSION_NAME="homework/twice.ipynb")[
        -1
    ]
    nowhere = session(LOAD, PERFECT, "%check", folder=tmp_path)[-1]
    (other / "assignment.yaml").unlink()
    other.rmdir()
    assert "Twice and a layer: 5 of 5" in text(by_names)
    assert line(unclear) == "grader: say which assignment to check: %check thrice or twice\n"
    assert "Twice and a layer: 4 of 5" in text(by_notebook)
    assert f"no folder `assignments` in {tmp_path}" in line(nowhere)


def test_a_broken_course_is_one_line(session: Session, taught: Course) -> None:
    recorded = taught.assignment.recorded
    kept = recorded.read_bytes()
    recorded.unlink()
    try:
        said = session(LOAD, PERFECT, "%check")[-1]
    finally:
        recorded.write_bytes(kept)
    assert str(recorded) in line(said)


STATE = """
import logging, operator, os, random, signal, sys, threading, warnings
import numpy, torch

def state():
    torch_ = torch.get_rng_state().tolist(), torch.get_num_threads(), torch.get_default_dtype()
    modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_device()
    numbers = random.getstate(), numpy.random.get_state()[1].tolist()
    process = sys.path[:], os.getcwd(), dict(os.environ), sys.excepthook, sys.dont_write_bytecode
    hooks = sys.meta_path[:], sys.path_hooks[:], warnings.filters[:], logging.root.level, logging.root.handlers[:]
    signals = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGALRM, signal.SIGTERM)]
    modules = [name for name in sys.modules if "assignments" in name or "twice" in name or name == "checks"]
    return torch_, modes, numbers, process, hooks, signals, modules, getattr(sys, "last_value", None)
"""
SETTINGS = """
torch.set_num_threads(2)
torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
torch.manual_seed(3)
random.seed(4)
numpy.random.seed(5)
"""
MESSY = """
def twice(x):
    numpy.random.rand(), torch.rand(1), random.random()
    os.environ["A"] = "b"
    sys.path.append("x")
    os.chdir("/")
    warnings.simplefilter("ignore")
    torch.set_default_dtype(torch.float16)
    torch.set_grad_enabled(True)
    raise KeyError(x)
"""


@pytest.mark.parametrize("definition", [WRONG, TWICE, MESSY], ids=["wrong", "right", "messy"])
def test_the_session_is_as_it_was(session: Session, definition: str) -> None:
    said = session(
        LOAD,
        STATE,
        SETTINGS,
        definition,
        LAYER,
        "%check",
        "1 / 0",
        "before = state()",
        "%check",
        "[*map(operator.eq, before, state())]",
    )
    text(said[8])
    assert said[9]["value"] == 8 * [True]
    assert "ZeroDivisionError" in said[6]["error"]


def test_a_session_of_other_defaults(session: Session) -> None:
    settings = "import torch\ntorch.set_default_dtype(torch.float64)\ntorch.set_default_device('meta')"
    assert "5 of 5 points" in text(session(LOAD, settings, PERFECT, "%check")[3])


def test_twenty_checks_leave_nothing_behind(session: Session) -> None:
    many = """
        import gc, psutil, sys
        import grader, IPython
        def measure():
            gc.collect()
            return len(sys.modules), len(gc.get_objects()), psutil.Process().memory_info().rss
        IPython.display.display = lambda card: card.html()  # what the front end keeps is not ours
        for _ in range(8):
            grader.check()
        before = measure()
        for _ in range(20):
            grader.check()
        [now - then for now, then in zip(measure(), before)]
    """
    modules, objects, memory = session(WRONG, LAYER, many)[-1]["value"]
    assert modules == 0
    assert objects < 200
    assert memory < 12 << 20  # the allocator has its own to and fro


def test_an_interrupt_ends_the_check(session: Session) -> None:
    loop = """
        def twice(x):
            while True:
                try:
                    sum(range(10_000))
                except Exception:
                    pass
    """
    soon = "import os, signal, threading\nthreading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
    said = session(LOAD, loop, LAYER, soon + "get_ipython().run_line_magic('check', '')", TWICE, "%check")
    assert line(said[3]).startswith("grader: stopped during “twice doubles every value.”; your session is as it was")
    assert "5 of 5 points" in text(said[5])


@pytest.mark.parametrize("body", ["while True:\n        pass", "import time\n    time.sleep(60)"])
def test_what_never_ends_is_stopped(session: Session, body: str) -> None:
    card = text(session(LOAD, f"def twice(x):\n    {body}", LAYER, "%check")[3])
    assert "took longer than 1 seconds and was stopped (cell 2, line" in card
    assert "is there a loop that never ends?" in card
    assert "1 of 5 points" in card


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise SystemExit(3)", "your code called sys.exit (or exit) instead of returning"),
        ("class Odd(BaseException): pass\n    raise Odd('x')", "your code raised Odd (cell 2, line"),
        ("return x.nothing", "your code raised AttributeError (cell 2, line 2: `return x.nothing`)"),
        ("return twice(x)", "your code raised RecursionError"),
        ("return object()", "twice"),
    ],
)
def test_code_that_fails(session: Session, body: str, words: str) -> None:
    card = text(session(LOAD, f"def twice(x):\n    {body}", LAYER, "%check")[3])
    assert words in card
    assert "1 of 5 points" in card


class Tags(HTMLParser):
    """Which elements and attributes a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


ATTACK = """</style></td><script>alert('1')</script><img src=x onerror="alert(2)">&lt;b&gt;`<i>`\\u202e"""


@pytest.mark.parametrize(
    "body",
    [
        f"raise ValueError({ATTACK!r})",
        f"raise type({ATTACK!r}, (Exception,), {{}})('x')",
        f"return {ATTACK!r}",
        f"return type({ATTACK!r}, (), {{'__repr__': lambda self: {ATTACK!r}}})()",
        f"return {{{ATTACK!r}: 1}}",
    ],
)
def test_what_students_write_stays_text(session: Session, body: str) -> None:
    page = html(session(LOAD, f"def twice(x):\n    {body}", LAYER, "%check")[3])
    seen = Tags()
    seen.feed(page)
    assert not seen.tags & {"script", "img", "i", "a", "link", "iframe"}
    assert not {name for name in seen.attributes if name.startswith("on") or name in {"src", "href"}}
    assert page.count("<style>") == page.count("</style>") == 1
    assert "\u202e" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_the_card_is_small(session: Session) -> None:
    right, wrong = (html(session(LOAD, PERFECT if good else WRONG, "%check")[2]) for good in (True, False))
    assert len(right) < 9_000
    assert len(wrong) < 30_000
    style = right.partition("<style>")[2].partition("</style>")[0]
    rules = re.findall(r"^(.*?) \{", style, re.MULTILINE)
    assert rules
    assert all(part.strip().startswith((".torchgrade", "@media")) for rule in rules for part in rule.split(","))


def test_outside_of_a_notebook_it_says_what_to_do() -> None:
    code = "import sys, grader; assert 'torch' not in sys.modules; grader.check()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "grader: `grader.check()` is for notebooks; a file is checked with `grader check FILE`\n"
