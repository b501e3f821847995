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
    print(
        f"""Started `{name}` in {root}. It is complete and can be graded; make it yours, in this order:

  1. solutions/{name}/{name}.py        the solution; what lies between BEGIN and END SOLUTION is cut out for students
  2. assignments/{name}/README.md      the handout
  3. assignments/{name}/checks.py      public checks; hidden ones: solutions/{name}/checks.py
  4. fixtures/{name}/make.py           the fixed tensors; solutions/{name}/mistakes.py and variants/; assignment.yaml
  5. grader build {name}               cuts skeleton and notebook again

Try it: grader grade {name} solutions/{name}/variants/*.py --one -o out/{name}"""
    )
    return 0
