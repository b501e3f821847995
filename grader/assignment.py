"""An assignment as data: `assignment.yaml` read with care, and where each of its files lies."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from grader.errors import UsageError
from grader.intake.source import nearest
from grader.records import Limits

DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+\*?")  # a star stands for the rest of a name: torch.nn.Transformer*
KEYS = ("title", "names", "parts", "points", "forbidden", "limits", "due", "provided", "packages")


@dataclass(frozen=True, slots=True)
class Assignment:
    """What `assignment.yaml` says, and the paths that follow from `root` and `name`. Not every path need exist."""

    name: str
    title: str
    names: tuple[str, ...]  # what a submission must define
    parts: tuple[str, ...]  # what it brings along from earlier assignments: graded there, and not again here
    forbidden: tuple[str, ...]  # dotted calls that are not allowed
    limits: Limits
    due: datetime | None  # always with a time zone
    points: float  # the stated total: a cross-check on the sum over the checks, never its source
    provided: tuple[str, ...]  # modules and data files in the assignment's folder that students get and may use
    packages: tuple[str, ...]  # what a submission may import beside torch, by the names it is imported under
    root: Path

    @property
    def folder(self) -> Path:
        """Everything a student may see."""
        return self.root / "assignments" / self.name

    @property
    def solution_folder(self) -> Path:
        """Everything a student never sees; absent on a student's machine."""
        return self.root / "solutions" / self.name

    @property
    def fixtures_dir(self) -> Path:
        return self.root / "fixtures" / self.name

    @property
    def settings(self) -> Path:
        return self.folder / "assignment.yaml"

    @property
    def handout(self) -> Path:
        return self.folder / "README.md"

    @property
    def skeleton(self) -> Path:
        return self.folder / f"{self.name}.py"

    @property
    def notebook(self) -> Path:
        return self.folder / f"{self.name}.ipynb"

    @property
    def public_checks(self) -> Path:
        return self.folder / "checks.py"

    @property
    def provided_files(self) -> tuple[Path, ...]:
        """What a submission may use: this assignment's modules and data, and the modules of the course's others, for
        one file may hold a student's answers to several.
        """
        found = {name: self.folder / name for name in self.provided}
        for path in sorted((self.root / "assignments").glob("*/*.py")):
            if path.parent != self.folder and path.stem not in ("checks", path.parent.name):
                found.setdefault(path.name, path)
        return tuple(found.values())

    @property
    def data(self) -> tuple[str, ...]:
        """The names of the provided files that are no modules."""
        return tuple(name for name in self.provided if not name.endswith(".py"))

    @property
    def solution(self) -> Path:
        return self.solution_folder / f"{self.name}.py"

    @property
    def hidden_checks(self) -> Path:
        return self.solution_folder / "checks.py"

    @property
    def mistakes(self) -> Path:
        return self.solution_folder / "mistakes.py"

    @property
    def variants(self) -> tuple[Path, ...]:
        """The correct but different solutions, in order of name."""
        return tuple(sorted((self.solution_folder / "variants").glob("*.py")))

    @property
    def make_tensors(self) -> Path:
        """The seeded script that makes the fixed tensors."""
        return self.fixtures_dir / "make.py"

    @property
    def public_tensors(self) -> Path:
        return self.fixtures_dir / "public.safetensors"

    @property
    def hidden_tensors(self) -> Path:
        return self.fixtures_dir / "hidden.safetensors"

    @property
    def recorded(self) -> Path:
        """The reference's answers to the public checks, for machines without the solution."""
        return self.fixtures_dir / "recorded.safetensors"


def find_root(start: Path | None = None) -> Path:
    """Return the nearest folder, from `start` (or here) upwards, that holds `assignments/`. Raises UsageError."""
    here = (start or Path()).resolve()
    for folder in (here, *here.parents):
        if (folder / "assignments").is_dir():
            return folder
    raise UsageError(f"no folder `assignments` in {here} or above it; go into a course's folder or give --root DIR")


def assignment_names(root: Path) -> list[str]:
    """Return the assignments under `root`, in order of name: the folders that hold an `assignment.yaml`."""
    return sorted(path.parent.name for path in (root / "assignments").glob("*/assignment.yaml"))


def load_assignment(root: Path, name: str) -> Assignment:
    """Read assignments/NAME/assignment.yaml. Raises UsageError: one line with file, key and what is expected there."""
    path = root / "assignments" / name / "assignment.yaml"
    if name not in (known := assignment_names(root)):
        listed = f"there are: {', '.join(known)}" if known else "there is none yet; `grader new NAME` starts one"
        raise UsageError(f"no assignment `{name}` in {root / 'assignments'}{_suggestion(name, known)}; {listed}")
    data = _read(path)
    _refuse_unknown(path, "key", data, KEYS)
    reader = _Reader(path, data)
    return Assignment(
        name=name,
        title=reader.text("title"),
        names=reader.identifiers("names"),
        parts=reader.identifiers("parts") if "parts" in data else (),
        forbidden=reader.dotted("forbidden"),
        limits=reader.limits("limits"),
        due=reader.moment("due"),
        points=reader.positive(data, "points"),
        provided=reader.files("provided"),
        packages=reader.packages("packages"),
        root=root,
    )


def _suggestion(word: str, known: Iterable[str]) -> str:
    found = nearest(word, known)
    return f", did you mean `{found}`?" if found else ""


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{path}{line}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an impossible date
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path}: expected `key: value` lines with at least title, names and points")
    return data


def _refuse_unknown(path: Path, what: str, data: Mapping[Any, Any], known: tuple[str, ...]) -> None:
    for key in data:
        if key not in known:
            hint = _suggestion(str(key), known) or f"; known are {', '.join(known)}"
            raise UsageError(f"{path}: unknown {what} `{key}`{hint}")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Takes typed values out of parsed YAML, or says what is expected."""

    path: Path
    data: dict[str, Any]

    def text(self, key: str) -> str:
        value = self.data.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self._wrong(key, "a line of text")
        return " ".join(value.split())

    def positive(self, data: Mapping[str, Any], key: str) -> float:
        value = data.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise self._wrong(key, "a number above 0")
        return float(value)

    def identifiers(self, key: str) -> tuple[str, ...]:
        expected = "a list of the names a submission must define, such as [attention, SelfAttention]"
        values = self._strings(key, expected, str.isidentifier)
        if not values:
            raise self._wrong(key, expected)
        return values

    def dotted(self, key: str) -> tuple[str, ...]:
        return self._strings(key, "a list of dotted names, such as [torch.nn.MultiheadAttention]", DOTTED.fullmatch)

    def packages(self, key: str) -> tuple[str, ...]:
        expected = "a list of packages as they are imported, such as [numpy, matplotlib]"
        return self._strings(key, expected, str.isidentifier)

    def files(self, key: str) -> tuple[str, ...]:
        values = self._strings(key, "a list of files in the assignment's folder", lambda _: True)
        for value in values:
            if re.split(r"[\\/]", value)[-1] != value or value in ("", "assignment.yaml", "checks.py"):
                raise self._wrong(key, f"plain names of modules and data files, not `{value}`")
            if not (self.path.parent / value).is_file():
                raise self._wrong(key, f"files beside assignment.yaml, and there is no `{value}`")
        return values

    def limits(self, key: str) -> Limits:
        value = self.data.get(key)
        if value is None:
            return Limits()
        if not isinstance(value, dict):
            raise self._wrong(key, "lines such as `call_seconds: 10`")
        kinds: dict[str, Any] = {field.name: type(field.default) for field in fields(Limits)}
        _refuse_unknown(self.path, "limit", value, tuple(kinds))
        given: dict[str, Any] = {name: self.positive(value, name) for name in value}
        for name, number in given.items():
            if kinds[name] is int and not number.is_integer():
                raise self._wrong(name, "a whole number above 0")
        return Limits(**{name: kinds[name](number) for name, number in given.items()})

    def moment(self, key: str) -> datetime | None:
        value = self.data.get(key)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError as error:
                raise self._wrong(key, "a moment such as 2026-12-01T23:59:00+01:00") from error
        if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
            raise self._wrong(key, "a date, a time and a time zone, such as 2026-12-01T23:59:00+01:00")
        return value

    def _strings(self, key: str, expected: str, fits: Callable[[str], object]) -> tuple[str, ...]:
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, expected)
        if len(set(value)) < len(value):
            raise self._wrong(key, f"each entry once; {expected}")
        if not all(map(fits, value)):
            raise self._wrong(key, expected)
        return tuple(value)

    def _wrong(self, key: str, expected: str) -> UsageError:
        return UsageError(f"{self.path}: `{key}`: expected {expected}")
