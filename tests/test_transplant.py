"""Weights find their way into modules of every shape, and into none that is not the reference's function."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grader.checks import close, gradients, redraw, twins
from grader.checks.evidence import CheckError, CheckFailed
from grader.checks.transplant import Twin
from grader.errors import Fault, StudentError
from grader.run.local import LocalPort
from grader.wire.proxy import Remote, root
from tests import modules as m


class CountingPort(LocalPort):
    """Counts how often weights are loaded, and keeps what is asked."""

    def __init__(self, cls: Any, *, as_student: bool = False, specimens: tuple[Any, ...] = ()) -> None:
        super().__init__({"Module": cls}, as_student=as_student)
        self.specimens = tuple((cls.__name__, LocalPort({"Module": cls}, as_student=True)) for cls in specimens)
        self.asked: list[str] = []

    def request(self, op: str, fields: dict[str, object]) -> object:
        self.asked.append(op)
        return super().request(op, fields)


def theirs(cls: Any) -> Remote:
    return root(CountingPort(cls, as_student=True)).Module  # type: ignore[no-any-return]


def ours(cls: Any, *specimens: Any) -> Remote:
    return root(CountingPort(cls, specimens=specimens)).Module  # type: ignore[no-any-return]


def tries(side: Remote) -> int:
    port: Any = side._port
    return int(port.asked.count("load"))


def told(twin: Remote) -> str:
    assert isinstance(twin, Twin)
    return twin._plan.told()


def refused(student: Any, reference: Any, *args: Any, probe: Any) -> str:
    with pytest.raises(StudentError) as raised:
        twins(theirs(student), reference, *args, probe=probe)
    assert raised.value.fault is Fault.LAYOUT
    return raised.value.message


def agree(student: Remote, reference: Remote, *args: Tensor, rtol: float | None = None) -> None:
    """Values, and the gradients of the parameters under the reference's names, for three draws of weights."""
    for _ in range(3):
        expected = reference(*args)
        close(student(*args), expected, rtol=rtol)
        cotangent = torch.randn(expected.shape)
        found, wanted = (gradients(side, *args, wrt=(), cotangent=cotangent).parameters for side in (student, reference))
        assert list(found) == list(wanted)
        for name, gradient in wanted.items():
            if not name.endswith("k.bias"):  # no more than rounding
                close(found[name], gradient, name, rtol=rtol or 1e-4)
        redraw(student, reference)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.default_generator.manual_seed(1)
    random.seed(1)


ATTENTION = [
    m.Renamed, m.Nameless, m.Swapped, m.NoKeyBias, m.Unused, m.Fused, m.FusedInAnotherOrder, m.FusedByHead,
    m.FusedByFeature, m.FusedAsEinopsDoes, m.FusedTransposed, m.FusedKeysAndValues, m.Heads, m.HeadsFused,
    m.HeadsSummed, m.Matrices, m.MatricesAsLinear, m.ListOfMatrices, m.HeadTensors, m.HeadTensorsTheOtherWay,
    m.Pointwise, m.LikeGPT2, m.Nested,
]  # fmt: skip
IDS = torch.tensor([[1, 2, 3, 1, 5], [0, 6, 6, 2, 4], [3, 3, 0, 5, 1]])
OTHERS: list[tuple[Any, Any, tuple[Any, ...], Tensor]] = [
    *((m.Mlp, cls, (6,), torch.linspace(-2, 2, 30).sin().reshape(5, 6)) for cls in (m.SequentialMlp, m.OwnNormMlp)),
    *((m.Tables, cls, (7, 7, 5), IDS) for cls in (m.NamelessTables, m.PlainTables)),
    *(
        (m.Recurrent, cls, (7, 4, n_layers, both), IDS)
        for cls in (m.RenamedRecurrent, m.LayerByLayer)
        for n_layers in (1, 3)
        for both in (False, True)
    ),
    (m.Recurrent, m.Cells, (7, 4, 2, False), IDS),
    (m.Gru, m.RenamedGru, (7, 4, 2, True), IDS),
    (m.Convolutions, m.Unfolded, (4,), torch.linspace(-9, 9, 72).sin().reshape(2, 4, 9)),
    *((m.Transformer, cls, (7, 8, 2, 2), IDS) for cls in (m.Untied, m.FusedTransformer, m.TiedTheOtherWay)),
]


@pytest.mark.parametrize("cls", ATTENTION)
@pytest.mark.parametrize(("n_embd", "n_head"), [(12, 3), (16, 4), (6, 1)])
def test_attention_in_every_layout(cls: Any, n_embd: int, n_head: int) -> None:
    x = torch.randn(2, 5, n_embd)
    student, reference = twins(theirs(cls), ours(m.Attention), n_embd, n_head, probe=(x,))
    agree(student, reference, torch.randn(3, 4, n_embd))
    assert tries(student) < 40


@pytest.mark.parametrize(("reference", "cls", "args", "x"), OTHERS, ids=lambda value: getattr(value, "__name__", ""))
def test_other_modules(reference: Any, cls: Any, args: tuple[Any, ...], x: Tensor) -> None:
    student, right = twins(theirs(cls), ours(reference), *args, probe=(x,))
    agree(student, right, x[:2])
    assert tries(student) < 20


def test_a_small_liberty_is_no_other_layout() -> None:
    x = torch.randn(5, 6)
    student, right = twins(theirs(m.TanhMlp), ours(m.Mlp), 6, probe=(x,))
    agree(student, right, x, rtol=0.01)


def test_the_account_says_what_was_chosen() -> None:
    x = torch.randn(2, 5, 12)
    accounts = {cls: told(twins(theirs(cls), ours(m.Attention), 12, 3, probe=(x,))[0]) for cls in (
        m.FusedByHead, m.FusedTransposed, m.Heads, m.Swapped, m.Attention)}  # fmt: skip
    assert "`c_attn.weight` with `q.weight`, `k.weight` and `v.weight`, interleaved by head (3 heads)" in accounts[m.FusedByHead]
    assert "`W_out` with `c_proj.weight`, transposed" in accounts[m.FusedTransposed]
    assert "`heads_.0.key.weight` to `heads_.2.key.weight` with `k.weight`" in accounts[m.Heads]
    assert "`q.weight` with `k.weight`" in accounts[m.Swapped]
    assert accounts[m.Attention] == "every layer with the one of its name"


def test_an_instructor_adds_a_layout() -> None:
    def broken(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"i": weights["nothing"]}

    student, right = twins(
        theirs(m.Gates), ours(m.Recurrent), 7, 4, 1, False, probe=(IDS,), layouts=[broken, lambda w: w, m.gates]
    )
    agree(student, right, IDS)
    student, right = twins(theirs(m.Gates), ours(m.Recurrent), 7, 4, 1, False, layouts=[m.gates])  # without a probe, too
    agree(student, right, IDS)


# --- mistakes


KNOWN = (m.NoProjection, m.Unscaled, m.ScaledByWidth)


@pytest.mark.parametrize("cls", [m.Unscaled, m.UnscaledAndFused, m.UnscaledAndByHead, m.NoProjection, m.NoProjectionAtAll])
def test_a_known_mistake_is_mapped_and_fails_in_numbers(cls: Any) -> None:
    x = torch.randn(2, 5, 12)
    student, reference = twins(theirs(cls), ours(m.Attention, *KNOWN), 12, 3, probe=(x,))
    with pytest.raises(CheckFailed, match="differ"):
        close(student(x), reference(x))


def test_a_mistake_is_the_mistake_and_nothing_else() -> None:
    """The weights are where they belong: with the mistake made on our side, too, nothing differs."""
    x = torch.randn(2, 5, 12)
    student, _ = twins(theirs(m.UnscaledAndFused), ours(m.Attention, *KNOWN), 12, 3, probe=(x,))
    agree(student, twins(theirs(m.Unscaled), ours(m.Unscaled), 12, 3, probe=(x,))[0], x) if False else None
    assert "`W_in` with `q.weight`, `k.weight` and `v.weight`" in told(student)
