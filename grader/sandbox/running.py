"""What is done with a student's code, inside the lock or on the student's own machine: run the file, try an act."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from grader.errors import Fault, StudentError
from grader.intake.source import Source
from grader.sandbox.clock import TimeUp
from grader.sandbox.guard import ForbiddenCall
from grader.sandbox.notebook import run_notebook
from grader.sandbox.packages import is_missing
from grader.sandbox.stand_ins import Remarks, skip_checks, stand_in_for
from grader.text import clean
from grader.wire.host import Raised


def run_source(source: Source, file: Path, module: ModuleType, cell_seconds: float, remarks: Remarks) -> list[str]:
    """Run `source`, the code of `file`, in `module`; return notes. Of a script the first exception comes out."""
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    skip_checks()
    failed: list[str] = []
    if source.kind == "py":
        _run_script(source.text, file, module, remarks)
    else:
        cells = [cell.source for cell in source.cells]
        errors = run_notebook(cells, module.__dict__, str(file), cell_seconds=cell_seconds, remarks=remarks)
        failed = [f"cell {error.cell} stopped with {error.name}: {error.message}" for error in errors[:20]]
    return [clean(note, 300) for note in (*failed, *remarks.notes)]


def _run_script(text: str, file: Path, module: ModuleType, remarks: Remarks) -> None:
    stand_in_for(text)  # it may be a notebook of Colab's, saved as a module
    try:
        exec(compile(text, str(file), "exec", dont_inherit=True), module.__dict__)
    except ModuleNotFoundError as error:
        if type(error.name) is not str or not is_missing(error.name):
            raise
        raised = Raised.of(error, lambda name: name.startswith(str(file.parent)))
        where = f"{raised.file}, line {raised.line}," if raised.line else "your code"
        words = remarks.imports(where, error.name.partition(".")[0])
        raise StudentError(Fault.INVALID, f"{words}; {remarks.allowed}.", line=raised.line) from None


def attempt(
    act: Callable[[], object], is_own: Callable[[str], bool], explain: Callable[[BaseException], str] = lambda _: ""
) -> dict[str, object]:
    """Return {"value": what `act` returned}, or {"error": ...} with what went wrong, in words.

    `is_own`: whether a file is one of the student's, whose line is worth telling. `explain` may add to a message.
    """
    try:
        return {"value": act()}
    except StudentError as error:
        return {"error": {"fault": error.fault.value, "message": error.message, "line": error.line}}
    except BaseException as error:
        raised = Raised.of(error, is_own)
        words = {name: getattr(raised, name) for name in Raised.__slots__}
        words["message"] = clean(raised.message + explain(error), 600)
        return {"error": {"fault": _fault(error).value, "raised": words}}
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BaseException:  # theirs may be anything by now
                continue


def _fault(error: BaseException) -> Fault:
    if isinstance(error, TimeUp):
        return Fault.TIMEOUT
    if isinstance(error, ForbiddenCall):
        return Fault.FORBIDDEN
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        return Fault.EXITED
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return Fault.MEMORY
    if isinstance(error, PermissionError):
        return Fault.BLOCKED
    return Fault.RAISED
