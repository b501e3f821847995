"""`grader catalogue`: a page about the course's assignments, made from the assignments themselves."""

from __future__ import annotations

import argparse
import sys

from grader.assignment import find_root


def run(args: argparse.Namespace) -> int:
    """Print the page, or write it to --out. Returns 0; raises UsageError."""
    from grader.authoring.catalogue import catalogue

    page = catalogue(find_root(args.root))
    if args.out is None:
        sys.stdout.write(page)
    else:
        args.out.write_text(page, encoding="utf-8")
    return 0
