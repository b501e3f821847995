"""Weights find their way into modules of every shape, and into none that is not the reference's function."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grader.checks import close, gradients, redraw, same, twins
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
        self.doubted: dict[str, str] = {}

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


def doubted(student: Any, reference: Any, *args: Any, probe: Any) -> str:
    """Filled in the likeliest way, and why that is not sure."""
    port = CountingPort(student, as_student=True)
    twins(root(port).Module, reference, *args, probe=probe)
    return port.doubted["Module"]


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
        found, wanted = (
            gradients(side, *args, wrt=(), cotangent=cotangent).parameters for side in (student, reference)
        )
        assert list(found) == list(wanted)
        for name, gradient in wanted.items():
            if gradient is not None and gradient.abs().max() > 1e-5:  # a key bias has none, but for rounding
                close(found[name], gradient, name, rtol=rtol or 1e-4)
        redraw(student, reference)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.set_num_threads(1)
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
    (m.Recurrent, m.TwoLinears, (7, 4, 1, False), IDS),
    (m.Recurrent, m.EightLinears, (7, 4, 1, False), IDS),
    (m.Gru, m.RenamedGru, (7, 4, 2, True), IDS),
    (m.Convolutions, m.Unfolded, (4,), torch.linspace(-9, 9, 72).sin().reshape(2, 4, 9)),
    *((m.Transformer, cls, (7, 8, 2, 2), IDS) for cls in (m.Untied, m.FusedTransformer, m.TiedTheOtherWay)),
]


@pytest.mark.parametrize("cls", ATTENTION)
@pytest.mark.parametrize(("n_embd", "n_head"), [(12, 3), (16, 4)])
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


class OnlyEncodes(m.Attention):
    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def encode(self, x: Tensor) -> Tensor:
        return super().forward(x)


class NamelessEncodes(m.Nameless):
    forward = OnlyEncodes.forward

    def encode(self, x: Tensor) -> Tensor:
        return super().forward(x)


def test_a_probe_may_ask_another_method() -> None:
    x = torch.randn(2, 3, 8)
    mine, its = twins(theirs(NamelessEncodes), ours(OnlyEncodes), 8, 2, probe=lambda module: module.encode(x))
    close(mine.encode(x), its.encode(x))


@pytest.mark.parametrize("cls", [m.Attention, m.Renamed, m.Heads, m.Matrices, m.HeadTensors, m.FusedByHead])
@pytest.mark.parametrize("fused", [m.Fused, m.LikeGPT2])
def test_what_the_reference_has_in_one(fused: Any, cls: Any) -> None:
    x = torch.randn(2, 5, 12)
    student, reference = twins(theirs(cls), ours(fused), 12, 3, probe=(x,))
    agree(student, reference, x, rtol=1e-4)


@pytest.mark.parametrize("cls", [m.Attention, m.Renamed, m.Fused, m.FusedByHead, m.Matrices, m.HeadTensors])
def test_what_the_reference_has_in_a_list(cls: Any) -> None:
    x = torch.randn(2, 5, 12)
    agree(*twins(theirs(cls), ours(m.Heads), 12, 3, probe=(x,)), x)


def test_a_small_liberty_is_no_other_layout() -> None:
    x = torch.randn(5, 6)
    student, right = twins(theirs(m.TanhMlp), ours(m.Mlp), 6, probe=(x,))
    agree(student, right, x, rtol=0.01)


def test_the_account_says_what_was_chosen() -> None:
    x = torch.randn(2, 5, 12)
    accounts = {cls: told(twins(theirs(cls), ours(m.Attention), 12, 3, probe=(x,))[0]) for cls in (
        m.FusedByHead, m.FusedTransposed, m.Heads, m.Swapped, m.Attention)}  # fmt: skip
    assert (
        "`c_attn.weight` with `q.weight`, `k.weight` and `v.weight`, interleaved by head (3 heads)"
        in accounts[m.FusedByHead]
    )
    assert "`W_out` with `c_proj.weight`, transposed" in accounts[m.FusedTransposed]
    assert "`heads_.0.key.weight` to `heads_.2.key.weight` with `k.weight`" in accounts[m.Heads]
    assert "`q.weight` with `k.weight`" in accounts[m.Swapped]
    assert accounts[m.Attention] == "every layer with the one of its name"


def test_a_small_mistake_is_no_other_layout_either() -> None:
    x = torch.randn(2, 5, 12)
    student, right = twins(theirs(m.AlmostScaledAndNameless), ours(m.Attention), 12, 3, probe=(x,))
    assert "`c.weight` with `c_proj.weight`" in told(student)
    with pytest.raises(CheckFailed, match="differ"):
        close(student(x), right(x))


def test_between_two_layouts_that_are_both_near_nothing_is_guessed() -> None:
    class Sum(nn.Module):
        share = 1.1

        def __init__(self, C: int) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(C, C), nn.Linear(C, C)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.a(x) + self.share * self.b(x)
            return out

    class Renamed(Sum):
        share = 1.07

        def __init__(self, C: int) -> None:
            nn.Module.__init__(self)
            self.x, self.y = nn.Linear(C, C), nn.Linear(C, C)
            self.__dict__["a"], self.__dict__["b"] = self.x, self.y

    assert "none your module computes" in doubted(Renamed, ours(Sum), 5, probe=(torch.randn(2, 5),))


def test_a_bias_that_makes_no_difference_has_no_gradient() -> None:
    x = torch.randn(2, 5, 12)
    student, _ = twins(theirs(m.NoKeyBias), ours(m.Attention), 12, 3, probe=(x,))
    close(gradients(student, x, cotangent=x).parameters["k.bias"], torch.zeros(12))


def test_parameters_of_one_role_in_one_layer() -> None:
    class Scaled(nn.Module):
        def __init__(self, C: int) -> None:
            super().__init__()
            self.scale, self.weight = nn.Parameter(torch.zeros(C)), nn.Parameter(torch.zeros(C, C))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.scale @ self.weight

    class Renamed(nn.Module):
        def __init__(self, C: int) -> None:
            super().__init__()
            self.kernel, self.w = nn.Parameter(torch.zeros(C, C)), nn.Parameter(torch.zeros(C))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.w @ self.kernel

    x = torch.randn(2, 5)
    agree(*twins(theirs(Scaled), ours(Scaled), 5, probe=(x,)), x)
    agree(*twins(theirs(Renamed), ours(Scaled), 5, probe=(x,)), x)


def test_an_instructor_adds_a_layout() -> None:
    def broken(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"i": weights["nothing"]}

    student, right = twins(
        theirs(m.Gates), ours(m.Recurrent), 7, 4, 1, False, probe=(IDS,), layouts=[broken, lambda w: w, m.gates]
    )
    agree(student, right, IDS)
    student, right = twins(
        theirs(m.Gates), ours(m.Recurrent), 7, 4, 1, False, layouts=[m.gates]
    )  # without a probe, too
    agree(student, right, IDS)


# --- mistakes


KNOWN = (m.NoProjection, m.Unscaled, m.ScaledByWidth)


@pytest.mark.parametrize(
    "cls", [m.Unscaled, m.UnscaledAndFused, m.UnscaledAndByHead, m.NoProjection, m.NoProjectionAtAll]
)
def test_a_known_mistake_is_mapped_and_fails_in_numbers(cls: Any) -> None:
    x = torch.randn(2, 5, 12)
    student, reference = twins(theirs(cls), ours(m.Attention, *KNOWN), 12, 3, probe=(x,))
    with pytest.raises(CheckFailed, match="differ"):
        close(student(x), reference(x))


class NumberedBlock(m.Block):
    def __init__(self, n_embd: int, n_head: int) -> None:
        super().__init__(n_embd, n_head)
        self.mlp = m.SequentialMlp(n_embd)  # type: ignore[assignment]


class Numbered(m.Transformer):
    block = NumberedBlock


class OneBlockOnly(Numbered):
    def __init__(self, n_vocab: int, n_embd: int, n_head: int, _: int) -> None:
        super().__init__(n_vocab, n_embd, n_head, 1)


def test_a_mistake_may_lack_layers() -> None:
    student, right = twins(theirs(OneBlockOnly), ours(Numbered, OneBlockOnly), 7, 8, 2, 3, probe=(IDS,))
    assert told(student) == "every layer with the one of its name"
    with pytest.raises(CheckFailed, match="differ"):
        close(student(IDS), right(IDS))


def test_the_weights_of_a_mistaken_module_are_where_they_belong() -> None:
    x = torch.randn(2, 5, 12)
    student, _ = twins(theirs(m.UnscaledAndFused), ours(m.Attention, *KNOWN), 12, 3, probe=(x,))
    mistaken = root(CountingPort(m.Unscaled)).Module(12, 3).eval()
    mistaken._ask("load", weights=student._weights)
    close(student(x), mistaken(x))
    close(
        gradients(student, x, cotangent=x).parameters["v.weight"],
        gradients(mistaken, x, cotangent=x).parameters["v.weight"],
        rtol=1e-4,
    )


def test_names_alone_decide_where_no_mistake_is_known() -> None:
    x = torch.randn(2, 5, 12)
    for cls in (m.Unscaled, m.UnscaledAndRenamed):
        student, reference = twins(theirs(cls), ours(m.Attention), 12, 3, probe=(x,))
        with pytest.raises(CheckFailed, match="differ"):
            close(student(x), reference(x))
        assert tries(student) <= 42


def test_what_could_be_filled_in_several_ways_is_doubted() -> None:
    x = torch.randn(2, 5, 12)
    for cls in (m.UnscaledAndFused, m.UnscaledAndNameless):
        words = doubted(cls, ours(m.Attention), 12, 3, probe=(x,))
        assert "ways of giving them the reference's weights (one is `" in words
        assert "and with none your module computes what is asked" in words
        assert "expected are q.weight (12, 12)" in words
    with pytest.raises(StudentError, match="several ways"):
        twins(theirs(m.Nameless), ours(m.Attention), 12, 3)


def test_without_a_probe_names_and_shapes_decide() -> None:
    for reference, cls, args, x in (
        (m.Attention, m.Renamed, (12, 3), torch.randn(2, 5, 12)),
        (m.Tables, m.NamelessTables, (7, 8, 5), IDS),
    ):
        agree(*twins(theirs(cls), ours(reference), *args), x)


class Constant(m.Attention):
    """It has the layers and uses none."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Stubborn(m.Attention):
    """It keeps the weights it was made with."""

    def __init__(self, n_embd: int, n_head: int) -> None:
        super().__init__(n_embd, n_head)
        self.kept = [layer.weight.detach().clone() for layer in (self.q, self.k, self.v, self.c_proj)]

    def forward(self, x: Tensor) -> Tensor:
        q, k, v, o = self.kept
        return F.linear(self.mixed(F.linear(x, q), F.linear(x, k), F.linear(x, v)), o)


class Remembers(m.Attention):
    """It answers a question that it knows as it did the first time."""

    known: dict[bytes, Tensor] = {}  # noqa: RUF012 - the trick

    def forward(self, x: Tensor) -> Tensor:
        return self.known.setdefault(x.numpy().tobytes(), super().forward(x))


class RemembersAndNameless(m.Nameless):
    known: dict[bytes, Tensor] = {}  # noqa: RUF012 - the trick

    def forward(self, x: Tensor) -> Tensor:
        return self.known.setdefault(x.numpy().tobytes(), super().forward(x))


class Noisy(m.Recurrent):
    def forward(self, ids: Tensor) -> Tensor:
        out = super().forward(ids)
        return out + torch.randn_like(out)


def test_every_draw_of_weights_counts() -> None:
    assert "none your module computes" in doubted(
        RemembersAndNameless, ours(m.Attention), 12, 3, probe=(torch.randn(2, 5, 12),)
    )


def test_a_module_with_all_the_names_is_filled_by_them_whatever_it_does() -> None:
    student, right = twins(theirs(Noisy), ours(m.Recurrent), 7, 4, 2, True, probe=(IDS,))
    assert told(student) == "every layer with the one of its name"
    with pytest.raises(CheckFailed):
        close(student(IDS), right(IDS))


@pytest.mark.parametrize("cls", [Constant, Stubborn, Remembers])
def test_a_module_that_ignores_its_weights_does_not_pass(cls: Any) -> None:
    x = torch.randn(2, 5, 12)
    student, reference = twins(theirs(cls), ours(m.Attention), 12, 3, probe=(x,))
    with pytest.raises(CheckFailed):
        agree(student, reference, x)


def test_a_probe_that_shows_nothing_is_our_fault() -> None:
    with pytest.raises(CheckError, match="does not depend on its weights"):
        twins(theirs(m.Attention), ours(Constant), 12, 3, probe=(torch.randn(2, 5, 12),))


def without_bias(name: str) -> type[nn.Module]:
    class NoBias(m.Attention):
        def __init__(self, n_embd: int, n_head: int) -> None:
            super().__init__(n_embd, n_head)
            setattr(self, name, nn.Linear(n_embd, n_embd, bias=False))

    return NoBias


class NoBiasAtAll(m.Fused):
    def make(self, C: int) -> None:
        self.c_attn, self.c_proj = nn.Linear(C, 3 * C, bias=False), nn.Linear(C, C)


class HeadWithBias(m.Transformer):
    def __init__(self, n_vocab: int, n_embd: int, n_head: int, n_layer: int) -> None:
        super().__init__(n_vocab, n_embd, n_head, n_layer)
        self.lm_head.bias = nn.Parameter(torch.zeros(n_vocab))


class HalfAsWide(m.Mlp):
    def __init__(self, n_embd: int) -> None:
        super().__init__(n_embd)
        self.fc1, self.fc2 = nn.Linear(n_embd, 2 * n_embd), nn.Linear(2 * n_embd, n_embd)


class Tied(m.Attention):
    def __init__(self, n_embd: int, n_head: int) -> None:
        super().__init__(n_embd, n_head)
        self.k = self.q


class Gated(m.Attention):
    def __init__(self, n_embd: int, n_head: int) -> None:
        super().__init__(n_embd, n_head)
        self.gate = nn.Parameter(torch.zeros(n_embd))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.gate


def test_a_bias_left_out_or_added_is_told() -> None:
    x = torch.randn(2, 5, 12)
    for name in ("q", "v", "c_proj"):
        words = refused(without_bias(name), ours(m.Attention), 12, 3, probe=(x,))
        assert words.startswith(f"your `{name}` has no bias; the assignment asks for one. Your layers are ")
    assert refused(NoBiasAtAll, ours(m.Attention), 12, 3, probe=(x,)).startswith("your `c_attn` has no bias;")
    student, right = twins(theirs(HeadWithBias), ours(m.Transformer), 7, 8, 2, 2, probe=(IDS,))
    assert "`lm_head.bias` with zeros: the assignment asks for no bias there" in told(student)
    same(student, right, IDS)


def test_what_is_missing_or_too_much_is_told() -> None:
    x = torch.randn(2, 5, 12)
    words = refused(HalfAsWide, ours(m.Mlp), 6, probe=(torch.randn(5, 6),))
    first, second = (
        "your `fc1.weight` is (12, 6); (24, 6) is expected",
        "your `fc2.weight` is (6, 12); (6, 24) is expected",
    )
    assert words.startswith(f"{first}; {second}. Your layers are ")
    words = refused(m.NoProjectionAtAll, ours(m.Attention), 12, 3, probe=(x,))
    assert words.startswith("nothing of yours holds the weights of `c_proj`.")
    words = refused(Gated, ours(m.Attention), 12, 3, probe=(x,))
    assert words.startswith("the assignment has nothing like your `gate`.")
    words = refused(OneBlockOnly, ours(Numbered), 7, 8, 2, 2, probe=(IDS,))
    assert words.startswith("nothing of yours holds the weights of `blocks.1.ln_1`; ")
    assert "blocks.0" not in words.partition("Your layers")[0]
    words = refused(Tied, ours(m.Attention), 12, 3, probe=(x,))
    assert words.startswith("your `k.weight` and `q.weight` are one and the same; nothing of yours holds")
    with pytest.raises(StudentError, match="your class does not give"):
        twins(theirs(lambda *_: 3), ours(m.Attention), 12, 3, probe=(x,))
    assert "expected are q.weight" in refused(lambda *_: nn.Identity(), ours(m.Attention), 12, 3, probe=(x,))


# --- what stays the same whatever the student's code is


def test_the_reference_is_asked_the_same_whoever_answers() -> None:
    x = torch.randn(2, 5, 12)
    seen = set()
    for cls in (m.Attention, m.Nameless, m.UnscaledAndFused, m.Unused, m.NoProjectionAtAll):
        torch.default_generator.manual_seed(7)
        reference = ours(m.Attention)
        with contextlib.suppress(StudentError):
            twins(theirs(cls), reference, 12, 3, probe=(x,))
        port: Any = reference._port
        seen.add((tuple(port.asked), float(torch.rand(()))))
    assert len(seen) == 1


def test_a_plan_that_was_right_is_tried_first_next_time() -> None:
    side, reference = theirs(m.FusedAsEinopsDoes), ours(m.Attention)
    twins(side, reference, 12, 3, probe=(torch.randn(2, 5, 12),))
    before = tries(side)
    agree(*twins(side, reference, 16, 4, probe=(torch.randn(2, 5, 16),)), torch.randn(2, 5, 16))
    assert before > 9
    assert tries(side) - before <= 3 + 3 + 2
    side = theirs(m.Nameless)
    for n_embd, expected in ((12, 7), (16, 3)):
        before = tries(side)
        twins(side, reference, n_embd, 2, probe=(torch.randn(2, 5, n_embd),))
        assert tries(side) - before == expected


def test_a_plan_of_another_time_is_taken_when_nothing_fits() -> None:
    """A module that is right for one size only: its layers are where they were."""

    class OneSizeOnly(m.FusedByHead):
        @property
        def scale(self) -> float:  # type: ignore[override]
            return 0.5

    side, reference = theirs(OneSizeOnly), ours(m.Attention)
    twins(side, reference, 12, 3, probe=(torch.randn(2, 5, 12),))  # D is 4, and 1 / sqrt(4) is 0.5
    student, _ = twins(side, reference, 12, 2, probe=(torch.randn(2, 5, 12),))
    assert "interleaved by head (2 heads)" in told(student)


def test_known_mistakes_are_asked_once_for_all_students() -> None:
    x, reference = torch.randn(2, 5, 12), ours(m.Attention, *KNOWN)
    counts = []
    for _ in range(3):
        torch.default_generator.manual_seed(7)
        twins(theirs(m.UnscaledAndFused), reference, 12, 3, probe=(x,))
        port: Any = reference._port
        counts.append([specimen._seed for _, specimen in port.specimens])
    assert counts[0] == counts[1] == counts[2] != [0, 0, 0]


def test_an_argument_may_live_on_one_side() -> None:
    class Adapted(nn.Module):
        def __init__(self, base: nn.Linear) -> None:
            super().__init__()
            self.base, self.a = base, nn.Parameter(torch.zeros(base.in_features, base.out_features))

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.base(x) + x @ self.a
            return out

    agree(*twins(theirs(Adapted), ours(Adapted), lambda side: side.torch.nn.Linear(3, 4)), torch.randn(2, 3))


def test_layers_that_lie_are_the_students_fault() -> None:
    rows = {"name": "q.weight", "shape": (1 << 40, 1 << 40), "layer": "Linear", "shared_with": "q.weight"}
    for lie in (None, 3, [rows], [{**rows, "shape": ("x",)}], [{**rows, "shape": (-1,)}], [{**rows, "name": "a"}], [3]):
        student = theirs(m.Attention)
        honest = student._port.request

        def request(op: str, fields: dict[str, object], lie: Any = lie, honest: Any = honest) -> object:
            answer = honest(op, fields)
            return (answer[0], lie) if op == "build" else answer

        student._port.request = request  # type: ignore[method-assign]
        with pytest.raises(StudentError):
            twins(student, ours(m.Attention), 12, 3, probe=(torch.randn(2, 5, 12),))


# --- any composition


def composed(seed: int) -> type[nn.Module]:
    """An attention whose layers are renamed, reordered, fused, turned round or cut at random."""
    dice = random.Random(seed)
    groups = dice.choice(["q k v o", "qkv o", "q kv o", "kq v o", "vkq o"]).split()
    dice.shuffle(groups)
    words = {
        g: dice.choice([f"{g}_proj", f"to_{g}", f"layer{i}", g.upper(), f"inner.{g}.0"]) for i, g in enumerate(groups)
    }
    turned = dice.random() < 0.4
    by_head = dice.random() < 0.5

    class Composed(m.OwnLayers):
        def make(self, C: int) -> None:
            self.deep = nn.ModuleDict()
            for group, word in words.items():
                shape = (C, len(group) * C) if turned else (len(group) * C, C)
                name = word.replace(".", "_")
                if turned:
                    self.register_parameter(f"{name}_w", nn.Parameter(torch.zeros(shape)))
                    self.register_parameter(f"{name}_b", nn.Parameter(torch.zeros(len(group) * C)))
                else:
                    self.deep[name] = nn.Linear(C, len(group) * C)

        def by(self, group: str, x: Tensor) -> dict[str, Tensor]:
            name = words[group].replace(".", "_")
            y: Any = (
                x @ self.get_parameter(f"{name}_w") + self.get_parameter(f"{name}_b") if turned else self.deep[name](x)
            )
            if by_head and len(group) > 1:
                parts = y.unflatten(-1, (self.n_head, len(group), -1))
                return {letter: parts[..., i, :].flatten(-2) for i, letter in enumerate(group)}
            return dict(zip(group, y.chunk(len(group), dim=-1), strict=True))

        def forward(self, x: Tensor) -> Tensor:
            made: dict[str, Tensor] = {}
            for group in groups:
                if group != "o":
                    made |= self.by(group, x)
            return self.by("o", self.mixed(made["q"], made["k"], made["v"]))["o"]

    return Composed


@pytest.mark.parametrize("seed", range(25))
def test_random_compositions_are_always_mapped(seed: int) -> None:
    x = torch.randn(2, 4, 12)
    student, reference = twins(theirs(composed(seed)), ours(m.Attention), 12, 2, probe=(x,))
    agree(student, reference, x)
