"""Forbidden calls raise whichever way they are reached, everything else of torch works on, and forks can train."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SDPA = "torch.nn.functional.scaled_dot_product_attention"
MHA = "torch.nn.MultiheadAttention"
MHA_FORWARD = "torch.nn.functional.multi_head_attention_forward"
FORBIDDEN = [
    SDPA,
    MHA,
    MHA_FORWARD,
    "torch.nn.Transformer*",
    "torch.einsum",
    "torch.Tensor.cumsum",
    "torch.nn.functional.max_pool2d",
]

# Runs each attempt in a process where `FORBIDDEN` is installed, as a fork of it would; prints what came of each.
WORKER = r"""
import copy, functools, gc, importlib, inspect, json, os, sys, types, warnings
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)
early_function, early_class, EarlyName = F.scaled_dot_product_attention, nn.MultiheadAttention, nn.TransformerEncoder
partial = functools.partial(F.scaled_dot_product_attention, is_causal=True)
from grader.sandbox import guard
job = json.load(sys.stdin)
guard.install(job["forbidden"])
threads = len(os.listdir("/proc/self/task"))
warnings.simplefilter("ignore")
q = torch.randn(1, 2, 3, 4)
s = torch.randn(2, 3, 4)

def again(path):
    module = types.ModuleType("again")
    module.__package__ = path.rpartition(".")[0]
    loaded = sys.modules[path]
    text = inspect.getsource(loaded)
    if path == "torch.nn.functional":  # as a reload would, without the docstrings, which torch lets be set only once
        text = text.replace("_add_docstr(", "(lambda f, *_: f)(")
    exec(compile(text, loaded.__file__, "exec"), module.__dict__)
    return module

def call_scripted():
    def f(q):
        return F.scaled_dot_product_attention(q, q, q)
    return torch.jit.trace(f, (q,))

class OwnInit(nn.MultiheadAttention):
    def __init__(self):
        nn.Module.__init__(self)

class OwnNew(nn.MultiheadAttention):
    def __new__(cls, *args):
        return object.__new__(cls)

def new_replaced():
    nn.MultiheadAttention.__new__ = lambda cls, *args: object.__new__(cls)
    return nn.MultiheadAttention(4, 2)

def new_deleted():
    del nn.MultiheadAttention.__new__
    return nn.MultiheadAttention(4, 2)

def native():
    with torch.no_grad():
        weights = torch.ones(12, 4), torch.ones(12), torch.ones(4, 4), torch.ones(4)
        return torch._native_multi_head_attention(s, s, s, 4, 2, *weights)

def overridden(kernel, key):
    library = torch.library.Library("aten", "IMPL")
    library.impl("scaled_dot_product_attention", kernel, key)
    library._destroy()
    del library
    gc.collect()
    return F.scaled_dot_product_attention(q, q, q)

def fall_through():
    library = torch.library.Library("aten", "IMPL")
    library.impl("_scaled_dot_product_attention_math", torch.library.fallthrough_kernel, "AutogradCPU")
    return torch.ops.aten._scaled_dot_product_attention_math(q, q, q)

def excluded():
    with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.AutogradCPU)):
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, q, q)

def inference():
    with torch.inference_mode():
        x = torch.randn(1, 2, 3, 4)
        return F.scaled_dot_product_attention(x, x, x)

def autocast():
    with torch.autocast("cpu"):
        return F.scaled_dot_product_attention(q, q, q)

def lstm():
    model = nn.Sequential(nn.Embedding(5, 8), nn.LSTM(8, 8, batch_first=True))
    model(torch.zeros(2, 3, dtype=torch.long))[0].sum().backward()
    return all(p.grad is not None for p in model.parameters())

def block():
    model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Dropout(), nn.Linear(8, 4))
    weights = (model(s) @ s.transpose(1, 2)).masked_fill(torch.ones(3, 3).triu(1).bool(), float("-inf")).softmax(-1)
    loss = F.cross_entropy((weights @ s).flatten(0, 1), torch.zeros(6, dtype=torch.long))
    loss.backward()
    torch.optim.AdamW(model.parameters()).step()
    return bool(loss.isfinite())

def fork():
    pid = os.fork()
    if pid == 0:
        ok = block() and lstm()
        try:
            F.scaled_dot_product_attention(q, q, q)
        except guard.ForbiddenCall:
            os._exit(0 if ok else 2)
        os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

outcomes = {"threads": threads}
for name, text in job["attempts"].items():
    try:
        outcomes[name] = ["value", repr(eval(text, globals()))[:200]]
    except guard.ForbiddenCall as error:
        outcomes[name] = ["forbidden", error.call]
    except Exception as error:
        outcomes[name] = [type(error).__name__, str(error)]
print(json.dumps(outcomes))
"""

ARGUMENTS = "s, s, s, 4, 2, torch.ones(12, 4), None, None, None, False, 0.0, torch.ones(4, 4), None"
REACHED = {  # what a student might write, and the name it is forbidden under
    "F.": ("F.scaled_dot_product_attention(q, q, q)", SDPA),
    "alias from before": ("early_function(q, q, q)", SDPA),
    "getattr": ("getattr(F, 'scaled_dot' + '_product_attention')(q, q, q)", SDPA),
    "partial": ("partial(q, q, q)", SDPA),
    "torch._C._nn": ("torch._C._nn.scaled_dot_product_attention(q, q, q)", SDPA),
    "torch.ops": ("torch.ops.aten.scaled_dot_product_attention(q, q, q)", SDPA),
    "overload": ("torch.ops.aten.scaled_dot_product_attention.default(q, q, q)", SDPA),
    "decompose": ("torch.ops.aten.scaled_dot_product_attention.default.decompose(q, q, q)", SDPA),
    "math": ("torch.ops.aten._scaled_dot_product_attention_math(q, q, q)", SDPA),
    "math by the back door": ("torch._C._VariableFunctions._scaled_dot_product_attention_math(q, q, q)", SDPA),
    "fused": ("torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, q, q)", SDPA),
    "fused, past autograd": ("excluded()", SDPA),
    "inference": ("inference()", SDPA),
    "autocast": ("autocast()", SDPA),
    "vmap": ("torch.vmap(lambda x: F.scaled_dot_product_attention(x, x, x))(q[None])", SDPA),
    "grad": ("torch.func.grad(lambda x: F.scaled_dot_product_attention(x, x, x).sum())(q)", SDPA),
    "trace": ("call_scripted()", SDPA),
    "own kernel taken back": ("overridden(lambda *a, **k: q, 'CompositeImplicitAutograd')", SDPA),
    "kernel that falls through": ("fall_through()", SDPA),
    "torch source again": ("again('torch.nn.functional').scaled_dot_product_attention(q, q, q)", SDPA),
    "torch source again, beneath": (
        f"again('torch.nn.functional').multi_head_attention_forward({ARGUMENTS}, need_weights=False)",
        SDPA,
    ),
    "class": ("nn.MultiheadAttention(4, 2)", MHA),
    "class from before": ("early_class(4, 2)", MHA),
    "class by its own module": ("nn.modules.activation.MultiheadAttention(4, 2)", MHA),
    "subclass": ("type('Mine', (nn.MultiheadAttention,), {})(4, 2)", MHA),
    "subclass with its own __init__": ("OwnInit()", MHA),
    "subclass with its own __new__": ("OwnNew(4, 2)", MHA),
    "forward without an instance": ("nn.MultiheadAttention.forward(nn.Linear(4, 4), s, s, s)", MHA),
    "function": (f"F.multi_head_attention_forward({ARGUMENTS})", MHA_FORWARD),
    "native": ("native()", MHA),
    "reloaded class": ("importlib.reload(nn.modules.activation).MultiheadAttention(4, 2)(s, s, s)", MHA_FORWARD),
    "pattern": ("nn.TransformerEncoderLayer(4, 2)", "torch.nn.TransformerEncoderLayer"),
    "pattern, from before": ("EarlyName(None, 1)", "torch.nn.TransformerEncoder"),
    "whole transformer": ("nn.Transformer()", "torch.nn.Transformer"),
    "python function": ("torch.functional.einsum('ij->ji', q[0, 0])", "torch.einsum"),
    "method": ("q.cumsum(0)", "torch.Tensor.cumsum"),
    "method's function": ("torch.cumsum(q, 0)", "torch.Tensor.cumsum"),
    "function with a closure": ("F.max_pool2d(q, 2)", "torch.nn.functional.max_pool2d"),
    "class, __new__ replaced": ("new_replaced()", MHA),
}
ALLOWED = {  # and what must still work
    "training": ("block()", "True"),
    "lstm": ("lstm()", "True"),
    "vmap over matmul": ("torch.vmap(torch.matmul)(s, s.transpose(1, 2)).shape", "torch.Size([2, 3, 3])"),
    "jacobian": ("torch.func.jacrev(torch.sin)(torch.zeros(2)).tolist()", "[[1.0, 0.0], [0.0, 1.0]]"),
    "conv": ("nn.Conv2d(2, 3, 1)(q).shape", "torch.Size([1, 3, 3, 4])"),
    "isinstance": ("isinstance(nn.Linear(1, 1), nn.MultiheadAttention)", "False"),
    "issubclass": ("issubclass(OwnInit, early_class)", "True"),
    "mask helper": ("nn.Transformer.generate_square_subsequent_mask(2).tolist()", "[[0.0, -inf], [0.0, 0.0]]"),
    "deepcopy": ("copy.deepcopy(nn.Linear(2, 2)).weight.shape", "torch.Size([2, 2])"),
    "own function of that name": ("(lambda scaled_dot_product_attention: scaled_dot_product_attention(2))(abs)", "2"),
    "fork": ("fork()", "0"),
    "registrations in sight": ("gc.is_tracked(torch._C._dispatch_library('IMPL', 'aten', ''))", "False"),
}
SCRIPT = """
import torch, torch.nn.functional as F
from grader.sandbox import guard
guard.install([{name!r}])
def f(q: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(q, q, q)
q = torch.ones(1, 2, 3, 4)
try:
    torch.jit.script(f)(q)
except Exception as error:
    print(error)
"""


def python(*arguments: str, text: str = "") -> str:
    """Run this Python in a clean environment; return what it prints."""
    env = {"PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-s", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=env, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def outcomes(forbidden: list[str]) -> dict[str, Any]:
    """What came of each attempt with these names forbidden."""
    attempts = {name: text for name, (text, _) in (ALLOWED | REACHED).items()} | {"gone": "new_deleted()"}
    seen: dict[str, Any] = json.loads(
        python("-c", WORKER, text=json.dumps({"forbidden": forbidden, "attempts": attempts}))
    )
    return seen


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    return outcomes(FORBIDDEN)


@pytest.mark.parametrize("way", REACHED)
def test_forbidden_calls_raise_whichever_way_they_are_reached(seen: dict[str, Any], way: str) -> None:
    assert seen[way] == ["forbidden", REACHED[way][1]]


@pytest.mark.parametrize("what", ALLOWED)
def test_the_rest_of_torch_works(seen: dict[str, Any], what: str) -> None:
    assert seen[what] == ["value", ALLOWED[what][1]]


def test_a_class_without_its_guard_cannot_be_made_either(seen: dict[str, Any]) -> None:
    assert seen["gone"][0] != "value"


def test_no_thread_is_started(seen: dict[str, Any]) -> None:
    assert seen["threads"] == 1


def test_the_same_attempts_succeed_when_nothing_is_forbidden() -> None:
    """The control: an attempt that fails by itself would prove nothing above."""
    free = outcomes([])
    failed = {way: free[way] for way in REACHED if free[way][0] != "value"}
    assert set(failed) == {"forward without an instance"}, failed


def test_torchscript_meets_the_guard(tmp_path: Path) -> None:
    script = tmp_path / "scripted.py"  # TorchScript reads its source from a file
    script.write_text(SCRIPT.format(name=SDPA))
    assert f"{SDPA} is not allowed in this assignment" in python("-W", "ignore", str(script))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("torch.nn.functional.scaled_dot_attention", "no such name"),
        ("torch.nn.Nosuch*", "no such class"),
        ("numpy.dot", "begin with `torch.`"),
        ("torch.nn", "neither a class, a function nor an operator"),
    ],
)
def test_a_name_that_cannot_be_forbidden_is_a_usage_error(name: str, words: str) -> None:
    from grader.errors import UsageError
    from grader.sandbox import guard

    with pytest.raises(UsageError, match=words):
        guard.install([name])
