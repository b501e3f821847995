"""One submission, from its files to its result: runs in a process of its own, forked from the grader."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import NoReturn

from grader.assignment import Assignment
from grader.errors import Fault, StudentError
from grader.intake.collect import Bundle, stage
from grader.records import CheckResult, Outcome, Result, Status
from grader.run.blame import STATUS, missing
from grader.run.plugin import Checks
from grader.run.student import StudentPort
from grader.sandbox.folders import Folders
from grader.sandbox.launch import Warm
from grader.sandbox.limits import footprint
from grader.text import clean

HandBack = Callable[[Bundle, Result, Mapping[str, str]], Result]

_MEMORY = 2 << 30  # bytes a marker may take for what the student's code returned; the largest answer has 256 MiB
_PATIENCE, _AGAIN = 30.0, 1.0  # seconds a marker may take over its submission's own; and then each check
_EVERY = 2.0  # seconds between two lines about one training


def mark(
    bundle: Bundle,
    blank: Result,
    *,
    warm: Warm,
    checks: Checks,
    run_checks: Callable[[], None],
    stack: ExitStack,
    hand_back: HandBack,
    number: int = 0,
) -> Result:
    """Stage the files, load them in a locked process, run the checks against it, return `blank` with what came of it.

    `hand_back` is told where each name is defined or was to be, and may add to the result. What is to be put away
    afterwards is left to `stack`: nobody need wait for it.
    """
    started, assignment = time.monotonic(), checks.assignment
    folders = stack.enter_context(staged(bundle, assignment, warm))
    port = StudentPort(warm, assignment, folders, bundle.main, number=number, trains=checks.train)
    stack.callback(port.close)
    checks.begin(port)
    _bound(assignment.limits.total_seconds + _PATIENCE)
    status, message = Status.GRADED, None
    results: tuple[CheckResult, ...] = ()
    try:
        port.load()
        if not any(name in port.names for name in assignment.names):
            raise missing(assignment.names, port.names, port.lost)
        checks.before_check = port.begin_check
        checks.watch = watching(blank.submission)
        run_checks()
        results = checks.results()
    except StudentError as error:
        status, message = STATUS.get(error.fault, Status.INVALID), error.message
    signal.setitimer(signal.ITIMER_REAL, 0)
    port.leave()
    for check in results:
        if check.status is Outcome.ERROR:
            status, message = Status.ERROR, f"not graded: {check.message} (check {check.id})"
    filled = (f"`{name}`: weights were given to its layers so: {how}." for name, how in checks.student.accounts.items())
    notes = (*bundle.notes, *port.notes, *(clean(note, 600) for note in filled))
    score, seconds = round(sum(check.points for check in results), 4), round(time.monotonic() - started, 3)
    result = replace(blank, status=status, score=score, seconds=seconds, message=message, checks=results, notes=notes)
    output = clean(port.output, 2 * port.output_limit, lines=True)
    return hand_back(bundle, replace(result, output=output), {**port.lost, **port.names})


def _bound(seconds: float) -> None:
    """Checks work on what the student's code returned: its size and the time it takes are to cost a check, not us."""
    _, data, _ = footprint()
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if data and (most == resource.RLIM_INFINITY or most > data + _MEMORY):
        resource.setrlimit(resource.RLIMIT_DATA, (data + _MEMORY, most))
    signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)


def _too_long(*_: object) -> NoReturn:
    raise StudentError(Fault.TIMEOUT, "looking at what your code returned took too long")


@contextmanager
def staged(bundle: Bundle, assignment: Assignment, warm: Warm) -> Iterator[Folders]:
    """The submission's files, and the modules the assignment provides, in folders of their own."""
    provided = {path.name: path.read_bytes() for path in assignment.provided_files if path.name not in bundle.files}
    with warm.folders() as folders:
        stage(replace(bundle, files={**bundle.files, **provided}), folders.source)
        yield folders


def watching(name: str) -> Callable[[str], None]:
    """Tells on standard error how training goes, at most every two seconds, in one write: others write there, too."""
    last = time.monotonic()

    def watch(words: str) -> None:
        nonlocal last
        if time.monotonic() - last > _EVERY:
            last = time.monotonic()
            os.write(2, f"  {clean(name, 60)}: {clean(words, 100)}\n".encode(errors="replace"))

    return watch
