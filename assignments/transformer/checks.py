"""What students may see of how the transformer assignment is graded. Shapes and letters are the handout's.

The earlier parts are the student's own. A check that fails only because one of them is wrong earns its points: the
reference is then asked again with that part in its place.
"""

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from grader.checks import causal, check, close, equal, kind, parameter_count, several, shaped, twins

# The exact GELU and the one with tanh are both right: in 60 draws of weights their outputs lay up to 0.0003 of the
# largest value apart, those of GELU and ReLU at least 0.02.
EITHER_GELU = 1e-3
RESULTS = ("the logits", "the loss")


def settings(**others):
    """A TransformerConfig of one block that fits the fixed tensors, but for `others`."""
    usual = {"vocab_size": 11, "block_size": 8, "n_embd": 12, "n_head": 3, "n_layer": 1}
    return SimpleNamespace(**{**usual, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "hidden_pdrop": 0.0, **others})


def logits_of(model, idx, cache=None):
    """The logits (B, P + T, V). Whether a loss comes with them is for test_answers to say."""
    answer = model(idx, None, cache)
    return answer[0] if isinstance(answer, (tuple, list)) and answer else answer


def table_of(mask, what, B, T):
    """A mask as (B, T, T) of False and True, whatever kind of numbers it holds and however it is to be broadcast."""
    assert isinstance(mask, torch.Tensor), f"{what} should be a tensor, not {kind(mask)}"
    sizes = zip(mask.shape, (B, 1, T, T), strict=False)
    fits = mask.dim() == 4 and all(size in (1, full) for size, full in sizes)
    assert fits, f"{what} has shape {tuple(mask.shape)}, and it should have {(B, 1, T, T)}"
    return (mask != 0).expand(B, 1, T, T)[:, 0]


# --- the block


@check(points=0.5, hint="Count as in the handout's example: the table there says how many numbers each part learns.")
def test_block_parameters(student):
    """Task 1: the layers of a block have the right sizes."""
    C = 12
    parameter_count(student.TransformerBlock(settings(n_embd=C)), 12 * C * C + 13 * C)


@check(
    points=2,
    hint="Follow x through the two lines of the handout. What is normalised, what is added, and to what?",
)
def test_block_values(student, reference, x, x_mask):
    """Task 2: the block adds attention, then the MLP, each of a normalised copy of the stream."""
    sees = x_mask.bool()
    theirs, ours = twins(student.TransformerBlock, reference.TransformerBlock, settings(), probe=(x, sees))
    close(theirs(x, sees), ours(x, sees), "the block's output", rtol=EITHER_GELU)


@check(points=1, hint="Only attention needs the mask. Does it get the one that the block got?")
def test_block_mask(student, reference, x):
    """Task 2: under a causal mask a later token never changes an earlier one."""
    sees = torch.ones(1, 1, 5, 5).tril().bool()
    theirs, _ = twins(student.TransformerBlock, reference.TransformerBlock, settings(), probe=(x, sees))
    causal(theirs, x, sees)


# --- the model


@check(points=0.5, hint="Two results without return_hidden, one with it. Without targets there is no loss: None.")
def test_answers(student, idx, targets):
    """Task 6: the model returns logits and loss, or the hidden states alone."""
    model = student.GenericTransformer(settings()).eval()
    logits, loss = several(model(idx), *RESULTS)
    shaped(logits, (4, 4, 11), "the tensor of logits")
    equal(loss, None, "the loss without targets")
    logits, loss = several(model(idx, targets), *RESULTS)
    shaped(logits, (4, 4, 11), "the tensor of logits")
    shaped(loss, (), "the loss")
    shaped(model(idx, return_hidden=True), (4, 4, 12), "the tensor of hidden states")


@check(
    points=1.5,
    hint="Embedding, block, final norm, head, in this order. GenericTransformer hides no position from any other.",
)
def test_logits(student, reference, idx):
    """Tasks 3 to 6: the logits of a model of one block are right."""
    theirs, ours = twins(student.GenericTransformer, reference.GenericTransformer, settings(), probe=(idx,))
    close(logits_of(theirs, idx), logits_of(ours, idx), "the tensor of logits", rtol=EITHER_GELU)


@check(
    points=1.5,
    partial=True,
    hint="Position t predicts target t. The mean is over all targets that count, whichever row they are in.",
)
@pytest.mark.parametrize("ignored", [False, True], ids=["all targets", "targets of -1"])
def test_loss(student, idx, targets, ignored):
    """Task 5: the loss is the mean cross entropy over the targets that are not -1."""
    wanted = targets if ignored else targets.clamp(min=0)
    logits, loss = several(student.GenericTransformer(settings()).eval()(idx, wanted), *RESULTS)
    expected = F.cross_entropy(shaped(logits, (4, 4, 11), "the tensor of logits").mT, wanted, ignore_index=-1)
    close(loss, expected, "the loss")  # of the student's own logits: right or wrong, they are to be used


@check(points=1, hint="The cache's vectors stand where embedded tokens would stand, before all of them.")
def test_cache_in_front(student, reference, idx, cache):
    """Task 4: the cache's vectors come in front of the tokens, and each of the P + T positions has logits."""
    probe = (idx, None, cache)
    theirs, ours = twins(student.GenericTransformer, reference.GenericTransformer, settings(), probe=probe)
    close(logits_of(theirs, idx, cache), logits_of(ours, idx, cache), "the tensor of logits", rtol=EITHER_GELU)


# --- encoder and decoder


@check(
    points=1,
    partial=True,
    hint="Your masks take two arguments, and the second one is how many columns the longest row needs.",
)
@pytest.mark.parametrize("name", ["Encoder", "Decoder"])
def test_masks(student, reference, num_tokens, name):
    """Tasks 7 and 8: the encoder's mask hides padding, the decoder's hides padding and what comes later."""
    theirs, ours = (
        table_of(getattr(side, name)(settings()).get_attention_mask(num_tokens), "the mask", 4, 5)
        for side in (student, reference)
    )
    for b, n in enumerate(num_tokens.tolist()):
        equal(theirs[b], ours[b], f"the mask of row {b}, which has {n} tokens,")  # (T, T)


@check(points=1, hint="A decoder's mask has to reach the attention of every block.")
def test_decoder_causal(student, reference, idx):
    """Task 8: in a decoder a later token never changes an earlier position's logits."""
    theirs, _ = twins(student.Decoder, reference.Decoder, settings(), probe=(idx,))
    causal(lambda idx: logits_of(theirs, idx), idx)
