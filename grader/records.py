"""What is stored: frozen records, to and from JSON. A `Result`'s JSON is the ROW of `docs/results.md`, and more."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

Visibility = Literal["public", "hidden"]
Grid = tuple[tuple[float | None, ...], ...]  # rows of numbers; None where a value is not finite


class Status(StrEnum):
    """How a whole submission went."""

    GRADED = "graded"
    INVALID = "invalid"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    BLOCKED = "blocked"
    ERROR = "error"  # the grader's own fault: "not graded", never a student's zero


class Outcome(StrEnum):
    """How one check went."""

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"
    ERROR = "error"  # the grader's own fault
    SKIPPED = "skipped"  # a check it needs did not pass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one submission may use. `call_seconds` and `load_seconds` hold for each call and each start, the rest for
    all.

    They count processor time; on the clock three times as much may pass, so that a busy machine changes no grade.
    """

    call_seconds: float = 10.0
    load_seconds: float = 60.0
    total_seconds: float = 300.0  # on the clock
    cpu_seconds: int = 60
    memory_mb: int = 1024  # resident, over what the warm process holds; shared and file-backed memory counted
    output_kb: int = 64  # printed text that is kept; more is read and dropped
    disk_mb: int = 64  # all files in the private folder together


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A known mistake that reproduces the student's numbers."""

    id: str
    title: str
    hint: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Two-dimensional slices of a failed comparison. `expected` and `difference` are None for hidden checks."""

    caption: str  # which slice: "output[0, 1], rows are tokens"
    student: Grid
    expected: Grid | None
    difference: Grid | None


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points (x, y): a loss as training goes on."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What happened to one check."""

    id: str
    title: str
    visibility: Visibility
    points: float
    max_points: float
    status: Outcome
    message: str | None = None  # for the student; None for a passed check; only the hint's neighbour for a hidden one
    hint: str | None = None  # shown when the check did not pass
    diagnosis: Diagnosis | None = None
    picture: Picture | None = None
    fault: str | None = None  # what went wrong on the student's side, where something did: `forbidden`, `timeout` ...
    followed: tuple[str, ...] = ()  # right when judged with these parts of the student's own, wrong as they are
    curves: tuple[Curve, ...] = ()  # drawn whether it passed or not
    asks: tuple[str, ...] = ()  # the names of the student's file that it asks for
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """One submission, graded or not, with everything a report needs."""

    submission: str  # the entry's name as found
    folder: str  # its folder's name inside OUT
    status: Status
    score: float
    max_score: float
    seconds: float
    message: str | None  # one line, when something is wrong with the whole
    checks: tuple[CheckResult, ...]
    notes: tuple[str, ...] = ()  # said in the report, costs nothing
    output: str = ""  # what the student's code printed, capped
    protection: str = "NONE"  # the level of isolation this grade was made under
    environment: str = ""  # versions: "torchgrade 0.1.0, torch 2.13.0, Python 3.11.7"
    feedback: bool = False  # whether the student's notebook with result cards lies beside the report
    key: str = ""  # content key: submission, checks, solution, fixtures, limits, versions

    def to_json(self) -> dict[str, Any]:
        """This record as plain JSON data; `from_json` is its inverse."""
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Result:
        """Rebuild a record. Raises KeyError, TypeError or ValueError when `data` is not one."""
        plain = _tuples(data)
        checks = tuple(map(_check_from_json, plain["checks"]))
        return Result(**{**plain, "checks": checks, "status": Status(plain["status"])})


def _tuples(value: Any) -> Any:
    """`value` with JSON's lists as what they are in a record."""
    if isinstance(value, dict):
        return {name: _tuples(item) for name, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _check_from_json(data: dict[str, Any]) -> CheckResult:
    made = {
        "status": Outcome(data["status"]),
        "diagnosis": Diagnosis(**data["diagnosis"]) if data["diagnosis"] else None,
        "picture": Picture(**data["picture"]) if data["picture"] else None,
        "curves": tuple(Curve(**curve) for curve in data["curves"]),
    }
    return CheckResult(**{**data, **made})
