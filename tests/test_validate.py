"""`grader validate` on a small course: proven as it is, and unproven in every single way, each said in words."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Semaphore
from typing import Any

import pytest
import torch

from grader.authoring.build import build
from grader.errors import UsageError
from grader.proof.page import render_proof, times
from grader.proof.prove import Proof, _changes, prove
from grader.proof.stage import perform
from grader.proof.trial import Program
from grader.proof.verdict import Cell
from grader.records import Outcome
from grader.run.local import overlays, run_trusted
from tests.browser import Browser, find_chromium
from tests.course import PERFECT, Course, make_course

MISTAKES = """
import torch
from twice import Layer, twice
from grader.checks import mistake

def known(replaces, *caught_by):
    return mistake(replaces=replaces, title="Wrong <b>", hint="Mind it.", caught_by=caught_by)

@known("twice", "values", "gradient")
def squared(x):
    return x * x

@known("twice", "sizes")
def wide_only(x):
    return 2 * x if x.shape[-1] > 3 else x

@known("twice", "gradient")
def cut(x):
    return (2 * x).detach()

@known("twice", "input")
def in_place(x):
    y = 2 * x
    with torch.no_grad():
        x.zero_()
    return y

@known("Layer", "width")
class AnyWidth(Layer):
    def __init__(self, width):
        super().__init__(max(width, 1))

@known("Layer", "layer")
class Added(Layer):
    def forward(self, x):
        return 2 * self.a(x) + self.b(x)
"""
EQUIVALENT = """
- line: return twice(self.a(x)) - self.b(x)
  change: return (twice(self.a(x)) - self.b(x)).detach()
  why: In this small course nobody asks for the layer's gradient.
"""


@pytest.fixture
def proven(tmp_path: Path) -> Course:
    """The small course with a mistake for every check, a variant and an explained survivor."""
    made = make_course(tmp_path)
    assignment = made.assignment
    given = '        if width < 1:\n            raise ValueError("width")\n'
    change(assignment.solution, given, f"        # BEGIN SOLUTION Task 3: width\n{given}        # END SOLUTION\n")
    change(assignment.public_checks, "    with raises(", "    student.Layer(1)\n    with raises(")
    write(assignment.mistakes, MISTAKES)
    write(assignment.solution_folder / "variants" / "added.py", PERFECT)
    write(assignment.solution_folder / "equivalent.yaml", EQUIVALENT)
    build(assignment)
    return made


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def proof_of(course: Course, *, with_mutants: bool = False, seeds: int = 4) -> Proof:
    return prove(course.assignment, seeds=seeds, with_mutants=with_mutants, spare=Semaphore(1))


def said(proof: Proof) -> list[str]:
    return [str(problem) for problem in proof.problems]


def test_a_proven_course_has_no_problem(proven: Course) -> None:
    proof = proof_of(proven, with_mutants=True)
    assert said(proof) == []
    assert proof.warnings == ()
    assert proof.points == 10
    assert proof.idle_points == 0
    assert proof.caught == len(proof.rows) == 6
    assert proof.variants == {"added.py": True}
    assert proof.killed > 15
    (survivor,) = proof.survivors
    assert survivor.mutant.operator == "detached"
    assert survivor.why == "In this small course nobody asks for the layer's gradient."
    cells = {row.mistake.id: row.cells for row in proof.rows}
    assert cells["squared"]["sizes"] is Cell.SKIPPED  # it needs `values`
    assert cells["squared"]["layer"] is Cell.FOLLOWED  # its `twice` is wrong, the layer is not
    assert cells["squared"]["values"] is Cell.CAUGHT
    assert cells["squared"]["width"] is Cell.CLEAR


def caught_by_too_much(course: Course) -> None:
    change(course.assignment.mistakes, '"values", "gradient"', '"values", "gradient", "width"')


def caught_by_too_little(course: Course) -> None:
    change(course.assignment.mistakes, '"values", "gradient"', '"values"')


def no_mistake_for_a_check(course: Course) -> None:
    change(course.assignment.mistakes, '@known("Layer", "width")\n', "")


def a_wrong_variant(course: Course) -> None:
    write(course.assignment.solution_folder / "variants" / "three.py", PERFECT.replace("x + x", "3 * x"))


def a_variant_that_does_not_run(course: Course) -> None:
    write(course.assignment.solution_folder / "variants" / "three.py", "import nowhere")


def a_skeleton_that_earns(course: Course) -> None:
    change(course.assignment.skeleton, 'raise NotImplementedError("Task 1: twice")', "return 2 * x")


def no_skeleton(course: Course) -> None:
    course.assignment.skeleton.unlink()


def a_flaky_check(course: Course) -> None:
    change(course.assignment.public_checks, "student.Layer(0)", "student.Layer(int(torch.rand(()) < 0.5))")


def a_flaky_variant(course: Course) -> None:
    now_and_then = PERFECT.replace("x + x", "x + x if random.random() < 0.5 else 3 * x")
    write(course.assignment.solution_folder / "variants" / "three.py", f"import random\n{now_and_then}")


def a_check_that_is_flaky_for_a_mistake(course: Course) -> None:
    change(course.assignment.mistakes, "max(width, 1)", "max(width, 1) if torch.rand(()) < 0.5 else width")


def a_check_the_solution_fails(course: Course) -> None:
    change(course.assignment.public_checks, "student.twice(x), reference.twice(x)", "student.twice(x), 3 * x")


def a_check_that_compares_nothing(course: Course) -> None:
    nothing = "    if (student.twice(torch.ones(2)) == 1).all():\n        return\n    student.Layer(1)"
    change(course.assignment.public_checks, "    student.Layer(1)", nothing)


def a_survivor(course: Course) -> None:
    (course.assignment.solution_folder / "equivalent.yaml").unlink()


def a_stale_explanation(course: Course) -> None:
    more = "- {line: return 2 * x, change: return 3 * x, why: Nobody cares.}\n"
    write(course.assignment.solution_folder / "equivalent.yaml", EQUIVALENT + more)


UNPROVEN: list[tuple[Callable[[Course], None], str, str]] = [
    (caught_by_too_much, "mistake not caught: mistake squared:", "nothing in `width`"),
    (caught_by_too_little, "stray loss: mistake squared:", "also loses points in `gradient`"),
    (no_mistake_for_a_check, "unneeded check: width:", "(1)"),
    (
        a_wrong_variant,
        "variant: solutions/twice/variants/three.py:",
        "loses points in `values`: twice(x) has the right",
    ),
    (a_variant_that_does_not_run, "variant: solutions/twice/variants/three.py:", "No module named 'nowhere'"),
    (a_skeleton_that_earns, "skeleton: assignments/twice/twice.py:", "earns 2 of 2 points in `values`"),
    (no_skeleton, "skeleton: assignments/twice/twice.py:", "No such file"),
    (a_flaky_check, "flaky check: solutions/twice/twice.py:", "`width` takes points with"),
    (a_flaky_variant, "flaky check: solutions/twice/variants/three.py:", "`values` takes points with"),
    (a_check_that_is_flaky_for_a_mistake, "flaky check: mistake AnyWidth:", "`width` takes points with"),
    (a_check_the_solution_fails, "solution: solutions/twice/twice.py:", "loses points in `values`: twice(x) has"),
    (
        a_check_that_compares_nothing,
        "broken check: mistake squared:",
        "`width` cannot judge it: the grader's own fault",
    ),
    (
        a_survivor,
        "survivor: solutions/twice/twice.py:22:",
        "may become `return (twice(self.a(x)) - self.b(x)).detach()`",
    ),
    (
        a_stale_explanation,
        "stale explanation: solutions/twice/equivalent.yaml:",
        "turns `return 2 * x` into `return 3 * x`",
    ),
]


# Wrong in more than one way: what is wrong with a check shows wherever it is used.
SEVERAL = {a_wrong_variant, a_flaky_variant, a_skeleton_that_earns, a_flaky_check, a_check_the_solution_fails}
SEVERAL |= {a_check_that_compares_nothing}


@pytest.mark.parametrize(("spoil", "where", "what"), UNPROVEN, ids=[spoil.__name__ for spoil, _, _ in UNPROVEN])
def test_what_is_not_proven_is_said(proven: Course, spoil: Callable[[Course], None], where: str, what: str) -> None:
    spoil(proven)
    about_mutants = spoil in (a_survivor, a_stale_explanation)
    problems = said(proof_of(proven, with_mutants=about_mutants, seeds=12 if "flaky" in spoil.__name__ else 3))
    assert [line for line in problems if line.startswith(where) and what in line], problems
    assert len(problems) == 1 or spoil in SEVERAL


BROKEN: list[tuple[str, str, str]] = [
    ("mistakes.py", "def known(:", "mistakes.py, line None: SyntaxError"),
    ("mistakes.py", MISTAKES.replace('"sizes"', '"size"'), "wide_only is caught_by `size`, and no check is called so"),
    ("mistakes.py", MISTAKES.replace('"Layer", "width"', '"Lair", "width"'), "AnyWidth replaces 'Lair'"),
    ("equivalent.yaml", "- {line: a, change: b}", "equivalent.yaml, entry 1: expected"),
    ("equivalent.yaml", "line: [", "equivalent.yaml: cannot be read"),
    ("checks.py", "import nowhere", "No module named 'nowhere'"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "text", "what"), BROKEN, ids=[what for _, _, what in BROKEN])
def test_a_broken_assignment_is_refused(proven: Course, file: str, text: str, what: str) -> None:
    write(proven.assignment.solution_folder / file, text)
    with pytest.raises(UsageError) as caught:
        proof_of(proven, with_mutants=True)
    assert what in str(caught.value)


# -- the processes -----------------------------------------------------------------------------------------------------


def stubborn(_: Any) -> None:
    while True:
        try:
            while True:
                pass
        except Exception:
            continue


def patient(_: Any) -> None:
    while True:
        pass


def hoard(_: Any) -> Any:
    return torch.zeros(1 << 33) + 1


def leave(_: Any) -> None:
    os._exit(0)


def die(_: Any) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def noisy(x: Any) -> Any:
    os.write(1, b"noise")
    return 2 * x


def solution(course: Course) -> Program:
    return Program("solution", lambda: run_trusted(course.assignment, course.assignment.solution))


def test_what_a_program_does_stays_its_own(
    proven: Course, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.proof.stage._SECONDS", 0.3)
    monkeypatch.setattr("grader.proof.stage._TIMES", 5.0)

    def program(name: str, twice: Callable[[Any], object], *, brief: bool = False) -> Program:
        names = run_trusted(proven.assignment, proven.assignment.solution)
        return Program(name, lambda: {**names, "twice": twice}, brief=brief)

    checks, trials = perform(
        proven.assignment,
        solution(proven),
        [
            program("stubborn", stubborn),
            program("patient", patient, brief=True),
            program("hoards", hoard),
            program("leaves", leave),
            program("dies", die),
            program("noisy", noisy),
            program("three", lambda x: 3 * x),
            program("three, briefly", lambda x: 3 * x, brief=True),
        ],
        spare=Semaphore(1),
    )
    assert [check.id for check in checks] == ["values", "sizes", "width", "layer", "gradient", "input"]
    assert "too long" in trials["stubborn"].trouble
    assert any(mark.lost for mark in trials["patient"].marks[0].values())
    assert "memory" in trials["hoards"].marks[0]["values"].message
    assert "ended Python" in trials["leaves"].trouble
    assert "ended Python" in trials["dies"].trouble
    assert not any(mark.lost for mark in trials["noisy"].marks[0].values())
    assert "noise" not in capfd.readouterr().out
    assert [check for check, mark in trials["three"].marks[0].items() if mark.lost] == ["values", "gradient"]
    assert list(trials["three, briefly"].marks[0]) in (["values"], ["gradient"])  # the quicker one


def test_brief_programs_share_a_process_and_one_that_ends_it_costs_the_others_nothing(proven: Course) -> None:
    names = run_trusted(proven.assignment, proven.assignment.solution)
    ran = proven.folder / "ran"

    def program(name: str, *changes: str, **other: object) -> Program:
        def make() -> dict[str, object]:
            with ran.open("a") as file:
                file.write(f"{os.getpid()} {name}\n")
            return {**names, **other}

        return Program(name, make, brief=True, changes=changes)

    def right(number: int) -> Program:
        return program(f"right {number}", *(["Layer"] if number % 2 else ["twice"]))  # another file's checks first

    each: list[Program] = []
    for number in range(0, 24, 4):
        each += [right(number), program(f"spoils {number}", "twice", twice=lambda x: x.data.mul_(2)), right(number + 1)]
        each += [program(f"no layer {number}", "Layer", Layer=noisy), right(number + 2)]
        each += [program(f"patient {number}", "twice", twice=patient)] if number == 8 else []
        each += [program(f"leaves {number}", "twice", twice=leave), right(number + 3)]
    _, trials = perform(proven.assignment, solution(proven), each, spare=Semaphore(1))
    assert {name for name, trial in trials.items() if trial.trouble} == {f"leaves {n}" for n in range(0, 24, 4)}
    lost = {name for name, trial in trials.items() if any(mark.lost for mark in trial.marks.get(0, {}).values())}
    assert lost == {"patient 8", *(f"{name} {n}" for name in ("spoils", "no layer") for n in range(0, 24, 4))}
    lines = ran.read_text().splitlines()
    processes, begun = zip(*(line.split(" ", 1) for line in lines), strict=True)
    assert sorted(begun) == sorted(program.name for program in each)  # once each
    assert 7 < len(set(processes)) < len(each) / 2
    after = processes[begun.index("patient 8") + 1 :]
    assert processes[begun.index("patient 8")] not in after  # what was ended in the middle of something runs no other


def test_checks_that_do_not_run_what_is_changed_are_not_run(proven: Course) -> None:
    def program(name: str, *changes: str, again: tuple[str, ...] | None = None) -> Program:
        return Program(name, lambda: {"twice": noisy, "Layer": None}, changes=changes, again=again)

    programs = [
        program("layer", "Layer"),
        program("forward", "Layer.forward"),
        program("twice, said to fail width", "twice", again=("width",)),
        program("unheard of", "Layer.extra_repr"),
    ]
    _, trials = perform(proven.assignment, solution(proven), programs, spare=Semaphore(1))
    lost = {name: [check for check, mark in trial.marks[0].items() if mark.lost] for name, trial in trials.items()}
    assert lost["layer"] == ["width", "layer"]
    assert lost["forward"] == ["layer"]
    assert lost["twice, said to fail width"] == ["width", "layer"]  # the layer calls twice
    assert lost["unheard of"] == ["width", "layer"]  # nothing is known of it: all are run
    assert all(mark.points == 1 for mark in [trials["forward"].marks[0]["width"]])  # as the solution has it


def draws_nothing() -> None:
    return None


def draws_with_a_seed_of_its_own() -> None:
    torch.manual_seed(5)
    torch.rand(1)


def draws_of_torch() -> None:
    torch.rand(1)


def draws_of_python() -> None:
    random.random()


def draws_before_it_sets_the_seed() -> None:
    torch.rand(1)
    torch.manual_seed(5)


def draws_of_both() -> None:
    torch.manual_seed(5)
    random.random()


@pytest.mark.parametrize(
    ("draws", "moves"),
    [
        (draws_nothing, False),
        (draws_with_a_seed_of_its_own, False),
        (draws_of_torch, True),
        (draws_of_python, True),
        (draws_before_it_sets_the_seed, True),
        (draws_of_both, True),
    ],
)
def test_a_check_that_draws_nothing_is_run_with_one_seed(
    proven: Course, draws: Callable[[], None], moves: bool
) -> None:
    def twice(x: Any) -> Any:
        draws()
        return 2 * x

    program = Program("all", lambda: {"twice": twice}, seeds=range(3))
    alone = Program("values alone", lambda: {"twice": twice}, seeds=range(3), again=("values",))
    both = Program("both", lambda: {"twice": twice}, seeds=range(3), again=("values", "sizes"))
    _, trials = perform(proven.assignment, solution(proven), [program, alone, both], spare=Semaphore(1))
    run = {
        name: [{"values", "sizes"} & marks.keys() for marks in trial.marks.values()] for name, trial in trials.items()
    }
    assert run["all"][1:] == [{"values", "sizes"} if moves else {"sizes"}] * 2  # of sizes the check itself draws
    assert run["values alone"][1:] == [{"values"} if moves else set()] * 2
    assert run["both"][1:] == [{"values", "sizes"}] * 2  # as one may leave something to another


def test_a_check_whose_need_is_not_met_is_run_with_no_other_seed(proven: Course) -> None:
    program = Program("cubed", lambda: {"twice": lambda x: x**3}, seeds=range(2), again=("values", "sizes"))
    _, trials = perform(proven.assignment, solution(proven), [program], spare=Semaphore(1))
    first, second = trials["cubed"].marks.values()
    assert [first[name].status for name in ("values", "sizes")] == [Outcome.FAILED, Outcome.SKIPPED]
    assert second == {}


def test_a_mistake_that_inherits_changes_what_it_writes_anew(proven: Course) -> None:
    whole = (
        "\n@known('Layer', 'layer')\nclass Other(Layer):\n    bias = 1\n    def forward(self, x):\n        return x\n"
    )
    write(proven.assignment.mistakes, MISTAKES + whole)
    changes = {m.id: _changes(proven.assignment, m) for m, _ in overlays(proven.assignment)}
    assert changes["AnyWidth"] == ["Layer.__init__"]
    assert changes["Added"] == ["Layer.forward"]
    assert changes["squared"] == ["twice"]
    assert changes["Other"] == ["Layer"]  # an attribute may be read anywhere


def test_a_mistake_near_the_allowance_is_a_close_call(proven: Course) -> None:
    change(proven.assignment.mistakes, "return x * x", "return 2 * x + 1e-4")
    change(proven.assignment.mistakes, '"values", "gradient"', '"values", "sizes"')
    proof = proof_of(proven, seeds=2)
    (warning,) = proof.warnings
    assert str(warning).startswith("close call: values: squared is only ")
    ratio, name = proof.margins["values"]
    assert (1 < ratio < 10, name) == (True, "squared")
    assert proof.margins["layer"][0] > 1e4
    assert "width" not in proof.margins  # an exception is not near or far
    assert [times(number) for number in (3.44, 123.0, 56_789.0, 2e6)] == ["3.4", "120", "57,000", "millions"]


# -- the command -------------------------------------------------------------------------------------------------------


def validate(course: Course, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "grader", "validate", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "100", "XDG_STATE_HOME": str(course.folder)}
    return subprocess.run(
        command, cwd=course.folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.slow
def test_the_command_says_it_in_a_table_json_and_a_page(proven: Course) -> None:
    ran = validate(proven, "--seeds", "2", "-o", "pages")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    squared = next(line for line in lines if line.startswith("squared"))
    assert squared.split() == ["squared", "●", "○", "·", "→", "●", "·"]
    assert "  1 values (2)" in "\n".join(lines)
    assert lines[-1].startswith(
        "twice: proven: 10 points in 6 checks (0 without a mistake); 6 of 6 mistakes caught; 1 of 1"
    )
    assert (proven.folder / "pages" / "twice.html").is_file()

    caught_by_too_little(proven)
    ran = validate(proven, "--seeds", "2", "--no-mutants", "--json", "-j", "1")
    assert (ran.returncode, ran.stderr) == (1, "")
    (found,) = json.loads(ran.stdout)["assignments"]
    assert found["proven"] is False
    assert [(problem["kind"], problem["where"]) for problem in found["problems"]] == [("stray loss", "mistake squared")]
    assert found["mistakes"][0]["checks"]["gradient"] == "stray"
    assert found["mutants"] == {"killed": 0, "survivors": []}

    write(proven.assignment.mistakes, "def known(:")
    ran = validate(proven, "twice", "--json")
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "SyntaxError" in json.loads(ran.stdout)["assignments"][0]["broken"]


@pytest.mark.parametrize("arguments", [("nowhere",), ("--seeds", "0"), ("--seeds", "many"), ("-j", "0")])
def test_wrong_usage_is_one_line(proven: Course, arguments: tuple[str, ...]) -> None:
    ran = validate(proven, *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("grader: ")
    assert ran.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_page_holds_everything_and_stays_inside(proven: Course) -> None:
    caught_by_too_little(proven)
    (proven.assignment.solution_folder / "equivalent.yaml").unlink()
    page = proven.folder / "twice.html"
    page.write_text(render_proof(proof_of(proven, with_mutants=True, seeds=2)))
    assert "Wrong <b>" not in page.read_text()
    assert "<script" not in page.read_text()
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with Browser(chromium) as browser:
        for width, dark, media in [(1200, False, ""), (1200, True, ""), (360, False, ""), (700, False, "print")]:
            browser.open(page, width=width, dark=dark, media=media)
            browser.picture(proven.folder / "page.png")
            assert (proven.folder / "page.png").stat().st_size > 10_000
            assert browser.run("document.documentElement.scrollWidth") <= width
            assert browser.complaints == []
        assert browser.run("document.querySelectorAll('.matrix tbody tr').length") == 6
        assert browser.run("document.querySelectorAll('.matrix tbody td').length") == 36
        assert browser.run("document.querySelector('.matrix tbody td:nth-child(6) b').className") == "bad"
        text = browser.run("document.body.innerText")
    assert "Not proven: 2 problems" in text
    assert "also loses points in gradient" in text
    assert "Not explained." in text


# -- several assignments -----------------------------------------------------------------------------------------------


@pytest.fixture
def two(proven: Course) -> Course:
    """The course with a second assignment, as `grader new` makes it: its name comes first in the alphabet."""
    made = [sys.executable, "-P", "-m", "grader", "new", "another"]
    subprocess.run(made, cwd=proven.folder, capture_output=True, check=True)
    return proven


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "3"])
def test_assignments_are_proven_side_by_side_and_told_in_order(two: Course, jobs: str) -> None:
    ran = validate(two, "--seeds", "1", "--no-mutants", "-j", jobs)
    assert (ran.returncode, ran.stderr) == (0, "")
    proofs = [line.split(":")[0] for line in ran.stdout.splitlines() if ": proven: " in line]
    assert proofs == ["another", "twice"]
    assert [line.split()[0] for line in ran.stdout.splitlines()[-3:]] == ["assignment", "another", "twice"]


@pytest.mark.slow
def test_one_that_is_broken_does_not_keep_the_others_from_being_proven(two: Course) -> None:
    write(two.folder / "solutions" / "another" / "mistakes.py", "def known(:")
    ran = validate(two, "--seeds", "1", "--no-mutants")
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "SyntaxError" in ran.stderr
    assert "twice: proven: " in ran.stdout


@pytest.mark.slow
def test_a_process_that_dies_is_said(two: Course) -> None:
    write(two.folder / "solutions" / "another" / "mistakes.py", "import os\nos._exit(9)")
    ran = validate(two, "--seeds", "1", "--no-mutants")
    assert ran.returncode == 3
    assert "a process ended by itself while another or twice was proven" in ran.stderr


@pytest.mark.slow
def test_ctrl_c_ends_all_of_it(two: Course) -> None:
    write(two.folder / "solutions" / "another" / "mistakes.py", "import time\ntime.sleep(600)")
    command = [sys.executable, "-P", "-m", "grader", "validate", "--seeds", "50"]
    with subprocess.Popen(command, cwd=two.folder, stderr=subprocess.PIPE, text=True, start_new_session=True) as ran:
        while len(processes_of(ran.pid)) < 3:  # both of the pool
            time.sleep(0.1)
        time.sleep(1)
        os.killpg(ran.pid, signal.SIGINT)
        _, said = ran.communicate(timeout=20)
    assert ran.returncode == 130
    assert "Traceback" not in said
    assert processes_of(ran.pid) == []


def processes_of(session: int) -> list[int]:
    """The processes of a session that are alive."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = status.read_text().split(" ", 1)
        except OSError:
            continue  # gone meanwhile
        state, _, _, own, *_ = rest.rpartition(")")[2].split()
        if int(own) == session and state != "Z":
            found.append(int(pid))
    return found
