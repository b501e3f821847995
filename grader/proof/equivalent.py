"""`solutions/NAME/equivalent.yaml`: why some mutants are no mistakes at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from grader.errors import UsageError
from grader.proof.mutants import Mutant

_EXPECTED = "expected entries `line: ...`, `change: ...` (or any change, without it), `why: ...`, each a line of text"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The line of the solution without its comment, what it becomes (None: anything), and why that is no mistake."""

    line: str
    why: str
    change: str | None = None

    def fits(self, mutant: Mutant) -> bool:
        """Whether this is said of `mutant`."""
        return self.line == mutant.before and self.change in (None, mutant.after)


def explanations(path: Path) -> list[Explanation]:
    """Read the file; none where there is no file. Raises UsageError."""
    if not path.is_file():
        return []
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    found = []
    for number, entry in enumerate(data if isinstance(data, list) else [data], 1):
        if not isinstance(entry, dict) or set(entry) | {"change"} != {"line", "change", "why"}:
            raise UsageError(f"{path}, entry {number}: {_EXPECTED}")
        texts = {key: " ".join(value.split()) for key, value in entry.items() if isinstance(value, str)}
        if not all(texts.get(key) for key in entry):
            raise UsageError(f"{path}, entry {number}: {_EXPECTED}")
        found.append(Explanation(**texts))
    return found
