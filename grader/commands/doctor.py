"""`grader doctor`: say which protections work on this machine, by trying each forbidden act in a locked process."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from grader.run.batch import REQUIRED_LEVEL
from grader.sandbox.doctor import Protection
from grader.sandbox.launch import Warm, examine

NOT_PROTECTED = 3


def run(args: argparse.Namespace) -> int:
    """Print what each probe did. Returns 0 at the level `grader grade` requires, else 3."""
    warm = Warm()
    try:
        protection = examine(warm)
    finally:
        warm.close()
    if args.json:
        print(json.dumps(asdict(protection), indent=2))
    else:
        _print_words(protection)
    return 0 if protection.level == REQUIRED_LEVEL else NOT_PROTECTED


def _print_words(protection: Protection) -> None:
    from rich.text import Text

    from grader.commands.terminal import STYLES, console

    out = console()
    width = max(len(probe.title) for probe in protection.probes)
    for probe in protection.probes:
        word = Text("ok  ", STYLES["good"]) if probe.ok else Text("MISS", STYLES["bad"])
        out.print(Text.assemble(word, f"  {probe.title:{width}}  {probe.detail}"), soft_wrap=True)
    missing = f"missing: {', '.join(protection.missing)}" if protection.missing else "nothing is missing"
    out.print(f"\n{protection.level}: {missing}", soft_wrap=True)
    if protection.advice:
        out.print(protection.advice, soft_wrap=True)
