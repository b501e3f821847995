"""Fixtures that several test files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.course import Course, make_course

ROOT = Path(__file__).parents[1]


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    """A course of one small assignment; this user's key lies in the temporary folder, too."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return make_course(tmp_path)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's own folder."""
    return ROOT
