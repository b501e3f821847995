"""A student's running session as what is checked: its names, the source of its cells; left as it was afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import threading
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from grader.assignment import Assignment
from grader.errors import StudentError
from grader.intake.inspect import inspect
from grader.intake.program import Program
from grader.intake.scopes import Kind
from grader.intake.source import Source, read_source
from grader.sandbox.clock import PATIENCE
from grader.selfcheck.port import OwnPort

_LAST = ("last_exc", "last_type", "last_value", "last_traceback")  # of `sys`: what `%debug` looks at


class LivePort(OwnPort):
    """Answers with what the session defines. An interrupt is the student's own wish there: it ends the check."""

    def __init__(
        self, assignment: Assignment, namespace: Mapping[str, object], cells: Mapping[str, int], dtype: torch.dtype
    ) -> None:
        """`cells` are the file names that the session's cells have in tracebacks, with their numbers; `dtype` is its
        default.
        """
        beside = {str(path) for path in Path.cwd().glob("*.py")}
        super().__init__(assignment, namespace, lambda file: file in cells or file in beside)
        self._cells = {Path(file).name: number for file, number in cells.items()}
        self._dtype = dtype

    def within(self, seconds: float, what: str, act: Callable[[], object]) -> object:
        """As in grading, but with the session's default dtype, and an interrupt comes out as one."""
        interrupted = False

        def followed() -> object:
            nonlocal interrupted
            try:
                return act()
            except KeyboardInterrupt:
                interrupted = True
                raise

        ours = torch.get_default_dtype()
        torch.set_default_dtype(self._dtype)
        try:
            with _woken(PATIENCE * seconds):
                return super().within(seconds, what, followed)
        except StudentError as error:
            if interrupted:
                raise KeyboardInterrupt from None
            for file, number in self._cells.items():
                error.message = error.message.replace(f"({file}, ", f"(cell {number}, ")
            raise
        finally:
            torch.set_default_dtype(ours)


@contextmanager
def _woken(seconds: float) -> Iterator[None]:
    """What waits outside Python, in `time.sleep` say, is woken after `seconds` to see that its time is over."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    left = signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)
        signal.signal(signal.SIGALRM, before)


def inspected(cells: Sequence[str], assignment: Assignment) -> dict[str, Any]:
    """What is known of the session without running it, as `inspect` says it; `cells` is what was run, in order.

    A cell that later ones have replaced does not count. Raises StudentError when the code cannot be followed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.ipynb"
        _write(path, cells)
        _write(path, _current(read_source(path)))
        wanted = (*assignment.names, *assignment.parts)
        return inspect(Program(Path.cwd(), str(path)), assignment.forbidden, wanted)  # modules are found beside it


def _write(path: Path, cells: Sequence[str]) -> None:
    code = [{"cell_type": "code", "source": cell} for cell in cells]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": code}), encoding="utf-8")


def _current(source: Source) -> list[str]:
    """The cells in order. One whose every name has been bound anew since then does nothing any more."""
    binding: set[int] = set()
    newest: set[int] = set()
    for bindings in source.scope.names.values():
        if cells := [bisect_right(source.starts, b.line) for b in bindings if b.kind is not Kind.PATCH]:
            binding.update(cells)
            newest.add(max(cells))
    return ["pass" if n in binding - newest else cell.source for n, cell in enumerate(source.cells, start=1)]


@contextmanager
def left_alone() -> Iterator[torch.dtype]:
    """Inside, PyTorch is as in a fresh process; afterwards random numbers and settings are as they were before.

    Gives the session's own default dtype.
    """
    numbers, python = torch.get_rng_state(), random.getstate()
    numpy: Any = sys.modules.get("numpy")
    theirs = numpy.random.get_state() if numpy else None
    dtype, path, here, environment = torch.get_default_dtype(), sys.path[:], Path.cwd(), dict(os.environ)
    last = {name: sys.__dict__[name] for name in _LAST if name in sys.__dict__}
    try:
        torch.set_default_dtype(torch.float32)
        with warnings.catch_warnings(), torch.inference_mode(False), torch.enable_grad(), _on_cpu():
            yield dtype
    finally:
        torch.set_default_dtype(dtype)
        torch.set_rng_state(numbers)
        random.setstate(python)
        if numpy:
            numpy.random.set_state(theirs)
        sys.path[:] = path
        os.chdir(here)
        os.environ.clear()
        os.environ.update(environment)
        for name in _LAST:
            sys.__dict__.pop(name, None)
        sys.__dict__.update(last)


@contextmanager
def _on_cpu() -> Iterator[None]:
    if torch.get_default_device().type == "cpu":  # the switch costs time at each call
        yield
        return
    with torch.device("cpu"):
        yield
