"""`grader check`: a student's own loop. The public checks on one file, in words."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from grader.assignment import Assignment, assignment_names, find_root, load_assignment
from grader.errors import StudentError, UsageError
from grader.intake.source import read_source
from grader.records import Result
from grader.sandbox import notebook
from grader.selfcheck.recognise import recognise
from grader.selfcheck.supervise import Workers, check_file
from grader.selfcheck.watch import Watched

_QUICK = 1.0  # seconds; during a check that takes longer, the next process gets ready beside it


def run(args: argparse.Namespace) -> int:
    """Print each public check with its points, message and hint. Returns 0; raises UsageError."""
    if args.file is not None and not args.file.is_file():
        raise UsageError(f"{args.file}: no such file")
    root = _root(args.root, args.file)
    if args.file is None:
        name, file = _find_file(root, args.assignment)
    else:
        name, file = args.assignment or _recognise(root, args.file), args.file
    if file.suffix == ".ipynb":
        notebook.require()
    assignment = load_assignment(root, name)
    show = _rows if args.json else _words(assignment, file, clears=args.watch)
    try:
        with Workers(assignment, notebook=file.suffix == ".ipynb") as workers:
            if args.watch:
                _watch(assignment, file, workers, show)
            elif result := _checked(file, workers, lambda: False):
                show(result, None)
    except KeyboardInterrupt:
        sys.stderr.write("\nNo longer watching.\n" if args.watch else "\nStopped.\n")
        return 0 if args.watch else 130
    return 0


def _root(given: Path | None, file: Path | None) -> Path:
    """The course's folder: the one given, or where the file lies, or where one stands."""
    if given or not file:
        return find_root(given)
    try:
        return find_root(file.parent)
    except UsageError:
        return find_root()


def _watch(
    assignment: Assignment, file: Path, workers: Workers, show: Callable[[Result, Result | None], None]
) -> NoReturn:
    """Check now, and whenever something was saved, without end. A save stops a check that still runs."""
    watched, before = Watched(assignment, file), None

    def stop() -> bool:
        if time.monotonic() > began + _QUICK:
            workers.prepare()
        return watched.changed()

    while True:
        began = time.monotonic()
        if result := _checked(file, workers, stop):
            show(result, before)
            before = result
            workers.prepare()
            watched.wait()
        if watched.settled():
            workers.end()


def _checked(file: Path, workers: Workers, stop: Callable[[], bool]) -> Result | None:
    """The result; meanwhile the terminal shows what runs."""
    from rich.text import Text

    from grader.commands.terminal import console

    with console(stderr=True).status("starting Python and torch", spinner="line") as status:
        title = ""

        def tell(message: dict[str, Any]) -> None:
            nonlocal title
            title = message.get("title", title)
            status.update(Text(" ".join(filter(None, (title, message.get("watch"))))))

        return check_file(file, workers, tell=tell, stop=stop)


def _rows(result: Result, _: Result | None) -> None:
    print(json.dumps(result.to_json()), flush=True)


def _words(assignment: Assignment, file: Path, *, clears: bool) -> Callable[[Result, Result | None], None]:
    from grader.commands.terminal import console
    from grader.commands.told import account, compared

    out = console()

    def show(result: Result, before: Result | None) -> None:
        if clears and out.is_terminal:
            out.clear()
        when = f" ({time.strftime('%H:%M:%S')})" if clears else ""
        out.print(account(assignment, f"{file}{when}", result, out))
        if clears:
            words = f"{compared(before, result)} " if before else ""
            out.print(f"\n{words}Save {file.name} to check it again; Ctrl-C ends this.")

    return show


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
    try:
        name = recognise(root, (file.stem, file.resolve().parent.name), lambda: read_source(file).definitions)
    except StudentError as error:
        raise UsageError(error.message) from None
    if name is None:
        known = ", ".join(assignment_names(root)) or "none here"
        raise UsageError(f"{file}: say which assignment it is for, with --assignment NAME ({known})")
    return name
