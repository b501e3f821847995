"""First in `make bench`: what a submission costs, against the same checks without isolation and against cold starts.

Everything is measured in one run on one machine, so the ratios mean something even where the seconds do not.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from grader.assignment import Assignment, load_assignment
from grader.intake.collect import entries
from grader.records import Result, Status
from grader.run import loop
from grader.run.batch import grade_batch
from grader.run.local import LocalPort, run_trusted
from grader.run.session import rehearse
from grader.run.student import StudentPort
from grader.wire.frames import Stream

ROOT = Path(__file__).parents[1]
COUNT = 16  # submissions a round
COLD = 3  # cold starts: seconds each, so few
ROUNDS = 4

COLD_START = """
import sys
from pathlib import Path
from grader.assignment import load_assignment
from grader.run.local import LocalPort, run_trusted
from grader.run.session import rehearse
assignment = load_assignment(Path(sys.argv[1]), "attention")
student = LocalPort(run_trusted(assignment, Path(sys.argv[2])), as_student=True)
(checks,) = rehearse(assignment, [("student", student)]).values()
assert sum(check.points for check in checks) == assignment.points
"""


def make_submissions(assignment: Assignment, folder: Path) -> list[Path]:
    """Well-behaved files in several styles; no two alike, so that nothing is taken from an earlier run."""
    styles = [assignment.solution, *assignment.variants]
    files = []
    for number in range(COUNT):
        path = folder / f"student_{number:02}.py"
        path.write_text(f"# student {number}\n{styles[number % len(styles)].read_text()}")
        files.append(path)
    return files


def floor(assignment: Assignment, files: list[Path]) -> float:
    """Seconds per submission in this process: torch and pytest warm, no isolation."""
    marks: list[float] = []

    def students() -> Iterator[tuple[str, LocalPort]]:
        for path in (files[0], *files):  # the first warms up and does not count
            marks.append(time.perf_counter())
            yield f"{len(marks)}", LocalPort(run_trusted(assignment, path), as_student=True)
        marks.append(time.perf_counter())

    results = rehearse(assignment, students())
    assert all(sum(c.points for c in checks) == assignment.points for checks in results.values())
    return (marks[-1] - marks[1]) / len(files)


def graded(assignment: Assignment, folder: Path, jobs: int) -> float:
    """Seconds per submission from the first result to the last, start-up left out."""
    times: list[float] = []

    def note(result: Result, reused: bool) -> None:
        assert result.status is Status.GRADED
        assert result.score == assignment.points, (result.submission, result.score)
        assert not reused
        times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as out:
        grade_batch(assignment, entries([folder], assignment.name), Path(out), jobs=jobs, on_result=note)
    return (times[-1] - times[0]) / (len(times) - 1)


def cold(files: list[Path]) -> float:
    """Seconds per submission with a fresh interpreter for each, no isolation."""
    seconds = []
    for path in files[:COLD]:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", COLD_START, str(ROOT), str(path)], check=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def memory(folder: Path) -> tuple[float, float]:
    """The most private memory, in MiB, of a marker and of a student's process: the medians over the submissions."""
    most: dict[int, float] = {}  # by process
    students: set[int] = set()
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "grader", "grade", "attention", str(folder), "--root", str(ROOT), "-o", out]
        grader = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while grader.poll() is None:
            for child in _children(grader.pid):
                warm = "grader.sandbox.warm" in _command(child)
                for pid in _children(child) if warm else [child]:
                    most[pid] = max(most.get(pid, 0.0), _private(pid))
                    students |= {pid} if warm else set()
            time.sleep(0.005)
    marker = statistics.median(mib for pid, mib in most.items() if pid not in students)
    return marker, statistics.median(most[pid] for pid in students)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _private(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


PHASES: dict[str, tuple[Any, str]] = {
    "load: fork, lock, inspect, run the file": (StudentPort, "load"),
    "checks: everything between the first and the last": (loop, "run_items"),
    "  of it, waiting for the student's answers": (Stream, "_wait"),
    "  of it, the reference's answers": (LocalPort, "request"),
    "end: what was printed, the process gone": (StudentPort, "close"),
}


def phases(assignment: Assignment, folder: Path) -> dict[str, float]:
    """Seconds per submission in each phase, from inside the markers."""
    totals = dict.fromkeys(("the whole submission", *PHASES), 0.0)
    reader, writer = os.pipe()
    whole: Callable[..., Result] = vars(loop)["mark"]
    originals = {label: getattr(owner, name) for label, (owner, name) in PHASES.items()}

    def timed(label: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                totals[label] += time.perf_counter() - started

        return wrapper

    def mark(*args: Any, **kwargs: Any) -> Result:
        totals.update(dict.fromkeys(totals, 0.0))  # what the solution's own run before the fork took does not count
        result: Result = timed("the whole submission", whole)(*args, **kwargs)
        os.write(writer, (" ".join(f"{seconds:.6f}" for seconds in totals.values()) + "\n").encode())
        return result

    vars(loop)["mark"] = mark
    for label, (owner, name) in PHASES.items():
        setattr(owner, name, timed(label, originals[label]))
    try:
        graded(assignment, folder, 1)
    finally:
        vars(loop)["mark"] = whole
        for label, (owner, name) in PHASES.items():
            setattr(owner, name, originals[label])
    os.close(writer)
    with open(reader) as lines:  # noqa: PTH123 - a descriptor
        rows = [[float(word) for word in line.split()] for line in lines]
    return {label: statistics.median(row[i] for row in rows) for i, label in enumerate(totals)}


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    assignment = load_assignment(ROOT, "attention")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = make_submissions(assignment, folder)
        rounds = [
            (graded(assignment, folder, 1), graded(assignment, folder, 2), floor(assignment, files))
            for _ in range(ROUNDS)
        ]
        one, two, bare = (min(column) for column in zip(*rounds, strict=True))
        fresh = cold(files)
        marker, student = memory(folder)
        inside = phases(assignment, folder)
    print(f"{COUNT} well-behaved attention submissions, the best of {ROUNDS} rounds; seconds per submission\n")
    print(f"  (a) grader grade -j1                             {one:7.3f}")
    print(f"      grader grade -j2                             {two:7.3f}")
    print(f"  (b) one process, warm, no isolation (the floor)  {bare:7.3f}")
    print(f"  (c) a cold process for each                      {fresh:7.3f}\n")
    aim, total = 2 * bare + 0.06, marker + student
    print(f"  (a) at -j1 is {one / bare:.1f} times (b); {verdict(one <= aim)} of 2 times plus 0.060, {aim:.3f} here")
    faster = fresh / one
    print(f"  (a) at -j1 is {faster:.1f} times faster than (c), -j2 {fresh / two:.1f}; {verdict(faster >= 20)} of 20")
    print(f"  private memory in flight: {total:.0f} MiB (marker {marker:.0f}, student {student:.0f}); ", end="")
    print(f"{verdict(total <= 60)} of 60\n")
    print("Where the time of one submission goes at -j1, in milliseconds:")
    for label, seconds in inside.items():
        print(f"  {1000 * seconds:6.1f}  {label}")


def verdict(reached: bool) -> str:
    """How a figure stands to its aim."""
    return "within the aim" if reached else "MISSES the aim"


if __name__ == "__main__":
    main()
