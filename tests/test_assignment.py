"""assignment.yaml: what is right is read exactly, what is wrong is one line that says what to mend."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from grader.assignment import Assignment, assignment_names, find_root, load_assignment
from grader.errors import UsageError
from grader.records import Limits

GOOD = """
title: Attention
names: [attention, GenericSelfAttention]
forbidden: [torch.nn.MultiheadAttention, torch.nn.Transformer*]
points: 20
due: 2026-12-01T23:59:00+01:00
limits: {call_seconds: 2.5, memory_mb: 512}
provided: [data.py]
"""


def write(root: Path, text: str, name: str = "attention") -> Path:
    folder = root / "assignments" / name
    folder.mkdir(parents=True)
    (folder / "assignment.yaml").write_text(text)
    (folder / "data.py").write_text("")
    return folder / "assignment.yaml"


def loaded(tmp_path: Path, text: str) -> Assignment:
    write(tmp_path, text)
    return load_assignment(tmp_path, "attention")


def refused(tmp_path: Path, text: str) -> str:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load_assignment(tmp_path, "attention")
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    assignment = loaded(tmp_path, GOOD)
    assert assignment.title == "Attention"
    assert assignment.names == ("attention", "GenericSelfAttention")
    assert assignment.forbidden == ("torch.nn.MultiheadAttention", "torch.nn.Transformer*")
    assert assignment.points == 20.0
    assert assignment.due == datetime(2026, 12, 1, 22, 59, tzinfo=UTC)
    assert assignment.limits == Limits(call_seconds=2.5, memory_mb=512)
    assert assignment.provided_files == (tmp_path / "assignments/attention/data.py",)


def test_what_may_be_left_out(tmp_path: Path) -> None:
    assignment = loaded(tmp_path, "title: A\nnames: [f]\npoints: 1")
    assert (assignment.forbidden, assignment.due, assignment.provided, assignment.limits) == ((), None, (), Limits())


def test_paths_are_those_of_the_architecture(tmp_path: Path) -> None:
    assignment = loaded(tmp_path, GOOD)
    variants = tmp_path / "solutions" / "attention" / "variants"
    variants.mkdir(parents=True)
    for name in ("b.py", "a.py", "notes.txt"):
        (variants / name).touch()
    found = {
        assignment.settings: "assignments/attention/assignment.yaml",
        assignment.handout: "assignments/attention/README.md",
        assignment.skeleton: "assignments/attention/attention.py",
        assignment.notebook: "assignments/attention/attention.ipynb",
        assignment.public_checks: "assignments/attention/checks.py",
        assignment.solution: "solutions/attention/attention.py",
        assignment.hidden_checks: "solutions/attention/checks.py",
        assignment.mistakes: "solutions/attention/mistakes.py",
        assignment.make_tensors: "fixtures/attention/make.py",
        assignment.public_tensors: "fixtures/attention/public.safetensors",
        assignment.hidden_tensors: "fixtures/attention/hidden.safetensors",
        assignment.recorded: "fixtures/attention/recorded.safetensors",
    }
    assert {path: tmp_path / place for path, place in found.items()} == {path: path for path in found}
    assert assignment.variants == (variants / "a.py", variants / "b.py")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("titel: B", "unknown key `titel`, did you mean `title`?"),
        ("colour: red", "unknown key `colour`; known are title, names"),
        ("title: 3", "`title`: expected a line of text"),
        ("names: attention", "`names`: expected a list of the names"),
        ("names: []", "`names`: expected a list of the names"),
        ("names: [self-attention]", "`names`: expected a list of the names"),
        ("names: [f, f]", "`names`: expected each entry once"),
        ("forbidden: [MultiheadAttention]", "`forbidden`: expected a list of dotted names"),
        ("forbidden: 0", "`forbidden`: expected a list of dotted names"),
        ("points: ten", "`points`: expected a number above 0"),
        ("points: true", "`points`: expected a number above 0"),
        ("points: .inf", "`points`: expected a number above 0"),
        ("due: soon", "`due`: expected a moment such as 2026-"),
        ("due: 2026-12-01", "`due`: expected a date, a time and a time zone"),
        ("due: 2026-12-01 23:59:00", "`due`: expected a date, a time and a time zone"),
        ("due: 2026-13-01", "not valid YAML"),
        ("limits: {memory: 3}", "unknown limit `memory`, did you mean `memory_mb`?"),
        ("limits: {memory_mb: 1.5}", "`memory_mb`: expected a whole number"),
        ("limits: {call_seconds: -1}", "`call_seconds`: expected a number above 0"),
        ("limits: 10", "`limits`: expected lines such as"),
        ("provided: [../../solutions/attention/attention.py]", "`provided`: expected plain names of modules"),
        ("provided: [checks.py]", "`provided`: expected plain names of modules"),
        ("packages: [scikit-learn]", "`packages`: expected a list of packages as they are imported"),
        ("provided: [gone.py]", "there is no `gone.py`"),
        ("title: [", "not valid YAML"),
        ("title: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    key = line.partition(":")[0]
    others = "\n".join(kept for kept in GOOD.splitlines() if not kept.startswith(f"{key}:"))
    assert said in refused(tmp_path, f"{others}\n{line}\n")


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b"])
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    assert "expected `key: value` lines" in refused(tmp_path, text)


@pytest.mark.parametrize("key", ["title", "names", "points"])
def test_a_required_key_left_out(tmp_path: Path, key: str) -> None:
    text = "\n".join(line for line in GOOD.splitlines() if not line.startswith(f"{key}:"))
    assert f"`{key}`: expected" in refused(tmp_path, text)


def test_an_unknown_assignment_is_answered_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD, "masks")
    with pytest.raises(
        UsageError, match=r"no assignment `atention`.* did you mean `attention`\?; there are: attention, masks"
    ):
        load_assignment(tmp_path, "atention")


def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(UsageError, match="no assignment"):
        load_assignment(tmp_path, "../assignments/attention")


def test_names_are_folders_with_settings_in_order(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "masks")
    write(tmp_path, GOOD, "attention")
    (tmp_path / "assignments" / "draft").mkdir()
    assert assignment_names(tmp_path) == ["attention", "masks"]


def test_the_root_is_found_from_below(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert find_root(tmp_path / "assignments" / "attention") == tmp_path


def test_no_root_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder `assignments`"):
        find_root(tmp_path)
