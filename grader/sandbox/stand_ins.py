"""What stands in for what is not here: Google Colab, widgets, somebody at the keyboard, the checks."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from types import ModuleType
from typing import Any, NoReturn

from grader.sandbox.remarks import skipped

# at the margin only: `try: import google.colab` asks whether this is Colab
_COLAB = re.compile(r"^(?:from|import) google\.colab\b", re.MULTILINE)
_COLAB_PARTS = ("auth", "data_table", "drive", "files", "output", "patches", "runtime", "userdata", "widgets")
_ANSWERS: dict[str, Any] = {"google.colab.files.upload": {}, "google.colab.userdata.get": ""}
_BARS = re.compile(r"\btqdm[._]notebook\b|\btnrange\b")


def stand_in_for(code: str) -> None:
    """Make importable what `code`, which runs next, takes for granted."""
    if _COLAB.search(code):
        _pretend_colab()
    if _BARS.search(code):
        _plain_bars()


def skip_checks() -> None:
    """A call of `grader.check` that was left in does nothing: who is being graded does not check."""
    vars(sys.modules["grader"])["check"] = lambda *_args, **_kwargs: skipped("grader.check()")


def no_input(*_args: object, **_kwargs: object) -> NoReturn:
    """`input()`."""
    raise EOFError("input() gets no answer here: nobody types while the notebook is graded")


class _Colab(ModuleType):
    """A part of Google Colab that does nothing and says so."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # a package: it has modules

    def __getattr__(self, name: str) -> _Colab:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Colab(f"{self.__name__}.{name}")

    def __call__(self, *_args: object, **_kwargs: object) -> object:
        skipped(f"{self.__name__}()")
        return _ANSWERS.get(self.__name__)


def _pretend_colab() -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module("google.colab")
        return
    for name in ("google", "google.colab", *(f"google.colab.{part}" for part in _COLAB_PARTS)):
        sys.modules.setdefault(name, _Colab(name))


def _plain_bars() -> None:
    """Widgets have nobody to look at them: the bars of `tqdm.notebook` are those of a terminal."""
    with contextlib.suppress(ImportError):
        plain: Any = importlib.import_module("tqdm.std")
        notebook = sys.modules["tqdm.notebook"] = ModuleType("tqdm.notebook")
        vars(notebook).update(tqdm=plain.tqdm, trange=plain.trange, tqdm_notebook=plain.tqdm, tnrange=plain.trange)
        vars(sys.modules["tqdm"])["notebook"] = notebook
