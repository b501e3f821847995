"""`grader report`: write the reports again from stored results."""

from __future__ import annotations

import argparse

from grader.errors import UsageError


def run(args: argparse.Namespace) -> int:
    """Render what OUT holds again and name the page to open. Raises UsageError."""
    if not args.out.is_dir():
        raise UsageError(f"{args.out}: no such folder; `grader grade ... -o OUT` makes one")
    from grader.run.batch import write_reports
    from grader.run.store import Store

    store = Store(args.out)
    heading, results = store.load()
    write_reports(heading, results, store)
    print(args.out / "class.html")
    return 0
