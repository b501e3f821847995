"""Runs a notebook's code cells, top to bottom, in this very process: nbclient drives, `kernel.py` runs them.

Nothing heavy is imported before `preload`, so that a class of plain files does not pay for notebooks.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import getpass
import importlib
import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from grader.text import clean

if TYPE_CHECKING:
    from grader.sandbox.kernel import Shell

_KERNEL = "grader.sandbox.kernel"
# IPython loads these when the first shell is made; here they are loaded before the fork
_LATE = ("application", "completerlib", "logger", "magics", "oinspect")
_COLAB = re.compile(r"^(?:from|import) google\.colab\b", re.MULTILINE)
_COLAB_PARTS = ("google.colab", "google.colab.drive", "google.colab.files", "google.colab.patches")


@dataclass(frozen=True, slots=True)
class CellError:
    """A cell that did not run to its end."""

    cell: int  # counted from 1 over the code cells
    line: int | None  # in that cell
    name: str  # class of the exception; "TimeoutError" when the cell's time was over
    message: str


def preload() -> None:
    """Import, before any fork, what every notebook needs. Starts no thread and writes no file."""
    for module in (_KERNEL, *(f"IPython.core.{part}" for part in _LATE)):
        importlib.import_module(module)


def run_notebook(
    cells: Sequence[str], namespace: dict[str, object], filename: str, *, cell_seconds: float
) -> list[CellError]:
    """Run `cells` in `namespace`, the `__dict__` of a module that stands in `sys.modules`; return what failed.

    A failing cell does not stop the next; each may take `cell_seconds`. While the cells run, and for what they define,
    that module is `__main__`. The process is given over to the notebook: standard input, SIGALRM, `sys.modules`.
    """
    kernel = importlib.import_module(_KERNEL)
    name = str(namespace["__name__"])
    namespace.update(__name__="__main__", __file__=filename)
    shell: Shell = kernel.make_shell(sys.modules[name], filename)
    _prepare_process(shell)
    errors: list[CellError] = []

    def report(error: BaseException) -> dict[str, Any]:
        errors.append(_describe(error, shell))
        return {"ename": errors[-1].name, "evalue": errors[-1].message, "traceback": []}

    def begin(number: int) -> None:
        shell.compile.cell = number
        if _COLAB.search(cells[number - 1]):  # at the margin only: `try: import google.colab` asks if this is Colab
            _pretend_colab()

    try:
        asyncio.run(kernel.execute(cells, shell, cell_seconds, begin, report))
    except BaseException as error:  # a background task's SystemExit, a stopped event loop: nothing can run after it
        report(error)
    finally:
        _tidy(shell, namespace)
        namespace["__name__"] = name
    return errors


def _describe(error: BaseException, shell: Shell) -> CellError:
    line = _line(error, shell.compile.get_code_name("", "", 0))
    return CellError(shell.compile.cell, line, clean(type(error).__name__, 100), _text(error))


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
    builtins.input = getpass.getpass = _no_input
    # functions of the notebook may say `%magic` when they are called, after the cells have run
    builtins.__dict__["get_ipython"] = shell.get_ipython


def _no_input(*_args: object, **_kwargs: object) -> NoReturn:
    raise EOFError("input() gets no answer here: nobody types while the notebook is graded")


def _tidy(shell: Shell, namespace: dict[str, object]) -> None:
    """Take out what IPython put beside the student's names, and the outputs it kept."""
    last = {name: getattr(shell.displayhook, name) for name in ("_", "__", "___")}
    for name, value in {**shell.user_ns_hidden, **last, "__builtin__": builtins}.items():
        if namespace.get(name) is value:
            del namespace[name]
    if shell.history_manager is not None:
        shell.history_manager.output_hist.clear()
        shell.history_manager.outputs.clear()


class _Colab(ModuleType):
    """A part of Google Colab that does nothing and says so."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # a package: it has modules

    def __getattr__(self, name: str) -> _Colab:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Colab(f"{self.__name__}.{name}")

    def __call__(self, *_args: object, **_kwargs: object) -> None:
        importlib.import_module(_KERNEL).note(f"{self.__name__}()")


def _pretend_colab() -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module("google.colab")
        return
    sys.modules.setdefault("google", _Colab("google"))
    for part in _COLAB_PARTS:
        sys.modules.setdefault(part, _Colab(part))
