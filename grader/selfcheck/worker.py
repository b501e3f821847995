"""`python -m grader.selfcheck.worker`: imports everything, waits for a file, checks it, says how it went, and ends.

It talks to `supervise` in lines of JSON. What the file prints goes another way: to standard error, a pipe.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from grader.assignment import Assignment, load_assignment
from grader.checks.declare import Check
from grader.errors import Fault, GraderError, StudentError, UsageError
from grader.records import Result, Status, Visibility
from grader.run.blame import STATUS
from grader.run.local import LocalPort
from grader.sandbox import guard, notebook, packages
from grader.selfcheck.port import Place, load
from grader.selfcheck.session import check_own
from grader.text import clean


def main() -> None:
    """Serve one request. Its first line says what to get ready for, its second which file is to be checked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees Ctrl-C and ends us
    telling = _Telling()
    requests = sys.stdin.buffer
    try:
        course = json.loads(requests.readline())
        assignment = load_assignment(Path(course["root"]), course["assignment"])
        torch.set_num_threads(1)
        packages.preload(assignment.packages)  # before the guard, and before the file's own time begins
        if course["notebook"]:
            notebook.preload()
        guard.install(assignment.forbidden)
        empty = check_own(assignment, LocalPort({}, as_student=True), "")  # loads all that the checks need
        blank = replace(empty, score=0.0, checks=())
        telling.say(ready=blank.to_json())
        line = requests.readline()
        if line:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            telling.say(result=_checked(assignment, blank, json.loads(line), telling).to_json())
    except GraderError as error:
        telling.say(broken=str(error), usage=isinstance(error, UsageError))
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(0)  # threads and exit functions of theirs are not waited for


class _Telling:
    """The way to the parent."""

    def __init__(self) -> None:
        self._pipe: BinaryIO = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        for stream in (sys.stdout, sys.stderr):
            cast("TextIOWrapper", stream).reconfigure(errors="replace", line_buffering=True)  # a crash loses no line

    def say(self, **message: object) -> None:
        """Send one message. A parent that is gone ends this process."""
        try:
            self._pipe.write(json.dumps(message).encode("ascii") + b"\n")
        except OSError:
            os._exit(1)

    def begin(self, check: Check, _: Visibility) -> None:
        """A check begins."""
        self.say(title=check.title)

    def call(self, place: Place, seconds: float) -> None:
        """A call is about to be made."""
        self.say(call=place, seconds=seconds)

    def watch(self, words: str) -> None:
        """How training goes."""
        self.say(watch=words)


def _checked(assignment: Assignment, blank: Result, request: Mapping[str, Any], telling: _Telling) -> Result:
    file = Path(request["file"])
    ended = {(seed, n): StudentError(Fault(fault), words) for (seed, n), fault, words in request["ended"]}
    telling.say(title=f"loading {file.name}")
    telling.call((0, 0), assignment.limits.load_seconds)
    try:
        port, notes = load(assignment, file, ended=ended, tell=telling.call)
    except StudentError as error:
        status = STATUS.get(error.fault, Status.INVALID)
        return replace(blank, submission=file.name, status=status, message=clean(error.message, 600))

    def before(check: Check, visibility: Visibility) -> None:
        port.begin_check(check)
        telling.begin(check, visibility)

    result = check_own(assignment, port, file.name, before_check=before, watch=telling.watch)
    return replace(result, notes=tuple(clean(note, 600) for note in notes))


if __name__ == "__main__":
    main()
