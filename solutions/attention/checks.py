"""The rest of how the attention assignment is graded: other sizes, and what one example cannot show."""

import pytest
import torch
from public_checks import attend, layers, settings, shared_out

from grader.checks import check, close, leaves_unchanged, same, shaped, sizes


@check(points=1, hint="Neither the number of queries nor that of keys, rows or heads is fixed: read them from shapes.")
def test_other_sizes(student, reference):
    """attention is right for other sizes too, and when queries and keys differ in number."""
    for B, H, Tq, Tk, D in sizes(B=(1, 3), H=(1, 3), Tq=(1, 6), Tk=(2, 6), D=(2, 8)):
        q, k, v = torch.randn(B, H, Tq, D), torch.randn(B, H, Tk, D), torch.randn(B, H, Tk, D)
        same(student.attention, reference.attention, q, k, v, what="output and weights", off=("gradients", "unchanged"))


@check(points=0.5, hint="Scores grow with the number of features that a query and a key share. What takes that back?")
@pytest.mark.parametrize("D", [3, 16])
def test_scale(student, D):
    """The scores are scaled as the formula says, whatever the width."""
    q = torch.ones(1, 2, 1, D)
    k = torch.stack([torch.ones(2, D), torch.zeros(2, D)], dim=1)[None]  # (1, 2, 2, D): q . k is D, then 0
    _, weights = attend(student, q, k, torch.zeros(1, 2, 2, D))
    difference = weights[..., 0].log() - weights[..., 1].log()  # (1, 2, 1), of the two scores
    close(difference, torch.full((1, 2, 1), D**0.5), "the difference of two scores")


@check(
    points=1,
    partial=True,
    hint="A mask may have size 1 where its entries are the same for all heads, rows or queries: let it broadcast.",
)
@pytest.mark.parametrize("name", ["key_mask", "query_mask"])
def test_broadcast_masks(student, q2, k2, v2, key_mask, query_mask, name):
    """A mask is broadcast over heads, rows and queries."""
    mask = {"key_mask": key_mask, "query_mask": query_mask}[name]
    _, free = attend(student, q2, k2, v2)
    _, weights = attend(student, q2, k2, v2, mask.bool())
    close(weights, shared_out(free, mask), "the tensor of weights under a mask", rtol=1e-2)


@check(
    points=1,
    hint="No attention may leak, however well a hidden key fits. What must a score be, for its softmax to be nothing?",
)
def test_no_leak(student, q2, k2, v2):
    """A hidden key gets no weight at all, even when it fits best."""
    q = torch.full_like(q2, 1.5)
    k = torch.where(torch.arange(5)[:, None] == 4, 1.5, -1.5).expand_as(k2)  # (T, 1) -> (B, H, T, D): only key 4 fits
    sees = (torch.arange(5) != 4).float().repeat(1, 1, 5, 1)  # (1, 1, T, T): nobody may see it
    _, weights = attend(student, q, k.contiguous(), v2, sees)
    leaked = weights[..., 4].abs().max().item()
    assert leaked == 0, f"a hidden key still has a weight of {leaked:.2g}"
    close(weights, (sees / 4).expand_as(weights), "the tensor of weights")  # the other four keys fit equally well


@check(points=0.5, hint="e to the power of 100 is more than a float32 can hold. How does a stable softmax avoid it?")
def test_large_scores(student, q2, k2, v2):
    """Large scores do not overflow."""
    attend(student, 30.0 * q2, 30.0 * k2, v2)  # scores of a few thousand, and all that comes back is finite


@check(
    points=0.5,
    hint="All that lies between inputs and output has to stay a tensor that autograd follows: no .data, .detach(), "
    ".item(), numpy or no_grad on the way.",
)
def test_gradients(student, reference, q2, k2, v2, query_mask):
    """The right gradients reach the queries, the keys and the values."""
    same(student.attention, reference.attention, q2, k2, v2, query_mask, only=("gradients",))


@check(points=0.5, hint="`x /= 2` and methods whose names end in _ change the caller's tensor. Make a new one instead.")
def test_inputs_unchanged(student, q2, k2, v2, key_mask):
    """attention leaves the tensors it was given as they were."""
    leaves_unchanged(student.attention, q2, k2, v2, key_mask)


@check(points=1.5, partial=True, hint="Nothing in the layer may count on one number of heads, rows or tokens.")
@pytest.mark.parametrize("kind", [torch.float32, torch.bool, torch.int64], ids=["floats", "booleans", "integers"])
def test_layer_sizes(student, reference, kind):
    """The layer is right for other numbers of heads, rows and tokens."""
    for B, T, H, D in sizes(draws=2, B=(1, 3), T=(1, 6), H=(1, 4), D=(2, 5)):
        x, mask = torch.randn(B, T, H * D), torch.ones(1, 1, T, T).tril().to(kind)
        config, four = settings(n_embd=H * D, n_head=H), torch.ones(1, 1, 4, 4).tril().to(kind)
        theirs, ours = layers(student, reference, config, torch.randn(2, 4, H * D), four)
        same(theirs, ours, x, mask, what="the layer's output", only=("values", "unchanged", "repeatable", "rows"))


@check(
    points=0.5,
    hint="The same module gives the same answer twice once .eval() was called. Who tells the dropout that it was?",
)
def test_dropout_off(student, reference, x2, x2_mask):
    """In eval mode the layer drops nothing."""
    layer, _ = layers(student, reference, settings(n_embd=8, n_head=2, attn_pdrop=0.5, hidden_pdrop=0.5), x2, x2_mask)
    first, second = layer(x2, x2_mask.bool()), layer(x2, x2_mask.bool())
    shaped(first, x2.shape, "the layer's output")
    close(second, first, "the second answer to the same question")


@check(points=1, hint="Dropout on the weights comes after the softmax, and on the average it changes nothing.")
def test_attention_dropout(student, reference, x2, x2_mask):
    """In training mode some of the attention weights are dropped, and the others make up for it."""
    layer, _ = layers(student, reference, settings(n_embd=8, n_head=2, attn_pdrop=0.5), x2, x2_mask)
    copies = x2[:1, :4].repeat(4000, 1, 1)  # (4000, 4, C): one text of four tokens, dropped from in 4000 ways
    sees = torch.ones(1, 1, 4, 4)
    plain, dropped = layer.eval()(copies[:2], sees), layer.train()(copies, sees)
    shaped(plain, (2, *copies.shape[1:]), "the layer's output")
    shaped(dropped, copies.shape, "the layer's output")
    spread = dropped.std(dim=0)  # (4, C)
    assert spread.max() > 1e-4, "in training mode no weight is dropped"
    off = (dropped.mean(dim=0) - plain[0]).abs() / (spread / 4000**0.5 + 1e-6)  # (4, C), in standard errors
    assert off.max() < 6, "the mean over many drops is not the layer's output without dropout"  # 6: once in 10^7 runs


@check(points=1, hint="hidden_dropout is the layer's last step; it zeroes some numbers and scales up the others.")
def test_hidden_dropout(student, reference, x2, x2_mask):
    """In training mode some of the outputs are dropped, and the others make up for it."""
    layer, _ = layers(student, reference, settings(n_embd=8, n_head=2, hidden_pdrop=0.25), x2, x2_mask)
    copies = x2[:1].repeat(100, 1, 1)  # (100, T, C)
    plain, dropped = layer.eval()(copies, x2_mask[:1]), layer.train()(copies, x2_mask[:1])
    shaped(plain, copies.shape, "the layer's output")
    shaped(dropped, copies.shape, "the layer's output")
    share = (dropped == 0).double().mean().item()
    assert 0.15 < share < 0.35, f"{share:.0%} of the outputs were dropped with hidden_pdrop = 0.25"
    close(dropped, torch.where(dropped == 0, 0.0, plain / 0.75), "the output, where it was kept,")


@check(
    points=1,
    hint="Each of the four Linear layers takes part in the result, and nothing on the way cuts the graph.",
)
def test_layer_gradients(student, reference, x2, x2_mask):
    """The layer passes the right gradients to its input and to its parameters."""
    sees = x2_mask.bool()
    theirs, ours = layers(student, reference, settings(n_embd=8, n_head=2), x2, sees)
    same(theirs, ours, x2, sees, what="the layer's output", only=("gradients",))
