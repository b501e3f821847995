"""`grader build`: cut skeletons and notebooks from the solutions, or say which are not up to date."""

from __future__ import annotations

import argparse
import sys

from grader.assignment import assignment_names, find_root, load_assignment
from grader.authoring.build import build, drift
from grader.errors import UsageError

DRIFTED = 2


def run(args: argparse.Namespace) -> int:
    """Write what changed, or with --check nothing. Returns 2 when --check finds drift; raises UsageError."""
    from grader.authoring.answers import outdated, refresh

    root = find_root(args.root)
    names = args.names or assignment_names(root)
    if not names:
        raise UsageError(f"no assignment in {root / 'assignments'}; `grader new NAME` starts one")
    found = []
    for name in names:
        assignment = load_assignment(root, name)
        if args.check:
            found += [*drift(assignment), *outdated(assignment)]
            continue
        written = [*build(assignment), *refresh(assignment)]
        for path in written:
            print(f"{name}: wrote {path}")
        if not written:
            print(f"{name}: up to date")
    for line in found:
        sys.stderr.write(f"grader: {line}\n")
    return DRIFTED if found else 0
