"""What students get holds no trace of what they must not see, and works on their machines, whatever these are like."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from grader import __version__
from grader.assignment import Assignment, assignment_names, load_assignment
from grader.authoring.build import BEGIN, END, cut
from grader.authoring.new import start
from grader.authoring.release import release
from grader.errors import UsageError
from grader.run.recorded import taken_apart

COURSE = Path(__file__).parents[1]
NAMES = assignment_names(COURSE)
GRADER = (sys.executable, "-P", "-m", "grader")
LONG = 25  # characters of a line that stands for itself
MANY = 64  # bytes of a tensor; six whole numbers of the embeddings are in both files by chance
SHOWN = {  # lines of solutions and words of hidden checks that the course shows on purpose
    "toy_language": (
        "dictionary = build_dictionary(WORD_MAP)",
        "entries = {number: entry for entry, number in dictionary.items()}",
    ),
    "autoregressive": (
        'def forward(self, x, causal=True, temperature=1.0, reduction="mean"):',
        "Position t speaks of token t + 1.",
    ),
    "finetuning": ("for path, module in model.named_modules(remove_duplicate=False):",),
    "sentiment": ("from dataclasses import dataclass",),
    "training": ("The same seed gives the same model.",),
    "transformer": ("from dataclasses import dataclass", "for b, n in enumerate(num_tokens.tolist()):"),
}


# --- nothing but what students may see


def one_line(text: str) -> str:
    return " ".join(text.split())


def regions(source: str) -> Iterator[str]:
    """The lines that the skeleton leaves out."""
    inside = False
    for line in source.splitlines():
        if BEGIN.fullmatch(line) or END.fullmatch(line):
            inside = not inside
        elif inside:
            yield line


def told(path: Path) -> Iterator[str]:
    """Titles and hints of the checks or mistakes in a file of ours, each on one line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield one_line(ast.get_docstring(node) or "")
        elif isinstance(node, ast.keyword) and node.arg in ("title", "hint") and isinstance(node.value, ast.Constant):
            yield one_line(str(node.value.value))


def declared(path: Path) -> Iterator[str]:
    """The names of the checks or mistakes in it; a plain word may stand anywhere."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.decorator_list and "_" in node.name:
            yield node.name


def secret_words(assignment: Assignment) -> set[str]:
    """Lines of the solution and its variants, names and words of hidden checks and known mistakes."""
    source, ours = assignment.solution.read_text(encoding="utf-8"), (assignment.hidden_checks, assignment.mistakes)
    given = one_line(cut(source, assignment.solution).source)
    code = [*regions(source), *(line for path in assignment.variants for line in path.read_text().splitlines())]
    lines = {one_line(line) for line in code if not line.lstrip().startswith(("#", "@"))}
    words = {line for line in lines if line not in given}.union(*map(told, ours))
    long = {text for text in words if len(text) > LONG and not text.isidentifier()}
    return long.union(*map(declared, ours)).difference(SHOWN.get(assignment.name, ()))


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, in JSON that is kept as a string too."""
    if isinstance(value, str):
        yield value
        if value[:1] in ("[", "{"):
            yield from strings(json.loads(value))
    for item in value if isinstance(value, list) else (*value, *value.values()) if isinstance(value, dict) else ():
        yield from strings(item)


def text_of(path: Path, data: bytes) -> str:
    """All that can be read in a file."""
    if path.suffix == ".safetensors":
        return one_line("\n".join(strings(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]))))
    plain = data.decode("utf-8")
    if path.suffix == ".ipynb":
        plain = "\n".join("".join(cell["source"]) for cell in json.loads(plain)["cells"])
    return one_line(plain)


def leaks(folder: Path, assignment: Assignment) -> list[str]:
    """What lies in `folder` and must not."""
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    texts = {path: text_of(path, data) for path, data in files.items()}
    found = [
        f"{path.name}: {word}"
        for word in secret_words(assignment)
        for path, text in texts.items()
        if word in text and (not word.isidentifier() or re.search(rf"\b{word}\b", text))
    ]
    hidden = load_file(assignment.hidden_tensors)
    for path, data in files.items():
        found += [f"{path.name}: numbers of {n}" for n, t in hidden.items() if len(raw(t)) >= MANY and raw(t) in data]
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as tensors:
                found += [f"{path.name}: {name}" for name in hidden.keys() & {*tensors.keys()}]
    return found


def raw(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.contiguous().flatten().view(torch.uint8).tolist())


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Assignment, Path]]:
    """An assignment of this course and a folder with its release in it, made once."""
    folders: dict[str, Path] = {}

    def make(name: str) -> tuple[Assignment, Path]:
        assignment = load_assignment(COURSE, name)
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            release(assignment, folders[name])
        return assignment, folders[name]

    return make


Released = Callable[[str], tuple[Assignment, Path]]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_release_holds_what_students_may_see_and_no_more(name: str, released: Released) -> None:
    assignment, folder = released(name)
    own = {f"{name}.py", f"{name}.ipynb", "README.md", "assignment.yaml", "checks.py", *assignment.provided}
    expected = {f"assignments/{name}/{file}" for file in own}
    expected |= {f"fixtures/{name}/{file}.safetensors" for file in ("public", "recorded")}
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == expected
    assert len(secret_words(assignment)) > 50
    assert leaks(folder, assignment) == []


@pytest.mark.slow
def test_each_kind_of_leak_is_found(released: Released, tmp_path: Path) -> None:
    assignment, folder = released("attention")
    words = secret_words(assignment)
    line = next(
        line for line in map(one_line, regions(assignment.solution.read_text(encoding="utf-8"))) if line in words
    )
    title, check = (
        next(said for said in told(assignment.mistakes) if said in words),
        next(declared(assignment.hidden_checks)),
    )
    name, tensor = max(load_file(assignment.hidden_tensors).items(), key=lambda pair: pair[1].numel())
    copies = iter(range(10))

    def found(file: str, change: Callable[[Path], object]) -> list[str]:
        copy = tmp_path / str(next(copies))
        shutil.copytree(folder, copy)
        change(copy / file)
        return leaks(copy, assignment)

    def added(text: str) -> Callable[[Path], object]:
        return lambda path: path.write_text(f"{path.read_text(encoding='utf-8')}\n{text}\n", encoding="utf-8")

    def in_a_cell(path: Path) -> None:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["cells"][-1]["source"].append(f"\n    {line}")
        path.write_text(json.dumps(notebook), encoding="utf-8")

    def answered(path: Path) -> None:
        answer = json.dumps({"v": ["l", f"Title: {title}"], "t": []})
        save_file({"1/0": torch.zeros(1)}, path, {"answers": json.dumps({"1": [[answer, "call", []]]})})

    handout, public = "assignments/attention/README.md", "fixtures/attention/public.safetensors"
    assert f"README.md: {line}" in found(handout, added(f"First {line}"))
    assert f"checks.py: {check}" in found("assignments/attention/checks.py", added(f"# see {check}"))
    assert f"attention.ipynb: {line}" in found("assignments/attention/attention.ipynb", in_a_cell)
    assert f"recorded.safetensors: {title}" in found("fixtures/attention/recorded.safetensors", answered)
    assert f"public.safetensors: {name}" in found(public, lambda path: save_file({name: torch.zeros(1)}, path))
    numbers = found(public, lambda path: save_file({"other": tensor}, path))
    assert numbers == [f"public.safetensors: numbers of {name}"]


# --- where it goes, and what is in the way


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with the assignment that `grader new` makes."""
    root = tmp_path_factory.mktemp("course")
    start(root, "gate")
    return root


@pytest.fixture
def course(gate: Path, tmp_path: Path) -> Assignment:
    """A copy of it, to be changed."""
    shutil.copytree(gate, tmp_path / "course")
    return load_assignment(tmp_path / "course", "gate")


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def refusal(assignment: Assignment, target: Path) -> str:
    with pytest.raises(UsageError) as caught:
        release(assignment, target)
    return str(caught.value)


def test_the_command_says_what_it_wrote_and_what_to_tell_students(course: Assignment, tmp_path: Path) -> None:
    (course.folder / "words.txt").write_text("forgotten")
    out = tmp_path / "handed out"
    command = [*GRADER, "release", "gate", str(out), "--root", str(course.root)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[:-3] == [str(out / name) for name in contents(out)]
    assert f"pip install torchgrade=={__version__}" in ran.stdout
    assert "grader check gate.py" in ran.stdout
    assert ran.stderr.startswith(f"grader: not packed: {course.folder / 'words.txt'}; ")
    assert "assignments/gate/words.txt" not in contents(out)


def test_releases_share_a_folder_and_may_be_made_again(course: Assignment, tmp_path: Path) -> None:
    out = tmp_path / "out"
    release(course, out)
    before = contents(out)
    release(load_assignment(COURSE, "masks"), out)
    course.public_checks.write_text(course.public_checks.read_text(encoding="utf-8") + "\n# newer\n", encoding="utf-8")
    assert release(course, out) == list(before)
    after = contents(out)
    assert {name for name, data in before.items() if after[name] != data} == {"assignments/gate/checks.py"}
    assert "assignments/masks/masks.py" in after


def test_an_archive_holds_the_same_and_is_always_the_same(course: Assignment, tmp_path: Path) -> None:
    release(course, tmp_path / "out")
    archives = [tmp_path / name for name in ("one.zip", "two.zip")]
    for path in (*archives, archives[0]):  # its own earlier archive it may replace
        release(course, path)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with zipfile.ZipFile(archives[0]) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert contents(tmp_path / "unpacked") == contents(tmp_path / "out")


@pytest.mark.parametrize("file", ["gate.py", "gate.ipynb"])
def test_somebodys_work_is_not_overwritten(course: Assignment, tmp_path: Path, file: str) -> None:
    release(course, tmp_path / "out")
    mine = tmp_path / "out/assignments/gate" / file
    mine.write_text("my work")
    course.handout.write_text("newer")
    before = contents(tmp_path / "out")
    said = refusal(course, tmp_path / "out")
    assert said.startswith(f"{mine} ")
    assert "move it away" in said
    assert contents(tmp_path / "out") == before


def test_another_archive_is_not_overwritten(course: Assignment, tmp_path: Path) -> None:
    for name in ("text.zip", "photos.zip"):
        (tmp_path / name).write_text("no archive")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("photo.txt", "me")
    assert "holds something else" in refusal(course, tmp_path / "text.zip")
    assert "holds something else" in refusal(course, tmp_path / "photos.zip")


@pytest.mark.parametrize("place", ["", "assignments/gate", "solutions", "fixtures/gate/gate.zip"])
def test_the_courses_own_folders_are_left_alone(course: Assignment, place: str) -> None:
    before = contents(course.root)
    assert "the course's own folders" in refusal(course, course.root / place)
    assert contents(course.root) == before


def test_nor_are_they_reached_through_a_link(course: Assignment, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/assignments").symlink_to(course.root / "assignments")
    assert "the course's own folders" in refusal(course, tmp_path / "out")


def test_what_is_not_up_to_date_is_not_released(course: Assignment, tmp_path: Path) -> None:
    solution = course.solution.read_text(encoding="utf-8")
    course.solution.write_text(solution.replace("import torch\n", "import math\nimport torch\n"), encoding="utf-8")
    assert "run `grader build gate`" in refusal(course, tmp_path / "out")
    course.solution.write_text(solution, encoding="utf-8")
    tape, _ = taken_apart(course.recorded.read_bytes())
    course.recorded.write_bytes(
        course.recorded.read_bytes().replace(next(iter(tape)).encode(), b"1" * len(next(iter(tape))))
    )
    assert "not the solution's answers; run `grader build gate`" in refusal(course, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_part_of_a_solution_in_a_provided_module_is_seen(course: Assignment, tmp_path: Path) -> None:
    course.settings.write_text(course.settings.read_text(encoding="utf-8") + "provided: [part.py]\n", encoding="utf-8")
    (course.folder / "part.py").write_text("# BEGIN SOLUTION Task 1: all\n")
    assert "a region of a solution" in refusal(load_assignment(course.root, "gate"), tmp_path / "out")


def test_a_handout_is_needed(course: Assignment, tmp_path: Path) -> None:
    course.handout.unlink()
    assert refusal(course, tmp_path / "out").startswith(f"{course.handout}: a release needs it")


# --- on a student's machine


def refused() -> str:
    """The modules of packages that torchgrade alone does not bring."""
    waiting = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    base = {"torchgrade"}
    while waiting:
        needed = Requirement(waiting.pop())
        if canonicalize_name(needed.name) not in base and (not needed.marker or needed.marker.evaluate({"extra": ""})):
            base.add(canonicalize_name(needed.name))
            waiting += distribution(needed.name).requires or []
    return " ".join(
        top for top, names in packages_distributions().items() if not base & {*map(canonicalize_name, names)}
    )


def on_a_small_machine(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python there, with these arguments."""
    changed = {"PYTHONPATH": str(COURSE / "tests/small_machine"), "REFUSED": refused(), **environment}
    return subprocess.run(
        [sys.executable, "-P", *words],
        cwd=cwd,
        env={**os.environ, **changed},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_released_folder_is_enough_to_check(released: Released, tmp_path: Path) -> None:
    assignment, folder = released("attention")
    shutil.copytree(folder, tmp_path / "mine")
    place = tmp_path / "mine/assignments/attention"

    def score() -> tuple[float, float, set[str]]:
        ran = on_a_small_machine("-m", "grader", "check", "attention.py", "--json", cwd=place)
        assert (ran.returncode, ran.stderr) == (0, "")
        row = json.loads(ran.stdout)
        assert row["output"] == ""
        return row["score"], row["max_score"], {check["status"] for check in row["checks"]}

    assert score()[0] == 0  # the skeleton
    shutil.copy(assignment.solution, place / "attention.py")
    right, most, states = score()
    assert (right, states) == (most, {"passed"})
    wrong = assignment.solution.read_text(encoding="utf-8").replace("** 0.5", "** 0.4")
    (place / "attention.py").write_text(wrong, encoding="utf-8")
    points, _, states = score()
    assert 0 < points < right
    assert states <= {"passed", "failed", "partial", "skipped"}


def test_what_a_small_machine_lacks_is_told_in_one_line(gate: Path, tmp_path: Path) -> None:
    assignment = load_assignment(gate, "gate")
    for words in (
        ("check", str(assignment.notebook)),
        ("grade", "gate", str(assignment.notebook), "-o", str(tmp_path)),
    ):
        ran = on_a_small_machine("-m", "grader", *words, cwd=gate)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr.count("\n") == 1
        assert "pip install 'torchgrade[notebooks]'" in ran.stderr


def test_a_small_machine_is_one(tmp_path: Path) -> None:
    """The test of the tests: what must not be there is not."""
    names = "numpy", "IPython", "nbformat", "matplotlib", "hypothesis"
    ran = on_a_small_machine(
        "-c", f"import importlib.util as u; print([u.find_spec(n) for n in {names}])", cwd=tmp_path
    )
    assert ran.stdout == f"{[None] * len(names)}\n"
    for code in ("import socket; socket.create_connection(('127.0.0.1', 9))", "open('solutions/masks/masks.py')"):
        assert on_a_small_machine("-c", code, cwd=tmp_path).returncode == 97
