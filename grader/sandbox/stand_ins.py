"""What is not here: what stands in for it (Google Colab, widgets, somebody at the keyboard, the checks, data under
another path), and what a student is told of it beside what the code answers.

`/content/drive/MyDrive/course/reviews.csv` is not here; a file of that name came with the assignment, and is meant.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import importlib
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from grader.text import clean

# at the margin only: `try: import google.colab` asks whether this is Colab
_COLAB = re.compile(r"^(?:from|import) google\.colab\b", re.MULTILINE)
_COLAB_PARTS = ("auth", "data_table", "drive", "files", "output", "patches", "runtime", "userdata", "widgets")
_ANSWERS: dict[str, Any] = {"google.colab.files.upload": {}, "google.colab.userdata.get": ""}
_BARS = re.compile(r"\btqdm[._]notebook\b|\btnrange\b")
_NOTES = 20


def skipped(what: str) -> None:
    """Say on standard output that `what` was left out."""
    with contextlib.suppress(Exception):  # the student may have closed or replaced it
        sys.stdout.write(f"(skipped: {clean(what, 200)})\n")


class Remarks:
    """Gathers while a submission is run, `here` in words. `packages` are those its course allows beside torch."""

    def __init__(self, packages: Sequence[str] = (), here: str = "where this is graded") -> None:
        self.notes: list[str] = []
        self.lost: dict[str, str] = {}  # a name that something would have bound, and why it did not
        self._here = here
        self.allowed = f"packages of this course: {', '.join(('torch', *packages))}"

    def say(self, words: str) -> None:
        """Note `words`, once."""
        if words not in self.notes and len(self.notes) < _NOTES:
            self.notes.append(words)

    def imports(self, where: str, package: str) -> str:
        """Words for a package that `where` imports and that is not here."""
        return f"{where} imports `{clean(package, 60)}`, which is not installed {self._here}"

    def explain(self, error: object) -> str:
        """Why a name that `error` did not find is not there, as the end of a sentence; "" where nothing is known."""
        name = error.name if type(error) is NameError else None
        return f": {self.lost[name]}" if type(name) is str and name in self.lost else ""


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


def lay_out(names: Sequence[str], source: Path) -> None:
    """Link the files into the working folder, which is empty: every way to open one by its name finds it."""
    for name in names:
        Path(name).symlink_to(source / name)


def find_by_name(names: Sequence[str], source: Path, say: Callable[[str], None]) -> None:
    """Have `open` read one of the files `names` of the folder `source` for a path that ends in its name and is not
    here.
    """
    here: Callable[..., Any] = io.open

    @functools.wraps(here)
    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        try:
            return here(file, mode, *args, **kwargs)
        except OSError:
            path = os.fspath(file) if isinstance(file, (str, os.PathLike)) else ""
            name = re.split(r"[\\/]", path)[-1] if isinstance(path, str) else ""
            if name not in names or set(mode) & set("wax+"):
                raise
        say(f"`{clean(path, 120)}` is not here; {name}, which came with the assignment, was read.")
        return here(source / name, mode, *args, **kwargs)

    builtins.open = io.open = opened
