"""`same` looks at an answer from several sides: each broken one is told, and costs its share and no other."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from grader.assignment import load_assignment
from grader.checks import Face, leaves_unchanged, no_gradient, same, sizes, twins
from grader.checks.compare import STEPS
from grader.checks.evidence import CheckFailed, gathering
from grader.checks.expected import Question, ask_reference, gradients_named
from grader.checks.tolerance import named
from grader.errors import StudentError
from grader.records import Outcome, Status
from grader.run.local import LocalPort, run_trusted
from grader.run.recorded import RecordedPort, RecordingPort, Tape, versions
from grader.wire.proxy import Remote, gradients, root
from grader.wire.values import Handle, mapped
from tests.course import PERFECT, Course, by_id

Tensor = torch.Tensor
Pair = tuple[Tensor, Tensor]


class Listening(LocalPort):
    """A port that remembers what it was asked."""

    def __init__(self, namespace: dict[str, object], *, as_student: bool = False) -> None:
        super().__init__(namespace, as_student=as_student)
        self.asked: list[tuple[str, str]] = []

    def request(self, op: str, fields: dict[str, object]) -> object:
        self.asked.append((op, repr(mapped(fields, lambda t: t.double().sum()))))
        return super().request(op, fields)


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    scores = (q @ k.transpose(-2, -1) / q.size(-1) ** 0.5).masked_fill(mask == 0, float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


def without_scale(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    return attention(q * q.size(-1) ** 0.5, k, v, mask)


def zeros(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    del v, mask
    return torch.zeros_like(q), torch.zeros(*q.shape[:-1], k.size(-2))


def detached(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    weights = attention(q, k, v, mask)[1].detach()
    return weights @ v, weights


def steeper(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    output, weights = attention(q, k, v, mask)
    return output + (output - output.detach()), weights  # the values are right


def mask_spoilt(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    answer = attention(q, k, v, mask)
    mask -= 1
    return answer


def last_row_doubled(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    output, weights = attention(q, k, v, mask)
    return (output, weights) if len(q) > 1 else (2 * output, weights)


def viewed(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    return attention(q.view(-1).view(q.shape), k, v, mask)


def strides_read(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    return attention(torch.as_strided(q, q.shape, torch.empty(q.shape).stride()), k, v, mask)


class Counting:
    calls = 0

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
        self.calls += 1
        return attention(q, k, v if self.calls < 3 else v + self.calls, mask)


def seeding(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    torch.default_generator.manual_seed(0)
    return attention(q, k, v, mask)


def drawing(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    random.random()
    return attention(q, k, v, mask)


def in_double(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    torch.set_default_dtype(torch.float64)
    return attention(q, k, v, mask)


def switching_off(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
    answer = attention(q, k, v, mask)
    torch.set_grad_enabled(False)
    return answer


def only_output(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return attention(q, k, v, mask)[0]


def raising(*_: Tensor) -> Pair:
    raise RuntimeError("no")


BROKEN: dict[Callable[..., Any], tuple[float, Sequence[str]]] = {  # of 11 shares; words of the message
    without_scale: (0, ["output[0] has the right shape", "expected"]),
    zeros: (0, ["every value differs", "No gradient reaches argument 1, argument 2 and argument 3"]),
    detached: (9, ["no gradient reaches argument 1 and argument 2: something"]),
    steeper: (9, ["the gradient of argument 1 has the right shape", "90 of 120 values differ"]),
    mask_spoilt: (10, ["argument 4 is not what it was before the call: the value at [0, 0, 0, 0] is 0, not 1"]),
    last_row_doubled: (10, ["row 1 alone has another answer than among the batch: in the output[0] the value at"]),
    viewed: (10, ["in tensors that are not contiguous, your code raised RuntimeError: view size"]),
    strides_read: (10, ["in tensors that are not contiguous, in the output[0] the value at [0, 0, 1"]),
    seeding: (10, ["torch's random numbers go on from another place"]),
    drawing: (10, ["Python's random numbers go on from another place"]),
    in_double: (10, ["default dtype is another one"]),
    switching_off: (10, ["gradients are switched on or off for everybody"]),
    only_output: (7, ["should hold 2 values; yours is a tensor"]),
}


def inputs(seed: int, B: int = 2) -> tuple[Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    return (*(torch.randn(B, 3, 4, 5, generator=g) for _ in range(3)), torch.ones(1, 1, 4, 4).tril())


def sides(function: Any) -> tuple[Remote, Remote, Listening, Listening]:
    theirs, ours = Listening({"f": function}, as_student=True), Listening({"f": attention})
    return root(theirs).f, root(ours).f, theirs, ours


def failure(function: Any, *args: Tensor, **options: Any) -> CheckFailed:
    theirs, ours, _, _ = sides(function)
    with pytest.raises(CheckFailed) as caught:
        same(theirs, ours, *(args or inputs(0)), **options)
    return caught.value


@pytest.mark.parametrize("function", BROKEN, ids=lambda f: f.__name__)
def test_each_face_costs_its_share_and_says_why(function: Callable[..., Any]) -> None:
    earned, words = BROKEN[function]
    failed = failure(function)
    assert failed.earned == pytest.approx(earned / 11), failed.message
    for part in words:
        assert part in failed.message, failed.message


def test_a_second_answer_that_differs_is_told() -> None:
    failed = failure(Counting())
    assert "asked the same twice, in the output[0] the value at" in failed.message
    assert "contiguous" not in failed.message


def test_what_the_code_raises_goes_out_as_it_is() -> None:
    theirs, ours, _, _ = sides(raising)
    with pytest.raises(StudentError, match="RuntimeError: no"):
        same(theirs, ours, *inputs(0))


def test_the_values_are_what_the_diagnosis_gets() -> None:
    failed = failure(without_scale)
    assert failed.pair is not None
    assert (failed.ratio or 0) > 1000
    assert failed.picture is not None
    assert torch.equal(failed.pair[1], attention(*inputs(0))[0].double())
    other = failure(steeper)
    assert other.pair is None  # a gradient is not the output
    assert other.ratio is not None


def test_a_right_answer_takes_five_calls() -> None:
    theirs, ours, asked, _ = sides(attention)
    with gathering() as evidence:
        same(theirs, ours, *inputs(0))
    assert evidence.compared > 3
    assert [op for op, _ in asked.asked].count("call") == 4
    assert len(asked.asked) == 5


def test_the_reference_is_asked_the_same_whatever_the_student_answers() -> None:
    asked, states = [], []
    for function in (attention, zeros, detached, viewed, Counting(), drawing, only_output, raising):
        theirs, ours, _, listening = sides(function)
        torch.default_generator.manual_seed(5)
        random.seed(5)
        with suppress(CheckFailed, StudentError):
            same(theirs, ours, *inputs(0))
        asked.append(listening.asked)
        states.append((torch.default_generator.get_state().tolist(), random.getstate()))
    assert len(asked[0]) > 5
    assert all(one == asked[0] for one in asked)
    assert all(one == states[0] for one in states)


def test_one_call_leaves_nothing_switched_for_the_next() -> None:
    for function in (in_double, switching_off):
        failure(function)
        assert torch.is_grad_enabled()
        assert torch.get_default_dtype() is torch.float32


def test_faces_are_switched_off_and_weighed() -> None:
    theirs, ours, _, _ = sides(detached)
    same(theirs, ours, *inputs(0), off=("gradients",))
    assert failure(detached, off=("strided", Face.ROWS)).earned == pytest.approx(7 / 9)
    assert failure(detached, only=("values", "gradients")).earned == pytest.approx(4 / 6)
    assert failure(detached, shares={"gradients": 9, "values": 6}).earned == pytest.approx(11 / 20)
    assert failure(viewed, only=("strided",)).earned == 0  # there is no proof that the answer is right
    with pytest.raises(ValueError, match="colour"):
        same(theirs, ours, *inputs(0), off=("colour",))


def test_a_batch_of_one_has_no_rows() -> None:
    theirs, ours, _, _ = sides(last_row_doubled)
    assert failure(last_row_doubled, *inputs(0, B=1)).message.count("expected") == 2
    theirs, ours, asked, _ = sides(attention)
    same(theirs, ours, *inputs(0, B=1))
    assert len(asked.asked) == 3


def test_only_gradients_take_one_call() -> None:
    theirs, ours, asked, _ = sides(attention)
    same(theirs, ours, *inputs(0), only=("gradients",))
    assert [op for op, _ in asked.asked] == ["vjp"]


# -- other kinds of functions ------------------------------------------------------------------------------------------


def compare(theirs: Callable[..., Any], ours: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    student = LocalPort({"f": theirs}, as_student=True)
    same(root(student).f, root(LocalPort({"f": ours})).f, *args, **kwargs)


def test_whole_numbers_are_compared_exactly() -> None:
    def mask(n: Tensor, T: int) -> Tensor:
        return (torch.arange(T) < n[:, None]).long()

    compare(lambda n, T: (n[:, None] > torch.arange(T)).long(), mask, torch.tensor([1, 3]), T=4)
    with pytest.raises(CheckFailed, match="2 of 8 values differ"):
        compare(lambda n, T: (torch.arange(T) <= n[:, None]).long(), mask, torch.tensor([1, 3]), T=5 - 1)


def test_numbers_and_dicts_are_looked_at_too() -> None:
    def loss(x: Tensor) -> dict[str, Any]:
        return {"loss": x.square().mean().item(), "largest": x.max(), "rows": len(x)}

    x = torch.randn(3, 4)
    compare(lambda x: {"rows": len(x), "largest": x.amax(), "loss": (x * x).sum().item() / x.numel()}, loss, x)
    with pytest.raises(CheckFailed, match="loss"):
        compare(lambda x: {**loss(x), "loss": x.square().sum().item()}, loss, x)


def test_a_reference_that_mixes_its_rows_may() -> None:
    compare(lambda x: x - x.mean(0), lambda x: x - x.mean(dim=0, keepdim=True), torch.randn(3, 4))


def test_a_reference_that_runs_in_float32_only_is_given_the_fixed_number_of_steps() -> None:
    table = torch.randn(4, 4)
    port = LocalPort({"f": lambda x: x @ table})
    x = torch.randn(3, 4)
    found = ask_reference(root(port).f, Question((x,), {}, "y"), list(Face), None)
    assert found.allowed["y"] == pytest.approx(STEPS * torch.finfo(torch.float32).eps * (x @ table).abs().max().item())
    compare(lambda x: (x[..., None] * table).sum(-2), lambda x: x @ table, x)


def test_a_wider_allowance_can_be_asked_for() -> None:
    x = torch.randn(3, 4)
    with pytest.raises(CheckFailed):
        compare(lambda x: F.gelu(x, approximate="tanh"), F.gelu, x)
    compare(lambda x: F.gelu(x, approximate="tanh"), F.gelu, x, rtol=2e-3)


def test_the_allowance_follows_what_is_lost_on_these_inputs() -> None:
    def spread(x: Tensor) -> Tensor:
        return (x.square().mean(dim=-1) - x.mean(dim=-1).square()).sqrt()

    near, far = torch.randn(2, 50), torch.randn(2, 50) + 100
    allowed = [
        ask_reference(root(LocalPort({"f": spread})).f, Question((x,), {}, "y"), list(Face), None).allowed["y"]
        for x in (near, far)
    ]
    assert allowed[1] > 100 * allowed[0]


def test_a_call_can_be_watched_alone() -> None:
    student = LocalPort({"twice": lambda x: 2 * x, "sorts": lambda ids: ids.sort()}, as_student=True)
    leaves_unchanged(root(student).twice, torch.ones(2, requires_grad=False))
    with pytest.raises(CheckFailed, match=r"argument 1\[0\] is not what it was"):
        leaves_unchanged(root(student).sorts, [3, 1, 2])


def test_a_gradient_history_is_seen() -> None:
    layer = nn.Linear(2, 2)
    student = LocalPort({"kept": lambda x: (1, [layer(x)]), "left": lambda x: [layer(x).detach()]}, as_student=True)
    no_gradient(root(student).left, torch.ones(2))
    with pytest.raises(CheckFailed, match="history"):
        no_gradient(root(student).kept, torch.ones(2))


# -- modules -----------------------------------------------------------------------------------------------------------


class Layer(nn.Module):
    def __init__(self, width: int, p: float = 0.0) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.inner, self.outer = nn.Dropout(p), nn.Dropout(p)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.down(self.inner(self.up(x).relu())))  # type: ignore[no-any-return]


class ByHand(Layer):
    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.einsum("...i,oi->...o", x, self.up.weight) + self.up.bias
        hidden = F.dropout(hidden.clamp_min(0), self.inner.p, training=self.training)
        keep = (torch.rand(x.shape) >= self.outer.p) / (1 - self.outer.p) if self.training else 1
        return (F.linear(hidden, self.down.weight) + self.down.bias) * keep


class NothingDropped(Layer):
    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.up(x).relu())  # type: ignore[no-any-return]


class InnerNotDropped(Layer):
    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.down(self.up(x).relu()))  # type: ignore[no-any-return]


class NotScaled(Layer):
    def forward(self, x: Tensor) -> Tensor:
        kept = (torch.rand(x.shape) >= self.outer.p) if self.training else 1
        return self.down(self.inner(self.up(x).relu())) * kept  # type: ignore[no-any-return]


class OftenDropped(Layer):
    def __init__(self, width: int, p: float = 0.0) -> None:
        super().__init__(width, 2 * p)


class OnePatternForAll(Layer):
    def forward(self, x: Tensor) -> Tensor:
        keep = (torch.rand(x.shape[1:]) >= self.outer.p) / (1 - self.outer.p) if self.training else 1
        return self.down(self.inner(self.up(x).relu())) * keep  # type: ignore[no-any-return]


class AlwaysDropped(Layer):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.down(self.inner(self.up(x).relu())), self.outer.p)


class BiasDetached(Layer):
    def forward(self, x: Tensor) -> Tensor:
        hidden = F.linear(x, self.up.weight, self.up.bias.detach()).relu()
        return self.outer(self.down(self.inner(hidden)))  # type: ignore[no-any-return]


def modules(theirs: type[Layer], *args: Any) -> tuple[Remote, Remote]:
    student = LocalPort({"Layer": theirs}, as_student=True)
    return twins(root(student).Layer, root(LocalPort({"Layer": Layer})).Layer, *args)


DROPOUT = {
    NothingDropped: "is the same every time: nothing is dropped",
    InnerNotDropped: "is expected",
    NotScaled: "is expected",
    OftenDropped: "is expected",
    OnePatternForAll: "is expected",
}


@pytest.mark.parametrize("layer", DROPOUT, ids=lambda c: c.__name__)
def test_dropout_is_compared_by_its_distribution(layer: type[Layer]) -> None:
    theirs, ours = modules(layer, 6, 0.2)
    with pytest.raises(CheckFailed) as caught:
        same(theirs, ours, torch.randn(2, 4, 6))
    assert caught.value.earned == pytest.approx(11 / 12), caught.value.message
    assert "in training mode, asked 1000 times the same, the output" in caught.value.message
    assert DROPOUT[layer] in caught.value.message
    assert not theirs.training
    assert not ours.training


def test_dropout_in_another_style_passes_on_many_seeds() -> None:
    for seed in range(12):
        torch.default_generator.manual_seed(seed)
        theirs, ours = modules(ByHand, 4, random.Random(seed).choice([0.1, 0.3, 0.5]))
        same(theirs, ours, torch.randn(2, 3, 4))


def test_dropout_that_never_stops_is_told_as_an_answer_that_changes() -> None:
    theirs, ours = modules(AlwaysDropped, 6, 0.2)
    with pytest.raises(CheckFailed, match="Asked the same twice") as caught:
        same(theirs, ours, torch.randn(2, 4, 6))
    assert "alone" not in caught.value.message
    assert caught.value.earned == pytest.approx(1 / 12)  # in training mode it is right


def test_recorded_answers_serve_every_student() -> None:
    """The reference need not be there: what it answered to a right module is enough for wrong ones."""
    recording = RecordingPort({"Layer": Layer, "f": attention})
    tape: Tape | None = None
    for theirs in (ByHand, Layer, NothingDropped, BiasDetached, AlwaysDropped):
        student = LocalPort({"Layer": theirs, "f": detached if tape else attention}, as_student=True)
        reference = RecordedPort(tape, versions()) if tape else recording
        reference.reseed(3)
        torch.default_generator.manual_seed(3)
        wrong = 0
        modules = twins(root(student).Layer, root(reference).Layer, 6, 0.3)
        for pair, args in ((modules, [torch.randn(2, 3, 6)]), ((root(student).f, root(reference).f), inputs(0))):
            try:
                same(*pair, *args)
            except CheckFailed:
                wrong += 1
        tape = tape or recording.tape
        assert wrong == {ByHand: 0, Layer: 1}.get(theirs, 2)


def test_gradients_of_parameters_are_named() -> None:
    theirs, ours = modules(BiasDetached, 6)
    with pytest.raises(CheckFailed, match=r"no gradient reaches the parameter up\.bias:") as caught:
        same(theirs, ours, torch.randn(2, 4, 6))
    assert caught.value.earned == pytest.approx(9 / 11)


def test_the_reference_is_in_float32_and_eval_mode_again() -> None:
    theirs, ours = modules(Layer, 6, 0.2)
    same(theirs, ours, torch.randn(2, 4, 6))
    assert ours.up.weight.dtype is torch.float32
    assert not ours.training


# -- how far right answers are from each other -------------------------------------------------------------------------


def config(width: int, heads: int) -> SimpleNamespace:
    return SimpleNamespace(n_embd=width, n_head=heads, attn_pdrop=0.0, hidden_pdrop=0.0)


@pytest.mark.slow
def test_other_orders_of_summation_stay_far_within_the_allowance() -> None:
    """Attention in other styles, function and layer, values and gradients: a sample of what tolerance.py states."""
    course = Path(__file__).parents[1]
    assignment = load_assignment(course, "attention")
    reference = root(LocalPort(run_trusted(assignment, assignment.solution)))
    variants = [
        root(LocalPort(run_trusted(assignment, course / f"solutions/attention/variants/{name}.py"), as_student=True))
        for name in ("additive_mask", "baddbmm", "einsum", "per_head_loop", "reordered_layers")
    ]
    worst = 0.0
    random.seed(0)
    torch.default_generator.manual_seed(0)
    for B, H, T, D in sizes(draws=4, B=(1, 3), H=(1, 4), T=(1, 12), D=(1, 16)):
        x, mask = torch.randn(B, T, H * D), torch.ones(1, 1, T, T).tril()
        q, k, v = (torch.randn(B, H, T, D) for _ in range(3))
        for student in variants:
            worst = max(worst, _farthest(student.attention, reference.attention, q, k, v, mask))
        layers = (variants[1].GenericSelfAttention, reference.GenericSelfAttention)
        worst = max(worst, _farthest(*twins(*layers, config(H * D, H), probe=(x, mask)), x, mask))
    assert 0.005 < worst < 0.2


def _farthest(theirs: Remote, ours: Remote, *args: Tensor) -> float:
    """The largest difference between two right answers, as a share of what is allowed."""
    question = Question(args, {}, "y")
    wanted = ask_reference(ours, question, [Face.VALUES, Face.GRADIENTS], None)
    found = gradients(theirs, *args, wrt=wanted.wrt, cotangent=wanted.cotangent)
    answers = named(found.output, "y") | gradients_named(wanted.wrt, found.inputs, found.parameters)
    shares = [
        ((answers[name] - tensor).abs().max() / wanted.allowed[name]).item()
        for name, tensor in (wanted.named | wanted.gradients).items()
        if name in answers
    ]
    return max(shares)


@pytest.mark.parametrize("seed", range(10))
def test_right_answers_in_other_styles_pass(seed: int) -> None:
    def by_rows(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
        weights = torch.stack([attention(q[:, h], k[:, h], v[:, h], mask[:, 0])[1] for h in range(q.size(1))], dim=1)
        return torch.einsum("bhij,bhjd->bhid", weights, v), weights

    def shifted(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
        scores = torch.einsum("bhid,bhjd->bhij", q / q.size(-1) ** 0.5, k) - 1e9 * (1 - mask)
        e = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        weights = e / e.sum(dim=-1, keepdim=True)
        return weights @ v, weights

    def logged(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Pair:
        scores = (q @ k.mT).mul(q.size(-1) ** -0.5).masked_fill(~mask.bool(), float("-inf"))
        weights = (scores - scores.logsumexp(dim=-1, keepdim=True)).exp()
        return weights @ v, weights

    for function in (by_rows, shifted, logged):
        theirs, ours, _, _ = sides(function)
        same(theirs, ours, *inputs(seed, B=1 + seed % 3))


# -- sizes -------------------------------------------------------------------------------------------------------------


def test_sizes_differ_and_end_with_the_lowest() -> None:
    for seed in range(200):
        random.seed(seed)
        *others, last = sizes(draws=4, B=(1, 3), T=(1, 7), H=(1, 4), D=(1, 6))
        assert last == (1, 1, 1, 1)
        assert len(others) == 3
        for drawn in others:
            assert len(set(drawn)) == 4
            assert all(1 < n <= high for n, high in zip(drawn, (3, 7, 4, 6), strict=True))


def test_sizes_that_cannot_differ_are_drawn_all_the_same() -> None:
    assert list(sizes(draws=2, A=(2, 2), B=(2, 2))) == [(2, 2), (2, 2)]
    random.seed(0)
    assert sorted(next(sizes(A=(1, 2), B=(1, 2)))) == [1, 2]


def test_sizes_are_drawn_at_once() -> None:
    random.seed(1)
    expected = list(sizes(T=(1, 50)))
    random.seed(1)
    found = []
    for drawn in sizes(T=(1, 50)):
        random.seed(7)
        found.append(drawn)
    assert found == expected
    with pytest.raises(ValueError, match="lowest"):
        sizes(T=(3, 1))


# -- through the sandbox -----------------------------------------------------------------------------------------------

FACES = '''
from grader.checks import check, no_gradient, parameter_count, same, twins

@check(points=3, partial=True)
def test_function(student, reference, y):
    """twice, from every side."""
    same(student.twice, reference.twice, y)

@check(points=1)
def test_history(student, y):
    """The result has no history."""
    no_gradient(student.twice, y)

@check(points=1)
def test_layer(student, reference, y):
    """The layer, from every side."""
    theirs, ours = twins(student.Layer, reference.Layer, 6)
    parameter_count(theirs, 84)
    same(theirs, ours, y)
'''
X = torch.ones(2)
LIES = {
    "a_number": "7",
    "unheard_of": "{'output': 2 * X, 'arguments': ((X,), {}), 'moved': ['\\u202e'], 'history': False}",
    "handles": "{'output': object(), 'arguments': object(), 'moved': object(), 'history': object()}",
    "not_finite": "{'output': X * float('nan'), 'arguments': ((X,), {}), 'moved': [], 'history': False}",
}
LIE = """
from grader.wire.host import Host
def lie(self, target, fields):
    X = fields["args"][0]
    return self._export({answer})
Host._call = lie
"""


@pytest.mark.parametrize(
    "answer",
    [
        7,
        Handle(1, "dict"),
        {},
        {"output": X, "arguments": ((), {}), "moved": [], "history": False},
        {"output": X, "arguments": ((X, X), {}), "moved": [], "history": False},
        {"output": X, "arguments": [(X,), {}], "moved": [], "history": False},
        {"output": X, "arguments": Handle(1, "tuple"), "moved": [], "history": False},
        {"output": X, "arguments": ((X,), {"x": X}), "moved": [], "history": False},
        {"output": X, "arguments": ((X,), {}), "moved": ["weather"], "history": False},
        {"output": X, "arguments": ((X,), {}), "moved": [[]], "history": False},
        {"output": X, "arguments": ((X,), {}), "moved": [], "history": 0},
    ],
)
def test_an_account_of_a_call_that_is_none(answer: object) -> None:
    class Lying(LocalPort):
        asked = 0

        def request(self, op: str, fields: dict[str, object]) -> object:
            del op, fields
            self.asked += 1
            return answer

    port = Lying({})
    with pytest.raises(StudentError, match="an answer that is not one"):
        leaves_unchanged(root(port).f, X)
    assert port.asked == 1


@pytest.mark.slow
def test_no_answer_about_a_face_is_our_fault(course: Course) -> None:
    """Their process may answer what it likes: the check fails, and nothing of ours does."""
    course.assignment.hidden_checks.write_text(FACES)
    course.submit(good=PERFECT, **{name: PERFECT + LIE.replace("{answer}", answer) for name, answer in LIES.items()})
    results = course.grade()
    good = by_id(results.pop("good.py"))
    assert {check.status for check in good.values()} == {Outcome.PASSED}, good
    assert {result.status for result in results.values()} == {Status.GRADED}
    for name, result in results.items():
        checks = by_id(result)
        assert checks["layer"].status is Outcome.FAILED, (name, checks)
        assert checks["function"].status in (Outcome.FAILED, Outcome.PARTIAL), (name, checks)  # it has its gradients
