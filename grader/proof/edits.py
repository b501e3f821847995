"""Small changes of a program, of the kind that are made in this field: what one node of a syntax tree may become."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

Edit = tuple[str, ast.AST, ast.AST | str]  # what kind of change, the node that goes, what comes in its place

_COUNTERPARTS: list[tuple[type[Any], type[Any]]] = [
    (ast.Add, ast.Sub),
    (ast.Mult, ast.Div),
    (ast.FloorDiv, ast.Mod),
    (ast.BitAnd, ast.BitOr),
    (ast.And, ast.Or),
    (ast.Eq, ast.NotEq),
    (ast.Is, ast.IsNot),
    (ast.In, ast.NotIn),
]
_OTHER: dict[type[Any], tuple[type[Any], ...]] = {
    **{a: (b,) for pair in _COUNTERPARTS for a, b in (pair, pair[::-1])},
    **{ast.Pow: (ast.Mult,), ast.MatMult: ()},
    **{ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE)},
}
_IN_PLACE = {ast.Add: "add_", ast.Sub: "sub_", ast.Mult: "mul_", ast.Div: "div_"}
_HAVE_IN_PLACE = {"masked_fill", "add", "sub", "mul", "div", "clamp", "exp", "log", "sqrt", "relu", "sigmoid", "tanh"}
_PAIRS = """no_grad enable_grad, eval train, min max, argmin argmax, minimum maximum, zeros ones, zeros_like ones_like,
    tril triu, sum mean, any all, sin cos, softmax log_softmax, floor ceil, rand randn, rand_like randn_like"""
_OTHER_FUNCTION = {a: b for pair in _PAIRS.split(",") for a, b in (pair.split(), pair.split()[::-1])}
_MODULES = {"torch", "nn", "F", "functional", "math", "random", "self", "init"}
_COMMUTE = {"transpose", "swapaxes", "swapdims", "minimum", "maximum", "min", "max", "logical_and", "logical_or"}
_SHAPES = {"view", "reshape", "permute", "expand", "movedim", "zeros", "ones", "empty", "randn", "rand"}
_KEEP = {"super", "range", "float", "contiguous"}  # without these it is the same, or no program
SIZE = "2"  # what takes the place of a size that should have been read


def edits(node: ast.AST, parent: ast.AST, sizes: set[str], layers: list[str]) -> Iterator[Edit]:
    """Each change of `node`. `sizes` are names that hold sizes, `layers` the attributes of self that are called."""
    match node:
        case ast.stmt():
            yield from _statement(node)
            yield from _flow(node)
        case ast.BinOp():
            yield from _arithmetic(node)
        case ast.BoolOp() | ast.Compare() | ast.UnaryOp() | ast.Constant():
            yield from _logic(node, parent)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield from (("branch dropped", node, kept) for kept in (body, orelse))
            yield from _condition(test)
        case ast.comprehension(ifs=tests):
            yield from (("condition dropped", test, "True") for test in tests)
        case ast.Call():
            yield from _call(node)
            yield from _other_function(node, layers)
        case ast.Subscript():
            yield from _subscript(node)
        case ast.Attribute(ctx=ast.Load()):
            yield from _attribute(node, parent)
        case ast.Name(id=name, ctx=ast.Load()) if name in sizes:
            yield "fixed size", node, SIZE


def _with(node: Any, **changes: object) -> Any:
    return type(node)(**{**dict(ast.iter_fields(node)), **changes})


def _swapped(values: list[ast.expr], i: int) -> list[ast.expr]:
    return [*values[:i], values[i + 1], values[i], *values[i + 2 :]]


def _statement(node: ast.stmt) -> Iterator[Edit]:
    match node:
        case ast.Assign(targets=[target], value=value):
            used = {inner.id for inner in ast.walk(value) if isinstance(inner, ast.Name)}
            again = isinstance(target, ast.Name) and target.id in used
            yield ("result not kept", node, value) if again else ("statement deleted", node, "pass")
            if isinstance(target, ast.Tuple):
                for i in range(len(target.elts) - 1):
                    yield "values swapped", target, _with(target, elts=_swapped(target.elts, i))
            elif not isinstance(value, ast.Name):
                yield from _detached(value)
        case ast.AugAssign(target=target, op=op, value=value):
            yield "statement deleted", node, "pass"
            yield "out of place", node, ast.Assign([target], ast.BinOp(target, op, value), lineno=0)
            yield from (("other operator", node, _with(node, op=other())) for other in _OTHER.get(type(op), ()))
        case ast.Return(value=ast.Tuple(elts=values) as whole):
            for i in range(len(values) - 1):
                yield "values swapped", whole, _with(whole, elts=_swapped(values, i))
            for i, value in enumerate(values):
                others = [*values[:i], values[i - 1], *values[i + 1 :]]
                yield "other value", whole, _with(whole, elts=others)
                yield from _detached(value)
        case ast.Return(value=ast.expr() as value):
            yield from _detached(value)


def _flow(node: ast.stmt) -> Iterator[Edit]:
    match node:
        case ast.If(test=test) | ast.While(test=test):
            yield from _condition(test)
        case ast.For(iter=values):
            yield "loop skipped", values, "[]"
        case ast.Expr() | ast.Raise() | ast.Assert() | ast.Break() | ast.Continue() | ast.Delete():
            yield "statement deleted", node, "pass"


def _logic(node: ast.expr, parent: ast.AST) -> Iterator[Edit]:
    match node:
        case ast.BoolOp(op=op, values=values):
            yield from (("other operator", node, _with(node, op=other())) for other in _OTHER[type(op)])
            yield from (("operand dropped", node, value) for value in values)
        case ast.Compare(ops=[op]):
            yield from (("other comparison", node, _with(node, ops=[other()])) for other in _OTHER[type(op)])
        case ast.UnaryOp(operand=ast.Constant()):
            yield from _other_constants(node)
        case ast.UnaryOp(operand=operand):
            yield "sign or negation dropped", node, operand
        case ast.Constant() if not isinstance(parent, ast.UnaryOp):
            yield from _other_constants(node)


def _other_constants(node: ast.expr) -> Iterator[Edit]:
    yield from (("other constant", node, repr(value)) for value in _other_values(ast.literal_eval(node)))


def _detached(value: ast.expr) -> Iterator[Edit]:
    """What may be a tensor with a gradient, cut from it; not what surely has none."""
    match value:
        case ast.Call(func=ast.Attribute(attr="arange" | "size" | "tolist" | "item") | ast.Name(id="len" | "range")):
            return
        case ast.BinOp() | ast.Call() | ast.Subscript() | ast.Name() | ast.IfExp():
            yield "detached", value, ast.Call(ast.Attribute(value, "detach"), [], [])


def _condition(test: ast.expr) -> Iterator[Edit]:
    yield "condition dropped", test, "False"
    turned = isinstance(test, ast.Compare) and len(test.ops) == 1 and len(_OTHER[type(test.ops[0])]) == 1
    if not turned and not isinstance(test, ast.UnaryOp):  # those are turned round where they stand
        yield "condition negated", test, ast.UnaryOp(ast.Not(), test)


def _arithmetic(node: ast.BinOp) -> Iterator[Edit]:
    left, op, right = node.left, type(node.op), node.right
    yield from (("other operator", node, _with(node, op=other())) for other in _OTHER.get(op, ()))
    if op is not ast.MatMult:
        yield "operand dropped", node, left
    if op in (ast.Mult, ast.Add, ast.Sub, ast.BitAnd, ast.BitOr):
        yield "operand dropped", node, right
    if op in _IN_PLACE and isinstance(left, ast.Name | ast.Attribute | ast.Subscript):
        yield "in place", node, ast.Call(ast.Attribute(left, _IN_PLACE[op]), [right], [])


def _other_values(value: object) -> tuple[object, ...]:
    """Other numbers in the place of one: a neighbour, none at all, another order of magnitude."""
    match value:
        case bool():
            return (not value,)
        case int():
            return (value // 10,) if abs(value) >= 100 else (1,) if value == 0 else (value - 1, value + 1)
        case float():
            if value == 0 or abs(value) >= 1e4:
                return (1.0,) if value == 0 else (10.0 if value > 0 else -10.0,)
            return (0.0, value * 1000) if abs(value) < 1e-2 else (value * 2, value / 2)
    return ()


def _called(node: ast.Call) -> tuple[str, ast.expr | None]:
    """The name of what is called and, where it is a method of a value, the value."""
    match node.func:
        case ast.Attribute(value=value, attr=name):
            is_method = ast.unparse(value).split(".")[0] not in _MODULES and not name.startswith("__")
            return name, value if is_method else None
        case ast.Name(id=name):
            return name, None
    return "", None


def _call(node: ast.Call) -> Iterator[Edit]:
    args = node.args
    name, value = _called(node)
    if name == "float" and args and isinstance(args[0], ast.Constant) and isinstance(args[0].value, str):
        yield from (("other constant", node, number) for number in ("-10.0", "0.0"))
        return
    if name in ("size", "len"):
        yield "fixed size", node, SIZE
    elif name not in _KEEP and (value or args):
        yield "call dropped", node, value or args[0]
    if name in ("range", "arange") and not isinstance(stop := args[min(1, len(args) - 1)], ast.Constant):
        yield from _neighbours(stop)
    for i in range(len(args) - 1):
        alike = name in _SHAPES or type(args[i]) is type(args[i + 1])
        if alike and name not in _COMMUTE | _KEEP and ast.dump(args[i]) != ast.dump(args[i + 1]):
            yield "arguments swapped", node, _with(node, args=_swapped(args, i))
    if len(args) > 1:
        yield "argument dropped", node, _with(node, args=args[:-1])
    for keyword in node.keywords:
        yield "argument dropped", node, _with(node, keywords=[k for k in node.keywords if k is not keyword])


def _other_function(node: ast.Call, layers: list[str]) -> Iterator[Edit]:
    name, value = _called(node)
    others = {"other function": _OTHER_FUNCTION.get(name)}
    if value:
        others["in place"] = f"{name}_" if name in _HAVE_IN_PLACE else None
        others["out of place"] = name[:-1] if name.endswith("_") else None
    if name in layers and ast.unparse(node.func) == f"self.{name}":
        others["other layer"] = layers[(layers.index(name) + 1) % len(layers)]
    for what, other in others.items():
        if other and isinstance(node.func, ast.Attribute):
            yield what, node, _with(node, func=_with(node.func, attr=other))


def _neighbours(value: ast.expr) -> Iterator[Edit]:
    yield from (("off by one", value, ast.BinOp(value, op(), ast.Constant(1))) for op in (ast.Add, ast.Sub))


def _subscript(node: ast.Subscript) -> Iterator[Edit]:
    index = node.slice
    if isinstance(node.value, ast.Attribute) and node.value.attr == "shape" and not isinstance(index, ast.Slice):
        yield "fixed size", node, SIZE
    for part in index.elts if isinstance(index, ast.Tuple) else [index]:
        if isinstance(part, ast.Slice):
            for bound in (part.lower, part.upper):
                if bound is not None and not isinstance(bound, ast.Constant | ast.UnaryOp):
                    yield from _neighbours(bound)
    if isinstance(index, ast.Tuple):
        for i in range(len(index.elts) - 1):
            if ast.dump(index.elts[i]) != ast.dump(index.elts[i + 1]):
                yield "index swapped", node, _with(node, slice=_with(index, elts=_swapped(index.elts, i)))


def _attribute(node: ast.Attribute, parent: ast.AST) -> Iterator[Edit]:
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    is_used = isinstance(parent, ast.Attribute | ast.Subscript) or (
        isinstance(parent, ast.Call) and parent.func is node
    )
    if node.attr in ("T", "mT", "H"):
        yield "call dropped", node, node.value
    elif node.attr == "inf" and owner in _MODULES:
        yield "other constant", node, "10.0"
    elif owner in ("self", "config") and not is_used:  # neither a layer nor a tensor: it may well be a size
        yield "fixed size", node, SIZE
