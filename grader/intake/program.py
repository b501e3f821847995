"""What an expression of a submission may stand for: a dotted name outside it, one of its own files, or its own code.

Over-approximates where that is cheap (both sides of an `if`, any element of a container) and gives up where only
running the code can tell: what a call returns, what a parameter is given, an attribute of an object.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from grader.errors import Fault, StudentError
from grader.intake.scopes import Binding, Kind, Scope, Unit, lookup
from grader.intake.source import Source, read_source

_PARTS = 12  # of a dotted name
_FILE_NAME = 200  # bytes of each that may be a file's name
_TEXTS = 16  # that one expression may be
_TEXT = 200  # characters of one
_VALUES = 300  # that one expression may stand for
_LOOKUPS = ("get", "pop", "__getitem__", "__getattribute__")


@dataclass(frozen=True, eq=False, slots=True)
class Module:
    """One of the submission's files; `source` is None for a folder without code, or a file that does not parse."""

    dotted: str
    label: str  # "" for the main file, else its path
    scope: Scope
    source: Source | None

    def where(self, line: int) -> str:
        """A line in words: "line 12", "layers.py, line 3", "cell 2, line 5"."""
        words = self.source.where(line) if self.source else f"line {line}"
        return f"{self.label}, {words}" if self.label else words


Value = str | Module | Unit
Values = frozenset[Value]
NOTHING: Values = frozenset()


class Program:
    """A submission's main file and, read when they are first imported, its other files."""

    def __init__(self, source_dir: Path, main: str) -> None:
        path = source_dir / main
        self.source = source = read_source(path)
        self.main = Module(path.stem, "", source.scope, source)
        self._roots = (path.parent, source_dir)
        self._source_dir = source_dir
        self._modules: dict[str, Module | None] = {path.stem: self.main} if source.kind == "py" else {}
        self._by_scope = {source.scope: self.main}
        self._values: dict[ast.expr | tuple[Module, str], Values] = {}
        self._texts: dict[ast.expr, frozenset[str]] = {}

    def module_of(self, unit: Unit) -> Module:
        """The file that `unit` is in."""
        return self._by_scope[unit.root]

    def names(self, module: Module) -> list[str]:
        """All names that importing `module` would give, in the order of the file; those of a star import last."""
        found: dict[str, None] = {}
        seen: set[Module] = set()
        todo = [module]
        while todo:
            here = todo.pop(0)
            seen.add(here)
            found.update(dict.fromkeys(here.scope.names))
            starred = (value for star in here.scope.stars for value in self.locate(star.path))
            todo += [value for value in starred if isinstance(value, Module) and value not in seen]
        return list(found)

    def resolve(self, node: ast.expr, scope: Scope) -> Values:
        """What `node`, evaluated in `scope`, may stand for."""
        if node not in self._values:
            self._values[node] = NOTHING  # while a circle is being followed
            self._values[node] = _capped(self._structure(node, scope) | self.accessed(node, scope))
        return self._values[node]

    def accessed(self, node: ast.expr, scope: Scope) -> Values:
        """What `node` gets by name from something else: an import, an attribute, `getattr`, `vars(x)["name"]`."""
        match node:
            case ast.Name():
                bindings = self.bindings(node, scope)
                imported = (b for b in bindings if b.kind in (Kind.IMPORT, Kind.STAR))
                return _union(self._imported(b, node.id) for b in imported)
            case ast.Attribute():
                return self.members(self.resolve(node.value, scope), [node.attr])
            case ast.Subscript():
                return self.members(self.resolve(node.value, scope), self.texts(node.slice, scope))
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=[key, *_]) if attr in _LOOKUPS:
                return self.members(self.resolve(value, scope), self.texts(key, scope))
            case ast.Call(args=[thing, key, *_]) if "builtins.getattr" in self.resolve(node.func, scope):
                return self.members(self.resolve(thing, scope), self.texts(key, scope))
        return NOTHING

    def bindings(self, node: ast.Name, scope: Scope) -> list[Binding]:
        """What binds the name that `node` reads."""
        return lookup(node.id, scope, (node.lineno, node.col_offset))

    def members(self, values: Iterable[Value], names: Iterable[str]) -> Values:
        """What the attributes `names` of `values` may be; nothing is known of those of the student's own objects."""
        wanted = list(names)
        return _capped(_union(self._member(value, name) for value in values for name in wanted))

    def locate(self, dotted: str) -> Values:
        """What importing `dotted` gives: the submission's own files come first, torch is torch."""
        root, *rest = dotted.split(".")
        module = self._module(root)
        start: Values = frozenset([module or root])
        return reduce(lambda values, name: self.members(values, [name]), rest, start)

    def _structure(self, node: ast.expr, scope: Scope) -> Values:
        match node:
            case ast.Name():
                bindings = self.bindings(node, scope)
                certain = any(b.kind is not Kind.STAR for b in bindings)
                builtin: Values = NOTHING if certain else frozenset([f"builtins.{node.id}"])
                return builtin | _union(self._bound(b, node.id) for b in bindings)
            case ast.Attribute(attr="__dict__") | ast.Subscript() | ast.NamedExpr() | ast.Starred() | ast.Await():
                return self.resolve(node.value, scope)
            case ast.IfExp():
                return self.resolve(node.body, scope) | self.resolve(node.orelse, scope)
            case ast.BoolOp(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                return _union(self.resolve(part, scope) for part in parts)
            case ast.Dict(values=parts):
                return _union(self.resolve(part, scope) for part in parts)
            case ast.Call():
                return self._called(node, scope)
        return NOTHING

    def _called(self, node: ast.Call, scope: Scope) -> Values:
        called = self.resolve(node.func, scope)
        if not node.args:
            own = called & {"builtins.globals", "builtins.vars", "builtins.locals"}
            return frozenset([self._by_scope[scope.root]]) if own else NOTHING
        if called & {"importlib.import_module", "importlib.__import__", "builtins.__import__"}:
            texts = {text.lstrip(".") for text in self.texts(node.args[0], scope)}
            return _union(self.locate(text) for text in texts | {text.partition(".")[0] for text in texts})
        return self.resolve(node.args[0], scope) if "builtins.vars" in called else NOTHING

    def _bound(self, binding: Binding, name: str) -> Values:
        values = self._imported(binding, name) if binding.path else NOTHING
        if binding.value is not None:
            values |= self.resolve(binding.value, binding.scope)
        return values | {binding.unit} if binding.unit else values

    def _imported(self, binding: Binding, name: str) -> Values:
        return self.locate(f"{binding.path}.{name}" if binding.kind is Kind.STAR else binding.path)

    def _member(self, value: Value, name: str) -> Values:
        if isinstance(value, Module):
            return self._global(value, name)
        if isinstance(value, Unit) or value.count(".") >= _PARTS:
            return NOTHING
        return self.locate(name) if value == "sys.modules" else frozenset([f"{value}.{name}"])

    def _global(self, module: Module, name: str) -> Values:
        key = (module, name)
        if key not in self._values:
            self._values[key] = NOTHING
            inner = self._module(f"{module.dotted}.{name}") if module is not self.main else None
            found = _union(self._bound(b, name) for b in module.scope.bindings(name))
            self._values[key] = found | {inner} if inner else found
        return self._values[key]

    def texts(self, node: ast.expr, scope: Scope) -> frozenset[str]:
        """The strings that `node` may be, when they can be told."""
        if node not in self._texts:
            self._texts[node] = frozenset()
            self._texts[node] = frozenset(sorted(t for t in self._text(node, scope) if len(t) <= _TEXT)[:_TEXTS])
        return self._texts[node]

    def _text(self, node: ast.expr, scope: Scope) -> Iterable[str]:
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.Name():
                bound = [(b.value, b.scope) for b in self.bindings(node, scope) if b.value is not None]
                return frozenset().union(*(self.texts(value, where) for value, where in bound))
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined("", [left, right], scope)
            case ast.JoinedStr(values=parts):
                return self._joined("", parts, scope)
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return self.texts(value, scope)
            case ast.Call(
                func=ast.Attribute(value=ast.Constant(value=str(glue)), attr="join"),
                args=[ast.List(elts=parts) | ast.Tuple(elts=parts)],
            ):
                return self._joined(glue, parts, scope)
        return []

    def _joined(self, glue: str, parts: Sequence[ast.expr], scope: Scope) -> list[str]:
        made: list[str] | None = None
        for part in parts:
            texts = self.texts(part, scope)
            longer = texts if made is None else [f"{head}{glue}{tail}" for head in made for tail in texts]
            made = sorted(text for text in longer if len(text) <= _TEXT)[:_TEXTS]
        return made or []

    def _module(self, dotted: str) -> Module | None:
        """The submission's file or folder of that name, read once; None when it has none."""
        if dotted not in self._modules:
            self._modules[dotted] = self._read(dotted)
        return self._modules[dotted]

    def _read(self, dotted: str) -> Module | None:
        parts = dotted.split(".")
        if parts[0] == "torch" or not all(p.isidentifier() and len(p.encode()) <= _FILE_NAME for p in parts):
            return None
        for folder in (root.joinpath(*parts) for root in self._roots):
            for path, package in ((folder / "__init__.py", dotted), (folder.with_suffix(".py"), ".".join(parts[:-1]))):
                if path.is_file():
                    return self._keep(dotted, path, package)
            if folder.is_dir():
                return self._keep(dotted, None, dotted)
        return None

    def _keep(self, dotted: str, path: Path | None, package: str) -> Module:
        source, scope, name = None, Scope("module"), ""
        if path is not None:
            name = path.relative_to(self._source_dir).as_posix()
            try:
                source = read_source(path, package)
                scope = source.scope
            except StudentError:  # importing it will fail where the student sees why
                source = None
        module = Module(dotted, name, scope, source)
        self._by_scope[scope] = module
        return module


def _union(parts: Iterable[Values]) -> Values:
    return NOTHING.union(*parts)


def _capped(values: Values) -> Values:
    if len(values) > _VALUES:
        raise StudentError(Fault.INVALID, "One expression chooses between too many things for the grader to follow it.")
    return values
