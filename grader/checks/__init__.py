"""Everything a check file imports. See `docs/writing-checks.md`."""

from grader.checks.compare import close, equal, kind, raises, several, shaped
from grader.checks.declare import check, mistake
from grader.checks.expected import Face
from grader.checks.faces import same
from grader.checks.laws import causal, padding_ignored, parameter_count, permutation_equivariant, rows_sum_to_one
from grader.checks.ranges import sizes
from grader.checks.sampling import drawn_from
from grader.checks.training import curve, tiers
from grader.checks.transplant import redraw, twins
from grader.checks.unchanged import leaves_unchanged, no_gradient
from grader.errors import StudentError
from grader.wire.proxy import gradients, lend, send

__all__ = [
    "Face",
    "StudentError",
    "causal",
    "check",
    "close",
    "curve",
    "drawn_from",
    "equal",
    "gradients",
    "kind",
    "leaves_unchanged",
    "lend",
    "mistake",
    "no_gradient",
    "padding_ignored",
    "parameter_count",
    "permutation_equivariant",
    "raises",
    "redraw",
    "rows_sum_to_one",
    "same",
    "send",
    "several",
    "shaped",
    "sizes",
    "tiers",
    "twins",
]
