"""Known mistakes are named in whatever style they are made, alone and in pairs, and nothing else is ever claimed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from grader.assignment import Assignment, load_assignment
from grader.checks.declare import Mistake
from grader.records import CheckResult, Outcome
from grader.run.local import LocalPort, overlays, run_trusted
from grader.run.session import rehearse
from tests.styled import paired, styled, styles, unknown

ROOT = Path(__file__).parents[1]
PAIRS = {
    "attention": [
        "no_scaling+mask_inverted",
        "scaled_by_full_width+values_taken_from_keys",
        "multiplied_by_sqrt_d+masked_scores_zero",
        "scaled_by_number_of_keys+mask_after_softmax",
        "scaled_by_d+HeadsInterleaved",
        "mask_ignored+NoHiddenDropout",
        "weights_detached+AnyWidthAccepted",
        "HeadsMergedWithoutTranspose+NoAttentionDropout",
    ],
    "masks": [
        "one_key_too_many+next_token_seen",
        "padding_transposed+masks_added",
        "first_for_all+either_mask",
        "queries_hidden_too+only_itself",
        "no_head_dimension+causal_transposed",
        "padding_in_front+decoder_as_wide_as_the_longest",
        "strict_triangle+masks_added",
        "one_key_too_few+bare_table",
        "no_query_dimension+batch_dropped",
        "padding_inverted+decoder_one_table_for_all",
    ],
}

pytestmark = pytest.mark.slow


@pytest.fixture(params=["attention", "masks"])
def assignment(request: pytest.FixtureRequest) -> Assignment:
    """An assignment with files in another style."""
    return load_assignment(ROOT, request.param)


def explained(assignment: Assignment, sources: Mapping[str, str], folder: Path) -> dict[str, tuple[CheckResult, ...]]:
    """Each source graded as a student's file, with diagnoses."""
    ports = []
    for name, source in sources.items():
        path = folder / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        ports.append((name, LocalPort(run_trusted(assignment, path), as_student=True)))
    results = rehearse(assignment, ports, explain=True)
    ours = [(name, c.id, c.message) for name, checks in results.items() for c in checks if c.status is Outcome.ERROR]
    assert ours == []
    return results


def lost(checks: tuple[CheckResult, ...]) -> list[str]:
    """Checks that cost points, those aside that did not run because another has to pass first."""
    return [c.id for c in checks if c.points < c.max_points and c.status is not Outcome.SKIPPED]


def named(checks: tuple[CheckResult, ...]) -> dict[str, str]:
    """What each check is told to fail for, by the check's id."""
    return {c.id: c.diagnosis.id for c in checks if c.diagnosis}


def own(mistake: Mistake, known: Mapping[str, Mistake]) -> set[str]:
    """Checks that catch it, without those that ask for what is built on it: a student builds that in other ways."""
    names = [*dict.fromkeys(other.replaces for other in known.values())]  # as they are declared, earlier parts first
    later = names[names.index(mistake.replaces) + 1 :]
    return {*mistake.caught_by} - {c for other in known.values() if other.replaces in later for c in other.caught_by}


def listed(rows: Mapping[str, object]) -> str:
    """One row a line, for a message that pytest does not cut."""
    return "".join(f"\n{name}: {row}" for name, row in rows.items())


def test_every_known_mistake_is_there_in_another_style(assignment: Assignment) -> None:
    assert sorted(styled(assignment.name)) == sorted(mistake.id for mistake, _ in overlays(assignment))
    assert len(unknown(assignment.name)) >= 15
    assert len(PAIRS[assignment.name]) >= 8


def test_every_known_mistake_is_named_in_another_style(assignment: Assignment, tmp_path: Path) -> None:
    known = {mistake.id: mistake for mistake, _ in overlays(assignment)}
    results = explained(assignment, styled(assignment.name), tmp_path)
    missed = {name: missing for name, r in results.items() if (missing := own(known[name], known) - {*lost(r)})}
    assert not missed, f"checks that should have cost points: {listed(missed)}"
    unnamed = {
        name: named(checks)
        for name, checks in results.items()
        if set(named(checks).values()) != {name} or not named(checks).keys() & own(known[name], known)
    }
    assert not unnamed, listed(unnamed)


def test_what_is_right_is_told_nothing(assignment: Assignment, tmp_path: Path) -> None:
    files = {path.stem: path.read_text(encoding="utf-8") for path in (assignment.solution, *assignment.variants)}
    files |= {f"style {style.name}": style.source for style in styles(assignment.name)}
    results = explained(assignment, files, tmp_path)
    wrong = {name: (lost(checks), named(checks)) for name, checks in results.items() if lost(checks) or named(checks)}
    assert not wrong, listed(wrong)


def test_what_no_catalogue_knows_is_not_called_a_known_mistake(assignment: Assignment, tmp_path: Path) -> None:
    known = {mistake.id for mistake, _ in overlays(assignment)}
    results = explained(assignment, unknown(assignment.name), tmp_path)
    assert [name for name, checks in results.items() if not lost(checks)] == []
    claimed = {
        name: claims
        for name, checks in results.items()
        if (claims := {c: d for c, d in named(checks).items() if known & {*d.split("+")}})
    }
    assert not claimed, listed(claimed)


def test_two_mistakes_in_one_file_are_both_named(assignment: Assignment, tmp_path: Path) -> None:
    sources = {pair: paired(assignment.name, *pair.split("+")) for pair in PAIRS[assignment.name]}
    results = explained(assignment, sources, tmp_path)
    wrong = {
        pair: named(checks)
        for pair, checks in results.items()
        if {one for d in named(checks).values() for one in d.split("+")} != {*pair.split("+")}
    }
    assert not wrong, listed(wrong)
