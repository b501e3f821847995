"""The rest of how the transformer assignment is graded: other sizes, depth, long caches, padding."""

import torch
from public_checks import RESULTS, logits_of, settings
from torch.nn import functional as F

from grader.checks import (
    causal,
    check,
    close,
    gradients,
    leaves_unchanged,
    padding_ignored,
    parameter_count,
    same,
    several,
    shaped,
    sizes,
    twins,
)

EITHER_GRADIENT = 5e-3  # as EITHER_GELU: gradients of the two lay up to 0.003 apart, those of GELU and ReLU 0.1


@check(points=1, partial=True, hint="No size is fixed: rows, tokens, heads and width are other ones here.")
def test_block_sizes(student, reference):
    """Task 2: the block is right for other sizes, and passes the right gradients on."""
    for B, T, H, D in sizes(2, B=(1, 3), T=(1, 6), H=(1, 3), D=(8, 12)):
        x, sees = torch.randn(B, T, H * D), torch.ones(1, 1, T, T).tril()
        config = settings(n_embd=H * D, n_head=H)
        theirs, ours = twins(student.TransformerBlock, reference.TransformerBlock, config, probe=(x, sees))
        same(theirs, ours, x, sees, what="the block's output", off=("dropout",), rtol=EITHER_GRADIENT)


@check(
    points=0.5, hint="Each block has weights of its own. Does the number of parameters grow with n_layer as it should?"
)
def test_model_parameters(student):
    """Task 3: the layers of the model have the right sizes, and no two blocks share their weights."""
    V, C, L = 11, 12, 3
    model = student.GenericTransformer(settings(n_layer=L))
    parameter_count(model, (V + 8) * C + L * (12 * C * C + 13 * C) + 2 * C + C * V)


@check(points=1, partial=True, hint="What a block returns is what the next one gets. What comes once, after the last?")
def test_depth(student, reference, deep_idx):
    """Task 4: the blocks lie on top of each other, and one norm comes after the last of them."""
    config = settings(n_layer=2)
    theirs, ours = twins(student.GenericTransformer, reference.GenericTransformer, config, probe=(deep_idx,))
    same(theirs, ours, deep_idx, what="the result", off=("dropout",), rtol=EITHER_GRADIENT)


@check(
    points=1, partial=True, hint="The hidden states are what the head reads, and they carry gradients as the logits do."
)
def test_hidden_states(student, reference, deep_idx):
    """Task 6: the hidden states are those after the final norm."""
    theirs, ours = twins(student.GenericTransformer, reference.GenericTransformer, settings(), probe=(deep_idx,))
    off = ("dropout", "rows")  # the rows of a batch are looked at in test_depth
    same(theirs, ours, deep_idx, return_hidden=True, what="the hidden states", off=off, rtol=EITHER_GRADIENT)


@check(
    points=1,
    partial=True,
    hint="The cache is embedded already. Tokens count their positions from 0, and only they are limited by block_size.",
)
def test_cache_positions(student, reference, deep_idx, long_cache):
    """Task 4: a cache shifts no position, may be longer than block_size, and gradients flow into it."""
    question = (deep_idx, None, long_cache)
    theirs, ours = twins(student.GenericTransformer, reference.GenericTransformer, settings(), probe=question)
    same(theirs, ours, *question, what="the result", off=("dropout",), rtol=EITHER_GRADIENT)


@check(points=1, hint="Which position stands right before the first token? What does it have to predict?")
def test_cache_loss(student, deep_idx, short_cache, cache_targets):
    """Task 5: with a cache target t is predicted by the position before token t."""
    model = student.GenericTransformer(settings()).eval()
    idx, targets = deep_idx[:, :2], cache_targets[:, :2]  # (B, T)
    logits, loss = several(model(idx, targets, short_cache), *RESULTS)
    P, T = short_cache.size(1), idx.size(1)
    predictions = shaped(logits, (3, P + T, 11), "the tensor of logits")[:, P - 1 : P - 1 + T]  # (B, T, V)
    close(loss, F.cross_entropy(predictions.mT, targets, ignore_index=-1), "the loss")


@check(points=0.5, hint="Between the weights and the loss all has to stay a tensor that autograd follows.")
def test_loss_gradient(student, deep_idx, cache_targets):
    """Task 5: the model can learn from its loss."""
    model = student.GenericTransformer(settings()).eval()
    learned = gradients(model, deep_idx, cache_targets, wrt=(), cotangent=(None, torch.ones(()))).parameters
    reached = [gradient for gradient in learned.values() if gradient is not None and gradient.abs().max() > 1e-6]
    assert len(reached) > 2, "the loss changes with almost none of the weights: something before it is detached"


@check(points=0.5, hint="The same block gives the same answer twice once .eval() was called. Who tells the dropout?")
def test_block_eval(student):
    """Task 1: in eval mode the block drops nothing."""
    x, sees = torch.randn(2, 4, 12), torch.ones(1, 1, 4, 4).bool()
    block = student.TransformerBlock(settings(attn_pdrop=0.5, hidden_pdrop=0.5)).eval()
    first, second = shaped(block(x, sees), x.shape, "the block's output"), block(x, sees)
    close(second, first, "the second answer to the same question")


@check(points=0.5, hint="`idx[...] = 0` and methods whose names end in _ change the caller's tensor. Make a new one.")
def test_idx_unchanged(student, padded_idx):
    """Task 4: the model leaves the tokens it was given as they were."""
    leaves_unchanged(student.GenericTransformer(settings()).eval(), padded_idx)


# --- encoder and decoder


def tokens_in(idx):
    """How many real tokens each row has (B,)."""
    return (idx != -1).sum(dim=1)


@check(
    points=1,
    hint="Feed a row with its padding and without. Count its real tokens on paper: does the model count the same?",
)
def test_encoder_padding(student, reference, deep_idx, padded_idx):
    """Task 7: in an encoder a row gives what it gives alone, however much padding follows."""
    theirs, _ = twins(student.Encoder, reference.Encoder, settings(), probe=(deep_idx,))
    padding_ignored(lambda idx, _: logits_of(theirs, idx), padded_idx, tokens_in(padded_idx), pad=-1)


@check(points=0.5, hint="An encoder has the whole text before it. Whom may its first token look at?")
def test_encoder_both_ways(student, reference, deep_idx):
    """Task 7: in an encoder the first token sees the last."""
    theirs, _ = twins(student.Encoder, reference.Encoder, settings(), probe=(deep_idx,))
    other = deep_idx.clone()
    other[:, -1] = (other[:, -1] + 1) % 11
    before, after = (shaped(logits_of(theirs, idx), (3, 3, 11), "the tensor of logits") for idx in (deep_idx, other))
    moved = (after - before)[:, 0].abs().amax(dim=-1)  # (B,)
    assert (moved > 1e-4).all(), "a change of the last token does not change what the first position predicts"


@check(points=1, hint="idx may be wider than its longest row: something has to be cut off or filled up.")
def test_decoder_padding(student, reference, deep_idx, wide_idx):
    """Task 8: in a decoder a row gives what it gives alone, however much padding follows."""
    theirs, _ = twins(student.Decoder, reference.Decoder, settings(), probe=(deep_idx,))
    padding_ignored(lambda idx, _: logits_of(theirs, idx), wide_idx, tokens_in(wide_idx), pad=-1)
    _, loss = several(theirs(wide_idx, wide_idx), *RESULTS)  # targets as wide and as padded as the tokens
    shaped(loss, (), "the loss")


@check(
    points=0.5,
    hint="Cache and tokens are one row of positions, and each looks back only. No part of a cache is padding.",
)
def test_decoder_cache(student, reference, deep_idx, wide_idx, short_cache):
    """Task 8: in a decoder with a cache each position looks back only, and padding changes nothing."""
    theirs, _ = twins(student.Decoder, reference.Decoder, settings(block_size=9), probe=(deep_idx, None, short_cache))
    P, lengths = short_cache.size(1), tokens_in(wide_idx)
    causal(lambda cache, idx: logits_of(theirs, idx, cache)[:, :P], short_cache, wide_idx)
    padding_ignored(lambda idx, _, cache: logits_of(theirs, idx, cache)[:, P:], wide_idx, lengths, short_cache, pad=-1)
