"""What students may see of how the attention assignment is graded. Shapes and letters are the handout's."""

from types import SimpleNamespace

import pytest
import torch

from grader.checks import causal, check, close, raises, several, shaped, twins


def settings(n_embd, n_head, attn_pdrop=0.0, hidden_pdrop=0.0):
    """A TransformerConfig for a layer of this width and this many heads."""
    return SimpleNamespace(
        vocab_size=10,
        block_size=16,
        n_embd=n_embd,
        n_head=n_head,
        n_layer=1,
        embd_pdrop=0.0,
        attn_pdrop=attn_pdrop,
        hidden_pdrop=hidden_pdrop,
    )


def attend(side, q, k, v, *mask):
    """Return output and weights of `attention`, or say in words what is wrong with their form."""
    output, weights = several(side.attention(q, k, v, *mask), "the output", "the weights")
    shaped(output, (*q.shape[:-1], v.size(-1)), "the output")
    shaped(weights, (*q.shape[:-1], k.size(-2)), "the tensor of weights")
    return output, weights


def layers(student, reference, config, x, mask):
    """Both layers with the same weights; their answers to x and mask show which of the student's layers is which."""
    return twins(student.GenericSelfAttention, reference.GenericSelfAttention, config, probe=(x, mask))


def shared_out(free, mask):
    """The weights `free` of no mask, as they should be under `mask`: none for hidden keys, and each row sums to one."""
    seen = free * mask  # (B, H, Tq, Tk)
    return seen / seen.sum(dim=-1, keepdim=True).clamp_min(1e-30)


@check(points=0.5, hint="One output row per query, as wide as a value; one weight for each pair of query and key.")
def test_shapes(student, q, k, v):
    """attention returns the output and the weights, in this order and in the right shapes."""
    attend(student, q, k, v)


@check(
    points=0.5,
    needs=test_shapes,
    hint="A query shares out exactly one unit of attention among the keys. Which dimension of the scores are the keys?",
)
def test_rows_sum_to_one(student, q, k, v):
    """The weights of each query are not negative and sum to one."""
    _, weights = attend(student, q, k, v)
    assert (weights >= 0).all(), "there are weights below zero, or weights that are no numbers"
    close(weights.sum(dim=-1), torch.ones(q.shape[:-1]), "the sum of each query's weights")


@check(
    points=1.5,
    needs=test_shapes,
    hint="Work the handout's example through by hand: dot products first, then the division, then the softmax.",
)
def test_weights(student, reference, q, k, v):
    """The weights are the softmax of the scaled scores."""
    _, weights = attend(student, q, k, v)
    _, expected = attend(reference, q, k, v)
    close(weights, expected, "the tensor of weights")


@check(
    points=1,
    needs=test_shapes,
    hint="Row i of the output is a sum over the keys: weight of key j for query i, times value j.",
)
def test_output(student, q, k, v):
    """The output is the mean of the values, each counted with its weight."""
    output, weights = attend(student, q, k, v)
    close(output, weights @ v, "the output")  # the student's own weights: right or wrong, they are to be used


@check(
    points=1.5,
    partial=True,
    needs=test_rows_sum_to_one,
    hint="Only whether an entry is zero matters. A hidden key gets no weight; those left still share out exactly one, "
    "in the same proportions as before. Comparing the mask with zero works for every kind of number.",
)
@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.float32], ids=["booleans", "integers", "floats"])
def test_mask_kinds(student, q, k, v, mask, kind):
    """A mask hides keys, whether it holds booleans, integers or floats."""
    _, free = attend(student, q, k, v)
    _, weights = attend(student, q, k, v, mask.to(kind))
    close(weights, shared_out(free, mask), "the tensor of weights under a mask", rtol=1e-2)


@check(points=0.5, hint="After the heads are merged there is one row of n_embd features per token again.")
def test_layer_shape(student, x, x_mask):
    """The layer returns one tensor of its input's shape."""
    layer = student.GenericSelfAttention(settings(n_embd=12, n_head=3)).eval()
    shaped(layer(x, x_mask.bool()), x.shape, "the layer's output")


@check(points=1, hint="D = n_embd / n_head features per head: what remains of that division?")
def test_indivisible(student):
    """A width that the heads cannot share evenly is refused with a ValueError."""
    student.GenericSelfAttention(settings(n_embd=12, n_head=4))  # this one is fine
    with raises(ValueError, "12 features among 5 heads"):
        student.GenericSelfAttention(settings(n_embd=12, n_head=5))


@check(
    points=2,
    needs=test_layer_shape,
    hint="Follow one token by hand: which D numbers belong to head 0 after the split, and do the heads' results stand "
    "side by side in the same order after the merge? The result then goes through c_proj.",
)
def test_layer_values(student, reference, x, x_mask):
    """The layer computes multi-head self-attention."""
    sees = x_mask.bool()
    theirs, ours = layers(student, reference, settings(n_embd=12, n_head=3), x, sees)
    close(theirs(x, sees), ours(x, sees), "the layer's output")


@check(
    points=1.5,
    needs=test_layer_shape,
    hint="The mask has to reach the scores of every head, and no step before or after may mix the tokens of a text.",
)
def test_layer_respects_mask(student, x):
    """Under a causal mask a later token never changes an earlier output."""
    layer = student.GenericSelfAttention(settings(n_embd=12, n_head=3)).eval()
    sees = torch.ones(1, 1, 5, 5).tril().bool()  # (1, 1, T, T): each token sees itself and what came before
    causal(lambda tokens: shaped(layer(tokens, sees), tokens.shape, "the layer's output"), x)
