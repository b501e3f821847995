"""Where code asks for a GPU without asking whether there is one: found in the source, before it runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from grader.intake.source import Source

_DEVICE = re.compile(r"(?:cuda|mps)(?::\d+)?")


def gpu_notes(source: Source) -> list[str]:
    """A note on the first place that asks for one, if any does."""
    found = [
        f"{words} in {source.where(line)}: there is no GPU where this is graded; the CPU is used."
        for line, words in _asking(source.tree)
    ]
    return found[:1]


def _asking(node: ast.AST) -> Iterator[tuple[int, str]]:
    match node:
        case ast.If() | ast.IfExp() if "is_available" in ast.unparse(node.test):
            return
        case ast.Compare():  # `device.type == "cuda"` asks for nothing
            return
        case ast.Constant(value=str() as device) if _DEVICE.fullmatch(device):
            yield node.lineno, f'`"{device}"`'
        case ast.Call(func=ast.Attribute(attr="cuda")):
            yield node.lineno, "`.cuda()`"
    for child in ast.iter_child_nodes(node):
        yield from _asking(child)
