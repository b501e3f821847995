"""Forbidden calls are found in the source however they are reached, and nothing else is taken for one."""

from __future__ import annotations

import contextlib
import json
import textwrap
from pathlib import Path

import pytest

from grader.errors import StudentError
from grader.intake.forbidden import Finding, match, uses
from grader.intake.inspect import inspect
from grader.intake.program import Program

FORBIDDEN = (
    "torch.nn.MultiheadAttention",
    "torch.nn.functional.multi_head_attention_forward",
    "torch.nn.functional.scaled_dot_product_attention",
    "torch.nn.Transformer*",
)
MODULE = "torch.nn.functional"
SDPA = f"{MODULE}.scaled_dot_product_attention"
MHA = "torch.nn.MultiheadAttention"
HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


def graded(folder: Path, code: str, files: dict[str, str] | None = None, name: str = "attention") -> list[Finding]:
    """The findings that a graded name owns."""
    folder.joinpath("attention.py").write_text(textwrap.dedent(code), encoding="utf-8")
    for path, text in (files or {}).items():
        folder.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
        folder.joinpath(path).write_text(textwrap.dedent(text), encoding="utf-8")
    return [f for f in uses(Program(folder, "attention.py"), FORBIDDEN) if name in f.owners]


FOUND = {
    "plain": "def attention(q):\n    return F.scaled_dot_product_attention(q, q, q)",
    "full path": "def attention(q):\n    return torch.nn.functional.scaled_dot_product_attention(q, q, q)",
    "from import": """
        from torch.nn.functional import scaled_dot_product_attention
        def attention(q):
            return scaled_dot_product_attention(q, q, q)""",
    "from import as": """
        from torch.nn.functional import scaled_dot_product_attention as innocent
        def attention(q):
            return innocent(q, q, q)""",
    "from torch import nn": """
        from torch import nn as layers
        def attention(q):
            return layers.functional.scaled_dot_product_attention(q, q, q)""",
    "deep path": """
        from torch.nn.modules.activation import MultiheadAttention as A
        class attention(nn.Module):
            def __init__(self):
                self.a = A(4, 2)""",
    "the import itself is exported": "from torch.nn.functional import scaled_dot_product_attention as attention",
    "the assignment is exported": "attention = F.scaled_dot_product_attention",
    "assigned alias": "sdpa = F.scaled_dot_product_attention\ndef attention(q):\n    return sdpa(q, q, q)",
    "alias of an alias": """
        a = F.scaled_dot_product_attention
        b = a
        c = b
        def attention(q):
            return c(q, q, q)""",
    "module alias": "f = torch.nn.functional\ndef attention(q):\n    return f.scaled_dot_product_attention(q, q, q)",
    "local module alias": """
        def attention(q):
            f = torch.nn.functional
            g = f
            return g.scaled_dot_product_attention(q, q, q)""",
    "walrus": "def attention(q):\n    return (f := F).scaled_dot_product_attention(q) + f.relu(q)",
    "walrus, later": "def attention(q):\n    print(f := F)\n    return f.scaled_dot_product_attention(q)",
    "tuple assignment": "f, n = F, nn\ndef attention(q):\n    return f.scaled_dot_product_attention(q, q, q)",
    "starred assignment": "f, *rest = F, nn, 1\ndef attention(q):\n    return f.scaled_dot_product_attention(q, q, q)",
    "getattr": 'def attention(q):\n    return getattr(F, "scaled_dot_product_attention")(q, q, q)',
    "getattr, added": 'def attention(q):\n    return getattr(F, "scaled_dot" + "_product_attention")(q, q, q)',
    "getattr, f-string": """
        def attention(q):
            kind = "dot_product"
            return getattr(F, f"scaled_{kind}_attention")(q, q, q)""",
    "getattr, join": 'def attention(q):\n    return getattr(F, "_".join(["scaled", "dot_product", "attention"]))(q)',
    "getattr, named": 'NAME = "scaled_dot_product_attention"\ndef attention(q):\n    return getattr(F, NAME)(q, q, q)',
    "getattr renamed": 'g = getattr\ndef attention(q):\n    return g(F, "scaled_dot_product_attention")(q)',
    "builtins": 'import builtins as b\ndef attention(q):\n    return b.getattr(F, "scaled_dot_product_attention")(q)',
    "__getattribute__": 'def attention(q):\n    return F.__getattribute__("scaled_dot_product_attention")(q)',
    "__dict__": 'def attention(q):\n    return F.__dict__["scaled_dot_product_attention"](q, q, q)',
    "vars": 'def attention(q):\n    return vars(F)["scaled_dot_product_attention"](q, q, q)',
    "vars get": 'def attention(q):\n    return vars(F).get("scaled_dot_product_attention")(q, q, q)',
    "globals": 'def attention(q):\n    return globals()["F"].scaled_dot_product_attention(q, q, q)',
    "sys.modules": """
        import sys
        def attention(q):
            return sys.modules["torch.nn.functional"].scaled_dot_product_attention(q, q, q)""",
    "import_module": """
        import importlib
        def attention(q):
            return importlib.import_module("torch.nn." + "functional").scaled_dot_product_attention(q, q, q)""",
    "import_module renamed": """
        from importlib import import_module as im
        f = im("torch.nn.functional")
        def attention(q):
            return f.scaled_dot_product_attention(q, q, q)""",
    "__import__": 'def attention(q):\n    return __import__("torch").nn.functional.scaled_dot_product_attention(q)',
    "star import": """
        from torch.nn.functional import *
        def attention(q):
            return scaled_dot_product_attention(q, q, q)""",
    "subclass": "class attention(nn.MultiheadAttention):\n    pass",
    "subclass of a subclass": """
        class Base(nn.MultiheadAttention): ...
        class attention(Base): ...""",
    "wildcard": "class attention(nn.Module):\n    layer = nn.TransformerEncoderLayer(4, 2)",
    "torch.ops": "def attention(q):\n    return torch.ops.aten.scaled_dot_product_attention(q, q, q)",
    "torch.ops, one kernel": """
        def attention(q):
            return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default(q, q, q)""",
    "torch._C": "def attention(q):\n    return torch._C._nn.scaled_dot_product_attention(q, q, q)",
    "function-local import": """
        def attention(q):
            from torch.nn import functional as G
            return G.scaled_dot_product_attention(q, q, q)""",
    "helper function": """
        def helper(q): return F.scaled_dot_product_attention(q, q, q)
        def middle(q): return helper(q)
        def attention(q): return middle(q)""",
    "helper class": """
        class Helper:
            def run(self, q): return F.scaled_dot_product_attention(q, q, q)
        class attention:
            def forward(self, q): return Helper().run(q)""",
    "instance": """
        class Layer(nn.Module):
            def __init__(self): self.inner = nn.MultiheadAttention(4, 2)
        layer = Layer()
        attention = layer""",
    "nested function": """
        def attention(q):
            def inner(x): return F.scaled_dot_product_attention(x, x, x)
            return inner(q)""",
    "closure, name reused later": """
        def attention(q):
            f = F
            inner = lambda x: f.scaled_dot_product_attention(x, x, x)
            out = inner(q)
            f = None
            return out""",
    "decorator": """
        def wrap(function): return F.scaled_dot_product_attention
        @wrap
        def attention(q): ...""",
    "default argument": "def attention(q, f=F.scaled_dot_product_attention):\n    return f(q, q, q)",
    "module as default argument": "def attention(q, f=F):\n    return f.scaled_dot_product_attention(q, q, q)",
    "lambda": "attention = lambda q: F.scaled_dot_product_attention(q, q, q)",
    "comprehension": "def attention(q):\n    return [f.scaled_dot_product_attention(q) for f in (F,)][0]",
    "loop over modules": """
        def attention(q):
            for f in [nn, F]:
                out = f.scaled_dot_product_attention(q)
            return out""",
    "registry": """
        table = {"a": F.scaled_dot_product_attention}
        def attention(q): return table["a"](q, q, q)""",
    "module in a container": """
        table = {"a": F}
        def attention(q): return table["a"].scaled_dot_product_attention(q, q, q)""",
    "filled registry": """
        table = {}
        table["a"] = F.scaled_dot_product_attention
        def attention(q): return table["a"](q, q, q)""",
    "patched method": """
        class attention(nn.Module): ...
        attention.forward = lambda self, q: F.scaled_dot_product_attention(q, q, q)""",
    "either": """
        try:
            from torch.nn.functional import scaled_dot_product_attention as dot
        except ImportError:
            def dot(q): return q
        def attention(q): return dot(q)""",
    "if expression": "def attention(q, fast=True):\n    return (F if fast else nn).scaled_dot_product_attention(q)",
    "patched library": "import torch.nn as torch_\nnn.functional.extra = 1\nattention = torch_.MultiheadAttention",
    "class body": """
        class attention:
            F = F
            dot = F.scaled_dot_product_attention""",
    "class attribute does not hide": """
        class attention:
            F = None
            def forward(self, q): return F.scaled_dot_product_attention(q, q, q)""",
    "global statement": """
        def setup():
            global dot
            dot = F.scaled_dot_product_attention
        setup()
        def attention(q): return dot(q, q, q)""",
    "compatibility letters": "def attention(q):\n    return \uff26.scaled_dot_product_attention(q, q, q)",
    "match": """
        def attention(q):
            match q.ndim:
                case 3: return F.scaled_dot_product_attention(q, q, q)""",
    "async": "async def attention(q):\n    return await F.scaled_dot_product_attention(q, q, q)",
    "partial": "import functools\nattention = functools.partial(F.scaled_dot_product_attention, is_causal=True)",
    "own definition comes first": """
        def dot(q): return q
        from torch.nn.functional import scaled_dot_product_attention as dot
        def attention(q): return dot(q)""",
    "branch of a circle": "f = F\nf = f\ndef attention(q):\n    return f.scaled_dot_product_attention(q)",
}


@pytest.mark.parametrize("code", FOUND.values(), ids=FOUND)
def test_a_forbidden_call_is_found(code: str, tmp_path: Path) -> None:
    calls = {finding.call for finding in graded(tmp_path, HEAD + textwrap.dedent(code))}
    assert calls
    assert all("ttention" in call or "Transformer" in call for call in calls)


LEFT_ALONE = {
    "comment": "def attention(q):\n    # F.scaled_dot_product_attention would do this\n    return q",
    "docstring": 'def attention(q):\n    """Like F.scaled_dot_product_attention."""\n    return q',
    "string": 'def attention(q):\n    print("nn.MultiheadAttention")\n    return q',
    "unused import": "from torch.nn import MultiheadAttention\ndef attention(q):\n    return q",
    "own function": """
        def scaled_dot_product_attention(q): return q
        def attention(q): return scaled_dot_product_attention(q)""",
    "own class": """
        class MultiheadAttention(nn.Module): ...
        class attention(nn.Module):
            def __init__(self): self.a = MultiheadAttention()""",
    "own class after a star import": """
        from torch.nn import *
        class MultiheadAttention(Module): ...
        def attention(q): return MultiheadAttention()(q)""",
    "own class after the import": """
        from torch.nn import MultiheadAttention
        class MultiheadAttention(nn.Module): ...
        def attention(q): return MultiheadAttention()(q)""",
    "own assignment after a star import": """
        from torch.nn.functional import *
        scaled_dot_product_attention = lambda q: q
        def attention(q): return scaled_dot_product_attention(q)""",
    "attribute of self": """
        class attention(nn.Module):
            def __init__(self): self.MultiheadAttention = nn.Linear(2, 2)
            def forward(self, q): return self.MultiheadAttention(q)""",
    "attribute of an unknown object": "def attention(q, layer):\n    return layer.scaled_dot_product_attention(q)",
    "parameter named F": "def attention(q, F):\n    return F.scaled_dot_product_attention(q)",
    "local name F": "def attention(q):\n    F = Own()\n    return F.scaled_dot_product_attention(q)",
    "main guard": """
        def attention(q): return q
        if __name__ == "__main__":
            print(F.scaled_dot_product_attention(attention(1)))
            attention = F.scaled_dot_product_attention""",
    "exploratory expression": """
        def attention(q): return q
        print(torch.allclose(attention(1), F.scaled_dot_product_attention(1)))""",
    "exploratory name": """
        def attention(q):
            expected = q
            return expected
        expected = F.scaled_dot_product_attention(1)""",
    "test function": """
        def attention(q): return q
        def test_attention():
            assert torch.allclose(attention(1), F.scaled_dot_product_attention(1))""",
    "annotation": "def attention(q: nn.MultiheadAttention) -> nn.Transformer:\n    layer: nn.Transformer\n    return q",
    "other functions": "def attention(q):\n    return F.softmax(q, -1) @ nn.Linear(2, 2).weight",
    "name of a parameter": "def attention(q, MultiheadAttention=None):\n    return MultiheadAttention",
    "keyword": "def attention(q):\n    return dict(scaled_dot_product_attention=q)",
    "dictionary key": 'def attention(q):\n    return {"MultiheadAttention": q}["MultiheadAttention"]',
    "earlier version": """
        def attention(q): return F.scaled_dot_product_attention(q)
        def attention(q): return q""",
    "other library": "import other.nn as o\ndef attention(q):\n    return o.MultiheadAttention(q)",
    "getattr of self": 'class attention:\n    def forward(self):\n        return getattr(self, "MultiheadAttention")',
    "own name in a comprehension": "def attention(q):\n    return [F.scaled_dot_product_attention for F in q]",
    "own exception name": """
        def attention(q):
            try: return q
            except ValueError as F: return F.scaled_dot_product_attention""",
    "nested own definition": """
        def attention(q):
            def scaled_dot_product_attention(x): return x
            return scaled_dot_product_attention(q)""",
    "deleted": "def attention(q):\n    return q\nx = F.scaled_dot_product_attention\ndel x",
}


@pytest.mark.parametrize("code", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_honest_code_is_left_alone(code: str, tmp_path: Path) -> None:
    assert graded(tmp_path, HEAD + textwrap.dedent(code)) == []


FILES = {
    "from": ("from layers import attention", {"layers.py": "import torch\nattention = torch.nn.MultiheadAttention"}),
    "import": (
        "import layers\ndef attention(q): return layers.helper(q)",
        {"layers.py": "import torch\n\ndef helper(q): return torch.nn.MultiheadAttention(q)"},
    ),
    "import as": (
        "import layers as L\nclass attention(L.Base): ...",
        {"layers.py": "import torch\nclass Base(torch.nn.MultiheadAttention): ..."},
    ),
    "local import": (
        "def attention(q):\n    from layers import Base as B\n    return B(q)",
        {"layers.py": "import torch\nclass Base(torch.nn.MultiheadAttention): ..."},
    ),
    "relative": (
        "from .layers import attention",
        {"layers.py": "from torch.nn import MultiheadAttention as attention"},
    ),
    "relative module": (
        "from . import layers\ndef attention(q): return layers.A(q)",
        {"layers.py": "from torch.nn import MultiheadAttention as A"},
    ),
    "star": ("from layers import *", {"layers.py": "import torch\nattention = torch.nn.MultiheadAttention"}),
    "star in a circle": (
        "from layers import *",
        {"layers.py": "from attention import *\nimport torch\nattention = torch.nn.MultiheadAttention"},
    ),
    "package": (
        "import parts.layers\ndef attention(q): return parts.layers.A(q)",
        {"parts/__init__.py": "", "parts/layers.py": "import torch\nA = torch.nn.MultiheadAttention"},
    ),
    "package without init": (
        "from parts import layers\ndef attention(q): return layers.A(q)",
        {"parts/layers.py": "import torch\nA = torch.nn.MultiheadAttention"},
    ),
    "package that re-exports": (
        "from parts import A\ndef attention(q): return A(q)",
        {
            "parts/__init__.py": "from .deep.layers import A",
            "parts/deep/layers.py": "from torch.nn import MultiheadAttention as A",
        },
    ),
    "two levels up": (
        "from parts.deep.layers import A as attention",
        {
            "parts/deep/layers.py": "from ..base import A",
            "parts/base.py": "import torch\nA = torch.nn.MultiheadAttention",
        },
    ),
    "torch through an own file": (
        "from layers import F\ndef attention(q): return F.scaled_dot_product_attention(q)",
        {"layers.py": "import torch.nn.functional as F"},
    ),
    "import_module": (
        'import importlib\ndef attention(q): return importlib.import_module("layers").A(q)',
        {"layers.py": "import torch\nA = torch.nn.MultiheadAttention"},
    ),
    "an own torch.py hides nothing": (
        "import torch\nattention = torch.nn.MultiheadAttention",
        {"torch.py": "class nn: ..."},
    ),
}


@pytest.mark.parametrize(("code", "files"), FILES.values(), ids=FILES)
def test_a_forbidden_call_is_found_through_own_files(code: str, files: dict[str, str], tmp_path: Path) -> None:
    assert graded(tmp_path, code, files)


def test_honest_own_files_are_left_alone(tmp_path: Path) -> None:
    code = """
        from torch.nn import *
        from layers import MultiheadAttention, scaled_dot_product_attention
        import broken, missing
        class attention(MultiheadAttention):
            def forward(self, q): return scaled_dot_product_attention(q) + broken.MultiheadAttention(q)"""
    layers = """
        import torch.nn.functional as F
        class MultiheadAttention: ...
        def scaled_dot_product_attention(q): return q
        def unused(q): return F.scaled_dot_product_attention(q)
        if __name__ == "__main__":
            F.scaled_dot_product_attention(1)"""
    assert graded(tmp_path, code, {"layers.py": layers, "broken.py": "def ("}) == []


def test_a_finding_says_what_where_and_whose(tmp_path: Path) -> None:
    code = (
        HEAD + "def helper(q):\n    return (F\n        .scaled_dot_product_attention)(q)\n\n"
        "def attention(q):\n    return helper(q)\n"
    )
    code += "from parts import layers as parts\nclass Block(parts.Base): ...\nfree = 1\n"
    layers = "\nimport torch.nn as n\nclass Base(n.TransformerDecoder): ...\n"
    graded(tmp_path, code, {"parts/layers.py": layers})
    assert uses(Program(tmp_path, "attention.py"), FORBIDDEN) == (
        Finding(SDPA, "line 6", 6, ("helper", "attention")),
        Finding("torch.nn.TransformerDecoder", "parts/layers.py, line 3", 3, ("Block",)),
    )


def test_a_deep_path_is_called_by_its_public_name(tmp_path: Path) -> None:
    (found,) = graded(tmp_path, "import torch\nattention = torch.nn.modules.activation.MultiheadAttention")
    assert found.call == MHA


def test_an_import_is_owned_by_its_own_name_only(tmp_path: Path) -> None:
    graded(tmp_path, "from torch.nn import MultiheadAttention as M\ndef attention(q): return q")
    assert uses(Program(tmp_path, "attention.py"), FORBIDDEN) == (Finding(MHA, "line 1", 1, ("M",)),)


def test_notebook_cells_are_one_program(tmp_path: Path) -> None:
    cells = [
        "!pip install torch\nimport torch.nn.functional as F",
        "def helper(q):\n    return F.scaled_dot_product_attention(q)",
        "def attention(q):\n    return helper(q)\nif __name__ == '__main__':\n    late = " + SDPA.replace(MODULE, "F"),
        "this is not Python",
        "def attention_weights(q):\n    return q\nF.scaled_dot_product_attention(1)",
    ]
    notebook = {"nbformat": 4, "cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    (tmp_path / "attention.ipynb").write_text(json.dumps(notebook))
    assert uses(Program(tmp_path, "attention.ipynb"), FORBIDDEN) == (
        Finding(SDPA, "cell 2, line 2", 4, ("helper", "attention")),
        Finding(SDPA, "cell 3, line 4", 8, ("late",)),
    )


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("torch.nn.MultiheadAttention", MHA),
        ("torch.nn.modules.activation.MultiheadAttention", MHA),
        ("torch.nn.TransformerEncoder", "torch.nn.TransformerEncoder"),
        ("torch.nn.modules.transformer", None),
        ("torch.nn.MultiheadAttention.forward", None),
        ("torch.nn.functional.softmax", None),
        ("other.nn.MultiheadAttention", None),
        ("torch.ops.aten._scaled_dot_product_attention_math", "torch.ops.aten._scaled_dot_product_attention_math"),
        ("torch.ops.aten.dot", None),
        ("torch.functional.attention_dot_scaled_product", None),
    ],
)
def test_the_first_and_the_last_part_decide(path: str, call: str | None) -> None:
    assert match(path, FORBIDDEN) == call


def test_nothing_is_forbidden_by_an_empty_list(tmp_path: Path) -> None:
    graded(tmp_path, "import torch\nattention = torch.nn.MultiheadAttention")
    assert uses(Program(tmp_path, "attention.py"), ()) == ()


@pytest.mark.parametrize(
    "code",
    ["def attention(q):\n    return " + "q + " * 900 + "q", "def attention(q):\n    return q" + ".view(1)" * 500],
    ids=["sum", "chain"],
)
def test_long_expressions_are_followed(code: str, tmp_path: Path) -> None:
    assert graded(tmp_path, code) == []
    assert graded(tmp_path, f"{HEAD}{code} + F.scaled_dot_product_attention(q)")


@pytest.mark.parametrize(
    "code",
    [
        "\n".join(f"x{i} = x{max(i - 1, 0)}.y or x{max(i - 1, 0)}.z" for i in range(100)) + "\nattention = x99",
        "\n".join(f"x{i} = torch.x{i}" for i in range(100))
        + "\nattention = ["
        + ", ".join(f"x{i}" for i in range(100))
        + "].y",
        "x0 = torch\n" + "\n".join(f"x{i + 1} = x{i}.a or x{i}.b" for i in range(50)) + "\nattention = x50",
        'a = "x"\n' + "\n".join("a = a + a" for _ in range(50)) + "\nattention = getattr(torch, a)",
        "x = torch\n" + "x = x.a or x.b\n" * 50 + "attention = x",
        "\n".join(f"def f{i}(): return f{i + 1}" for i in range(1000)) + "\nattention = f0",
    ],
    ids=["circle", "many values", "doubling", "doubling text", "one name, many ways", "long way"],
)
def test_tangled_code_ends_soon(code: str, tmp_path: Path) -> None:
    with contextlib.suppress(StudentError):  # the answer that it cannot be followed
        assert graded(tmp_path, HEAD + code) == []


def test_code_that_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    doubling = "x0 = torch\n" + "\n".join(f"x{i + 1} = x{i}.a or x{i}.b" for i in range(10)) + "\nattention = x10"
    with pytest.raises(StudentError, match="too many things"):
        graded(tmp_path, HEAD + doubling)


def test_inspect_gives_plain_data(tmp_path: Path) -> None:
    code = (
        HEAD + "def attention(q):\n    return F.scaled_dot_product_attention(q)\n"
        "def attention(q):\n    return q\nlayer = nn.MultiheadAttention(2, 1)\n"
    )
    graded(tmp_path, code)
    seen = inspect(Program(tmp_path, "attention.py"), FORBIDDEN)
    assert seen == {
        "names": {"torch": "line 1", "nn": "line 2", "F": "line 3", "attention": "line 6", "layer": "line 8"},
        "imported": ["torch", "nn", "F"],
        "findings": [[MHA, "line 8", 8, ["layer"]]],
        "notes": ["attention is defined 2 times (line 4, line 6); the last definition counts."],
    }
    assert json.loads(json.dumps(seen)) == seen


def test_inspect_refuses_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "attention.py").write_text("def attention(:\n")
    with pytest.raises(StudentError, match="line 1") as caught:
        inspect(Program(tmp_path, "attention.py"), FORBIDDEN)
    assert caught.value.line == 1


def test_a_use_behind_another_graded_name_is_that_ones_alone(tmp_path: Path) -> None:
    source = """
    import torch.nn.functional as F

    def helper(x):
        return F.softplus(x)

    def twice(x):
        return helper(x)

    class Layer:
        def forward(self, x):
            return twice(x)

    class Direct:
        def forward(self, x):
            return twice(x) + helper(x)
    """
    (tmp_path / "main.py").write_text(textwrap.dedent(source))
    forbidden = ["torch.nn.functional.softplus"]
    (alone,) = uses(Program(tmp_path, "main.py"), forbidden, ["twice", "Layer", "Direct"])
    assert set(alone.owners) == {"helper", "twice", "Direct"}
    (everyone,) = uses(Program(tmp_path, "main.py"), forbidden)
    assert set(everyone.owners) == {"helper", "twice", "Direct", "Layer"}
