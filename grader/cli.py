"""The command line: parse, call one command, turn what went wrong into one line and an exit code.

Exit codes: 0 done; 1 a submission fell below --min-score, or checks are not proven; 2 wrong usage or a broken
assignment; 3 something could not be graded for a reason that is not the submission's. Nothing heavy is imported before
a command is chosen.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from grader import __version__
from grader.errors import GraderError, UsageError
from grader.text import clean

USAGE, OURS, INTERRUPTED = 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    try:
        args = _parser().parse_args(argv)
        command = importlib.import_module(f"grader.commands.{args.command}")
        code: int = command.run(args)
        sys.stdout.flush()
    except UsageError as error:
        return _say(error, USAGE)
    except GraderError as error:
        return _say(error, OURS)
    except KeyboardInterrupt:
        return _say("stopped; run the same command again, and what is done already is not done twice", INTERRUPTED)
    except BrokenPipeError:  # whoever read our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OURS
    except Exception as error:
        traceback.print_exc()  # Python's own exit code for this, 1, would mean a low score
        return _say(f"a fault of the grader, not of any submission: {type(error).__name__}: {error}", OURS)
    return code


def _say(what: object, code: int) -> int:
    sys.stderr.write(f"grader: {clean(what)}\n")
    return code


class _Parser(argparse.ArgumentParser):
    """argparse with one line for wrong usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"grader: {clean(message)}; `{self.prog} --help` shows the usage\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="grader", description="Fair, isolated grades for PyTorch assignments.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"torchgrade {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    _add_grade(commands)
    _add_check(commands)
    _add_authoring(commands)
    _add_validate(commands)
    _add_catalogue(commands)
    _add_report(commands)
    _add_doctor(commands)
    return parser


_Commands = argparse._SubParsersAction  # argparse has no public name for what add_subparsers returns


def _add_grade(commands: _Commands[_Parser]) -> None:
    grade = _command(commands, "grade", "grade submissions and write the reports")
    grade.add_argument("assignment", metavar="ASSIGNMENT", help="an assignment's name")
    grade.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        type=Path,
        help="a file, a folder or zip of one submission, or a folder of many",
    )
    grade.add_argument(
        "-o", "--out", metavar="OUT", type=Path, required=True, help="the folder for results and reports"
    )
    grade.add_argument("-j", "--jobs", metavar="N", type=_jobs, default=1, help="how many to grade side by side")
    grade.add_argument("--one", action="store_true", help="each PATH is one submission, whatever its file is called")
    grade.add_argument(
        "--min-score",
        metavar="X",
        type=parse_threshold,
        help="exit with 1 when a score is below X points, or X%% of the most",
    )
    grade.add_argument("--allow-unsandboxed", action="store_true", help="grade even where the lock is not complete")
    grade.add_argument("--json", action="store_true", help="results as JSON on standard output, not a table")
    _add_root(grade)


def _add_check(commands: _Commands[_Parser]) -> None:
    check = _command(commands, "check", "run the public checks on your own file")
    check.add_argument("file", metavar="FILE", nargs="?", type=Path, help="your file; found by its name when left out")
    check.add_argument("--assignment", metavar="NAME", help="the assignment, when the file does not tell")
    check.add_argument("--watch", action="store_true", help="check again whenever the file is saved, until Ctrl-C")
    check.add_argument("--json", action="store_true", help="the result as one line of JSON on standard output")
    _add_root(check)


def _add_authoring(commands: _Commands[_Parser]) -> None:
    build = _command(commands, "build", "cut skeletons and notebooks from the solutions")
    build.add_argument("names", metavar="NAME", nargs="*", help="assignments; all when left out")
    build.add_argument("--check", action="store_true", help="write nothing; exit with 2 when one is not up to date")
    _add_root(build)
    release = _command(commands, "release", "pack what students get, and nothing else")
    release.add_argument("name", metavar="NAME", help="an assignment's name")
    release.add_argument(
        "dir", metavar="DIR", type=Path, help="a folder, which may hold other releases, or a .zip file"
    )
    _add_root(release)
    new = _command(commands, "new", "start an assignment from a small working example")
    new.add_argument("name", metavar="NAME", help="its name: a Python module's name")
    new.add_argument("--title", help="its title, for people")
    _add_root(new)


def _add_catalogue(commands: _Commands[_Parser]) -> None:
    catalogue = _command(commands, "catalogue", "describe every assignment: what it teaches, its checks and mistakes")
    catalogue.add_argument("-o", "--out", metavar="FILE", type=Path, help="write the page here, not to standard output")
    _add_root(catalogue)


def _add_validate(commands: _Commands[_Parser]) -> None:
    validate = _command(commands, "validate", "prove that the checks catch mistakes and accept what is right")
    validate.add_argument("names", metavar="ASSIGNMENT", nargs="*", help="assignments; all when left out")
    validate.add_argument(
        "--seeds", metavar="N", type=_count, default=50, help="how many seeds the solution has to pass"
    )
    validate.add_argument("--quick", action="store_true", help="one seed, no mutants, one known mistake for each check")
    validate.add_argument("--no-mutants", action="store_true", help="leave out the small changes made of the solution")
    validate.add_argument(
        "-j", "--jobs", metavar="N", type=_jobs, help="how many to run side by side; all cores when left out"
    )
    validate.add_argument("-o", "--out", metavar="DIR", type=Path, help="a folder for a page about each assignment")
    validate.add_argument("--json", action="store_true", help="everything as JSON on standard output, and no tables")
    _add_root(validate)


def _add_report(commands: _Commands[_Parser]) -> None:
    report = _command(commands, "report", "write the reports again from stored results")
    report.add_argument("out", metavar="OUT", type=Path, help="the folder that `grader grade -o` wrote")


def _add_doctor(commands: _Commands[_Parser]) -> None:
    doctor = _command(commands, "doctor", "say which protections work on this machine, by trying them")
    doctor.add_argument("--json", action="store_true", help="the same for a machine to read")


def _command(commands: _Commands[_Parser], name: str, does: str) -> _Parser:
    return commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.", allow_abbrev=False)


def _add_root(parser: _Parser) -> None:
    parser.add_argument("--root", metavar="DIR", type=Path, help="the course's folder, which holds assignments/")


def _jobs(text: str) -> int:
    return _count(text, 256)


def _count(text: str, most: int = 10_000) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"`{text}`: expected a whole number from 1 to {most}")
    return int(text)


def parse_threshold(text: str) -> tuple[float, bool]:
    """Return the number, and whether it is a share in percent. Raises ArgumentTypeError, which argparse reports."""
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}`: expected points such as 12, or a share such as 60%")
    return number, text.endswith("%")
