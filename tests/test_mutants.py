"""Mutants: each kind of change on a small line, only where students write, each once, each still a program."""

from __future__ import annotations

import ast

import pytest

from grader.proof.mutants import Mutant, mutants

FRAME = '''"""Docs: x / 2."""

def f(x, y, n: int, config=None, scale: float = 1.0 + 1):
    """Twice x / 2."""
    given = x / 3
    # BEGIN SOLUTION Task 1: f
    {body}
    # END SOLUTION
    return given * 2
'''


def changes(body: str) -> dict[str, set[str]]:
    """What the lines of `body` may become, by kind of change."""
    found: dict[str, set[str]] = {}
    for mutant in mutants(FRAME.format(body=body)):
        found.setdefault(mutant.operator, set()).add(mutant.after)
    return found


CASES = [
    ("z = x / y", "operand dropped", {"z = x"}),
    ("z = x * y", "operand dropped", {"z = x", "z = y"}),
    ("z = (x + y) / 2", "operand dropped", {"z = x + y", "z = (x) / 2", "z = (y) / 2"}),
    ("z = f(x + y) ** y * n", "call dropped", {"z = (x + y) ** y * n"}),
    ("z = x / y", "other operator", {"z = x * y"}),
    ("z = x + y", "in place", {"z = x.add_(y)"}),
    ("z = x.masked_fill(y, 0.0)", "in place", {"z = x.masked_fill_(y, 0.0)"}),
    ("z = x.add_(y)", "out of place", {"z = x.add(y)"}),
    ("x += y", "out of place", {"x = x + y"}),
    ("x = x.float()", "result not kept", {"x.float()"}),
    ("z = x.transpose(1, 2)", "call dropped", {"z = x"}),
    ("z = x.permute(1)", "other constant", {"z = x.permute(0)", "z = x.permute(2)"}),
    ("z = x.view(n, 3, 4)", "arguments swapped", {"z = x.view(3, n, 4)", "z = x.view(n, 4, 3)"}),
    ("z = x.softmax(dim=-1)", "other constant", {"z = x.softmax(dim=-2)", "z = x.softmax(dim=0)"}),
    ("z = x.softmax(dim=-1)", "argument dropped", {"z = x.softmax()"}),
    ("z = x.softmax(-1)", "other function", {"z = x.log_softmax(-1)"}),
    ("z = torch.tril(x)", "other function", {"z = torch.triu(x)"}),
    ("z = f(x, y, n)", "argument dropped", {"z = f(x, y)"}),
    ("z = self.q(x) - self.k(y)", "other layer", {"z = self.k(x) - self.k(y)", "z = self.q(x) - self.q(y)"}),
    ("z = self.drop(x)", "call dropped", {"z = x"}),
    ("z = x @ y", "detached", {"z = (x @ y).detach()"}),
    ("return x @ y, y", "detached", {"return (x @ y).detach(), y", "return x @ y, y.detach()"}),
    ("return x, y", "values swapped", {"return y, x"}),
    ("return x, y", "other value", {"return y, y", "return x, x"}),
    ("a, b = x.shape", "values swapped", {"b, a = x.shape"}),
    ("z = x[:, 1:-1]", "other constant", {"z = x[:, 0:-1]", "z = x[:, 2:-1]", "z = x[:, 1:-2]", "z = x[:, 1:0]"}),
    ("z = x[:y]", "off by one", {"z = x[:y + 1]", "z = x[:y - 1]"}),
    ("z = x[:, None]", "index swapped", {"z = x[None, :]"}),
    ("z = torch.arange(y)", "off by one", {"z = torch.arange(y + 1)", "z = torch.arange(y - 1)"}),
    ("z = range(1, len(x))", "off by one", {"z = range(1, len(x) + 1)", "z = range(1, len(x) - 1)"}),
    ("z = x + 0", "other constant", {"z = x + 1"}),
    ("z = x + 1e-5", "other constant", {"z = x + 0.0", "z = x + 0.01"}),
    ("z = x - 1e9", "other constant", {"z = x - 10.0"}),
    ('z = float("-inf")', "other constant", {"z = -10.0", "z = 0.0"}),
    ("z = x.fill(-torch.inf)", "other constant", {"z = x.fill(-10.0)"}),
    ("z = f(x, bias=False)", "other constant", {"z = f(x, bias=True)"}),
    ("z = x < y", "other comparison", {"z = x <= y", "z = x > y"}),
    ("z = x == y", "other comparison", {"z = x != y"}),
    ("z = x and y", "other operator", {"z = x or y"}),
    ("z = x & y", "other operator", {"z = x | y"}),
    ("z = not x", "sign or negation dropped", {"z = x"}),
    ("z = ~x", "sign or negation dropped", {"z = x"}),
    ("z = x.size(y)", "fixed size", {"z = 2"}),
    ("z = x.shape[y]", "fixed size", {"z = 2"}),
    ("z = x + n", "fixed size", {"z = x + 2"}),
    ("z = x + config.width", "fixed size", {"z = x + 2"}),
    ("z = x if y else n", "branch dropped", {"z = x", "z = n"}),
    ("if x > 1: y = 2", "condition dropped", {"if False: y = 2"}),
    ("if x > 1: y = 2", "condition negated", {"if not x > 1: y = 2"}),
    ("for i in x: y = i", "loop skipped", {"for i in []: y = i"}),
    ("z = [i for i in x if i]", "condition dropped", {"z = [i for i in x if True]"}),
    ("raise ValueError(x + 1)", "statement deleted", {"pass"}),
    ("x.zero_()", "statement deleted", {"pass"}),
    ("assert x", "statement deleted", {"pass"}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "operator", "expected"), CASES, ids=[f"{body}: {kind}" for body, kind, _ in CASES])
def test_a_line_may_become(body: str, operator: str, expected: set[str]) -> None:
    assert changes(body).get(operator, set()) == expected


@pytest.mark.parametrize(
    "body",
    [
        '"""A text about x / 2."""',
        "z: list[int | None] = x",
        'raise ValueError(f"{x + 1} is {x / 2}")',
        "z = x.contiguous()",
        "z = torch.logical_and(x, y)",
    ],
)
def test_what_makes_no_difference_is_left_alone(body: str) -> None:
    assert changes(body).keys() <= {"statement deleted", "detached", "argument dropped", "call dropped"}
    assert "call dropped" not in changes("z = x.contiguous()")
    assert "arguments swapped" not in changes("z = torch.logical_and(x, y)")


def test_only_what_students_write_is_changed() -> None:
    source = FRAME.format(body="z = x / y")
    found = mutants(source)
    begin = source.split("\n").index("    # BEGIN SOLUTION Task 1: f") + 1
    assert {mutant.line for mutant in found} == {begin + 1}
    for mutant in found:
        kept = [line for number, line in enumerate(mutant.source.split("\n"), 1) if number != mutant.line]
        assert kept == [line for number, line in enumerate(source.split("\n"), 1) if number != mutant.line]


def test_each_says_which_function_or_method_it_changes() -> None:
    body = "{indent}# BEGIN SOLUTION Task 1: f\n{indent}y = x / 2\n{indent}# END SOLUTION\n{indent}return y\n"
    inner, outer = body.format(indent=" " * 8), body.format(indent=" " * 4)
    source = f"class C:\n    size = 3\n\n    def forward(self, x):\n{inner}\n\ndef g(x):\n{outer}"
    assert {mutant.within for mutant in mutants(source)} == {"C.forward", "g"}


def test_parts_are_graded_elsewhere() -> None:
    assert mutants(FRAME.format(body="z = x / y"), parts=["f"]) == []


def test_each_is_another_program_once() -> None:
    source = FRAME.format(body="z = x / 2 ** 0.5 if y < n else x[:, 1:, None] * (x + 1)")
    trees = [ast.dump(ast.parse(mutant.source)) for mutant in mutants(source)]
    assert len(trees) > 20
    assert len(set(trees)) == len(trees)
    assert ast.dump(ast.parse(source)) not in trees


def test_columns_are_counted_in_bytes_and_comments_stay_apart() -> None:
    found = mutants(FRAME.format(body='z = f("äöü", x / y)  # x / y, ü'))
    (mutant,) = [mutant for mutant in found if mutant.operator == "other operator"]
    assert (mutant.before, mutant.after) == ('z = f("äöü", x / y)', 'z = f("äöü", x * y)')
    assert mutant.source.endswith("return given * 2\n")


def test_a_statement_over_several_lines_is_one_line_of_text() -> None:
    found = mutants(FRAME.format(body="z = f(\n        x,  # first\n        y,\n    )"))
    after = {mutant.after for mutant in found if mutant.operator == "arguments swapped"}
    assert after == {"z = f(y, x)"}
    assert {m.before for m in found if m.operator == "statement deleted"} == {"z = f( x, y, )"}


def test_ids_stay_when_other_lines_move() -> None:
    def ids(found: list[Mutant]) -> list[str]:
        return [mutant.id for mutant in found]

    before = ids(mutants(FRAME.format(body="z = x / y")))
    after = ids(mutants(FRAME.format(body="w = y\n    z = x / y")))
    assert len(set(after)) == len(after)
    assert set(before) < set(after)
