"""The terminal: one console for tables, and what each tone looks like there (never told by colour alone)."""

from __future__ import annotations

import sys

from rich.console import Console

from grader.report.words import Tone

STYLES: dict[Tone, str] = {
    "good": "green",
    "part": "yellow",
    "calm": "cyan",
    "bad": "red",
    "mute": "dim",
    "ours": "magenta",
}
UNKNOWN_WIDTH = 140  # columns of a pipe or a file, which do not say


def console(*, stderr: bool = False) -> Console:
    """Return a console on standard output or error that prints text as it is, and what its encoding lacks as `?`."""
    stream = sys.stderr if stderr else sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
    made = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not made.is_terminal:
        made.width = UNKNOWN_WIDTH
    return made
