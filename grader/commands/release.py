"""`grader release`: pack what students get."""

from __future__ import annotations

import argparse
import sys

from grader import __version__
from grader.assignment import find_root, load_assignment


def run(args: argparse.Namespace) -> int:
    """Write the folder or the archive, and print what went in and what to tell students. Raises UsageError."""
    from grader.authoring.release import left_out, release

    assignment = load_assignment(find_root(args.root), args.name)
    for name in release(assignment, args.dir):
        print(args.dir / name)
    for path in left_out(assignment):
        sys.stderr.write(f"grader: not packed: {path}; what students need is listed under `provided:`\n")
    print(
        f"\nTell students, once:  pip install torchgrade=={__version__}\n"
        f"and to see how it goes, in assignments/{assignment.name}:  grader check {assignment.name}.py"
    )
    return 0
