"""Known mistakes of the transformer assignment, as replacements of the solution's names."""

import torch
from torch import nn
from torch.nn import functional as F
from transformer import Encoder, GenericTransformer, TransformerBlock, causal_mask, decoder_mask, padding_mask

from grader.checks import mistake

MASKED = ("decoder_causal", "encoder_padding", "decoder_padding", "decoder_cache")
MODEL_VALUES = ("logits", "depth", "hidden_states", "cache_in_front", "cache_positions")
# where the model's layers cannot hold the reference's weights: all checks that give it weights
MODEL_WEIGHTS = (*MODEL_VALUES, *MASKED, "encoder_both_ways")

# --- the block


@mistake(
    replaces="TransformerBlock",
    title="The norms come after the sums (post-norm), not before attention and MLP",
    hint="The stream itself is never normalised inside a block. What goes through the norm, and what is added to what?",
    caught_by=("block_values", "block_sizes"),
)
class PostNorm(TransformerBlock):
    def forward(self, x, attention_mask):
        x = self.ln_1(x + self.attn(x, attention_mask))
        return self.ln_2(x + self.mlp(x))


@mistake(
    replaces="TransformerBlock",
    title="The norms act on the results of attention and MLP, not on what these two read",
    hint="Follow x into attention: has it been normalised when it gets there?",
    caught_by=("block_values", "block_sizes"),
)
class ResultsNormalised(TransformerBlock):
    def forward(self, x, attention_mask):
        x = x + self.ln_1(self.attn(x, attention_mask))
        return x + self.ln_2(self.mlp(x))


@mistake(
    replaces="TransformerBlock",
    title="The result of attention is added to the normalised x, not to x",
    hint="The line `x = ln(x)` loses the stream. Which x is the sum to be made with?",
    caught_by=("block_values", "block_sizes"),
)
class StreamNormalised(TransformerBlock):
    def forward(self, x, attention_mask):
        x = self.ln_1(x)
        x = x + self.attn(x, attention_mask)
        x = self.ln_2(x)
        return x + self.mlp(x)


@mistake(
    replaces="TransformerBlock",
    title="The sum around attention is missing: what attention returns replaces the stream",
    hint="A token that learns from others should not forget what it was. Where does the old x go?",
    caught_by=("block_values", "block_sizes"),
)
class NoResidualAroundAttention(TransformerBlock):
    def forward(self, x, attention_mask):
        x = self.attn(self.ln_1(x), attention_mask)
        return x + self.mlp(self.ln_2(x))


@mistake(
    replaces="TransformerBlock",
    title="The sum around the MLP is missing: what the MLP returns replaces the stream",
    hint="The block has two steps, and each of them adds to x.",
    caught_by=("block_values", "block_sizes"),
)
class NoResidualAroundMlp(TransformerBlock):
    def forward(self, x, attention_mask):
        x = x + self.attn(self.ln_1(x), attention_mask)
        return self.mlp(self.ln_2(x))


@mistake(
    replaces="TransformerBlock",
    title="The MLP reads the x from before attention",
    hint="The two steps come one after the other: what does the second start from?",
    caught_by=("block_values", "block_sizes"),
)
class StepsSideBySide(TransformerBlock):
    def forward(self, x, attention_mask):
        return x + self.attn(self.ln_1(x), attention_mask) + self.mlp(self.ln_2(x))


@mistake(
    replaces="TransformerBlock",
    title="The second step adds to the x from before attention, and the first one's result is lost",
    hint="After the first step there is a new x. Is it the one that the second step adds to?",
    caught_by=("block_values", "block_sizes"),
)
class FirstStepLost(TransformerBlock):
    def forward(self, x, attention_mask):
        return x + self.mlp(self.ln_2(x + self.attn(self.ln_1(x), attention_mask)))


@mistake(
    replaces="TransformerBlock",
    title="The MLP comes first, then attention",
    hint="First the tokens look at each other; then each thinks about what it has seen.",
    caught_by=("block_values", "block_sizes"),
)
class MlpFirst(TransformerBlock):
    def forward(self, x, attention_mask):
        x = x + self.mlp(self.ln_2(x))
        return x + self.attn(self.ln_1(x), attention_mask)


@mistake(
    replaces="TransformerBlock",
    title="The same LayerNorm is used twice",
    hint="Each of the two steps has a norm of its own. Is there one whose weights never get a gradient?",
    caught_by=("block_values", "block_sizes"),
)
class OneNormUsedTwice(TransformerBlock):
    def forward(self, x, attention_mask):
        x = x + self.attn(self.ln_1(x), attention_mask)
        return x + self.mlp(self.ln_1(x))


@mistake(
    replaces="TransformerBlock",
    title="Only attention reads a normalised x; the MLP reads x as it is",
    hint="The block has two LayerNorms. Where is the second one called?",
    caught_by=("block_values", "block_sizes"),
)
class MlpNotNormalised(TransformerBlock):
    def forward(self, x, attention_mask):
        x = x + self.attn(self.ln_1(x), attention_mask)
        return x + self.mlp(x)


@mistake(
    replaces="TransformerBlock",
    title="The block does not pass its mask on to attention",
    hint="Your attention layer takes two arguments. Which mask does it get?",
    caught_by=("block_values", "block_mask", "block_sizes"),
)
class BlockIgnoresMask(TransformerBlock):
    def forward(self, x, attention_mask):
        return super().forward(x, torch.ones_like(attention_mask))


@mistake(
    replaces="TransformerBlock",
    title="The MLP's activation is ReLU, not GELU",
    hint="GELU is smooth: just below zero it lets a little through. ReLU does not.",
    caught_by=("block_values", "block_sizes"),
)
class Relu(TransformerBlock):
    def __init__(self, config):
        super().__init__(config)
        self.mlp[1] = nn.ReLU()


@mistake(
    replaces="TransformerBlock",
    title="The MLP's activation is SiLU, not GELU",
    hint="SiLU is x times a sigmoid of x, GELU is x times the normal distribution's share below x.",
    caught_by=("block_values", "block_sizes"),
)
class Silu(TransformerBlock):
    def __init__(self, config):
        super().__init__(config)
        self.mlp[1] = nn.SiLU()


@mistake(
    replaces="TransformerBlock",
    title="The MLP has no activation between its two Linear layers",
    hint="Two Linear layers in a row can do no more than one. What stands between them?",
    caught_by=("block_values", "block_sizes"),
)
class NoActivation(TransformerBlock):
    def __init__(self, config):
        super().__init__(config)
        self.mlp[1] = nn.Identity()


@mistake(
    replaces="TransformerBlock",
    title="The GELU comes after the MLP's second Linear layer as well",
    hint="With a GELU at its end the MLP can hardly subtract from the stream. How many activations are there to be?",
    caught_by=("block_values", "block_sizes"),
)
class GeluTwice(TransformerBlock):
    def forward(self, x, attention_mask):
        x = x + self.attn(self.ln_1(x), attention_mask)
        return x + F.gelu(self.mlp(self.ln_2(x)))


@mistake(
    replaces="TransformerBlock",
    title="The MLP is not four times as wide inside",
    hint="Print the shapes of its two weights: 4C rows and C columns, then C rows and 4C columns.",
    caught_by=("block_values", "block_mask", "block_parameters", "block_sizes", "model_parameters", *MODEL_WEIGHTS),
)
class NarrowMlp(TransformerBlock):
    def __init__(self, config):
        super().__init__(config)
        C = config.n_embd
        self.mlp = nn.Sequential(nn.Linear(C, 2 * C), nn.GELU(), nn.Linear(2 * C, C))


@mistake(
    replaces="TransformerBlock",
    title="The MLP's Linear layers have no biases",
    hint="A Linear layer has a bias unless it is told otherwise. Only the head is told.",
    caught_by=("block_values", "block_parameters", "block_sizes", "model_parameters"),
)
class MlpWithoutBiases(TransformerBlock):
    def __init__(self, config):
        super().__init__(config)
        C = config.n_embd
        self.mlp = nn.Sequential(nn.Linear(C, 4 * C, bias=False), nn.GELU(), nn.Linear(4 * C, C, bias=False))


@mistake(
    replaces="TransformerBlock",
    title="The dropout of the block stays active in eval mode",
    hint="nn.Dropout knows the mode of its module; F.dropout drops unless it is told training=self.training.",
    caught_by=("block_eval",),
)
class DropoutAlwaysOn(TransformerBlock):
    def __init__(self, config):
        super().__init__(config)
        self.mlp[3] = FunctionalDropout(config.hidden_pdrop)


class FunctionalDropout(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        return F.dropout(x, self.p)


# --- the layers of the model


def stream(model, idx, cache=None):
    """The solution's first steps: the vectors (B, P + longest, C) that go into the blocks, and each row's number."""
    num_tokens = (idx != -1).sum(dim=1)
    x = model.embedding(idx[:, : int(num_tokens.max())].clamp(min=0))
    if cache is None:
        return x, num_tokens
    return torch.cat([cache, x], dim=1), num_tokens + cache.size(1)


def through_blocks(model, x, num_tokens, after_each=lambda x: x):
    """The blocks, one after the other, under the model's mask."""
    mask = model.get_attention_mask(num_tokens)
    for block in model.blocks:
        x = after_each(block(x, mask))
    return x


def widened(x, idx, P=0):
    """As many positions (B, P + T, C) as the cache and idx have."""
    return F.pad(x, (0, 0, 0, P + idx.size(1) - x.size(1)))


def length(cache):
    """P, the number of vectors in the cache."""
    return 0 if cache is None else cache.size(1)


@mistake(
    replaces="GenericTransformer",
    title="The final norm is inside the loop: it acts after every block",
    hint="Between two blocks the stream goes on as it is. Look at the indentation of the line with ln_f.",
    caught_by=("depth",),
)
class FinalNormInLoop(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        x = through_blocks(self, *stream(self, idx, hidden_cache), after_each=self.ln_f)
        return widened(x, idx, length(hidden_cache))


@mistake(
    replaces="GenericTransformer",
    title="The final norm is not used",
    hint="Blocks only add to the stream, so it grows. What brings it back to size before the head reads it?",
    caught_by=MODEL_VALUES,
)
class NoFinalNorm(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        return widened(through_blocks(self, *stream(self, idx, hidden_cache)), idx, length(hidden_cache))


@mistake(
    replaces="GenericTransformer",
    title="The norm comes before the blocks, not after them",
    hint="ln_f is called final: what is the last thing that happens before the head?",
    caught_by=MODEL_VALUES,
)
class NormBeforeBlocks(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        x, num_tokens = stream(self, idx, hidden_cache)
        return widened(through_blocks(self, self.ln_f(x), num_tokens), idx, length(hidden_cache))


@mistake(
    replaces="GenericTransformer",
    title="All blocks are one and the same: they share their weights",
    hint="`[block] * 3` is three times the same block. How many blocks does your __init__ make?",
    caught_by=("model_parameters", "depth"),
)
class OneBlockForAll(GenericTransformer):
    def __init__(self, config):
        super().__init__(config)
        self.blocks = nn.ModuleList([self.blocks[0]] * config.n_layer)


@mistake(
    replaces="GenericTransformer",
    title="There is one block, whatever n_layer says",
    hint="n_layer blocks lie on top of each other.",
    caught_by=("model_parameters", "depth"),
)
class OneBlockOnly(GenericTransformer):
    def __init__(self, config):
        super().__init__(config)
        self.blocks = self.blocks[:1]


@mistake(
    replaces="GenericTransformer",
    title="Every block gets the stream from before the first one",
    hint="In the loop: what goes into the second block?",
    caught_by=("depth",),
)
class BlocksNotChained(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        x, num_tokens = stream(self, idx, hidden_cache)
        mask = self.get_attention_mask(num_tokens)
        for block in self.blocks:
            out = block(x, mask)
        return widened(self.ln_f(out), idx, length(hidden_cache))


@mistake(
    replaces="GenericTransformer",
    title="The blocks lie in a plain list, where torch does not find their weights",
    hint="model.parameters() is what an optimizer gets. Which container tells the model about its layers?",
    caught_by=("model_parameters", *MODEL_WEIGHTS),
)
class BlocksInAPlainList(GenericTransformer):
    def __init__(self, config):
        super().__init__(config)
        blocks = list(self.blocks)
        del self.blocks
        self.blocks = blocks


@mistake(
    replaces="GenericTransformer",
    title="The head has a bias",
    hint="One Linear layer of the model is made without one.",
    caught_by=("model_parameters",),
)
class HeadWithBias(GenericTransformer):
    def __init__(self, config):
        super().__init__(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size)


@mistake(
    replaces="GenericTransformer",
    title="The head shares its weights with the token embeddings",
    hint="Some models do that. Here the head is a layer of its own.",
    caught_by=("model_parameters", "logits", "depth", "cache_in_front", "cache_positions"),
)
class HeadTiedToEmbeddings(GenericTransformer):
    def __init__(self, config):
        super().__init__(config)
        self.lm_head.weight = self.embedding.vocab_embeddings.weight


# --- from tokens to hidden states


@mistake(
    replaces="GenericTransformer",
    title="The mask does not reach the blocks",
    hint="Print the mask that a block gets. Is it the one that get_attention_mask made?",
    caught_by=MASKED,
)
class ModelIgnoresMask(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        x, num_tokens = stream(self, idx, hidden_cache)
        mask = torch.ones_like(self.get_attention_mask(num_tokens))
        for block in self.blocks:
            x = block(x, mask)
        return widened(self.ln_f(x), idx, length(hidden_cache))


@mistake(
    replaces="GenericTransformer",
    title="The real tokens are counted over the wrong dimension",
    hint="num_tokens has one number per row. Which dimension of idx disappears in the sum?",
    caught_by=("depth", "cache_positions", "cache_loss", "idx_unchanged", *MASKED),
)
class TokensCountedPerColumn(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        x = self.embedding(idx.clamp(min=0))
        if hidden_cache is not None:
            x = torch.cat([hidden_cache, x], dim=1)
        num_tokens = (idx != -1).sum(dim=0) + length(hidden_cache)  # (T,) where (B,) is needed
        return self.ln_f(through_blocks(self, x, num_tokens))


@mistake(
    replaces="GenericTransformer",
    title="All columns of idx are counted as tokens, padding included",
    hint="A row of idx may end in -1. How many of its entries are not -1?",
    caught_by=("encoder_padding",),
)
class PaddingCountedAsTokens(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        return super().hidden_states(idx.clamp(min=0), hidden_cache)


@mistake(
    replaces="GenericTransformer",
    title="Padding is looked up in the embedding table as token -1",
    hint="A table has no row -1. Padding may become any token, as long as the mask hides it.",
    caught_by=("idx_unchanged", "encoder_padding", "decoder_padding", "decoder_cache"),
)
class PaddingLookedUp(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        self.embedding(idx)
        return super().hidden_states(idx, hidden_cache)


@mistake(
    replaces="GenericTransformer",
    title="Padding is overwritten in the caller's own tensor",
    hint="The caller still needs the -1: to count tokens, or to call the model once more.",
    caught_by=("idx_unchanged",),
)
class PaddingOverwritten(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        hidden = super().hidden_states(idx, hidden_cache)
        idx[idx == -1] = 0
        return hidden


@mistake(
    replaces="GenericTransformer",
    title="idx may not be wider than its longest row",
    hint="The mask has as many columns as the longest row has tokens. What if every row ends in padding?",
    caught_by=("encoder_padding", "decoder_padding", "decoder_cache"),
)
class WideIdxFails(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        x = self.embedding(idx.clamp(min=0))
        num_tokens = (idx != -1).sum(dim=1) + length(hidden_cache)
        if hidden_cache is not None:
            x = torch.cat([hidden_cache, x], dim=1)
        return self.ln_f(through_blocks(self, x, num_tokens))


# --- the cache


@mistake(
    replaces="GenericTransformer",
    title="The cache comes after the tokens, not in front of them",
    hint="The cache is what was read before. Which of the two does torch.cat get first?",
    caught_by=("cache_in_front", "cache_positions", "decoder_cache"),
)
class CacheAppended(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        x, num_tokens = stream(self, idx)
        if hidden_cache is not None:
            x, num_tokens = torch.cat([x, hidden_cache], dim=1), num_tokens + hidden_cache.size(1)
        return widened(self.ln_f(through_blocks(self, x, num_tokens)), idx, length(hidden_cache))


@mistake(
    replaces="GenericTransformer",
    title="The cache is not used",
    hint="hidden_cache is an argument of forward. Where does the model look at it?",
    caught_by=("cache_in_front", "cache_positions", "cache_loss", "decoder_cache"),
)
class CacheIgnored(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):  # noqa: ARG002 - the mistake
        return super().hidden_states(idx, None)


@mistake(
    replaces="GenericTransformer",
    title="The cache is added to the embedded tokens",
    hint="The cache's vectors are positions of their own: with them there are P + T.",
    caught_by=("cache_in_front", "cache_positions", "cache_loss", "decoder_cache"),
)
class CacheAdded(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        x, num_tokens = stream(self, idx)
        if hidden_cache is not None:
            x = x + hidden_cache.mean(dim=1, keepdim=True)
        return widened(self.ln_f(through_blocks(self, x, num_tokens)), idx)


@mistake(
    replaces="GenericTransformer",
    title="The cache's positions are cut off the result",
    hint="With a cache there are P + T positions, and each of them has logits.",
    caught_by=("cache_in_front", "cache_positions", "cache_loss", "decoder_cache"),
)
class CacheCutOff(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        return super().hidden_states(idx, hidden_cache)[:, length(hidden_cache) :]


@mistake(
    replaces="GenericTransformer",
    title="The tokens' positions are shifted by the cache",
    hint="The first token has position 0, with and without a cache. Does the embedding know of the cache at all?",
    caught_by=("cache_in_front", "cache_positions"),
)
class PositionsShifted(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        if hidden_cache is None:
            return super().hidden_states(idx, None)
        P = hidden_cache.size(1)
        behind = torch.cat([idx.new_zeros(len(idx), P), idx], dim=1)  # (B, P + T)
        x, num_tokens = stream(self, behind)
        x = torch.cat([hidden_cache, x[:, P:]], dim=1)
        return widened(self.ln_f(through_blocks(self, x, num_tokens)), idx, P)


@mistake(
    replaces="GenericTransformer",
    title="Positions are added to the cache as well",
    hint="The cache comes from another model's last layer: it is not embedded again.",
    caught_by=("cache_in_front", "cache_positions"),
)
class PositionsAddedToCache(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        if hidden_cache is None:
            return super().hidden_states(idx, None)
        P = hidden_cache.size(1)
        cached = hidden_cache + self.embedding.position_embeddings.weight[torch.arange(P) % self.block_size]
        return super().hidden_states(idx, cached)


@mistake(
    replaces="GenericTransformer",
    title="Cache and tokens together may not be longer than block_size",
    hint="block_size is how many positions the embedding knows. Which of the P + T vectors have been through it?",
    caught_by=("cache_positions",),
)
class TotalLengthLimited(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        if idx.size(1) + length(hidden_cache) > self.block_size:
            raise ValueError("too long")
        return super().hidden_states(idx, hidden_cache)


@mistake(
    replaces="GenericTransformer",
    title="The cache is not counted when the mask is made",
    hint="The mask needs a row and a column for each of the P + T positions. From which number does it get its size?",
    caught_by=("cache_in_front", "cache_positions", "cache_loss", "decoder_cache"),
)
class CacheNotCounted(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        x, num_tokens = stream(self, idx, hidden_cache)
        return widened(self.ln_f(through_blocks(self, x, num_tokens - length(hidden_cache))), idx, length(hidden_cache))


@mistake(
    replaces="GenericTransformer",
    title="The cache is cut from the graph: whoever made it learns nothing",
    hint="An encoder is trained through the cache. What do .detach() and torch.tensor(...) do to a gradient?",
    caught_by=("cache_positions",),
)
class CacheDetached(GenericTransformer):
    def hidden_states(self, idx, hidden_cache):
        return super().hidden_states(idx, None if hidden_cache is None else hidden_cache.detach())


# --- logits, hidden states, loss


@mistake(
    replaces="GenericTransformer",
    title="Logits are returned where hidden states are asked for",
    hint="With return_hidden=True the model stops before its head.",
    caught_by=("answers", "hidden_states"),
)
class LogitsInPlaceOfHiddenStates(GenericTransformer):
    def forward(self, idx, targets=None, hidden_cache=None, return_hidden=False):
        logits, loss = super().forward(idx, targets, hidden_cache)
        return logits if return_hidden else (logits, loss)


@mistake(
    replaces="GenericTransformer",
    title="The hidden states come from before the final norm",
    hint="The head reads normalised states, and so does whoever asks for the hidden states.",
    caught_by=("hidden_states",),
)
class HiddenStatesNotNormalised(GenericTransformer):
    def forward(self, idx, targets=None, hidden_cache=None, return_hidden=False):
        if return_hidden:
            return widened(through_blocks(self, *stream(self, idx, hidden_cache)), idx, length(hidden_cache))
        return super().forward(idx, targets, hidden_cache)


@mistake(
    replaces="GenericTransformer",
    title="The hidden states are cut from the graph: nobody can learn through them",
    hint="Whoever asks for hidden states may want to train the model that made them. What does .detach() take away?",
    caught_by=("hidden_states",),
)
class HiddenStatesDetached(GenericTransformer):
    def forward(self, idx, targets=None, hidden_cache=None, return_hidden=False):
        answer = super().forward(idx, targets, hidden_cache, return_hidden)
        return answer.detach() if return_hidden else answer


@mistake(
    replaces="GenericTransformer",
    title="The hidden states come back in a pair, with the loss",
    hint="With return_hidden=True there is one result, a tensor.",
    caught_by=("answers", "hidden_states"),
)
class HiddenStatesInAPair(GenericTransformer):
    def forward(self, idx, targets=None, hidden_cache=None, return_hidden=False):
        answer = super().forward(idx, targets, hidden_cache, return_hidden)
        return (answer, None) if return_hidden else answer


@mistake(
    replaces="GenericTransformer",
    title="Without targets only the logits come back, not a pair",
    hint="Two results, always: without targets the second is None.",
    caught_by=("answers", "depth", "cache_positions"),
)
class BareLogits(GenericTransformer):
    def forward(self, idx, targets=None, hidden_cache=None, return_hidden=False):
        answer = super().forward(idx, targets, hidden_cache, return_hidden)
        return answer if return_hidden or targets is not None else answer[0]


@mistake(
    replaces="GenericTransformer",
    title="Without targets the loss is 0, not None",
    hint="A loss of 0 claims that all was predicted rightly. What stands for no loss at all?",
    caught_by=("answers", "depth", "cache_positions"),
)
class ZeroLoss(GenericTransformer):
    def forward(self, idx, targets=None, hidden_cache=None, return_hidden=False):
        answer = super().forward(idx, targets, hidden_cache, return_hidden)
        return answer if return_hidden or targets is not None else (answer[0], 0.0)


@mistake(
    replaces="GenericTransformer",
    title="Probabilities are returned in place of logits",
    hint="Cross entropy makes its own softmax. What does it get when you have made one before?",
    caught_by=("logits", "loss", "depth", "cache_in_front", "cache_positions", "cache_loss"),
)
class ProbabilitiesReturned(GenericTransformer):
    def forward(self, idx, targets=None, hidden_cache=None, return_hidden=False):
        if return_hidden:
            return super().forward(idx, None, hidden_cache, True)
        logits, loss = super().forward(idx, targets, hidden_cache)
        return logits.softmax(dim=-1), loss


@mistake(
    replaces="GenericTransformer",
    title="A softmax comes before the cross entropy, which makes its own",
    hint="F.cross_entropy reads logits. What does it get?",
    caught_by=("loss", "cache_loss"),
)
class SoftmaxTwice(GenericTransformer):
    def loss(self, logits, targets):
        return super().loss(logits.softmax(dim=-1), targets)


def predictions(logits, targets):
    """The logits (B, T, V) that predict the targets (B, T)."""
    P, T = logits.size(1) - targets.size(1), targets.size(1)
    first = max(P - 1, 0)
    return logits[:, first : first + T]


@mistake(
    replaces="GenericTransformer",
    title="The loss counts the targets that are -1",
    hint="A target of -1 says: whatever is predicted here, do not count it. How does F.cross_entropy learn of that?",
    caught_by=("loss", "cache_loss"),
)
class LossCountsPadding(GenericTransformer):
    def loss(self, logits, targets):
        return super().loss(logits, targets.clamp(min=0))


@mistake(
    replaces="GenericTransformer",
    title="The loss is divided by the number of all targets, those that are -1 included",
    hint="A mean divides by how many were added up. Does a target that does not count get counted there?",
    caught_by=("loss", "cache_loss"),
)
class LossDividedByAllTargets(GenericTransformer):
    def loss(self, logits, targets):
        return super().loss(logits, targets) * (targets != -1).sum() / targets.numel()


@mistake(
    replaces="GenericTransformer",
    title="The loss is a mean of the rows' means",
    hint="Every target counts the same. Does it, when a row with two of them weighs as much as a row with five?",
    caught_by=("loss", "cache_loss"),
)
class LossMeanOfRows(GenericTransformer):
    def loss(self, logits, targets):
        rows = zip(logits, targets, strict=True)
        return torch.stack([super(LossMeanOfRows, self).loss(row[None], wanted[None]) for row, wanted in rows]).mean()


@mistake(
    replaces="GenericTransformer",
    title="The loss is a sum, not a mean",
    hint="Should twice as many targets make the loss twice as large?",
    caught_by=("loss", "cache_loss"),
)
class LossSummed(GenericTransformer):
    def loss(self, logits, targets):
        wanted = predictions(logits, targets)
        return F.cross_entropy(wanted.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum")


@mistake(
    replaces="GenericTransformer",
    title="The loss is cut from the graph: the model cannot learn from it",
    hint="Call loss.backward() and print a weight's gradient. What do .item() and .detach() leave of a tensor?",
    caught_by=("loss_gradient",),
)
class LossDetached(GenericTransformer):
    def loss(self, logits, targets):
        return torch.tensor(super().loss(logits, targets).item())


@mistake(
    replaces="GenericTransformer",
    title="The targets are shifted once more inside the model",
    hint="Whoever calls the model has shifted them already: target t belongs to position t.",
    caught_by=("loss",),
)
class TargetsShiftedAgain(GenericTransformer):
    def loss(self, logits, targets):
        if logits.size(1) > targets.size(1):
            return super().loss(logits, targets)
        return super().loss(logits[:, :-1], targets[:, 1:])


@mistake(
    replaces="GenericTransformer",
    title="With a cache the loss is off by one: position P + t is asked for target t",
    hint="The last vector of the cache has a prediction to make, too: which target is it?",
    caught_by=("cache_loss",),
)
class CacheLossOffByOne(GenericTransformer):
    def loss(self, logits, targets):
        return super().loss(logits[:, -targets.size(1) :], targets)


@mistake(
    replaces="GenericTransformer",
    title="With a cache the loss asks the cache's first positions for the targets",
    hint="Positions 0 to P - 2 lie inside the cache and predict nothing that is graded. Where do the targets begin?",
    caught_by=("cache_loss",),
)
class CacheLossFromTheStart(GenericTransformer):
    def loss(self, logits, targets):
        return super().loss(logits[:, : targets.size(1)], targets)


@mistake(
    replaces="GenericTransformer",
    title="With a cache the loss calls view on a part of the logits, which torch refuses",
    hint="A part cut out of a tensor has gaps in memory, and view cannot close them. Which method can?",
    caught_by=("cache_loss",),
)
class CacheLossViewed(GenericTransformer):
    def loss(self, logits, targets):
        wanted = predictions(logits, targets)
        return F.cross_entropy(wanted.view(-1, logits.size(-1)), targets.flatten(), ignore_index=-1)


# --- encoder and decoder


@mistake(
    replaces="Encoder",
    title="The encoder looks back only",
    hint="An encoder has the whole text before it. Whom may its first token look at?",
    caught_by=("masks", "encoder_both_ways"),
)
class CausalEncoder(Encoder):
    def get_attention_mask(self, num_tokens):
        return decoder_mask(num_tokens, int(num_tokens.max()))


@mistake(
    replaces="Encoder",
    title="The encoder looks at padding",
    hint="num_tokens says how many keys of each row are real.",
    caught_by=("masks", "encoder_padding"),
)
class EncoderSeesPadding(Encoder):
    def get_attention_mask(self, num_tokens):
        return torch.ones_like(super().get_attention_mask(num_tokens))


@mistake(
    replaces="Encoder",
    title="The encoder's mask is block_size wide, not as wide as its longest row",
    hint="get_attention_mask knows how many tokens the longest row has. From which of its arguments?",
    caught_by=("masks", "encoder_padding", "encoder_both_ways"),
)
class MaskForWholeBlockSize(Encoder):
    def get_attention_mask(self, num_tokens):
        return padding_mask(num_tokens, self.block_size)


@mistake(
    replaces="Encoder",
    title="The encoder's mask hides padded queries too, so that they look at nothing",
    hint="The softmax of a row without a single key is 0 / 0. What does the next block make of that NaN?",
    caught_by=("masks", "encoder_padding"),
)
class PaddedQueriesHidden(Encoder):
    def get_attention_mask(self, num_tokens):
        mask = super().get_attention_mask(num_tokens)
        return mask & mask.transpose(-2, -1)


@mistake(
    replaces="Decoder",
    title="The decoder looks ahead",
    hint="It is to predict the next token, and sees it. Which of your masks prevents that?",
    caught_by=("masks", "decoder_causal", "decoder_cache"),
)
class DecoderLooksAhead(Encoder):
    def get_attention_mask(self, num_tokens):
        return padding_mask(num_tokens, int(num_tokens.max()))


@mistake(
    replaces="Decoder",
    title="The decoder's mask forgets about padding",
    hint="A padded query comes late, and all that comes before it is in its sight: other padding, too.",
    caught_by=("masks",),
)
class DecoderSeesPadding(Encoder):
    def get_attention_mask(self, num_tokens):
        T = int(num_tokens.max())
        return causal_mask(T).expand(len(num_tokens), 1, T, T)
