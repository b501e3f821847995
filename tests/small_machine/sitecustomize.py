"""Python, on a student's machine: the packages in REFUSED are not installed, there is no network and no solution.

Found through PYTHONPATH by each process that a test starts, and by those that these start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

REFUSED = set(os.environ["REFUSED"].split())
UNSEEN = ("solutions", "hidden.safetensors")
BROKEN = 97  # the exit code where a rule is broken: an exception could be caught


class Installed(PathFinder):
    """Where Python looks for modules, with some of them gone."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where `name` lies."""
        return None if path is None and name in REFUSED else super().find_spec(name, path, target)


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """End the process when it does what cannot be done there."""
    opens = event == "open" and any(part in UNSEEN for part in str(arguments[0]).split("/"))
    if opens or event in ("socket.connect", "socket.getaddrinfo"):
        os.write(2, f"{event} {arguments}\n".encode())
        os._exit(BROKEN)


sys.meta_path[:] = [Installed if finder is PathFinder else finder for finder in sys.meta_path]
sys.addaudithook(watch)
