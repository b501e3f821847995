"""The house stays small: sizes, docstrings, names, and nothing in it that points to where packages come from."""

from __future__ import annotations

import ast
import io
import subprocess
import tokenize
from pathlib import Path

import pytest

COURSE = Path(__file__).parent.parent
ENGINE = sorted((COURSE / "grader").rglob("*.py"))
TESTS = sorted((COURSE / "tests").rglob("*.py"))

MODULE_LINES = 280  # about 250 is the aim
FUNCTION_LINES = 45  # about 40 is the aim
# Of code, without comments and docstrings. The engine locks, carries and runs; the checks compare, map and name
# differences; around them stand the rooms that read what was handed in, prove checks, write reports and talk to people.
ENGINE_LINES, CHECKS_LINES, ALL_LINES = 5005, 2345, 12681
ENGINE_ROOMS = {"wire", "sandbox", "run", "errors.py", "text.py", "records.py", "assignment.py"}

# Written apart, so that this file does not name them itself.
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("debian", "org"))]

by_path = pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.relative_to(COURSE)))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def code_lines(path: Path) -> int:
    """Lines that hold code: no blank ones, comments or docstrings."""
    text = path.read_text(encoding="utf-8")
    dull = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in dull:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


@by_path
def test_a_module_fits_the_head(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MODULE_LINES, f"{path} has {lines} lines; give a part of it a name and a file"


@by_path
def test_a_function_fits_the_screen(path: Path) -> None:
    sizes = {
        node.name: (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    long = {name: size for name, size in sizes.items() if size > FUNCTION_LINES}
    assert not long, f"{path}: {long}"


def test_the_engine_is_an_afternoons_reading() -> None:
    sizes = {path: code_lines(path) for path in ENGINE}

    def total(rooms: set[str]) -> int:
        return sum(size for path, size in sizes.items() if path.relative_to(COURSE).parts[1] in rooms)

    assert total(ENGINE_ROOMS) <= ENGINE_LINES, f"the engine has {total(ENGINE_ROOMS)} lines of code"
    assert total({"checks"}) <= CHECKS_LINES, f"grader/checks has {total({'checks'})} lines of code"
    assert sum(sizes.values()) <= ALL_LINES, f"grader/ has {sum(sizes.values())} lines of code"


def test_code_lines_counts_code(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    head = '"""Doc."""\n\n# why\nx = (\n    1,  # one\n\n)\n\n\n'
    path.write_text(head + 'def f():\n    """More\n    doc."""\n    return """a\nb"""\n')
    assert code_lines(path) == 6  # x = (, 1, ), def, return and its second line


@pytest.mark.parametrize("path", [*ENGINE, *TESTS], ids=lambda path: str(path.relative_to(COURSE)))
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree(path)), f"{path} has no docstring"
    assert path.stem not in {"utils", "util", "helpers", "common", "misc", "base", "manager"}


@by_path
def test_what_is_public_is_documented(path: Path) -> None:
    bare = [
        node.name
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not bare, f"{path}: no docstring: {', '.join(bare)}"


# These run as the student's process, whose code they are there to run.
STUDENTS = {COURSE / "grader" / "sandbox" / "kernel.py"}


@by_path
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    called = {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
    bad = {"eval", "pickle.load", "pickle.loads", "torch.load", "dill.load", "dill.loads", "marshal.loads", "os.system"}
    bad -= {"eval"} if path in STUDENTS else set()
    assert not called & bad, f"{path}: {called & bad}"


def test_no_file_names_where_packages_come_from() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=COURSE,
        capture_output=True,
        check=True,
    )
    paths = [COURSE / name for name in listed.stdout.decode().split("\0") if name]
    assert COURSE / "pyproject.toml" in paths
    named = [
        f"{path}: {host}" for path in paths if path.is_file() for host in HOSTS if host.encode() in path.read_bytes()
    ]
    assert not named
