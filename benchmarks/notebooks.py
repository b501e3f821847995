"""Second in `make bench`: a notebook against a module, a warm kernel against a cold one, and `grader check`.

Everything is measured in one run on one machine, so the ratios mean something even where the seconds do not.
"""

from __future__ import annotations

import ast
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import torch
from nbclient import NotebookClient

from benchmarks.grading import ROOT, ROUNDS, graded, make_submissions, phases, verdict
from grader.assignment import load_assignment

COLD = 3  # cold starts: seconds each, so few
SAVES = 6
CHECK = [sys.executable, "-m", "grader", "check", "--assignment", "attention", "--root", str(ROOT)]


def as_notebook(source: str) -> str:
    """The same code with a cell for each definition, and one for what stands between two of them."""
    lines, cells, start = source.splitlines(keepends=True), [], 0
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
            cells += ["".join(lines[start:first]), "".join(lines[first : node.end_lineno])]
            start = node.end_lineno or 0
    written = [text.strip("\n") for text in (*cells, "".join(lines[start:])) if text.strip()]
    empty: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = {"metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps({**book, "cells": [{**empty, "source": text} for text in written]})


def best(act: Callable[[], object]) -> float:
    """Seconds that `act` takes, the best of a few times."""
    seconds = []
    for _ in range(COLD):
        started = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def cold_kernel(notebook: Path) -> float:
    """Seconds to run a notebook as Jupyter does: a new kernel, which imports torch, spoken to over its ports."""
    book: Any = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]  # nbformat has no annotations
    options: Any = {"kernel_name": "python3", "extra_arguments": ["--log-level=ERROR"]}
    return best(lambda: NotebookClient(book, **options).execute())


def saved(file: Path) -> list[float]:
    """Seconds from saving a file to its result, in a `grader check --watch` that is warm."""
    source, seconds = file.read_text(), []
    with subprocess.Popen(
        [*CHECK, str(file), "--watch", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as watch:
        assert watch.stdout is not None
        assert json.loads(watch.stdout.readline())["status"] == "graded"
        for number in range(SAVES):
            time.sleep(2)  # nobody saves at once again; the next process gets ready
            started = time.perf_counter()
            file.write_text(f"{source}\n# save {number}\n")
            assert json.loads(watch.stdout.readline())["status"] == "graded"
            seconds.append(time.perf_counter() - started)
        watch.send_signal(signal.SIGINT)
    return seconds


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    assignment = load_assignment(ROOT, "attention")
    with tempfile.TemporaryDirectory() as name:
        modules, notebooks = Path(name, "modules"), Path(name, "notebooks")
        modules.mkdir()
        notebooks.mkdir()
        files = make_submissions(assignment, modules)
        for file in files:
            (notebooks / f"{file.stem}.ipynb").write_text(as_notebook(file.read_text()))
        rounds = [(graded(assignment, modules, 1), graded(assignment, notebooks, 1)) for _ in range(ROUNDS)]
        module, notebook = (min(column) for column in zip(*rounds, strict=True))
        load = "load: fork, lock, inspect, run the file"
        warm_module, warm = phases(assignment, modules)[load], phases(assignment, notebooks)[load]
        cold = cold_kernel(notebooks / f"{files[0].stem}.ipynb")
        bare = best(lambda: subprocess.check_output([sys.executable, "-c", "import torch"]))
        check = best(lambda: subprocess.check_output([*CHECK, str(files[0])], stderr=subprocess.DEVNULL))
        saves = saved(files[0])
    print(f"{len(files)} attention submissions as modules and as notebooks, -j1; best of {ROUNDS} rounds, seconds\n")
    print(f"  (d) a module                                     {module:7.3f}")
    print(f"      the same code as a notebook                  {notebook:7.3f}")
    print(f"  (e) until it has run: a notebook, warm           {warm:7.3f}   (a module {warm_module:.3f})")
    print(f"      the same notebook in a new Jupyter kernel    {cold:7.3f}")
    print(f"  (f) grader check, from a cold start              {check:7.3f}   (Python with torch alone {bare:.3f})")
    print(f"      grader check --watch, from save to result    {min(saves):7.3f}   ", end="")
    print(f"(median of {len(saves)}: {statistics.median(saves):.3f})\n")
    over = notebook - module
    print(f"  (d) a notebook costs {over:.3f} over a module; {verdict(over <= 0.4)} of 0.4")
    print(f"  (e) a warm kernel is {cold / warm:.0f} times faster than a cold one")
    print(f"  (f) a save is answered in {min(saves):.2f} s; {verdict(min(saves) <= 0.5)} of 0.5")


if __name__ == "__main__":
    main()
