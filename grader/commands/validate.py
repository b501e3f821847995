"""`grader validate`: prove that an assignment's checks catch mistakes and accept what is right."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.assignment import Assignment, assignment_names, find_root, load_assignment
from grader.errors import UsageError
from grader.text import clean

if TYPE_CHECKING:
    from grader.proof.prove import Proof

UNPROVEN, BROKEN = 1, 2


def run(args: argparse.Namespace) -> int:
    """Print what is not proven, a matrix and a summary of each assignment. Returns 1 when something is not proven, 2
    when an assignment is broken.
    """
    root = find_root(args.root)
    names = args.names or assignment_names(root)
    if not names:
        raise UsageError(f"no assignment in {root / 'assignments'}; `grader new NAME` starts one")
    from grader.proof.page import render_proof

    code, told = 0, []
    proofs: list[Proof] = []
    for name, proof in _proofs(root, names, args):
        if isinstance(proof, UsageError):
            sys.stderr.write(f"grader: {clean(proof)}\n")
            told.append({"name": name, "broken": clean(proof)})
            code = BROKEN
            continue
        code = max(code, UNPROVEN if proof.problems else 0)
        told.append(_as_json(proof))
        if args.out is not None:
            args.out.mkdir(parents=True, exist_ok=True)
            (args.out / f"{name}.html").write_text(render_proof(proof), encoding="utf-8")
        if not args.json:
            _print(proof)
            proofs.append(proof)
    if len(proofs) > 1:
        _print_summaries(proofs)
    if args.json:
        print(json.dumps({"assignments": told}, indent=1, ensure_ascii=False))
    return code


def _proofs(root: Path, names: Sequence[str], args: argparse.Namespace) -> Iterator[tuple[str, Proof | UsageError]]:
    """Each assignment's proof, or what is broken about it, in the order of `names`."""
    from grader.proof.side_by_side import prove_all

    loaded: dict[str, Assignment | UsageError] = {}
    for name in names:
        try:
            loaded[name] = load_assignment(root, name)
        except UsageError as error:
            loaded[name] = error
    whole = [each for each in loaded.values() if isinstance(each, Assignment)]
    seeds, with_mutants = (1, False) if args.quick else (args.seeds, not args.no_mutants)
    jobs = args.jobs or len(os.sched_getaffinity(0))
    made = prove_all(whole, seeds=seeds, with_mutants=with_mutants, few=args.quick, jobs=jobs)
    for name, each in loaded.items():
        yield name, each if isinstance(each, UsageError) else next(made)


def _as_json(proof: Proof) -> dict[str, Any]:
    return {
        "name": proof.name,
        "proven": not proof.problems,
        "problems": [asdict(problem) for problem in proof.problems],
        "warnings": [asdict(problem) for problem in proof.warnings],
        "points": proof.points,
        "points_without_a_mistake": proof.idle_points,
        "checks": [
            {"id": c.id, "title": c.title, "points": c.max_points, "closest": proof.margins.get(c.id)}
            for c in proof.checks
        ],
        "mistakes": [{"id": row.mistake.id, "title": row.mistake.title, "checks": row.cells} for row in proof.rows],
        "variants": proof.variants,
        "mutants": {
            "killed": proof.killed,
            "survivors": [s.mutant.to_json() | {"why": s.why} for s in proof.survivors],
        },
        "seconds": proof.seconds,
    }


def _print(proof: Proof) -> None:
    from rich.text import Text

    from grader.commands.terminal import STYLES, console
    from grader.proof.page import SIGNS, times

    out = console()

    def line(*parts: str | tuple[str, str]) -> None:
        out.print(Text.assemble(*parts), soft_wrap=True)

    for problem in (*proof.problems, *proof.warnings):
        style = STYLES["bad" if problem in proof.problems else "part"]
        line((f"{problem.kind}: ", style), f"{problem.where}: {problem.what}. {problem.advice}")
    longest = max((len(row.mistake.id) for row in proof.rows), default=0)
    width = max(12, min(longest, out.width - 3 * len(proof.checks) - 1))
    line("\n", (" " * width + "".join(f"{number:>3}" for number in range(1, len(proof.checks) + 1)), "bold"))
    for row in proof.rows:
        cells = [SIGNS[cell] for cell in row.cells.values()]
        line(f"{row.mistake.id[:width]:{width}}", *((f"{sign:>3}", STYLES[tone]) for sign, tone, _ in cells))
    line(("  ".join(f"{sign} {means}" for sign, _, means in SIGNS.values()), STYLES["mute"]))
    for number, check in enumerate(proof.checks, 1):
        ratio, closest = proof.margins.get(check.id, (0.0, ""))
        near = f"  closest: {closest}, {times(ratio)} times the allowance" if closest else ""
        line(f"{number:>3} {check.id} ({check.max_points:g})", (near, STYLES["mute"]))
    for survivor in proof.survivors:
        if survivor.why:  # one without is among the problems
            mutant = survivor.mutant
            said = f"survives, line {mutant.line}: {mutant.before} -> {mutant.after}: {survivor.why}"
            line((said, STYLES["mute"]))
    line("\n", (_summary(proof), STYLES["bad" if proof.problems else "good"]))


def _print_summaries(proofs: Sequence[Proof]) -> None:
    """All assignments once more, a line each."""
    from rich.table import Table
    from rich.text import Text

    from grader.commands.terminal import STYLES, console

    heads = ("points", "checks", "mistakes caught", "variants right", "mutants killed", "left, explained", "seconds")
    table = Table("assignment", *heads, box=None, padding=(0, 2, 0, 0))
    for proof in proofs:
        explained = sum(survivor.why is not None for survivor in proof.survivors)
        cells = (
            f"{proof.points:g}",
            str(len(proof.checks)),
            f"{proof.caught} of {len(proof.rows)}",
            f"{sum(proof.variants.values())} of {len(proof.variants)}",
            f"{proof.killed} of {proof.killed + len(proof.survivors)}",
            f"{len(proof.survivors)}, {explained}",
            f"{proof.seconds:g}",
        )
        table.add_row(Text(proof.name, STYLES["bad" if proof.problems else "good"]), *cells)
    console().print("", table, sep="\n")


def _summary(proof: Proof) -> str:
    count = len(proof.problems)
    state = f"not proven, {count} problem{'s' * (count != 1)}" if count else "proven"
    parts = [
        f"{proof.points:g} points in {len(proof.checks)} checks ({proof.idle_points:g} without a mistake)",
        f"{proof.caught} of {len(proof.rows)} mistakes caught",
        f"{sum(proof.variants.values())} of {len(proof.variants)} variants right",
        f"{proof.killed} mutants killed, {len(proof.survivors)} survived",
        f"{proof.seconds:g} s",
    ]
    return f"{proof.name}: {state}: {'; '.join(parts)}"
