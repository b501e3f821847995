"""`grader check`: a student's own loop. The public checks on one file, in words."""

from __future__ import annotations

import argparse
from pathlib import Path

from grader.assignment import Assignment, assignment_names, find_root, load_assignment
from grader.errors import StudentError, UsageError
from grader.intake.collect import entries
from grader.intake.source import read_source
from grader.records import CheckResult, Result
from grader.report.shown import shown
from grader.report.words import OUTCOMES, follow_through, headline, part_of


def run(args: argparse.Namespace) -> int:
    """Print each public check with its points, message and hint. Returns 0; raises UsageError."""
    if args.file is not None and not args.file.is_file():
        raise UsageError(f"{args.file}: no such file")
    root = find_root(args.root or (args.file.parent if args.file else None))
    if args.file is None:
        name, file = _find_file(root, args.assignment)
    else:
        name, file = args.assignment or _recognise(root, args.file), args.file
    assignment = load_assignment(root, name)
    _print(assignment, file, _grade(assignment, file))
    return 0


def _grade(assignment: Assignment, file: Path) -> Result:
    from grader.run.batch import grade_batch

    (result,) = grade_batch(
        assignment,
        entries([file], assignment.name, one=True),
        None,
        one=True,
        allow_unsandboxed=True,  # one's own code on one's own machine
        public_only=True,
    )
    return result


def _find_file(root: Path, name: str | None) -> tuple[str, Path]:
    """The assignment and the file that one is working on, looking in this folder, then in the assignment's."""
    names = [name] if name else assignment_names(root)
    for folders in ([Path()], [root / "assignments" / each for each in names]):
        if found := [(each, path) for folder in folders for each in names for path in _files(folder, each)]:
            break
    if len({each for each, _ in found}) != 1:
        raise UsageError(f"say which file to check: grader check FILE (assignments here: {', '.join(names) or 'none'})")
    return max(found, key=lambda pair: pair[1].stat().st_mtime_ns)  # of a module and a notebook the one worked on last


def _files(folder: Path, name: str) -> list[Path]:
    return [path for path in (folder / f"{name}.py", folder / f"{name}.ipynb") if path.is_file()]


def _recognise(root: Path, file: Path) -> str:
    """The assignment of `file`: by its name, by its folder's, or by the names it defines. Raises UsageError."""
    names = assignment_names(root)
    for guess in (file.stem, file.resolve().parent.name):
        if guess in names:
            return guess
    try:
        defined = set(read_source(file).definitions)
    except StudentError as error:
        raise UsageError(error.message) from None
    asked = {name: len(defined.intersection(load_assignment(root, name).names)) for name in names}
    best = max(asked.values(), default=0)
    fitting = [name for name in names if asked[name] == best]
    if not best or len(fitting) > 1:
        raise UsageError(
            f"{file}: say which assignment it is for, with --assignment NAME ({', '.join(names) or 'none here'})"
        )
    return fitting[0]


def _print(assignment: Assignment, file: Path, result: Result) -> None:
    from rich.table import Table
    from rich.text import Text

    from grader.commands.terminal import STYLES, console

    out, seen = console(), shown(result)
    words = headline(seen)
    out.print(Text(f"{assignment.title}: {file}", "bold"))
    table = Table.grid(padding=(0, 2))
    for check in seen.checks:
        outcome = OUTCOMES[check.status]
        points = _of(check.points, check.max_points)
        table.add_row(Text(outcome.label, STYLES[outcome.tone]), points, Text(check.title, "bold"))
        for line in _lines(check):
            table.add_row("", "", Text(line))
    if seen.checks:
        out.print("", table, sep="\n")
    out.print(Text(f"\n{words.meaning} {words.advice}", STYLES[words.tone]))
    for note in filter(None, (seen.message, *seen.notes)):
        out.print(Text(note))
    points = _of(seen.score, seen.max_score)
    out.print(f"\n{points} points in the public checks; the hidden ones are run when you hand in.")


def _of(points: float, most: float) -> str:
    return f"{part_of(points, most)} of {part_of(most, most)}"


def _lines(check: CheckResult) -> list[str]:
    """What to read below a check that did not pass."""
    lines = [text for text in (check.message, follow_through(check)) if text]
    if check.diagnosis:
        lines.append(f"{check.diagnosis.title}. {check.diagnosis.hint}")
    elif check.hint:
        lines.append(f"Hint: {check.hint}")
    return lines
