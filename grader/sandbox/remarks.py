"""What a student is told of how their code was run, beside what it answers: notes, and why a name is not there."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from grader.text import clean

_NOTES = 20


def skipped(what: str) -> None:
    """Say on standard output that `what` was left out."""
    with contextlib.suppress(Exception):  # the student may have closed or replaced it
        sys.stdout.write(f"(skipped: {clean(what, 200)})\n")


class Remarks:
    """Gathers while a submission is run, `here` in words. `packages` are those its course allows beside torch."""

    def __init__(self, packages: Sequence[str] = (), here: str = "where this is graded") -> None:
        self.notes: list[str] = []
        self.lost: dict[str, str] = {}  # a name that something would have bound, and why it did not
        self._here = here
        self.allowed = f"packages of this course: {', '.join(('torch', *packages))}"

    def say(self, words: str) -> None:
        """Note `words`, once."""
        if words not in self.notes and len(self.notes) < _NOTES:
            self.notes.append(words)

    def imports(self, where: str, package: str) -> str:
        """Words for a package that `where` imports and that is not here."""
        return f"{where} imports `{clean(package, 60)}`, which is not installed {self._here}"

    def explain(self, error: object) -> str:
        """Why a name that `error` did not find is not there, as the end of a sentence; "" where nothing is known."""
        name = error.name if type(error) is NameError else None
        return f": {self.lost[name]}" if type(name) is str and name in self.lost else ""
