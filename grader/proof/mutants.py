"""Mutants: the solution with one small change in it, inside the regions that students are to write."""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grader.proof.edits import Edit, edits

_ATOMS = (ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.Constant, ast.List, ast.Tuple, ast.stmt)
_APART = {"annotation", "returns", "decorator_list", "type_params"}  # fields that no student's result depends on


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: what was done, where, and the program with it."""

    id: str  # of the change and the line's text: other lines may move
    operator: str
    within: str  # the function, class or method of the solution that it changes
    line: int
    before: str  # the line without indentation and comment
    after: str
    source: str

    def to_json(self) -> dict[str, str | int]:
        """All but the program."""
        shown = "id", "operator", "line", "before", "after"
        return {name: getattr(self, name) for name in shown}


def mutants(source: str, parts: Sequence[str] = ()) -> list[Mutant]:
    """Every mutant of `source` once, in order of lines. Definitions named in `parts` are graded elsewhere."""
    text, tree = _Text(source), ast.parse(source)
    seen = {(number, ast.dump(node)) for number, node in enumerate(tree.body)}
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    for parent, node, sizes, layers in _walk(tree, parts):
        for edit in edits(node, parent, sizes, layers):
            if edit[1].lineno not in text.inside:  # type: ignore[attr-defined]
                continue
            changed, before, after = text.apply(edit, node, parent)
            operator, line = edit[0], edit[1].lineno  # type: ignore[attr-defined]
            if (parsed := _parsed(changed, _number_of(tree, line))) is None or parsed in seen:
                continue
            seen.add(parsed)
            counts[operator, before] += 1
            digest = hashlib.sha256(before.encode()).hexdigest()[:6]
            name = f"{operator.replace(' ', '-')}-{digest}-{counts[operator, before]}"
            found.append(Mutant(name, operator, _within(tree, line), line, before, after, changed))
    return sorted(found, key=lambda mutant: mutant.line)


def _number_of(tree: ast.Module, line: int) -> int:
    """Which statement of the file holds `line`."""
    return next(i for i, node in enumerate(tree.body) if node.lineno <= line <= (node.end_lineno or 0))


def _parsed(source: str, number: int) -> tuple[int, str] | None:
    """The statement of the file that was changed; None where Python cannot read it."""
    try:
        return number, ast.dump(ast.parse(source).body[number])
    except SyntaxError:
        return None


Place = tuple[ast.AST, ast.AST, set[str], list[str]]  # parent, node, names of sizes, layers of self


def _within(tree: ast.Module, line: int) -> str:
    """The function, class or method that holds `line`: "attention", "Attention.forward"."""
    found: list[str] = []
    body: Sequence[ast.stmt] = tree.body
    while (around := next((n for n in body if n.lineno <= line <= (n.end_lineno or 0)), None)) is not None:
        if not isinstance(around, ast.FunctionDef | ast.ClassDef):
            break
        found.append(around.name)
        body = around.body if isinstance(around, ast.ClassDef) else ()
    return ".".join(found)


def _walk(tree: ast.Module, parts: Sequence[str]) -> Iterator[Place]:
    for node in tree.body:
        if getattr(node, "name", None) not in parts:
            yield from _below(tree, node, set(), [])


def _below(parent: ast.AST, node: ast.AST, sizes: set[str], layers: list[str]) -> Iterator[Place]:
    """The node and all in it that a student's result depends on: no docstrings, messages or types."""
    if isinstance(node, ast.FunctionDef):
        sizes, layers = sizes | _sizes(node), _layers(node)
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    if is_text or isinstance(node, ast.JoinedStr):
        return
    yield parent, node, sizes, layers
    if isinstance(node, ast.Raise):
        return
    for field, value in ast.iter_fields(node):
        if field not in _APART:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _below(node, child, sizes, layers)


def _sizes(function: ast.FunctionDef) -> set[str]:
    """Names that hold sizes: whole numbers among the arguments, and what a shape was taken apart into."""
    found = {a.arg for a in function.args.args if isinstance(a.annotation, ast.Name) and a.annotation.id == "int"}
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=value):
                if ast.unparse(value).endswith((".shape", ".size()")):
                    found |= {name.id for name in names if isinstance(name, ast.Name)}
    return found


def _layers(function: ast.FunctionDef) -> list[str]:
    """The attributes of self that the function calls, each once."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    own = [f.attr for f in calls if isinstance(f, ast.Attribute) and ast.unparse(f.value) == "self"]
    return list(dict.fromkeys(own))


class _Text:
    """The source as bytes, which is how syntax trees count columns."""

    def __init__(self, source: str) -> None:
        self._bytes = source.encode()
        self._starts = [0]
        for written in self._bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(written))
        self.inside: set[int] = set()  # the numbers of the lines between BEGIN and END SOLUTION
        opened = False
        for number, line in enumerate(source.split("\n"), 1):
            opened = (opened or "# BEGIN SOLUTION" in line) and "# END SOLUTION" not in line
            if opened:
                self.inside.add(number)
        self._comments = {
            token.start[0]: token.string
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
        }

    def apply(self, edit: Edit, node: ast.AST, parent: ast.AST) -> tuple[str, str, str]:
        """Return the changed source, and the line before and after the change."""
        _, old, new = edit
        assert isinstance(old, ast.expr | ast.stmt)
        last = old.end_lineno or old.lineno
        start, end = self._starts[old.lineno - 1] + old.col_offset, self._starts[last - 1] + (old.end_col_offset or 0)
        text = (new if isinstance(new, str) else ast.unparse(new)).encode()
        bare = self._bytes[start - 1 : start] + self._bytes[end : end + 1] != b"()"
        if isinstance(new, ast.Tuple) and self._bytes[start : start + 1] != b"(":
            text = text[1:-1]
        elif bare and _binds(parent if old is node else node, old) and not _is_whole(new):
            text = b"(" + text + b")"
        changed = self._bytes[:start] + text + self._bytes[end:]
        first, rest = self._starts[old.lineno - 1], self._starts[last]
        lines = self._bytes[first:rest], self._bytes[first:start] + text + self._bytes[end:rest]
        comments = [self._comments.get(number, "") for number in range(old.lineno, last + 1)]
        before, after = (_plain(line, comments) for line in lines)
        return changed.decode(), before, after


def _is_whole(new: ast.AST | str) -> bool:
    return not new.startswith("-") if isinstance(new, str) else isinstance(new, _ATOMS)


def _binds(around: ast.AST, old: ast.AST) -> bool:
    """Whether what takes the place of `old` inside `around` may need brackets."""
    held = around.value if isinstance(around, ast.Attribute | ast.Subscript) else None
    return held is old or isinstance(around, ast.BinOp | ast.UnaryOp | ast.BoolOp | ast.Compare | ast.Starred)


def _plain(line: bytes, comments: Sequence[str]) -> str:
    text = line.decode()
    for comment in filter(None, comments):
        text = text.replace(comment, "")
    return " ".join(text.split())
