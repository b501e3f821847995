"""The import order is the architecture: each room imports only from rooms above it (docs/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

COURSE = Path(__file__).parent.parent

# From the top down. A module may import from its own line and from those above.
ROOMS = (
    ("errors", "text", "records"),
    ("wire",),
    ("intake",),
    ("sandbox",),
    ("assignment",),
    ("checks",),
    ("report",),
    ("run",),
    ("proof",),
    ("authoring", "selfcheck"),
    ("cli", "commands", "__main__"),
)
FLOOR = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}

# Imports inside a function: those of `cli` and `commands` keep start-up fast; each other one needs its reason here.
LATE = {
    "grader": "`import grader` stays light: torch and pytest come with the first check in a notebook",
    "grader.sandbox.guard": "what takes the place of a torch function runs with torch's globals, not with ours",
    "grader.run.author": "a pytest run that has nothing to do with an assignment must not import torch",
}

# What the process beside student code may never have loaded: whatever knows answers or scores.
TRUSTED = {"assignment", "checks", "report", "run", "proof", "authoring", "selfcheck", "commands", "cli"}


def module_name(path: Path) -> str:
    parts = path.relative_to(COURSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted((COURSE / "grader").rglob("*.py"))}


def room(module: str) -> str:
    return module.split(".")[1]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    """Each module that `path` imports, as `grader.wire.frames`, and the statement."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.names[0].name != "*", f"{path}:{node.lineno}: a star import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module), node


def ours(path: Path) -> set[str]:
    """The modules of ours that `path` imports, those behind TYPE_CHECKING too: they may hide no cycle."""
    return {name for name, _ in imported(path) if name in MODULES} - {"grader", module_name(path)}


def reachable(module: str) -> set[str]:
    """`module`, what it imports and what that imports, the packages on the way included."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name in found or name == "grader":
            continue
        found.add(name)
        waiting += [name.rpartition(".")[0], *ours(MODULES[name])]
    return found


@pytest.mark.parametrize("module", [name for name in MODULES if name != "grader"])
def test_imports_point_upwards(module: str) -> None:
    wrong = [name for name in ours(MODULES[module]) if FLOOR[room(name)] > FLOOR[room(module)]]
    assert not wrong, f"{module} imports from rooms below it: {', '.join(wrong)}"


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {name: ours(path) for name, path in MODULES.items()}
    assert (
        len(list(TopologicalSorter(graph).static_order())) >= len(graph) - 1
    )  # raises CycleError, which names the cycle


def test_a_report_knows_only_what_is_stored() -> None:
    known = {
        room(name) for module, path in MODULES.items() if module.startswith("grader.report") for name in ours(path)
    }
    assert known <= {"errors", "text", "records", "report"}


@pytest.mark.parametrize("module", MODULES)
def test_imports_stand_at_the_top(module: str) -> None:
    late = [
        node.lineno
        for function in ast.walk(parsed(MODULES[module]))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    if module in LATE:
        assert late, f"{module} no longer imports inside a function; take it off the list"
    elif not module.startswith("grader.commands."):
        assert not late, f"{MODULES[module]}:{late[0]}: an import inside a function"


def test_the_warm_process_is_written_without_answers() -> None:
    known = reachable("grader.sandbox.warm")
    assert {room(name) for name in known} & TRUSTED == set()
    assert "grader.wire.proxy" not in known


def test_the_warm_process_has_loaded_no_answers() -> None:
    code = "import grader.sandbox.warm, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-s", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "grader.sandbox.warm" in loaded
    assert {name for name in loaded if name.startswith("grader.") and room(name) in TRUSTED} == set()
    assert loaded & {"grader.wire.proxy", "pytest", "_pytest", "jinja2", "rich", "yaml"} == set()


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from grader import cli; cli._parser().format_help(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("grader")} == {
        "grader",
        "grader.cli",
        "grader.errors",
        "grader.text",
    }
    assert (
        loaded & {"torch", "numpy", "pytest", "rich", "jinja2", "yaml", "nbformat", "nbclient", "multiprocessing"}
        == set()
    )


OF_ASSIGNMENTS = [
    path for room in ("assignments", "solutions", "fixtures") for path in sorted(COURSE.glob(f"{room}/**/*.py"))
]


@pytest.mark.parametrize("path", OF_ASSIGNMENTS, ids=lambda path: str(path.relative_to(COURSE)))
def test_assignments_know_only_the_check_api(path: Path) -> None:
    known = {name for name, _ in imported(path) if name.split(".")[0] == "grader"}
    assert known <= ({"grader.checks"} if path.name in {"checks.py", "mistakes.py"} else set())
