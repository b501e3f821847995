"""Runs a notebook's code cells, top to bottom, in this very process: nbclient drives, `kernel.py` runs them.

Nothing heavy is imported before `preload`, so that a class of plain files does not pay for notebooks.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import getpass
import importlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grader.errors import UsageError
from grader.sandbox import packages
from grader.sandbox.stand_ins import Remarks, no_input, stand_in_for
from grader.text import clean

if TYPE_CHECKING:
    from grader.sandbox.kernel import Shell

_KERNEL = "grader.sandbox.kernel"
# IPython loads these when the first shell is made; here they are loaded before the fork
_LATE = ("application", "completerlib", "logger", "magics", "oinspect")


@dataclass(frozen=True, slots=True)
class CellError:
    """A cell that did not run to its end."""

    cell: int  # counted from 1 over the code cells
    line: int | None  # in that cell
    name: str  # class of the exception; "TimeoutError" when the cell's time was over
    message: str


def require() -> None:
    """Raise UsageError where what runs notebooks is not installed."""
    if any(map(packages.is_missing, ("IPython", "nbclient", "nbformat"))):
        raise UsageError("notebooks are run with packages that are not here: pip install 'torchgrade[notebooks]'")


def preload() -> None:
    """Import, before any fork, what every notebook needs. Starts no thread and writes no file."""
    for module in (_KERNEL, *(f"IPython.core.{part}" for part in _LATE)):
        importlib.import_module(module)


def run_notebook(
    cells: Sequence[str],
    namespace: dict[str, object],
    filename: str,
    *,
    cell_seconds: float,
    remarks: Remarks | None = None,
) -> list[CellError]:
    """Run `cells` in `namespace`, the `__dict__` of a module that stands in `sys.modules`; return what failed.

    A failing cell does not stop the next; one that lacked a name of a later cell is run again at the end. Each may take
    `cell_seconds`, and no more than half of what is left of twice as many for all. While the cells run, and for what
    they define, that module is `__main__`. The process is given over to the notebook: standard input, SIGALRM,
    `sys.modules`. `remarks` gathers what there is to say beside the errors.
    """
    remarks = remarks or Remarks()
    kernel = importlib.import_module(_KERNEL)
    name = str(namespace["__name__"])
    namespace.update(__name__="__main__", __file__=filename)
    shell: Shell = kernel.make_shell(sys.modules[name], filename)
    _prepare_process(shell)
    reader = _Reader(shell, remarks)
    shell.ast_transformers.append(reader)
    errors: list[CellError] = []

    def report(error: BaseException) -> dict[str, Any]:
        errors.append(_describe(error, shell, remarks))
        reader.lose(errors[-1], namespace)
        return {"ename": errors[-1].name, "evalue": errors[-1].message, "traceback": []}

    def begin(number: int) -> None:
        shell.compile.cell = number
        stand_in_for(cells[number - 1])

    try:
        again = _again(errors, reader, namespace, remarks)
        asyncio.run(kernel.execute(cells, shell, cell_seconds, begin, report, again))
    except BaseException as error:  # a background task's SystemExit, a stopped event loop: nothing can run after it
        report(error)
    finally:
        _tidy(shell, namespace)
        namespace["__name__"] = name
    return errors


class _Reader(ast.NodeTransformer):
    """Sees each cell before it is compiled: takes missing packages out of it and knows what it would have defined."""

    def __init__(self, shell: Shell, remarks: Remarks) -> None:
        self._shell = shell
        self._remarks = remarks
        self._read: tuple[int, ast.Module] = (0, ast.Module([], []))
        self.bound: dict[int, list[str]] = {}  # what each cell that stopped would have bound

    def visit(self, cell: Any) -> Any:
        """What IPython calls with a cell's tree."""
        number = self._shell.compile.cell
        for name, package in packages.leave_out(cell).items():
            words = self._remarks.imports(f"cell {number}", package)
            self._remarks.lost[name] = words
            self._remarks.say(f"{words}; {self._remarks.allowed}.")
        self._read = number, cell
        return cell

    def lose(self, error: CellError, namespace: dict[str, object]) -> None:
        """Remember why the names that the cell did not come to define are not there."""
        number, cell = self._read
        if number != error.cell:  # it is not Python
            return
        stopped = error.name == "TimeoutError" and error.message.startswith("the cell was")
        how = error.message.removeprefix("the cell ") if stopped else f"stopped with {error.name}"
        self.bound[number] = packages.bound(cell)
        lost = [name for name in self.bound[number] if name not in namespace]
        self._remarks.lost.update(dict.fromkeys(lost, f"cell {number}, which defines it, {how}"))


def _again(errors: list[CellError], reader: _Reader, namespace: dict[str, object], remarks: Remarks) -> Iterator[int]:
    """The cells, once all have run, that lacked a name and whose own names are missing: they stand in another order
    than they were run in. Of what such cells bind, nothing takes the place of what is there, or of a lower cell's.
    """
    owners: dict[str, float] = dict.fromkeys(namespace, float("inf"))  # the cell that a name belongs to
    more = True
    while more:
        more = False
        for late in [error for error in errors if error.name == "NameError"]:
            cell, place, count = late.cell, errors.index(late), len(errors)
            bound = reader.bound.get(cell, [])
            own = [name for name in bound if owners.get(name, 0) < cell]
            if not own:
                continue
            before = {name: namespace[name] for name in bound if name not in own and name in namespace}
            yield cell
            namespace.update(before)
            if len(errors) > count:
                errors[place] = errors.pop()
                continue
            owners.update(dict.fromkeys(own, cell))
            del errors[place]
            how = f"cell {cell} was run again after the last cell, for a cell below it defines what it uses"
            why = late.message.partition(": ")[0]
            remarks.say(f"{how} ({why}); move it down, or Jupyter's `Run All Cells` stops there.")
            more = True


def _describe(error: BaseException, shell: Shell, remarks: Remarks) -> CellError:
    line = _line(error, shell.compile.get_code_name("", "", 0))
    text = clean(_text(error) + remarks.explain(error))
    return CellError(shell.compile.cell, line, clean(type(error).__name__, 100), text)


def _text(error: BaseException) -> str:
    try:
        return clean(error.msg if isinstance(error, SyntaxError) else error)
    except BaseException:  # a message that cannot be made is no message
        return ""


def _line(error: BaseException, file: str) -> int | None:
    """The innermost line of `file` that `error` passed through."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == file else None
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == file:
            line = step.tb_lineno
        step = step.tb_next
    return line


def _prepare_process(shell: Shell) -> None:
    warnings.filterwarnings("ignore", message="To exit: use 'exit'")  # IPython's words after each SystemExit
    warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")  # nobody looks at `plt.show()`
    builtins.input = getpass.getpass = no_input
    # functions of the notebook may say `%magic` when they are called, after the cells have run
    builtins.__dict__["get_ipython"] = shell.get_ipython


def _tidy(shell: Shell, namespace: dict[str, object]) -> None:
    """Take out what IPython put beside the student's names, and the outputs it kept."""
    last = {name: getattr(shell.displayhook, name) for name in ("_", "__", "___")}
    for name, value in {**shell.user_ns_hidden, **last, "__builtin__": builtins}.items():
        if namespace.get(name) is value:
            del namespace[name]
    if shell.history_manager is not None:
        shell.history_manager.output_hist.clear()
        shell.history_manager.outputs.clear()
