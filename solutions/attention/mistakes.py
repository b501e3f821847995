"""Known mistakes of the attention assignment, as replacements of the solution's names."""

import torch
from attention import GenericSelfAttention, attention
from torch import nn
from torch.nn import functional as F

from grader.checks import mistake

HIDDEN = float("-inf")

# A mistake calls `attention` where it can, so that it can be laid over another one: students make two at a time, too.

# --- the scores: q times a number is the scores times that number


@mistake(
    replaces="attention",
    title="The scores are not divided by the square root of D",
    hint="The formula has one more step between the dot products and the softmax.",
    caught_by=("weights", "other_sizes", "scale", "gradients"),
)
def no_scaling(q, k, v, mask=None):
    return attention(q * q.size(-1) ** 0.5, k, v, mask)


@mistake(
    replaces="attention",
    title="The scores are divided by the square root of C, the width of all heads together",
    hint="A dot product sums over the features of one head only. How many are those?",
    caught_by=("weights", "other_sizes", "scale", "gradients"),
)
def scaled_by_full_width(q, k, v, mask=None):
    return attention(q / q.size(1) ** 0.5, k, v, mask)  # C = H * D


@mistake(
    replaces="attention",
    title="The scores are divided by D instead of its square root",
    hint="The standard deviation of a sum of D independent products grows more slowly than D.",
    caught_by=("weights", "other_sizes", "scale", "gradients"),
)
def scaled_by_d(q, k, v, mask=None):
    return attention(q / q.size(-1) ** 0.5, k, v, mask)


@mistake(
    replaces="attention",
    title="The scores are multiplied by the square root of D",
    hint="More features make larger dot products. Should the scaling make them larger still?",
    caught_by=("weights", "other_sizes", "scale", "gradients"),
)
def multiplied_by_sqrt_d(q, k, v, mask=None):
    return attention(q * q.size(-1), k, v, mask)


@mistake(
    replaces="attention",
    title="The scores are divided by the square root of the number of keys",
    hint="Which size does a dot product sum over: the number of keys, or the number of features?",
    caught_by=("weights", "other_sizes", "scale", "gradients"),
)
def scaled_by_number_of_keys(q, k, v, mask=None):
    return attention(q * (q.size(-1) / k.size(-2)) ** 0.5, k, v, mask)


@mistake(
    replaces="attention",
    title="Queries and keys are swapped: the scores are k q^T",
    hint="Rows of the scores belong to the tokens that ask. Which factor of a matrix product decides the rows?",
    caught_by=("weights", "other_sizes", "scale", "gradients"),
)
def queries_and_keys_swapped(q, k, v, mask=None):
    return attention(k, q, v, mask)


@mistake(
    replaces="attention",
    title="The keys are reshaped where they should be transposed",
    hint="view keeps the numbers in their order in memory. Does a transpose?",
    caught_by=("weights", "other_sizes", "scale", "no_leak", "gradients"),
)
def keys_viewed_not_transposed(q, k, v, mask=None):
    B, H, T, D = k.shape
    return attention(q, k.reshape(B, H, D, T).transpose(-2, -1), v, mask)


# --- the softmax


def with_softmax(dim, q, k, v, mask, fill=-1e9):
    """The solution with its softmax over another dimension, or another number in place of a hidden score."""
    scores = q @ k.transpose(-2, -1) / q.size(-1) ** 0.5
    if mask is not None:
        scores = scores.masked_fill(mask == 0, fill)
    weights = scores.softmax(dim=dim)
    return weights @ v, weights


@mistake(
    replaces="attention",
    title="The softmax is over the queries instead of the keys",
    hint="Sum the weights along each dimension: which of the sums is one, and which should be?",
    caught_by=("rows_sum_to_one", "weights", "other_sizes", "scale", "broadcast_masks", "no_leak", "gradients"),
)
def softmax_over_queries(q, k, v, mask=None):
    return with_softmax(-2, q, k, v, mask)


@mistake(
    replaces="attention",
    title="The softmax is over the heads instead of the keys",
    hint="Each head looks for itself: its weights do not depend on the other heads.",
    caught_by=("rows_sum_to_one", "weights", "other_sizes", "scale", "broadcast_masks", "no_leak", "gradients"),
)
def softmax_over_heads(q, k, v, mask=None):
    return with_softmax(1, q, k, v, mask)


@mistake(
    replaces="attention",
    title="The softmax overflows when scores are large",
    hint="A softmax stays the same when one number is taken from all scores. Which number keeps e^x small?",
    caught_by=("large_scores",),
)
def softmax_overflows(q, k, v, mask=None):
    e = (q @ k.transpose(-2, -1) / q.size(-1) ** 0.5).exp()
    if mask is not None:
        e = e * (mask != 0)
    weights = e / e.sum(dim=-1, keepdim=True)
    return weights @ v, weights


@mistake(
    replaces="attention",
    title="The scores are returned in place of the weights",
    hint="The output is right. What did the softmax make, and is it what you return?",
    caught_by=(
        "rows_sum_to_one",
        "weights",
        "output",
        "other_sizes",
        "scale",
        "broadcast_masks",
        "no_leak",
        "layer_shape",
        "dropout_off",
        "hidden_dropout",
    ),
)
def scores_returned(q, k, v, mask=None):
    output, _ = attention(q, k, v, mask)
    scores = q @ k.transpose(-2, -1) / q.size(-1) ** 0.5
    return output, scores if mask is None else scores.masked_fill(mask == 0, HIDDEN)


# --- the mask


@mistake(
    replaces="attention",
    title="The mask is inverted: what may be seen is hidden",
    hint="1 or True means that the query MAY look. Which entries are to be filled?",
    caught_by=("mask_kinds", "broadcast_masks", "no_leak", "gradients", "attention_dropout"),
)
def mask_inverted(q, k, v, mask=None):
    return attention(q, k, v, None if mask is None else mask == 0)


@mistake(
    replaces="attention",
    title="The mask is not used",
    hint="Find the line in which the mask changes a score.",
    caught_by=("mask_kinds", "broadcast_masks", "no_leak", "gradients"),
)
def mask_ignored(q, k, v, mask=None):  # noqa: ARG001 - the mistake
    return attention(q, k, v)


@mistake(
    replaces="attention",
    title="The mask is applied after the softmax, and the rows no longer sum to one",
    hint="The softmax has already given weight to the hidden keys. Who gets it once it is taken from them?",
    caught_by=("mask_kinds", "broadcast_masks", "no_leak", "gradients"),
)
def mask_after_softmax(q, k, v, mask=None):
    _, weights = attention(q, k, v)
    if mask is not None:
        weights = weights * (mask != 0)
    return weights @ v, weights


@mistake(
    replaces="attention",
    title="Hidden scores are set to 0 before the softmax",
    hint="e^0 is not 0. Which score does the softmax turn into no weight?",
    caught_by=("mask_kinds", "broadcast_masks", "no_leak", "gradients"),
)
def masked_scores_zero(q, k, v, mask=None):
    return with_softmax(-1, q, k, v, mask, fill=0.0)


@mistake(
    replaces="attention",
    title="Hidden scores are set to a number that is not low enough, and attention leaks",
    hint="Scores can be much lower than the number you chose. Is there one that no score is below?",
    caught_by=("no_leak", "gradients"),
)
def masked_scores_leak(q, k, v, mask=None):
    return with_softmax(-1, q, k, v, mask, fill=-10.0)


@mistake(
    replaces="attention",
    title="Hidden scores are lowered by a number that is too small, and attention leaks",
    hint="A high score stays high when little is taken from it. How much must be taken?",
    caught_by=("no_leak",),
)
def masked_scores_lowered(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / q.size(-1) ** 0.5
    if mask is not None:
        scores = scores - 20.0 * (mask == 0)
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


@mistake(
    replaces="attention",
    title="Only a mask of booleans is understood",
    hint="A mask may hold integers or floats as well. Which comparison makes booleans of all three?",
    caught_by=(
        "mask_kinds",
        "no_leak",
        "gradients",
        "inputs_unchanged",
        "layer_sizes",
        "dropout_off",
        "attention_dropout",
        "hidden_dropout",
    ),
)
def boolean_masks_only(q, k, v, mask=None):
    return attention(q, k, v, None if mask is None else torch.where(mask, 1, 0))  # torch asks for booleans there


@mistake(
    replaces="attention",
    title="A mask of booleans is not understood",
    hint="torch does not subtract booleans. Which comparison works for every kind of number?",
    caught_by=("mask_kinds", "layer_shape", "broadcast_masks", "layer_sizes", "dropout_off", "layer_gradients"),
)
def number_masks_only(q, k, v, mask=None):
    return attention(q, k, v, None if mask is None else 1 - (1 - mask))


@mistake(
    replaces="attention",
    title="Only the mask's first row counts, for every query",
    hint="Each query has its own row of the mask.",
    caught_by=("mask_kinds", "broadcast_masks", "gradients"),
)
def mask_of_first_query(q, k, v, mask=None):
    return attention(q, k, v, None if mask is None else mask[..., :1, :])


# --- the output


@mistake(
    replaces="attention",
    title="The weights meet the keys instead of the values",
    hint="Keys are for being found. What is read from a token that was found?",
    caught_by=("output", "other_sizes", "gradients"),
)
def values_taken_from_keys(q, k, v, mask=None):
    _, weights = attention(q, k, v, mask)
    return weights @ k, weights


@mistake(
    replaces="attention",
    title="The weights are returned before the output",
    hint="Look at the order of the two results in the signature.",
    caught_by=(
        "shapes",
        "other_sizes",
        "scale",
        "broadcast_masks",
        "no_leak",
        "large_scores",
        "gradients",
        "layer_sizes",
        "dropout_off",
        "attention_dropout",
        "hidden_dropout",
        "layer_gradients",
        "layer_shape",
    ),
)
def results_swapped(q, k, v, mask=None):
    output, weights = attention(q, k, v, mask)
    return weights, output


@mistake(
    replaces="attention",
    title="The queries are scaled in place, so the caller's tensor changes",
    hint="`q /= 2` changes the tensor that was passed in; `q = q / 2` makes a new one.",
    caught_by=("gradients", "inputs_unchanged"),
)
def inputs_changed(q, k, v, mask=None):
    q /= q.size(-1) ** 0.5
    return attention(q * q.size(-1) ** 0.5, k, v, mask)


@mistake(
    replaces="attention",
    title="The weights are cut from the graph, so queries and keys never learn",
    hint="Print weights.requires_grad: what happened between the scores and here?",
    caught_by=("gradients",),
)
def weights_detached(q, k, v, mask=None):
    _, weights = attention(q, k, v, mask)
    return weights.detach() @ v, weights.detach()


# --- the layer


def attended(layer, x, mask):
    """The solution's forward up to the merged heads (B, T, C), before the projection."""
    q, k, v = (layer.split_heads(make(x)) for make in (layer.q, layer.k, layer.v))
    _, weights = attention(q, k, v, mask)
    return layer.merge_heads(layer.attn_dropout(weights) @ v)


@mistake(
    replaces="GenericSelfAttention",
    title="The heads are split with a view and no transpose",
    hint="view(B, H, T, D) cuts the tokens of one text into H groups. Which dimension should the H come out of?",
    caught_by=("layer_values", "layer_respects_mask", "layer_sizes", "layer_gradients"),
)
class HeadsSplitByView(GenericSelfAttention):
    def split_heads(self, x):
        B, T, C = x.shape
        return x.view(B, self.n_head, T, C // self.n_head)


@mistake(
    replaces="GenericSelfAttention",
    title="The heads are merged without transposing back",
    hint="Before the reshape the dimensions should stand in the order B, T, H, D.",
    caught_by=("layer_values", "layer_respects_mask", "layer_sizes", "layer_gradients"),
)
class HeadsMergedWithoutTranspose(GenericSelfAttention):
    def merge_heads(self, x):
        B, H, T, D = x.shape
        return x.reshape(B, T, H * D)


@mistake(
    replaces="GenericSelfAttention",
    title="The heads are split and merged with a view and no transpose",
    hint="Number the features of two tokens on paper. Which token do the D numbers of one row of a head come from?",
    caught_by=("layer_values", "layer_sizes", "layer_gradients"),
)
class HeadsViewedBothWays(GenericSelfAttention):
    def split_heads(self, x):
        B, T, C = x.shape
        return x.view(B, self.n_head, T, C // self.n_head)

    def merge_heads(self, x):
        B, H, T, D = x.shape
        return x.reshape(B, T, H * D)


@mistake(
    replaces="GenericSelfAttention",
    title="The heads take every H-th feature instead of D neighbouring ones",
    hint="In which order do n_head and D stand when C is taken apart?",
    caught_by=("layer_values", "layer_sizes", "layer_gradients"),
)
class HeadsInterleaved(GenericSelfAttention):
    def split_heads(self, x):
        B, T, C = x.shape
        return x.view(B, T, C // self.n_head, self.n_head).permute(0, 3, 1, 2)


@mistake(
    replaces="GenericSelfAttention",
    title="There is one head, whatever n_head says",
    hint="Print the shape of the scores: is there a dimension of size n_head?",
    caught_by=("layer_values", "layer_sizes", "layer_gradients"),
)
class OneHeadOnly(GenericSelfAttention):
    def split_heads(self, x):
        return x[:, None]  # (B, 1, T, C)


@mistake(
    replaces="GenericSelfAttention",
    title="The output projection c_proj is not used",
    hint="The heads stand side by side. Which layer lets them exchange what they found?",
    caught_by=("layer_values", "layer_sizes", "layer_gradients"),
)
class NoOutputProjection(GenericSelfAttention):
    def forward(self, x, attention_mask):
        return self.hidden_dropout(attended(self, x, attention_mask))


@mistake(
    replaces="GenericSelfAttention",
    title="The values are made by the key layer",
    hint="Which layer never gets a gradient?",
    caught_by=("layer_values", "layer_sizes", "layer_gradients"),
)
class ValuesFromKeyLayer(GenericSelfAttention):
    def forward(self, x, attention_mask):
        q, k = self.split_heads(self.q(x)), self.split_heads(self.k(x))
        _, weights = attention(q, k, k, attention_mask)
        return self.hidden_dropout(self.c_proj(self.merge_heads(self.attn_dropout(weights) @ k)))


@mistake(
    replaces="GenericSelfAttention",
    title="The layer does not pass its mask on to attention",
    hint="attention has a fourth argument.",
    caught_by=("layer_values", "layer_respects_mask", "layer_sizes", "layer_gradients"),
)
class MaskNotPassedOn(GenericSelfAttention):
    def forward(self, x, attention_mask):
        return super().forward(x, torch.ones_like(attention_mask))


@mistake(
    replaces="GenericSelfAttention",
    title="The layer returns its weights as well",
    hint="attention returns a pair; the layer returns the new features only.",
    caught_by=("layer_shape", "layer_sizes", "dropout_off", "attention_dropout", "hidden_dropout"),
)
class LayerReturnsWeights(GenericSelfAttention):
    def forward(self, x, attention_mask):
        _, weights = attention(*(self.split_heads(make(x)) for make in (self.q, self.k, self.v)), attention_mask)
        return super().forward(x, attention_mask), weights


@mistake(
    replaces="GenericSelfAttention",
    title="A width that the heads cannot share evenly is accepted",
    hint="In __init__, before any layer is made: what remains of n_embd / n_head?",
    caught_by=("indivisible",),
)
class AnyWidthAccepted(GenericSelfAttention):
    def __init__(self, config):
        n_head = config.n_head
        config.n_head = 1  # no width is refused now
        super().__init__(config)
        config.n_head = self.n_head = n_head


# --- dropout


@mistake(
    replaces="GenericSelfAttention",
    title="Dropout stays active in eval mode",
    hint="nn.Dropout knows the mode of its module; F.dropout drops unless it is told training=self.training.",
    caught_by=("dropout_off", "attention_dropout", "hidden_dropout"),
)
class DropoutAlwaysOn(GenericSelfAttention):
    def __init__(self, config):
        super().__init__(config)
        self.attn_dropout = FunctionalDropout(config.attn_pdrop)
        self.hidden_dropout = FunctionalDropout(config.hidden_pdrop)


class FunctionalDropout(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        return F.dropout(x, self.p)


@mistake(
    replaces="GenericSelfAttention",
    title="attn_dropout is not used",
    hint="The weights should go through it on their way to the values.",
    caught_by=("attention_dropout",),
)
class NoAttentionDropout(GenericSelfAttention):
    def __init__(self, config):
        super().__init__(config)
        self.attn_dropout = nn.Identity()


@mistake(
    replaces="GenericSelfAttention",
    title="hidden_dropout is not used",
    hint="It is the last step of the layer.",
    caught_by=("hidden_dropout",),
)
class NoHiddenDropout(GenericSelfAttention):
    def __init__(self, config):
        super().__init__(config)
        self.hidden_dropout = nn.Identity()


@mistake(
    replaces="GenericSelfAttention",
    title="The dropout on the weights comes before the softmax",
    hint="A score of 0 is not no weight. Does each row of the dropped weights come from a row that summed to one?",
    caught_by=("attention_dropout",),
)
class DropoutBeforeSoftmax(GenericSelfAttention):
    def forward(self, x, attention_mask):
        q, k, v = (self.split_heads(make(x)) for make in (self.q, self.k, self.v))
        scores = self.attn_dropout(q @ k.transpose(-2, -1) / q.size(-1) ** 0.5)
        weights = scores.masked_fill(attention_mask == 0, HIDDEN).softmax(dim=-1)
        return self.hidden_dropout(self.c_proj(self.merge_heads(weights @ v)))


@mistake(
    replaces="GenericSelfAttention",
    title="hidden_dropout comes before c_proj instead of after it",
    hint="Which of the two is the last step of the layer?",
    caught_by=("hidden_dropout",),
)
class HiddenDropoutBeforeProjection(GenericSelfAttention):
    def forward(self, x, attention_mask):
        return self.c_proj(self.hidden_dropout(attended(self, x, attention_mask)))


@mistake(
    replaces="GenericSelfAttention",
    title="Outputs are dropped without scaling up the ones that are kept",
    hint="On the average dropout must change nothing. What makes up for the numbers that are gone?",
    caught_by=("hidden_dropout",),
)
class DropoutWithoutScaling(GenericSelfAttention):
    def __init__(self, config):
        super().__init__(config)
        self.hidden_dropout = UnscaledDropout(config.hidden_pdrop)


class UnscaledDropout(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        return x * (torch.rand_like(x) >= self.p) if self.training else x
