"""Everything a check file imports. See `docs/instructors.md`."""

from grader.checks.compare import close, equal, kind, raises
from grader.checks.declare import check, mistake
from grader.checks.transplant import twins
from grader.checks.unchanged import leaves_unchanged
from grader.wire.proxy import gradients, lend

__all__ = ["check", "close", "equal", "gradients", "kind", "leaves_unchanged", "lend", "mistake", "raises", "twins"]
