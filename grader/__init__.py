"""Fair, isolated, provable grades for PyTorch assignments.

Kept light on purpose: `grader --help` must answer without importing torch. Instructors write `from grader.checks
import ...`; in a notebook students write `%load_ext grader` and `%check`, or `import grader` and `grader.check()`.
"""

from __future__ import annotations

__version__ = "0.1.0"


def check(what: object = None) -> None:
    """Run the public checks on what this notebook defines, and show how they went.

    `what` is the name of an assignment, or a function or class of it; without it the assignment is recognised by the
    notebook's name, its folder's, or the names that are defined.
    """
    from grader.selfcheck import magic  # noqa: PLC0415 - torch and pytest, only once they are needed

    magic.check(what)


def load_ipython_extension(shell: object) -> None:
    """What `%load_ext grader` does: `%check` is there."""
    from grader.selfcheck import magic  # noqa: PLC0415 - as above

    magic.register(shell)
