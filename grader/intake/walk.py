"""Walks a file's syntax tree once and notes which scope binds which name, and what each piece of top-level code reads.

The walk keeps its own stack, so that long expressions are not a depth problem. Annotations are not visited: naming a
class there is no use of it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from grader.intake.scopes import Binding, Kind, Scope, Unit

Work = list[tuple[ast.AST, "Context"]]
Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


@dataclass(frozen=True, slots=True)
class Context:
    """Where the walk is. `unit` is None in top-level code that no name stands for; `fixed` code is sure to run."""

    scope: Scope
    unit: Unit | None = None
    fixed: bool = True

    def owned(self) -> Context:
        """This context inside a piece of top-level code: a new one where there is none yet."""
        return self if self.unit else replace(self, unit=Unit(self.scope.root))

    def loosely(self) -> Context:
        """This context where the code may not run."""
        return replace(self, fixed=False)


def module_scope(tree: ast.Module, package: str = "", *, script: bool = True) -> Scope:
    """Return the scope of a module of `package`. In a `script`, what stands under the main guard never runs."""
    scope = Scope("module")
    walker = _Walker(package, script)
    stack: Work = [(tree, Context(scope))]
    while stack:
        node, context = stack.pop()
        stack.extend(reversed(_HANDLERS.get(type(node), _Walker.other)(walker, node, context)))
    return scope


class _Walker:
    """A method for each kind of node that binds a name or opens a scope; each returns what to visit next, in order."""

    def __init__(self, package: str, script: bool) -> None:
        self.package = package
        self.script = script

    def other(self, node: ast.AST, context: Context) -> Work:
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call) and context.unit:
            context.unit.loads.append((node, context.scope))
        return [(child, context) for child in ast.iter_child_nodes(node)]

    def name(self, node: ast.Name, context: Context) -> Work:
        if isinstance(node.ctx, ast.Store):
            _bind(node.id, node, context.owned())
        return self.other(node, context) if isinstance(node.ctx, ast.Load) else []

    def branch(self, node: ast.AST, context: Context) -> Work:
        if self.script and isinstance(node, ast.If) and context.scope.kind == "module" and _is_main_guard(node.test):
            return [(child, context.loosely()) for child in node.orelse]
        return [(child, context.loosely()) for child in ast.iter_child_nodes(node)]

    def capture(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar, context: Context) -> Work:
        if node.name:
            _bind(node.name, node, context.owned())
        return self.other(node, context)

    def global_(self, node: ast.Global, context: Context) -> Work:
        context.scope.declared.update(dict.fromkeys(node.names, context.scope.root))
        return []

    def nonlocal_(self, node: ast.Nonlocal, context: Context) -> Work:
        for name in node.names:
            here = context.scope.parent
            while here is not None and not (here.kind == "function" and name in here.names):
                here = here.parent
            if here is not None:
                context.scope.declared[name] = here
        return []

    def import_(self, node: ast.Import, context: Context) -> Work:
        for alias in node.names:
            root = alias.name.partition(".")[0]
            path = alias.name if alias.asname else root
            _bind(alias.asname or root, node, context.owned(), Kind.IMPORT, path=path)
        return []

    def import_from(self, node: ast.ImportFrom, context: Context) -> Work:
        package = self.package.split(".") if self.package and node.level else []
        above = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            if alias.name == "*":
                _bind("*", node, context.owned(), Kind.STAR, path=base)
            else:
                path = f"{base}.{alias.name}" if base else alias.name
                _bind(alias.asname or alias.name, node, context.owned(), Kind.IMPORT, path=path)
        return []

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, context: Context) -> Work:
        own = context.owned()
        _bind(node.name, node, own, Kind.DEFINITION)
        inner = _parameters(node.args, own)
        outside = [*node.decorator_list, *_defaults(node.args)]
        return [*((child, own) for child in outside), *((child, inner) for child in node.body)]

    def lambda_(self, node: ast.Lambda, context: Context) -> Work:
        inner = _parameters(node.args, context)
        return [*((child, context) for child in _defaults(node.args)), (node.body, inner)]

    def class_(self, node: ast.ClassDef, context: Context) -> Work:
        own = context.owned()
        _bind(node.name, node, own, Kind.DEFINITION)
        inner = Context(Scope("class", own.scope), own.unit)
        outside = [*node.decorator_list, *node.bases, *node.keywords]
        return [*((child, own) for child in outside), *((child, inner) for child in node.body)]

    def assign(self, node: ast.Assign, context: Context) -> Work:
        pairs = _pairs(node)
        if pairs:
            return [(pair, context) for pair in pairs]
        return _assign(node.targets, node.value, node, context.owned())

    def annotated(self, node: ast.AnnAssign, context: Context) -> Work:
        return _assign([node.target], node.value, node, context.owned()) if node.value else []

    def augmented(self, node: ast.AugAssign, context: Context) -> Work:
        return _assign([node.target], node.value, node, context.owned().loosely())

    def walrus(self, node: ast.NamedExpr, context: Context) -> Work:
        own, scope = context.owned(), context.scope
        while scope.kind == "comprehension" and scope.parent:
            scope = scope.parent
        _bind(node.target.id, node, replace(own, scope=scope, fixed=False), value=node.value, scope=own.scope)
        return [(node.value, own)]

    def for_(self, node: ast.For | ast.AsyncFor, context: Context) -> Work:
        head = _assign([node.target], node.iter, node.iter, context.owned().loosely())
        return [*head, *((child, context.loosely()) for child in [*node.body, *node.orelse])]

    def with_(self, node: ast.With | ast.AsyncWith, context: Context) -> Work:
        own = context.owned()
        return [*((item, own) for item in node.items), *((child, context) for child in node.body)]

    def comprehension(self, node: Comprehension, context: Context) -> Work:
        inner = replace(context, scope=Scope("comprehension", context.scope))
        work: Work = []
        for number, generator in enumerate(node.generators):
            outer = inner if number else context
            for target in _leaves([generator.target]):
                if isinstance(target, ast.Name):
                    _bind(target.id, target, inner, value=generator.iter, scope=outer.scope)
            work += [(generator.iter, outer), *((test, inner) for test in generator.ifs)]
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return [*work, *((result, inner) for result in results)]


_HANDLERS: Mapping[type[ast.AST], Callable[[_Walker, Any, Context], Work]] = {
    ast.Name: _Walker.name,
    **dict.fromkeys((ast.If, ast.While, ast.Try, ast.TryStar, ast.Match), _Walker.branch),
    **dict.fromkeys((ast.ExceptHandler, ast.MatchAs, ast.MatchStar), _Walker.capture),
    ast.Global: _Walker.global_,
    ast.Nonlocal: _Walker.nonlocal_,
    ast.Import: _Walker.import_,
    ast.ImportFrom: _Walker.import_from,
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef), _Walker.function),
    ast.Lambda: _Walker.lambda_,
    ast.ClassDef: _Walker.class_,
    ast.Assign: _Walker.assign,
    ast.AnnAssign: _Walker.annotated,
    ast.AugAssign: _Walker.augmented,
    ast.NamedExpr: _Walker.walrus,
    **dict.fromkeys((ast.For, ast.AsyncFor), _Walker.for_),
    **dict.fromkeys((ast.With, ast.AsyncWith), _Walker.with_),
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp), _Walker.comprehension),
}


def _bind(
    name: str,
    node: Any,  # a node with a position
    context: Context,
    kind: Kind = Kind.VALUE,
    *,
    value: ast.expr | None = None,
    path: str = "",
    scope: Scope | None = None,
) -> None:
    target = context.scope.declared.get(name, context.scope)
    fixed = context.fixed and target is context.scope and kind is not Kind.PATCH
    unit = context.unit if target.kind == "module" else None
    end = (node.end_lineno, node.end_col_offset)
    target.add(Binding(name, kind, node.lineno, end, fixed, unit, scope or context.scope, value, path))


def _assign(targets: Iterable[ast.expr], value: ast.expr, at: ast.stmt | ast.expr, context: Context) -> Work:
    """Bind the targets' names to `value`; when it is taken apart, each name may be any part of it."""
    work: Work = [(value, context)]
    for target in _leaves(targets):
        if isinstance(target, ast.Name):
            _bind(target.id, at, context, value=value)
            continue
        work.append((target, context))
        root = _root(target)
        if root is not None and context.scope.kind == "module":
            _bind(root.id, at, context, Kind.PATCH)
    return work


def _parameters(args: ast.arguments, context: Context) -> Context:
    """The context of a function's body, with its parameters bound to what their defaults say."""
    inner = Context(Scope("function", context.scope), context.unit)
    plain = [*args.posonlyargs, *args.args]
    defaults: dict[ast.arg, ast.expr | None] = dict(zip(reversed(plain), reversed(args.defaults), strict=False))
    defaults.update(zip(args.kwonlyargs, args.kw_defaults, strict=True))
    for arg in [*plain, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]:
        _bind(arg.arg, arg, inner, value=defaults.get(arg), scope=context.scope)
    return inner


def _defaults(args: ast.arguments) -> list[ast.expr]:
    return [*args.defaults, *filter(None, args.kw_defaults)]


def _pairs(node: ast.Assign) -> list[ast.Assign]:
    """`a, b = x, y` as `a = x` and `b = y`; nothing where that is not what it says."""
    target, value = node.targets[0], node.value
    if (
        len(node.targets) > 1
        or not isinstance(target, ast.Tuple | ast.List)
        or not isinstance(value, ast.Tuple | ast.List)
    ):
        return []
    if len(target.elts) != len(value.elts) or any(isinstance(e, ast.Starred) for e in [*target.elts, *value.elts]):
        return []
    return [ast.copy_location(ast.Assign([t], v), node) for t, v in zip(target.elts, value.elts, strict=True)]


def _leaves(targets: Iterable[ast.expr]) -> Iterator[ast.expr]:
    stack = list(targets)[::-1]
    while stack:
        target = stack.pop()
        if isinstance(target, ast.Tuple | ast.List):
            stack.extend(reversed(target.elts))
        elif isinstance(target, ast.Starred):
            stack.append(target.value)
        else:
            yield target


def _root(target: ast.expr) -> ast.Name | None:
    """`a` of `a.b[c].d`."""
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return target if isinstance(target, ast.Name) else None


def _is_main_guard(test: ast.expr) -> bool:
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = [test.left, test.comparators[0]]
    name = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return name and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)
