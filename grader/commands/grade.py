"""`grader grade`: grade submissions, show how it goes, then a table or JSON."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from grader.assignment import find_root, load_assignment
from grader.commands.progress import Progress
from grader.intake.collect import entries
from grader.records import Result, Status
from grader.sandbox import notebook

BELOW, NOT_GRADED = 1, 3
OTHER_COLUMNS = 32  # what status, score and the lines between columns take


def run(args: argparse.Namespace) -> int:
    """Grade, print the table (or, with --json, the results) and return the exit code. Raises UsageError."""
    notebook.require()
    assignment = load_assignment(find_root(args.root), args.assignment)
    found = entries(args.paths, assignment.name, one=args.one)
    from grader.run.batch import grade_batch

    with Progress(assignment.title, len(found)) as progress:
        results = grade_batch(
            assignment,
            found,
            args.out,
            jobs=args.jobs,
            one=args.one,
            allow_unsandboxed=args.allow_unsandboxed,
            on_result=progress.show,
        )
    if args.json:
        sys.stdout.write((args.out / "results.json").read_text(encoding="utf-8"))
    else:
        _print_table(assignment.title, results, args.out / "class.html")
    return exit_code(results, args.min_score)


def exit_code(results: Sequence[Result], threshold: tuple[float, bool] | None) -> int:
    """Return what the results mean for a pipeline; `threshold` is a number of points, or a share in percent."""
    if any(result.status is Status.ERROR for result in results):
        return NOT_GRADED
    if threshold is None:
        return 0
    number, is_share = threshold
    wanted = [number * result.max_score / 100 if is_share else number for result in results]
    fell = any(result.score < least - 1e-9 for result, least in zip(results, wanted, strict=True))
    return BELOW if fell else 0


def _print_table(title: str, results: Sequence[Result], page: Path) -> None:
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    from grader.commands.terminal import STYLES, console
    from grader.report.overview import overview
    from grader.report.shown import shown

    seen, out = overview([shown(result) for result in results]), console()
    name_width = min(40, max(cell_len(row.result.submission) for row in seen.rows))
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False)
    table.add_column("submission", width=name_width, overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column(
        "why", overflow="ellipsis", no_wrap=True, max_width=max(20, out.width - name_width - OTHER_COLUMNS)
    )
    for row in seen.rows:
        score = "not graded" if row.score is None else f"{row.score} of {seen.top}"
        state = Text(row.result.status, STYLES[row.words.tone])
        table.add_row(
            Text(row.result.submission), state, score, Text(_why(row.result))
        )  # Text: no markup in it is obeyed
    out.print(table)
    counts = ", ".join(
        f"{count} {status}" for status, count in Counter(result.status for result in results).most_common()
    )
    mean = f"; mean {seen.mean} of {seen.top}" if seen.mean is not None else ""
    out.print(f"\n{len(results)} submission{'s' * (len(results) != 1)}: {counts}{mean}\n{page}", soft_wrap=True)


def _why(result: Result) -> str:
    """The whole's message, or the first check that cost points."""
    if result.message:
        return result.message
    lost = [check for check in result.checks if check.points < check.max_points]
    if not lost:
        return ""
    first = lost[0].diagnosis.title if lost[0].diagnosis else lost[0].title
    return first if len(lost) == 1 else f"{first} (and {len(lost) - 1} more)"
