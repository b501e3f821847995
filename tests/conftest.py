"""Fixtures that several test files share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.assignment import Assignment
from grader.run import batch
from grader.sandbox.doctor import Protection
from grader.sandbox.launch import Warm
from tests.course import Course, make_course

ROOT = Path(__file__).parents[1]

LONG = ("samples", "selfcheck", "notebook_mutations", "assignments", "cli", "docs", "attacks", "validate", "diagnosis")

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a background job starts is deaf to Ctrl-C otherwise


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first: then no worker is left alone with one of them."""
    items.sort(key=lambda item: item.path.stem.removeprefix("test_") not in LONG)


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    """A course of one small assignment; this user's key lies in the temporary folder, too."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return make_course(tmp_path)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's own folder."""
    return ROOT


@pytest.fixture(scope="module")
def kept_warm() -> Iterator[dict[object, tuple[Warm, Protection]]]:
    """The warm processes of one test file."""
    kept: dict[object, tuple[Warm, Protection]] = {}
    yield kept
    for warm, _ in kept.values():
        Warm.close(warm)


@pytest.fixture(autouse=True)
def one_warm_process(kept_warm: dict[object, tuple[Warm, Protection]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of one test file share a warm process, as submissions of one batch do: it takes two seconds to start."""
    start = batch._sandbox

    def shared(assignment: Assignment, *, allow_unsandboxed: bool) -> tuple[Warm, Protection]:
        key = (*assignment.forbidden, *assignment.packages, allow_unsandboxed)
        if key not in kept_warm or kept_warm[key][0]._process.poll() is not None:
            kept_warm[key] = start(assignment, allow_unsandboxed=allow_unsandboxed)
            kept_warm[key][0].close = lambda: None  # type: ignore[method-assign]
        return kept_warm[key]

    monkeypatch.setattr(batch, "_sandbox", shared)
