"""Every attack is refused inside the lock, however the grader was started; and works outside, or it proves nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from grader.sandbox.doctor import ACTS
from grader.sandbox.landlock import landlock_abi

STAGE = Path(__file__).parent / "attacks" / "stage.py"
ROOT = os.geteuid() == 0
# how the grader was started, and what its children become
VARIANTS = {
    "ordinary": {"drop": ROOT, "uid": False, "protect": True},  # by a user; children are that user
    "other-uid": {"drop": False, "uid": True, "protect": True},  # by root; children are another user
    "bare-root": {
        "drop": False,
        "uid": False,
        "protect": True,
    },  # by root, no other user to be had; no capabilities left
    "unlocked": {"drop": ROOT, "uid": False, "protect": False},  # the control
}
LOCKED = [name for name in VARIANTS if name != "unlocked" and (ROOT or name == "ordinary")]
# the others an ordinary user sees refused without any lock: privilege, or what a kernel or container leaves out
OPEN_AT_LEAST = 90
OPEN_BY_DESIGN = {"stat_answers", "walk_own_frames", "search_own_objects"}

pytestmark = pytest.mark.skipif(not landlock_abi(), reason="this kernel has no Landlock, so there is no lock to attack")


@cache
def play(kind: str, variant: str, seconds: float = 20.0) -> dict[str, Any]:
    """Let the stage run one table of acts in one variant. Cached: each act is then a test of its own."""
    root = tempfile.mkdtemp(prefix="torchgrade-stage.")
    Path(root).chmod(0o777)
    limits = {"memory_mb": 256 if kind != "torch" else 1024, "cpu_seconds": 1 if kind == "limits" else 30}
    request = {"root": root, "kind": kind, "seconds": seconds, "limits": limits, **VARIANTS[variant]}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-s", str(STAGE)],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        shutil.rmtree(root, ignore_errors=True)
    if "another user id cannot load this Python here" in done.stderr:
        pytest.skip("root, and Python lies where no other user can reach it")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def outcomes(kind: str, variant: str, seconds: float = 20.0) -> dict[str, tuple[str, str]]:
    """How each act went."""
    return {name: (state, detail) for name, (state, detail) in play(kind, variant, seconds)["outcomes"].items()}


def names() -> Iterator[str]:
    """The attacks' names, read without running the stage."""
    found = subprocess.run(
        [sys.executable, "-P", "-s", "-c", "import matrix; print(*matrix.ATTACKS)"],
        env={**os.environ, "PYTHONPATH": str(STAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    yield from found.stdout.split()


ATTACKS = sorted(names())


def test_there_are_enough_attacks() -> None:
    assert len(ATTACKS) >= 75
    assert set(ATTACKS) >= OPEN_BY_DESIGN


@pytest.mark.parametrize("variant", LOCKED)
@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_inside_the_lock(attack: str, variant: str) -> None:
    state, detail = outcomes("attacks", variant)[attack]
    expected = "open" if attack in OPEN_BY_DESIGN else "refused"
    assert state == expected, f"{attack} was {state}: {detail}"


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_works_without_the_lock(attack: str) -> None:
    state, detail = outcomes("attacks", "unlocked")[attack]
    assert ":" not in detail or state == "open", f"{attack} is itself broken: {detail}"
    if state != "open":
        pytest.skip(f"refused here even without the lock: {detail}")


def test_enough_attacks_work_without_the_lock() -> None:
    states = [state for state, _ in outcomes("attacks", "unlocked").values()]
    assert states.count("open") >= OPEN_AT_LEAST


@pytest.mark.skipif(not ROOT, reason="only root can give children another user id")
def test_children_of_root_become_another_user() -> None:
    assert play("attacks", "other-uid")["uid"] == 65531


@pytest.mark.parametrize("variant", LOCKED)
def test_honest_work_goes_on_inside_the_lock(variant: str) -> None:
    found = outcomes("behaved", variant)
    assert len(found) == 8
    assert {name: detail for name, (state, detail) in found.items() if state != "open"} == {}


@pytest.mark.parametrize("variant", LOCKED)
def test_torch_loads_its_late_modules_inside_the_lock(variant: str) -> None:
    assert outcomes("torch", variant)["torch"] == ("open", "600.0")


@pytest.mark.parametrize("variant", LOCKED)
def test_every_probe_is_refused_inside_the_lock(variant: str) -> None:
    state, detail = outcomes("probe", variant)["attempts"]
    assert state == "open"
    found = json.loads(detail)
    assert list(found) == list(ACTS)
    assert {title: said for title, (blocked, said) in found.items() if not blocked} == {}


def test_the_probes_see_that_there_is_no_lock() -> None:
    found = json.loads(outcomes("probe", "unlocked")["attempts"][1])
    seen = {title for title, (blocked, _) in found.items() if blocked}
    # the budget is a resource limit, which stays; containers may refuse namespaces and tracing by themselves
    assert "use more memory than the budget" in seen
    assert seen <= {"use more memory than the budget", "enter a user namespace", "trace the grader"} | {
        "read the grader's memory",
        "open the grader's memory",
    }


@pytest.mark.parametrize("variant", LOCKED)
def test_nothing_is_left_to_the_child(variant: str) -> None:
    state, text = outcomes("status", variant)["status"]
    assert state == "open"
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(fields[name], 16) == 0, name
    if variant != "ordinary":  # an ordinary user has no right to empty the bounding set, and nothing to regain from it
        assert int(fields["CapBnd"], 16) == 0
    assert (fields["NoNewPrivs"].strip(), fields["Seccomp"].strip()) == ("1", "2")
    uids = set(fields["Uid"].split())
    assert len(uids) == 1
    assert ("65531" in uids) == (variant == "other-uid")
    assert variant != "other-uid" or fields["Groups"].split() == []


@pytest.mark.slow
@pytest.mark.parametrize("variant", LOCKED)
def test_limits_hold_and_the_next_one_is_served(variant: str) -> None:
    found = outcomes("limits", variant, 3.0)
    assert found["spin"] == ("killed", "SIGXCPU")
    assert found["sleep"] == ("killed", "SIGKILL by the stage")
    assert found["flood"] == ("killed", "SIGKILL by the stage")
    assert found["segfault"] == ("killed", "SIGSEGV")
    assert found["allocate_four_gib"] == ("refused", "MemoryError")
    assert 200 <= int(found["allocate_many_pieces"][1]) <= 256
    assert int(found["share_four_gib"][1]) <= 512
    assert found["write_a_big_file"] == ("open", "64 File too large")
    assert found["open_many_files"][1].endswith("Too many open files")
    assert int(found["start_many_threads"][1]) <= 64
    if os.uname().machine == "x86_64":
        assert found["call_as_32_bit"] in {("killed", "SIGSYS"), ("killed", "SIGSEGV")}  # SEGV: a kernel without i386
        assert found["call_as_x32"] == ("killed", "SIGSYS")
