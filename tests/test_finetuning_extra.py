"""The extra of `finetuning`: what students write there serves models of the package transformers, where it is
installed.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from grader.assignment import load_assignment
from grader.records import CheckResult, Outcome
from grader.run.local import LocalPort, overlay, run_trusted
from grader.run.session import rehearse

ASSIGNMENT = load_assignment(Path(__file__).parents[1], "finetuning")


def extra(namespace: dict[str, object]) -> dict[str, CheckResult]:
    """The results of the checks that need the package."""
    (results,) = rehearse(ASSIGNMENT, [("file", LocalPort(namespace, as_student=True))]).values()
    return {check.id: check for check in results if check.id.startswith("library_")}


def test_without_the_package_the_checks_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # an import of it then fails
    results = extra(run_trusted(ASSIGNMENT, ASSIGNMENT.solution))
    assert len(results) == 4
    for check in results.values():
        assert check.status is Outcome.SKIPPED
        assert "pip install 'torchgrade[transformers]'" in (check.message or "")
        assert check.max_points == 0
        assert check.visibility == "public"


def test_with_the_package_the_solution_passes() -> None:
    pytest.importorskip("transformers", exc_type=ImportError)
    results = extra(run_trusted(ASSIGNMENT, ASSIGNMENT.solution))
    assert {check.id: check.message for check in results.values() if check.status is not Outcome.PASSED} == {}
    assert len(results) == 4


@pytest.mark.parametrize(
    ("mistake", "noticed"),
    [("unshifted", "library_loss"), ("padding_counted", "library_perplexity"), ("rest_not_frozen", "library_lora")],
)
def test_with_the_package_mistakes_are_told(mistake: str, noticed: str) -> None:
    pytest.importorskip("transformers", exc_type=ImportError)
    assert extra(overlay(ASSIGNMENT, mistake)[1])[noticed].status is Outcome.FAILED


@pytest.fixture(scope="module")
def structure() -> Callable[..., str]:
    """The function that students are given."""
    spec = importlib.util.spec_from_file_location("given_structure", ASSIGNMENT.folder / "structure.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., str] = module.structure
    return found


def test_the_tree_ends_at_the_depth_that_is_asked_for(structure: Callable[..., str]) -> None:
    model = nn.Sequential(nn.Embedding(7, 4), nn.Sequential(nn.Linear(4, 3), nn.ReLU()))
    model[0].requires_grad_(False)
    assert structure(model, depth=0) == "model: Sequential (43, 15 train)"
    assert structure(model, depth=1).splitlines()[1:] == [
        "  0: Embedding [weight (7, 4)] (28, 0 train)",
        "  1: Sequential (15)",
    ]
    assert structure(model, depth=2).splitlines()[3:] == [
        "    0: Linear [weight (3, 4), bias (3,)] (15)",
        "    1: ReLU (0)",
    ]


def test_a_module_at_two_places_is_shown_at_both(structure: Callable[..., str]) -> None:
    shared = nn.Linear(2, 2)
    assert structure(nn.ModuleDict({"a": shared, "b": shared}), depth=1).splitlines() == [
        "model: ModuleDict (6)",
        "  a: Linear [weight (2, 2), bias (2,)] (6)",
        "  b: Linear [weight (2, 2), bias (2,)] (6)",
    ]
