"""A course of one small assignment, made in a temporary folder, and ways to grade files with it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from grader.assignment import Assignment, load_assignment
from grader.intake.collect import entries
from grader.records import CheckResult, Result
from grader.run.batch import grade_batch

SETTINGS = """
title: Twice and a layer
names: [twice, Layer]
forbidden: [torch.nn.functional.softplus, torch.nn.Bilinear]
points: 10
limits: {call_seconds: 1, load_seconds: 2, total_seconds: 60, cpu_seconds: 20, memory_mb: 300, output_kb: 8, disk_mb: 4}
"""

SOLUTION = """
import torch
from torch import nn

def twice(x):
    # BEGIN SOLUTION Task 1: twice
    return 2 * x
    # END SOLUTION

class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        if width < 1:
            raise ValueError("width")
        self.a = nn.Linear(width, width)
        self.b = nn.Linear(width, width)

    def forward(self, x):
        # BEGIN SOLUTION Task 2: the layer
        return twice(self.a(x)) - self.b(x)
        # END SOLUTION
"""

PUBLIC = '''
import pytest
import torch
from grader.checks import check, close, equal, gradients, leaves_unchanged, raises, twins

@check(points=2, hint="Two times.")
def test_values(student, reference, x):
    """twice doubles every value."""
    close(student.twice(x), reference.twice(x), "twice(x)")

@check(points=2, needs=test_values, partial=True, hint="Any shape.")
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_sizes(student, size):
    """twice works for every size."""
    x = torch.randn(size)
    close(student.twice(x), 2 * x)

@check(points=1)
def test_width(student):
    """A width below 1 is refused."""
    with raises(ValueError, "width 0"):
        student.Layer(0)
'''

HIDDEN = '''
import torch
from grader.checks import check, close, gradients, leaves_unchanged, twins

@check(points=3, hint="Look at b.")
def test_layer(student, reference, y):
    """The layer computes what is asked."""
    theirs, ours = twins(student.Layer, reference.Layer, y.shape[-1], probe=(y,))
    close(theirs(y), ours(y))

@check(points=1)
def test_gradient(student, y):
    """Gradients flow through twice."""
    close(gradients(student.twice, y, cotangent=torch.ones_like(y)).inputs[0], 2 * torch.ones_like(y), "gradient")

@check(points=1)
def test_input(student, y):
    """twice leaves its input alone."""
    leaves_unchanged(student.twice, y)
'''

MISTAKES = """
import torch
from twice import Layer
from grader.checks import mistake

@mistake(replaces="twice", title="It is squared", hint="Two times, not to the power of two.", caught_by=["values"])
def squared(x):
    return x * x

@mistake(replaces="Layer", title="b is added", hint="Mind the sign.", caught_by=["layer"])
class Added(Layer):
    def forward(self, x):
        return 2 * self.a(x) + self.b(x)
"""

PERFECT = """
import torch
from torch import nn

def twice(x):
    return x + x

class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        if width < 1:
            raise ValueError("too small")
        self.a = nn.Linear(width, width)
        self.b = nn.Linear(width, width)
    def forward(self, x):
        return twice(self.a(x)) - self.b(x)
"""


@dataclass(frozen=True)
class Course:
    """The assignment and a folder for submissions and results."""

    assignment: Assignment
    folder: Path

    def submit(self, **sources: str) -> None:
        """Write submissions: name without .py, and source."""
        (self.folder / "in").mkdir(exist_ok=True)
        for name, source in sources.items():
            (self.folder / "in" / f"{name}.py").write_text(textwrap.dedent(source))

    def grade(self, *names: str, jobs: int = 1, out: str | None = "out") -> dict[str, Result]:
        """Grade the folder of submissions, or some of its files; results by name."""
        inside = self.folder / "in"
        paths = [inside / name for name in names] or [inside]
        found = entries(paths, "twice")
        target = self.folder / out if out else None
        return {r.submission: r for r in grade_batch(self.assignment, found, target, jobs=jobs)}

    def grade_one(self, source: str) -> Result:
        """Grade one source."""
        self.submit(one=source)
        return self.grade("one.py")["one.py"]


def make_course(folder: Path) -> Course:
    """Write the assignment `twice` below `folder`."""
    for place, files in {
        "assignments": {"assignment.yaml": SETTINGS, "checks.py": PUBLIC, "README.md": "# Twice\n"},
        "solutions": {"twice.py": SOLUTION, "checks.py": HIDDEN, "mistakes.py": MISTAKES},
    }.items():
        (folder / place / "twice").mkdir(parents=True)
        for name, text in files.items():
            (folder / place / "twice" / name).write_text(text)
    fixtures = folder / "fixtures" / "twice"
    fixtures.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    save_file({"x": torch.randn(3, 4, generator=generator)}, fixtures / "public.safetensors")
    save_file({"y": torch.randn(5, 6, generator=generator)}, fixtures / "hidden.safetensors")
    return Course(load_assignment(folder, "twice"), folder)


def by_id(result: Result) -> dict[str, CheckResult]:
    """A result's checks by their ids."""
    return {check.id: check for check in result.checks}
