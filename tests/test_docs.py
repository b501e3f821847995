"""docs/writing-checks.md does what it says: the files make a course, commands print what it shows, examples hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import grader.checks
from grader.authoring.catalogue import catalogue

PAGE = (Path(__file__).parents[1] / "docs" / "writing-checks.md").read_text(encoding="utf-8")
WALK, _, REFERENCE = PAGE.partition("# What is asked of checks\n")
BLOCK = re.compile(r"^(?:`([^`\n]+)`\n\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What the examples of the reference ask for.
ZOO = """
import torch
from torch import nn


def softmax(x):
    return x.softmax(-1)


def causal_mask(n):
    return torch.ones(n, n, dtype=torch.bool).tril()


def mean_and_std(x):
    return x.mean(dim=-1), x.std(dim=-1)


def evaluate(x):
    return x.detach() + 1


def running_mean(x):
    return x.cumsum(1) / torch.arange(1, x.size(1) + 1)[:, None]


def mean_pool(x, length):
    real = torch.arange(x.size(1)) < length[:, None]
    return (x * real[..., None]).sum(1) / length[:, None]


def sample(logits):
    return torch.multinomial(logits.softmax(-1), 1)[:, 0]


def generate(model, idx, new):
    for _ in range(new):
        logits = model(idx[:, -model.block_size :])
        idx = torch.cat([idx, logits[:, -1].argmax(-1, keepdim=True)], 1)
    return idx


class Encoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        if width < 1:
            raise ValueError("too narrow")
        self.linear = nn.Linear(width, width)

    def forward(self, x):
        return self.linear(x).tanh()


class Residual(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return x + self.layer(x)
"""
UNUSUAL = """
class Encoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        if width < 1:
            raise ValueError("too narrow")
        self.matrix = nn.Parameter(torch.randn(width, width))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return (x @ self.matrix + self.shift).tanh()
"""


def blocks(text: str) -> Iterator[tuple[str | None, str, str]]:
    """File it belongs to, language and content of each block."""
    for match in BLOCK.finditer(text):
        path, language, content = match.groups()
        yield path, language, content


def run(command: str, course: Path) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": paths, "XDG_STATE_HOME": str(course.parent / "state"), "COLUMNS": "160"}
    return subprocess.run(
        command, shell=True, cwd=course, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def shown(lines: list[str], printed: str) -> None:
    """Each line stands in what was printed, in this order, wherever the terminal wraps it; ... stands for anything."""
    left = " ".join(printed.split())
    for line in lines:
        parts = [re.escape(" ".join(part.split())) for part in line.split("...")]
        found = re.search(".*?".join(parts), left)
        assert found, f"not printed, or not in this order:\n{line}\n\nin\n\n{printed}"
        left = left[found.end() :]


@pytest.mark.slow
def test_the_walk_does_what_it_says(tmp_path: Path) -> None:
    course = tmp_path / "course"
    course.mkdir()
    commands = 0
    for path, language, content in blocks(WALK):
        if path:
            file = course / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
            continue
        assert language == "console", content
        for asked in content.removeprefix("$ ").split("\n$ "):
            command, *lines = asked.rstrip("\n").split("\n")
            done = run(command, course)
            commands += 1
            fine = 1 if any("not proven" in line for line in lines) else 0
            assert done.returncode == fine, f"{command}\n{done.stdout}{done.stderr}"
            shown(lines, done.stdout + done.stderr)
    assert commands == 8


@pytest.mark.parametrize("strange", [False, True], ids=["as-the-reference", "with-a-layout"])
def test_the_examples_of_the_reference_hold(tmp_path: Path, strange: bool) -> None:
    """As checks of one more assignment, on its solution and on a module that only the layout explains."""
    examples = [content for path, language, content in blocks(REFERENCE) if language == "python" and path is None]
    head = "import torch\nfrom grader.checks import *\nfrom grader.checks import check\n"
    checks = [
        f'\n@check(points=1)\ndef test_{n}(student, reference):\n    """Example {n}."""\n    x = torch.randn(3, 5, 8)\n'
        + textwrap.indent(example, "    ")
        for n, example in enumerate(examples)
    ]
    files = {
        "assignments/zoo/assignment.yaml": f"title: Zoo\nnames: [softmax]\npoints: {len(examples)}\n",
        "assignments/zoo/checks.py": head + "".join(checks),
        "solutions/zoo/zoo.py": ZOO,
        "unusual.py": ZOO + (UNUSUAL if strange else ""),
    }
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content, encoding="utf-8")
    done = run("pytest assignments/zoo -p no:cacheprovider --submission unusual.py", tmp_path)
    assert f"{len(examples)} passed" in done.stdout, done.stdout + done.stderr


def test_the_reference_is_whole() -> None:
    examples = "".join(content for _, language, content in blocks(PAGE) if language == "python")
    missing = [name for name in grader.checks.__all__ if not re.search(rf"\b{name}\b[(.:]", examples)]
    assert not missing


def test_the_catalogue_is_that_of_the_assignments() -> None:
    root = Path(__file__).parents[1]
    page = (root / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert page == catalogue(root), "run `grader catalogue -o docs/catalogue.md`"
