"""Submissions that attack the grader itself: what they send, leave behind and hold back costs them points, never us."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest
import torch

from grader.assignment import load_assignment
from grader.records import Outcome, Status
from grader.run import marker
from grader.wire.values import WireError, decode
from tests.course import PERFECT, Course, by_id

# Their process answers the running request with what they like.
FORGE = """
import torch
from grader.wire.frames import Stream
honest = Stream.reply
def forge(answer):
    def reply(self, ident, message):
        Stream.reply = honest
        honest(self, ident, answer)
    Stream.reply = reply
"""


def instead_of_x_plus_x(act: str, before: str = "") -> str:
    """PERFECT, but `twice` does `act`."""
    return before + PERFECT.replace("return x + x", act)


def edit(file: Path, old: str, new: str) -> None:
    """Exchange one piece of an assignment's file."""
    text = file.read_text()
    assert text.count(old) == 1, text
    file.write_text(text.replace(old, new))


def again(course: Course) -> Course:
    """The course with its settings read anew."""
    return Course(load_assignment(course.folder, "twice"), course.folder)


def empty_scratch(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """An empty folder for temporary files, which other users can pass through."""
    scratch = folder / "scratch"
    scratch.mkdir()
    for step in (scratch, folder, folder.parent, folder.parent.parent):
        step.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    return scratch


# -- answers that are none: the file's own fault, whatever is in them ----------------------------------------------

NO_ANSWERS = {
    "a_fault_that_is_a_list": "{'error': {'fault': []}}",
    "bases_without_end": "{'error': {'fault': 'raised', 'raised': {'bases': ('a',) * 300000}}}",
    "names_in_a_tensor": "{'value': torch.ones(3)}",
    "names_that_are_a_tensor": "{'value': {'names': torch.zeros(2**24, dtype=torch.int8), 'notes': []}}",
    "names_that_are_numbers": "{'value': {'names': [1], 'notes': []}}",
    "notes_that_are_none": "{'value': {'names': ['twice'], 'notes': None}}",
    "no_dict_at_all": "7",
}


def test_no_answer_to_loading_makes_it_our_fault(course: Course) -> None:
    course.submit(good=PERFECT, **{name: f"{FORGE}forge({answer})" for name, answer in NO_ANSWERS.items()})
    started = time.monotonic()
    results = course.grade()
    assert time.monotonic() - started < 30  # numbers are not looked at one by one
    assert results.pop("good.py").score == 10
    assert {r.status for r in results.values()} <= {Status.CRASHED, Status.INVALID}, results
    assert {r.score for r in results.values()} == {0}


VALUES = {
    "float": "torch.full_like(x, 3e38)",
    "list": "[x] * 3000",
    "nested": "[[[[[[[[[[x]]]]]]]]]]",
    "long": "'\\ud800' * 2**20",
    "big": "10**190",
    "keys": "{(1, (2, None)): x, True: 1}",
    "object": "type('\\u202e', (), {'shape': x.shape, 'dtype': x.dtype})()",
    "tensor": "torch.zeros(2**27, dtype=torch.bool)",
    "dimensions": "torch.zeros(2**12, 2**15, 1, 1, 1, 1, 1, 1, dtype=torch.int8)",
    "nothing": "torch.empty(0, 2**20)",
}
CARELESS = '''
@check(points=1)
def test_careless(student, reference, x):
    """A check that trusts what comes back."""
    rows = student.twice(x)
    close(rows, reference.twice(rows) / 2)
    close(rows, 2 * x)
'''


def test_no_value_makes_a_check_our_fault(course: Course) -> None:
    checks = course.assignment.public_checks
    checks.write_text(checks.read_text().replace("points=2, hint=", "points=1, hint=") + CARELESS)
    course.submit(**{name: instead_of_x_plus_x(f"return {value}") for name, value in VALUES.items()})
    results = course.grade()
    assert {r.status for r in results.values()} == {Status.GRADED}, [r.message for r in results.values()]
    assert {by_id(r)["careless"].status for r in results.values()} == {Outcome.FAILED}


def test_an_answer_too_large_to_work_on_costs_its_check(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marker, "_MEMORY", 1 << 29)
    checks = course.assignment.public_checks
    edit(checks, "close(student.twice(x), reference.twice(x)", "close(student.twice(x).nonzero(), x.nonzero()")
    result = course.grade_one(instead_of_x_plus_x("return torch.ones(2**11, 2**14, 1, 1, dtype=torch.int8)"))
    assert result.status is Status.GRADED
    assert "cannot be used as asked" in (by_id(result)["values"].message or "")


def test_an_answer_that_keeps_a_check_busy_costs_that_check(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marker, "_PATIENCE", 0.5)
    edit(course.assignment.settings, "total_seconds: 60", "total_seconds: 2")
    edit(course.assignment.public_checks, "import pytest", "import pytest, time")
    busy = "    for _ in student.twice(x)[3:]: time.sleep(1)\n    close(student.twice(x), ref"
    edit(course.assignment.public_checks, "    close(student.twice(x), ref", busy)
    result = again(course).grade_one(instead_of_x_plus_x("return torch.zeros(1000)"))
    assert result.status is Status.GRADED
    assert "took too long" in (by_id(result)["values"].message or "")


# -- holding up ----------------------------------------------------------------------------------------------------


def test_an_answer_that_drips_is_over_when_its_call_is(course: Course) -> None:
    drip = """
        import os, struct, time
        os.write(3, struct.pack("<4sIQ16s", b"TGR1", 4 << 20, 0, bytes(16)))
        while True:
            os.write(3, b" ")
            time.sleep(0.01)
"""
    edit(course.assignment.settings, "call_seconds: 1", "call_seconds: 0.3")
    result = again(course).grade_one(instead_of_x_plus_x(drip))
    assert result.status is Status.GRADED
    assert "took longer than 0.3 seconds" in (by_id(result)["values"].message or "")
    assert result.seconds < 10


def test_who_prints_without_end_holds_nobody_up(course: Course) -> None:
    flood = """
import os, threading
def flood():
    while True:
        os.write(1, bytes(1 << 16))
for _ in range(3):
    threading.Thread(target=flood, daemon=True).start()
"""
    result = course.grade_one(flood + PERFECT)
    assert result.status is Status.GRADED
    assert result.seconds < 5


# -- leaving things behind -----------------------------------------------------------------------------------------


def test_folders_without_end_are_removed(course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = empty_scratch(monkeypatch, tmp_path)
    course.submit(deep="import os\nfor _ in range(3000):\n    os.mkdir('d', 0o300)\n    os.chdir('d')\n")
    course.grade()
    assert list(scratch.iterdir()) == []


MANY_FILES = {
    "filled": "open('f%d' % i, 'wb').write(bytes(2**21))",
    "mapped": "f = open('f%d' % i, 'wb+'); f.truncate(2**21); m = mmap.mmap(f.fileno(), 2**21); m.write(bytes(2**21))",
    "empty": "open('f%d' % i, 'wb').close()",
    "unreadable": "os.mkdir('d%d' % i, 0o300); open('d%d/f' % i, 'wb').write(bytes(2**16))",
}


def test_all_files_together_have_a_limit(course: Course) -> None:
    loop = "import mmap, os, time\nfor i in range(2000):\n    {}\n    time.sleep(0.001)\n"
    course.submit(good=PERFECT, **{name: loop.format(act) for name, act in MANY_FILES.items()})
    results = course.grade()
    assert results.pop("good.py").score == 10
    assert {(r.status, r.message) for r in results.values()} == {
        (Status.BLOCKED, "your code wrote more than 4 MiB of files and was stopped")
    }


@pytest.mark.parametrize(
    "act", ["os.posix_fallocate(os.open('f', 66), 0, 99)", "os.open('.', os.O_TMPFILE | os.O_RDWR)"]
)
def test_no_disk_is_taken_unseen(course: Course, act: str) -> None:
    result = course.grade_one(f"import os\n{act}\n")
    assert result.status is Status.BLOCKED


def test_a_new_process_finds_nothing_of_the_one_before(course: Course) -> None:
    spy = """
import os
if os.path.exists("seen"):
    forge({"value": {"names": ["twice", "Layer"], "notes": ["seen: " + open("seen").read()]}})
    print("seen again")
"""
    keep = "\n    if x.shape == (5, 6):\n        open('seen', 'w').write(str(x)); os._exit(0)\n    return x + x"
    result = course.grade_one(FORGE + spy + instead_of_x_plus_x(keep))
    assert [c.id for c in result.checks if c.status is Outcome.FAILED] == ["layer", "gradient", "input"]
    assert result.notes == ()
    assert "seen" not in result.output


# -- the check file's own fixtures ---------------------------------------------------------------------------------


def test_a_fixture_that_asks_the_student_is_part_of_its_check(course: Course) -> None:
    fixture = (
        "@pytest.fixture\ndef doubled(student, y):\n    a, *b = student.twice(y)\n    return torch.stack([a, *b])\n\n"
    )
    edit(course.assignment.hidden_checks, "import torch\n", f"import pytest\nimport torch\n{fixture}")
    edit(course.assignment.hidden_checks, "def test_gradient(student, y)", "def test_gradient(student, y, doubled)")
    course.submit(
        raises=instead_of_x_plus_x("return 1 / 0 if x.shape == (5, 6) else x + x"),
        number=instead_of_x_plus_x("return 1 if x.shape == (5, 6) else x + x"),
        prints=instead_of_x_plus_x("print(x.shape)\n    return x + x"),
    )
    results = course.grade()
    assert by_id(results["raises.py"])["gradient"].status is Outcome.FAILED
    assert by_id(results["number.py"])["gradient"].status is Outcome.FAILED
    assert {r.status for r in results.values()} == {Status.GRADED}
    assert results["prints.py"].score == 10
    assert "[5, 6]" not in results["prints.py"].output


# -- the wire ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b'["l",["T",0],["T",0]]', "a tensor named twice weighs more than what came"),
        (b"1", "a tensor that is not named"),
        (b'["y","onnx"]', "a name of torch that is no dtype, and is imported when it is read"),
    ],
)
def test_what_a_header_may_not_say(monkeypatch: pytest.MonkeyPatch, value: bytes, why: str) -> None:
    monkeypatch.setattr(torch, "__getattr__", lambda name: pytest.fail(f"{name} was looked up: {why}"))
    with pytest.raises(WireError):
        decode(b'{"v":%s,"t":[["U8",[2]]]}' % value, memoryview(b"ab"))


def test_a_large_mask_is_read_without_looking_at_each_byte() -> None:
    body = memoryview(bytes(1 << 26))
    started = time.process_time()
    decode(b'{"v":["T",0],"t":[["BOOL",[67108864]]]}', body)
    assert time.process_time() - started < 0.5
