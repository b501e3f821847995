"""Recorded answers on other machines: last digits differ and nothing is lost; other numbers are nobody's mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from grader import __version__
from grader.assignment import Assignment, load_assignment
from grader.checks.evidence import CheckFailed
from grader.errors import UsageError
from grader.records import CheckResult, Outcome
from grader.run.local import LocalPort, run_trusted
from grader.run.recorded import RecordedPort, RecordingPort, recorded, taken_apart, versions
from grader.run.score import case_of
from grader.run.session import rehearse
from grader.wire.proxy import root

COURSE = Path(__file__).parents[1]
NOT_YOURS = "This says nothing about your code."

# Solutions against their recordings; prints what was lost. Where nothing is recorded there is nothing to see.
ALL = """
import json, sys
from pathlib import Path
import torch
from grader.assignment import assignment_names, load_assignment
from grader.run.local import LocalPort, run_trusted
from grader.run.recorded import recorded, taken_apart
from grader.run.session import rehearse

course, lost = Path(sys.argv[1]), {"kernels": torch.backends.cpu.get_cpu_capability()}
for name in assignment_names(course):
    assignment = load_assignment(course, name)
    if any(taken_apart(assignment.recorded.read_bytes())[0].values()):
        student = LocalPort(run_trusted(assignment, assignment.solution), as_student=True)
        results = rehearse(assignment, [(name, student)], hidden=False, reference=recorded(assignment.recorded))[name]
        lost[name] = [f"{check.id}: {check.message}" for check in results if check.status != "passed"]
print(json.dumps(lost))
"""


@pytest.mark.slow
def test_other_kernels_cost_no_points() -> None:
    """As on a processor without wide vectors: what is drawn and what is computed both differ in the last digits."""
    plain = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
    command = [sys.executable, "-P", "-c", ALL, str(COURSE)]
    ran = subprocess.run(command, env={**os.environ, **plain}, capture_output=True, text=True, check=True)
    lost = json.loads(ran.stdout)
    assert lost.pop("kernels") == "DEFAULT"
    assert len(lost) >= 11
    assert {name: checks for name, checks in lost.items() if checks} == {}


class Drawn(TorchFunctionMode):
    """Each tensor of random numbers, changed by `change`."""

    def __init__(self, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self._change = change
        self.times = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call `func`, and change what it drew."""
        del types
        answer = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") not in ("rand", "randn", "rand_like", "randn_like", "normal_", "uniform_"):
            return answer
        self.times += 1
        with torch.no_grad():
            return answer.copy_(self._change(answer))


def rounded_otherwise(drawn: torch.Tensor) -> torch.Tensor:
    steps = torch.arange(drawn.numel(), dtype=drawn.dtype).reshape(drawn.shape) % 3 - 1
    return drawn * (1 + 1e-7 * steps)


def checked(assignment: Assignment, drawn: Drawn, reference: RecordedPort | None = None) -> tuple[CheckResult, ...]:
    student = LocalPort(run_trusted(assignment, assignment.solution), as_student=True)
    with drawn:
        found = rehearse(
            assignment, [("s", student)], hidden=False, reference=reference or recorded(assignment.recorded)
        )
    assert drawn.times
    return found["s"]


@pytest.fixture(params=["attention", "transformer"])
def assignment(request: pytest.FixtureRequest) -> Assignment:
    """One whose public checks draw weights and inputs."""
    return load_assignment(COURSE, request.param)


def test_last_digits_of_what_is_drawn_cost_no_points(assignment: Assignment) -> None:
    results = checked(assignment, Drawn(rounded_otherwise))
    assert [f"{check.id}: {check.message}" for check in results if check.status is not Outcome.PASSED] == []


def test_other_random_numbers_are_never_a_students_mistake(assignment: Assignment) -> None:
    results = checked(assignment, Drawn(torch.neg))
    stopped = [check for check in results if check.status is not Outcome.PASSED]
    assert {check.status for check in stopped} == {Outcome.ERROR}
    assert all(NOT_YOURS in (check.message or "") for check in stopped)
    assert any(check.status is Outcome.PASSED for check in results)  # what draws nothing is checked all the same


def test_a_version_that_draws_otherwise_is_named(assignment: Assignment) -> None:
    tape, made_with = taken_apart(assignment.recorded.read_bytes())
    assert made_with["torchgrade"] == __version__
    older = RecordedPort(tape, {**made_with, "torch": "2.6.0+cpu"})
    said = {check.message for check in checked(assignment, Drawn(torch.neg), older)} - {None}
    here = torch.__version__.partition("+")[0]
    assert len(said) == 1
    assert f"draws other random numbers with torch {here}" in str(said)
    assert str(said).endswith("To run it here: pip install torch==2.6.0'}")


def add(one: Any, other: Any, *, times: float = 1.0) -> Any:
    return times * (one["x"] + other[0])


def played(*changes: Any) -> list[Any]:
    """Record `add` on some arguments; ask again on each of `changes`; return the answers or what was said instead."""
    recording = RecordingPort({"add": add})
    recording.reseed(1)
    x = torch.tensor([[1.0, float("-inf")], [2.0, 3.0]])
    arguments = ({"x": x}, [x.nan_to_num()])
    expected = root(recording).add(*arguments, times=0.5)
    answers: list[Any] = []
    for change in changes:
        port = RecordedPort(recording.tape, versions())
        port.reseed(1)
        try:
            answers.append(torch.equal(change(root(port), *arguments), expected))
        except UsageError as error:
            answers.append(str(error))
    return answers


def test_what_is_asked_must_be_what_was_asked() -> None:
    same, near, far, turned, masked, number, more, other = played(
        lambda side, a, b: side.add(a, b, times=0.5),
        lambda side, a, b: side.add({"x": a["x"] * (1 + 1e-6)}, b, times=0.5 + 1e-7),
        lambda side, a, b: side.add({"x": a["x"] * 1.01}, b, times=0.5),
        lambda side, a, b: side.add({"x": a["x"].flip(0)}, b, times=0.5),
        lambda side, a, b: side.add({"x": a["x"].nan_to_num()}, b, times=0.5),
        lambda side, a, b: side.add(a, b, times=0.6),
        lambda side, a, b: side.add(a, [*b, b[0]], times=0.5),
        lambda side, a, b: side.subtract(a, b, times=0.5),
    )
    assert same is near is True
    assert all(NOT_YOURS in said for said in (far, turned, masked, number, more, other))


def test_a_fault_of_the_recording_is_told_as_it_is() -> None:
    """Neither with the words for a broken check nor as a comparison that failed."""
    case = case_of(UsageError(NOT_YOURS), lambda: True)
    assert (case.outcome, case.message) == (Outcome.ERROR, NOT_YOURS)
    assert case_of(CheckFailed("wrong"), lambda: True).outcome is Outcome.FAILED


@pytest.mark.parametrize("data", [b"", b"{}", b"\x02\0\0\0\0\0\0\0{}", b"\xff" * 40])
def test_what_is_no_recording_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "recorded.safetensors"
    with pytest.raises(UsageError, match="there are no recorded answers"):
        recorded(path)
    path.write_bytes(data)
    with pytest.raises(UsageError, match="the recorded answers cannot be read"):
        recorded(path)
