"""A new assignment: small, complete and graded at once, to be changed file by file into one's own."""

from __future__ import annotations

import json
import keyword
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from string import Template

from grader.assignment import Assignment, load_assignment
from grader.authoring.answers import refresh
from grader.authoring.build import build
from grader.errors import GraderError, UsageError


def start(root: Path, name: str, title: str | None = None) -> Assignment:
    """Write a working assignment under `root` and return it. Raises UsageError, and never overwrites what exists."""
    _refuse_bad_name(name)
    folders = [root / room / name for room in ("assignments", "solutions", "fixtures")]
    for folder in folders:
        if folder.exists():
            raise UsageError(f"{folder} exists already; choose another name, or edit what is there")
    try:
        return _write_all(root, name, title or name.replace("_", " ").capitalize())
    except BaseException:
        for folder in folders:  # ours, for it did not exist: half an assignment would block the next try
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _refuse_bad_name(name: str) -> None:
    if not (name.isascii() and name.isidentifier() and name == name.lower()) or keyword.iskeyword(name):
        raise UsageError(f"`{name}` cannot name a module; use small letters, digits and _, such as `my_layer`")
    if name in sys.stdlib_module_names or name in {"torch", "numpy", "pytest", "grader", "checks", "mistakes"}:
        raise UsageError(
            f"`{name}` is the name of another module, which importing the solution would hide; choose another"
        )


def _write_all(root: Path, name: str, title: str) -> Assignment:
    assignments, solutions, fixtures = (root / room / name for room in ("assignments", "solutions", "fixtures"))
    texts = {
        assignments / "README.md": "README.md",
        assignments / "assignment.yaml": "assignment.yaml",
        assignments / "checks.py": "checks.py",
        solutions / f"{name}.py": "solution.py",
        solutions / "checks.py": "hidden_checks.py",
        solutions / "mistakes.py": "mistakes.py",
        solutions / "variants" / "spelled_out.py": "variant.py",
        fixtures / "make.py": "make.py",
    }
    templates = files("grader.authoring") / "templates"
    values = {"name": name, "title": title, "quoted_title": json.dumps(title, ensure_ascii=False)}  # JSON is YAML
    for path, template in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (templates / f"{template}.tmpl").read_text(encoding="utf-8")
        path.write_text(Template(text).substitute(values), encoding="utf-8")
    assignment = load_assignment(root, name)
    _make_tensors(assignment)
    build(assignment)
    refresh(assignment)
    return assignment


def _make_tensors(assignment: Assignment) -> None:
    """In a process of its own, as the instructor will."""
    command = [sys.executable, "-P", str(assignment.make_tensors)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise GraderError(f"{assignment.make_tensors} failed: {last[0]}")
