"""What is known of a submission before it runs, as plain data that may cross the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grader.intake.forbidden import uses
from grader.intake.gpu import gpu_notes
from grader.intake.program import Program


def inspect(program: Program, forbidden: Sequence[str], graded: Sequence[str] = ()) -> dict[str, Any]:
    """Return {"names": {name: where}, "imported": [name], "findings": [[call, where, line, [owners]]], "notes": [...]}.

    `names` are the top-level names of the main file, `imported` those of them that an import binds. A finding matters
    when a graded name is among its owners. Raises StudentError(INVALID) when the code cannot be followed.
    """
    source = program.source
    return {
        "names": {name: definition.where for name, definition in source.definitions.items()},
        "imported": [name for name, definition in source.definitions.items() if definition.kind == "import"],
        "findings": [[f.call, f.where, f.line, list(f.owners)] for f in uses(program, forbidden, graded)],
        "notes": [*source.notes, *gpu_notes(source)],
    }
