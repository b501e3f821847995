"""Check files loaded so that every plain assert that held is counted: a check that compared nothing must not pass.

pytest could count them, but only by writing out each compared tensor in words, which costs more than the comparison.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from grader.checks.evidence import compared

_COUNT = "__compared__"
PUBLIC = "public_checks"  # what hidden checks call the public ones


class _Counted(ast.NodeTransformer):
    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        count = ast.Expr(ast.Call(ast.Name(_COUNT, ast.Load()), [], []))
        return [node, ast.fix_missing_locations(ast.copy_location(count, node))]


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """The counted code, from the source each time: no cache holds it."""
        path = self.get_filename(fullname)
        return compile(_Counted().visit(ast.parse(self.get_data(path), path)), path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, _COUNT, compared)
        super().exec_module(module)


class _Finder:
    """Asked before pytest's own finder, and knows the check files alone."""

    def __init__(self, paths: Sequence[Path], public: Path) -> None:
        self._paths = set(paths)
        self._public = public

    def find_spec(self, name: str, path: Sequence[str] | None, _: Any = None) -> ModuleSpec | None:
        places = [self._public] if name == PUBLIC else [Path(p) / f"{name.rpartition('.')[2]}.py" for p in path or ()]
        for file in places:
            if name == PUBLIC or file in self._paths:
                return spec_from_file_location(name, file, loader=_Loader(name, str(file)))
        return None


@contextmanager
def check_imports(paths: Sequence[Path], public: Path) -> Iterator[None]:
    """Inside, check files at `paths` are imported with their asserts counted, and hidden checks may import from
    `public_checks`. All are forgotten afterwards.
    """
    finder: Any = _Finder(paths, public)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        files = {str(path) for path in (*paths, public)}
        for name in [name for name, module in sys.modules.items() if getattr(module, "__file__", None) in files]:
            del sys.modules[name]
