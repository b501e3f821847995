"""Makes a whole course's worth of submissions: 20 students, and what each handed in for each assignment.

    python examples/make_course.py OUT

OUT holds a folder for each student with NAME.py for each assignment: a right file in one of several styles, one or two
known mistakes, a file in which some tasks are not done yet, or nothing. Two students keep the first six assignments in
one file. Everything is put together from solutions/, with a fixed seed.
"""

from __future__ import annotations

import ast
import random
import re
import sys
from pathlib import Path

from grader.assignment import Assignment, assignment_names, load_assignment

ROOT = Path(__file__).resolve().parents[1]
NAMES = (
    "aisha benedikt chiara duc elif farid greta hamza ingrid joao "
    "kateryna liang mateo nadia olu paulina quentin rosa sven tomoko"
)
ONE_FILE = ("embeddings", "attention", "masks", "transformer", "generation", "encoder_decoder")
IN_ONE_FILE = ("hamza", "rosa")  # the first has everything right, the second one mistake
TRAINED = ("sentiment", "toy_language", "autoregressive", "training")  # the long ones: few have handed them in so far
REGION = re.compile(r"^( *)# BEGIN SOLUTION (Task [^\n]*)\n.*?^ *# END SOLUTION\n", re.MULTILINE | re.DOTALL)
TASK = re.compile(r"^ *# (?:BEGIN|END) SOLUTION.*\n", re.MULTILINE)


def main(out: Path) -> None:
    """Write the course below `out`."""
    course = {name: load_assignment(ROOT, name) for name in assignment_names(ROOT)}
    for number, student in enumerate(NAMES.split()):
        folder = out / student
        folder.mkdir(parents=True, exist_ok=True)
        if student in IN_ONE_FILE:
            (folder / "homework.py").write_text(one_file(course, wrong=student != IN_ONE_FILE[0]), encoding="utf-8")
            continue
        for name, assignment in course.items():
            chance = random.Random(f"{student}/{name}")
            if name in TRAINED and number % 5 != 1:
                continue
            source = handed_in(assignment, chance, skill=1 - number % 7 / 8)
            if source is not None:
                (folder / f"{name}.py").write_text(source, encoding="utf-8")


def handed_in(assignment: Assignment, chance: random.Random, skill: float) -> str | None:
    """One student's file, or None where nothing was handed in."""
    luck = chance.random()
    if luck < skill:
        return chance.choice(assignment.variants).read_text(encoding="utf-8")
    if luck < skill + 0.15:
        return unfinished(assignment, chance)
    if luck > 0.97:
        return None
    return mistaken(assignment, chance, 1 if luck < 0.8 else 2)


def unfinished(assignment: Assignment, chance: random.Random) -> str:
    """The solution with the later tasks as they stand in the skeleton."""
    source = assignment.solution.read_text(encoding="utf-8")
    regions = list(REGION.finditer(source))
    first = chance.randrange(1, max(2, len(regions)))
    for region in reversed(regions[first:]):
        todo = f'{region[1]}raise NotImplementedError("{region[2].partition(":")[0]}")\n'
        source = source[: region.start()] + todo + source[region.end() :]
    return TASK.sub("", source)


def mistaken(assignment: Assignment, chance: random.Random, count: int) -> str:
    """The solution, with known mistakes in the place of some of its names."""
    module = ast.parse(assignment.mistakes.read_text(encoding="utf-8"))
    known = {node.name: name for node in module.body if (name := replaced(node))}
    chosen = chance.sample(sorted(known), min(count, len(known)))
    if len({known[mistake] for mistake in chosen}) < len(chosen):  # one would hide the other
        chosen = chosen[:1]
    originals = {known[mistake]: f"{known[mistake]}_at_first" for mistake in chosen}
    added = [f"{after} = {before}" for before, after in originals.items()]
    left_out = {"mistake"}  # other mistakes, and what makes them
    for node in module.body[1:]:  # the first is the docstring
        if isinstance(node, ast.ImportFrom) and node.module in ("grader.checks", assignment.name):
            added += [f"{name.asname} = {name.name}" for name in node.names if name.asname]
        elif getattr(node, "name", None) in chosen or not uses(node, left_out):
            if replaced(node):
                node.decorator_list = []
            added.append(ast.unparse(Renamed(originals).visit(node)))
        else:
            left_out.add(getattr(node, "name", "mistake"))
    added += [f"{known[mistake]} = {mistake}" for mistake in chosen]
    return "\n\n\n".join([whole(assignment), *added]) + "\n"


def replaced(node: ast.AST) -> str:
    """The name that a known mistake replaces; nothing for any other statement."""
    for decorator in getattr(node, "decorator_list", []):
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "mistake":
            return next(ast.literal_eval(keyword.value) for keyword in decorator.keywords if keyword.arg == "replaces")
    return ""


def uses(node: ast.AST, names: set[str]) -> bool:
    """Whether one of the names occurs in the statement."""
    return any(isinstance(inner, ast.Name) and inner.id in names for inner in ast.walk(node))


class Renamed(ast.NodeTransformer):
    """What a mistake builds on is the original, also after the mistake has taken its name."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


def one_file(course: dict[str, Assignment], *, wrong: bool) -> str:
    """The answers to several assignments, one below the other."""
    parts = [whole(course[name]) for name in ONE_FILE[:-1]]
    last = course[ONE_FILE[-1]]
    parts.append(mistaken(last, random.Random(3), 1) if wrong else whole(last))
    return "\n\n".join(parts)


def whole(assignment: Assignment) -> str:
    """The solution without the marks of what is cut from it."""
    return TASK.sub("", assignment.solution.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
