"""How a run is getting on, on standard error: a live bar on a terminal, else a line for each submission."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich import progress as bars

from grader.commands.terminal import console
from grader.records import Result, Status
from grader.report.shown import shown
from grader.report.words import part_of


class Progress:
    """Shows each result as it comes. Starts no thread and leaves stdout alone, because the grader forks meanwhile."""

    def __init__(self, title: str, total: int) -> None:
        self._total = total
        self._done = 0
        self._bar = bars.Progress(
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TimeRemainingColumn(),
            bars.TextColumn("{task.fields[last]}", markup=False),
            console=console(stderr=True),
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(title, total=total, last="starting")

    def __enter__(self) -> Self:
        self._bar.start()
        self._bar.refresh()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.stop()

    def show(self, result: Result, reused: bool) -> None:
        """One more is done; `reused` when it was unchanged since an earlier run."""
        self._done += 1
        line = f"{shown(result).submission}: {_outcome(result)}{', as before' if reused else ''}"
        if self._bar.disable:
            sys.stderr.write(f"[{self._done}/{self._total}] {line}\n")
            sys.stderr.flush()
        else:
            self._bar.update(self._task, advance=1, last=line, refresh=True)


def _outcome(result: Result) -> str:
    score = f"{part_of(result.score, result.max_score)} of {part_of(result.max_score, result.max_score)}"
    return score if result.status is Status.GRADED else result.status.value
