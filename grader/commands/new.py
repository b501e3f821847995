"""`grader new`: start an assignment from a small working example."""

from __future__ import annotations

import argparse
from pathlib import Path

from grader.assignment import find_root
from grader.authoring.new import start
from grader.errors import UsageError


def run(args: argparse.Namespace) -> int:
    """Write the files and say what to do next. Raises UsageError."""
    try:
        root = find_root(args.root)
    except UsageError:  # the first assignment of a new course
        root = (args.root or Path()).resolve()
    made = start(root, args.name, args.title)
    name = made.name
    steps = {
        f"solutions/{name}/{name}.py": "the solution; what lies between BEGIN and END SOLUTION is cut out for students",
        f"assignments/{name}/README.md": "the handout",
        f"assignments/{name}/checks.py": "the public checks",
        f"solutions/{name}/checks.py": "the hidden checks",
        f"fixtures/{name}/make.py": "makes the fixed tensors that checks take as arguments; run it after a change",
        f"solutions/{name}/mistakes.py": "known mistakes, each with the check that must catch it",
        f"solutions/{name}/variants/": "solutions that are right and look different",
        f"assignments/{name}/assignment.yaml": "names, forbidden calls, limits, due date, points",
        f"grader build {name}": "cuts the skeleton and the notebook from the solution again",
        f"grader validate {name}": "proves the checks: who should lose points does, and nobody else",
    }
    width = max(map(len, steps))
    print(f"Started `{name}` in {root}. It works as it is; make it yours, in this order:\n")
    for step, why in steps.items():
        print(f"  {step:{width}}  {why}")
    print(f"\nTry it: grader grade {name} solutions/{name}/variants -o out/{name}")
    return 0
