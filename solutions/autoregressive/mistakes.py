"""Known mistakes of the autoregressive assignment, as replacements of the solution's names."""

import copy

import torch
from autoregressive import (
    CLS,
    LETTERS,
    PAD,
    DecoderTransformer,
    LossFun,
    MultiHeadSelfAttention,
    Tokenizer,
    TransformerBlock,
    pearson,
    validation_loss,
)
from torch import nn
from torch.nn import functional as F

from grader.checks import mistake

# --- Task 1: the tokenizer

ENCODE, DECODE = ("encode", "max_length"), ("decode", "there_and_back")


@mistake(
    replaces="Tokenizer",
    title="The rows do not begin with CLS",
    hint="A text of L letters needs L + 1 columns. What stands in the first?",
    caught_by=ENCODE,
)
class NoStart(Tokenizer):
    def encode(self, texts):
        return super().encode(texts)[:, 1:]


@mistake(
    replaces="Tokenizer",
    title="CLS takes the place of the last letter",
    hint="L is the number of letters. How many columns are there with CLS?",
    caught_by=ENCODE,
)
class OneColumnTooFew(Tokenizer):
    def encode(self, texts):
        return super().encode(texts)[:, :-1]


@mistake(
    replaces="Tokenizer",
    title="The padding stands in front of the text",
    hint="Padding fills a row up. Where does a reader who stops at the first padding find the text?",
    caught_by=ENCODE,
)
class PaddedInFront(Tokenizer):
    def encode(self, texts):
        rows = super().encode(texts)
        for row in rows:
            n = int((row[1:] == PAD).sum())
            row[1:] = row[1:].roll(n)
        return rows


@mistake(
    replaces="Tokenizer",
    title="The letters are numbered from 0, which is padding",
    hint="0 is taken. What is the id of `a`?",
    caught_by=ENCODE,
)
class LettersFromZero(Tokenizer):
    def encode(self, texts):
        rows = super().encode(texts)
        return torch.where((rows > 0) & (rows <= 26), rows - 1, rows)


@mistake(
    replaces="Tokenizer",
    title="A blank is encoded as padding",
    hint="A text of two words goes on after the blank. What would a reader do who stops at the first padding?",
    caught_by=ENCODE,
)
class BlankIsPadding(Tokenizer):
    def encode(self, texts):
        rows = super().encode(texts)
        return rows.masked_fill(rows == 27, PAD)


@mistake(
    replaces="Tokenizer",
    title="max_length is not used",
    hint="Which line of encode reads max_length?",
    caught_by=("max_length",),
)
class MaxLengthIgnored(Tokenizer):
    def encode(self, texts):
        return Tokenizer().encode(texts)


@mistake(
    replaces="Tokenizer",
    title="max_length counts CLS as well",
    hint="max_length is a number of letters. How many columns does a row have then?",
    caught_by=("max_length",),
)
class MaxLengthCountsStart(Tokenizer):
    def encode(self, texts):
        return super().encode(texts)[:, : self.max_length or None]


@mistake(
    replaces="Tokenizer",
    title="max_length only cuts: rows are as long as the longest text where that is shorter",
    hint="With max_length every batch has the same width. What fills the columns that no text reaches?",
    caught_by=("max_length",),
)
class MaxLengthOnlyCuts(Tokenizer):
    def encode(self, texts):
        longest = max(map(len, texts))
        return Tokenizer(min(longest, self.max_length) if self.max_length else longest).encode(texts)


@mistake(
    replaces="Tokenizer",
    title="decode leaves padding out and goes on behind it",
    hint="A model may write anything behind the end of its text. What ends a text?",
    caught_by=("decode",),
)
class DecodesBehindPadding(Tokenizer):
    def decode(self, tokens):
        return ["".join(" " if i == 27 else LETTERS[i - 1] for i in row if 0 < i < CLS) for row in tokens.tolist()]


@mistake(
    replaces="Tokenizer",
    title="decode drops the last letter of a text that fills its row",
    hint="Which index does your search give when there is no padding at all?",
    caught_by=DECODE,
)
class LastLetterLost(Tokenizer):
    def decode(self, tokens):
        end = torch.cat([tokens[:, :-1], torch.zeros_like(tokens[:, :1])], dim=1)
        return super().decode(end)


@mistake(
    replaces="Tokenizer",
    title="decode turns CLS into a character",
    hint="The first id of each row is no letter. Count the characters of your first text.",
    caught_by=DECODE,
)
class StartDecoded(Tokenizer):
    def decode(self, tokens):
        return ["?" + text for text in super().decode(tokens)]


# --- Task 2: the loss


@mistake(
    replaces="LossFun",
    title="The mean is over tokens as well",
    hint="A sequence's loss is a sum. Only the sequences are averaged: by what number do you divide?",
    caught_by=("loss_values", "loss_sizes"),
)
class MeanOverTokens(LossFun):
    def forward(self, y_model, y_true, reduction="sum"):
        total = super().forward(y_model, y_true, reduction)
        return total / y_true.size(1) if reduction == "mean" else total


@mistake(
    replaces="LossFun",
    title="The loss has the wrong sign",
    hint="A log-probability is below zero. Training makes the loss smaller: what becomes of your log-probabilities?",
    caught_by=("loss_values", "loss_sizes", "training"),
)
class WrongSign(LossFun):
    def forward(self, y_model, y_true, reduction="sum"):
        return -super().forward(y_model, y_true, reduction)


@mistake(
    replaces="LossFun",
    title="The loss adds up probabilities, not their logarithms",
    hint="y_model holds log-probabilities. What is still to be done with them?",
    caught_by=("loss_values", "loss_sizes"),
)
class OfProbabilities(LossFun):
    def forward(self, y_model, y_true, reduction="sum"):
        return super().forward(y_model.softmax(dim=-1), y_true, reduction)


@mistake(
    replaces="LossFun",
    title="An unknown reduction is taken for another one",
    hint="What does your `else` stand for?",
    caught_by=("loss_refuses",),
)
class AnyReduction(LossFun):
    def forward(self, y_model, y_true, reduction="sum"):
        return super().forward(y_model, y_true, "sum" if reduction == "sum" else "mean")


@mistake(
    replaces="LossFun",
    title="The reduction is the mean when nothing is said",
    hint="What does the signature in the handout say of `reduction`?",
    caught_by=("loss_values",),
)
class MeanByDefault(LossFun):
    def forward(self, y_model, y_true, reduction="mean"):
        return super().forward(y_model, y_true, reduction)


@mistake(
    replaces="LossFun",
    title="Tokens of id 0 do not count",
    hint="To a model of texts the padding says that the text is over. It is there to be predicted, too.",
    caught_by=("loss_values", "loss_sizes"),
)
class PaddingIgnored(LossFun):
    def forward(self, y_model, y_true, reduction="sum"):
        return super().forward(y_model * (y_true != 0)[..., None], y_true, reduction)


# --- Task 3: attention

ATTENTION = ("attention_values", "attention_both_ways", "attention_sizes")
BLOCK = ("block_values", "block_both_ways", "block_sizes")
WEIGHTS = ("log_probs", "model_both_ways")  # of the model, which has to be given the reference's


class Attends(MultiHeadSelfAttention):
    """The solution's attention in steps that mistakes can change."""

    def heads(self, layer, x):
        B, T, D = x.shape
        return layer(x).view(B, T, self.num_heads, D).transpose(1, 2)

    def scores(self, q, k):
        return q @ k.transpose(-2, -1) / q.size(-1) ** 0.5

    def masked(self, scores):
        return scores.masked_fill(torch.ones_like(scores).triu(diagonal=1).bool(), float("-inf"))

    def weights(self, scores, causal):
        return (self.masked(scores) if causal else scores).softmax(dim=-1)

    def merged(self, heads):
        return heads.transpose(1, 2).flatten(2)

    def forward(self, x, causal=True):
        k, q, v = (self.heads(layer, x) for layer in (self.w_k, self.w_q, self.w_v))
        return self.w_c(self.merged(self.weights(self.scores(q, k), causal) @ v))


@mistake(
    replaces="MultiHeadSelfAttention",
    title="The scores are not scaled",
    hint="The dot product of D numbers grows with D. By what is it divided?",
    caught_by=ATTENTION,
)
class NotScaled(Attends):
    def scores(self, q, k):
        return q @ k.transpose(-2, -1)


@mistake(
    replaces="MultiHeadSelfAttention",
    title="Only the queries are divided by the fourth root of D, not the keys",
    hint="The fourth root, twice, makes a square root. Is it taken of both factors?",
    caught_by=ATTENTION,
)
class ScaledOnce(Attends):
    def scores(self, q, k):
        return q / q.size(-1) ** 0.25 @ k.transpose(-2, -1)


@mistake(
    replaces="MultiHeadSelfAttention",
    title="The scores are divided by the root of D * H",
    hint="A score is a dot product within one head. How many features does a head have here?",
    caught_by=ATTENTION,
)
class ScaledByAllHeads(Attends):
    def scores(self, q, k):
        return super().scores(q, k) / self.num_heads**0.5


@mistake(
    replaces="MultiHeadSelfAttention",
    title="The scores are divided by D, not by its root",
    hint="How large is a dot product of D random numbers with D others, on the average?",
    caught_by=ATTENTION,
)
class ScaledByD(Attends):
    def scores(self, q, k):
        return super().scores(q, k) / q.size(-1) ** 0.5


@mistake(
    replaces="MultiHeadSelfAttention",
    title="The heads are made by view alone: features of several tokens are mixed",
    hint="(B, T, H * D): T comes before H. Which two steps lead to (B, H, T, D)?",
    caught_by=(*ATTENTION, "attention_causal"),
)
class HeadsByView(Attends):
    def heads(self, layer, x):
        B, T, D = x.shape
        return layer(x).view(B, self.num_heads, T, D)


@mistake(
    replaces="MultiHeadSelfAttention",
    title="The heads are merged without being transposed back",
    hint="(B, H, T, D) is not in the order of (B, T, H * D). What has to happen before the reshape?",
    caught_by=(*ATTENTION, "attention_causal"),
)
class MergedByView(Attends):
    def merged(self, heads):
        B, H, T, D = heads.shape
        return heads.reshape(B, T, H * D)


@mistake(
    replaces="MultiHeadSelfAttention",
    title="causal makes no difference: the future is never hidden",
    hint="Which line of forward reads causal?",
    caught_by=("attention_values", "attention_causal", "attention_sizes", "training"),
)
class NeverCausal(Attends):
    def weights(self, scores, causal):  # noqa: ARG002 - the mistake
        return super().weights(scores, False)


@mistake(
    replaces="MultiHeadSelfAttention",
    title="causal makes no difference: the future is always hidden",
    hint="Which line of forward reads causal?",
    caught_by=("attention_both_ways",),
)
class AlwaysCausal(Attends):
    def weights(self, scores, causal):  # noqa: ARG002 - the mistake
        return super().weights(scores, True)


@mistake(
    replaces="MultiHeadSelfAttention",
    title="A token may look at the one that comes next",
    hint="Above which diagonal do the scores lie that are masked?",
    caught_by=("attention_values", "attention_causal", "attention_sizes"),
)
class LooksOneAhead(Attends):
    def masked(self, scores):
        return scores.masked_fill(torch.ones_like(scores).triu(diagonal=2).bool(), float("-inf"))


@mistake(
    replaces="MultiHeadSelfAttention",
    title="The mask hides the past, not the future",
    hint="Queries are rows, keys are columns. On which side of the diagonal does the key come later?",
    caught_by=("attention_values", "attention_causal", "attention_sizes"),
)
class PastHidden(Attends):
    def masked(self, scores):
        return scores.masked_fill(torch.ones_like(scores).tril(diagonal=-1).bool(), float("-inf"))


@mistake(
    replaces="MultiHeadSelfAttention",
    title="The mask acts after the softmax, and the weights no longer sum to one",
    hint="What the masked keys would have got is to go to the others. What must their scores be before the softmax?",
    caught_by=("attention_values", "attention_causal", "attention_sizes"),
)
class MaskedAfterwards(Attends):
    def weights(self, scores, causal):
        weights = scores.softmax(dim=-1)
        return weights.tril() if causal else weights


@mistake(
    replaces="MultiHeadSelfAttention",
    title="The softmax is over the queries, not over the keys",
    hint="The weights of one query sum to one. Which dimension lists its keys?",
    caught_by=(*ATTENTION, "attention_causal"),
)
class SoftmaxOverQueries(Attends):
    def weights(self, scores, causal):
        return (self.masked(scores) if causal else scores).softmax(dim=-2)


@mistake(
    replaces="MultiHeadSelfAttention",
    title="The heads share the D features, as in most transformers; here each has D of its own",
    hint="Print the shape of your w_k: how many rows does it have, and how many does the handout ask for?",
    caught_by=(*ATTENTION, *BLOCK, *WEIGHTS, "layers", "budgets"),
)
class NarrowHeads(Attends):
    def __init__(self, num_emb, num_heads=8):
        super().__init__(num_emb, 1)
        self.num_heads = num_heads

    def heads(self, layer, x):
        return layer(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


@mistake(
    replaces="MultiHeadSelfAttention",
    title="The projections have no bias",
    hint="A Linear has a bias when nothing is said. What do you say?",
    caught_by=(*ATTENTION, "layers", "budgets"),
)
class NoBiases(MultiHeadSelfAttention):
    def __init__(self, num_emb, num_heads=8):
        super().__init__(num_emb, num_heads)
        for name in ("w_k", "w_q", "w_v"):
            setattr(self, name, nn.Linear(num_emb, num_emb * num_heads, bias=False))


# --- Task 4: the block


@mistake(
    replaces="TransformerBlock",
    title="The norms come before attention and MLP (pre-norm), not after the sums",
    hint="This is the first transformer's block. What does each LayerNorm act on there?",
    caught_by=BLOCK,
)
class PreNorm(TransformerBlock):
    def forward(self, x, causal=True):
        x = x + self.attention(self.layer_norm_1(x), causal)
        return x + self.mlp(self.layer_norm_2(x))


@mistake(
    replaces="TransformerBlock",
    title="What goes into attention is not added to what comes out",
    hint="Without the sum a token forgets what it is. What does the first norm act on?",
    caught_by=BLOCK,
)
class FirstSumMissing(TransformerBlock):
    def forward(self, x, causal=True):
        x = self.layer_norm_1(self.attention(x, causal))
        return self.layer_norm_2(x + self.mlp(x))


@mistake(
    replaces="TransformerBlock",
    title="What goes into the MLP is not added to what comes out",
    hint="Both steps are sums. What does the second norm act on?",
    caught_by=BLOCK,
)
class SecondSumMissing(TransformerBlock):
    def forward(self, x, causal=True):
        x = self.layer_norm_1(x + self.attention(x, causal))
        return self.layer_norm_2(self.mlp(x))


@mistake(
    replaces="TransformerBlock",
    title="The norms act on what attention and MLP give, before it is added",
    hint="First the sum, then the norm.",
    caught_by=BLOCK,
)
class NormBeforeSum(TransformerBlock):
    def forward(self, x, causal=True):
        x = x + self.layer_norm_1(self.attention(x, causal))
        return x + self.layer_norm_2(self.mlp(x))


@mistake(
    replaces="TransformerBlock",
    title="The same LayerNorm is used twice",
    hint="Each of the two steps has a norm of its own. Is there one whose weights never get a gradient?",
    caught_by=BLOCK,
)
class OneNorm(TransformerBlock):
    def forward(self, x, causal=True):
        x = self.layer_norm_1(x + self.attention(x, causal))
        return self.layer_norm_1(x + self.mlp(x))


@mistake(
    replaces="TransformerBlock",
    title="The block does not tell attention whether it is causal",
    hint="Your attention layer takes two arguments. Which does it get?",
    caught_by=("block_both_ways",),
)
class CausalNotPassedOn(TransformerBlock):
    def forward(self, x, causal=True):  # noqa: ARG002 - the mistake
        return super().forward(x)


@mistake(
    replaces="TransformerBlock",
    title="The MLP's activation is ReLU, not GELU",
    hint="GELU is smooth: just below zero it lets a little through. ReLU does not.",
    caught_by=BLOCK,
)
class Relu(TransformerBlock):
    def __init__(self, num_emb, num_neurons, num_heads=4):
        super().__init__(num_emb, num_neurons, num_heads)
        self.mlp[1] = nn.ReLU()


@mistake(
    replaces="TransformerBlock",
    title="The MLP has num_neurons features inside, not num_neurons * D",
    hint="num_neurons says how many times wider than D the MLP is.",
    caught_by=(*BLOCK, *WEIGHTS, "layers", "budgets"),
)
class NarrowMlp(TransformerBlock):
    def __init__(self, num_emb, num_neurons, num_heads=4):
        super().__init__(num_emb, num_neurons, num_heads)
        self.mlp = nn.Sequential(nn.Linear(num_emb, num_neurons), nn.GELU(), nn.Linear(num_neurons, num_emb))


# --- Task 5: the model

COUNTED = (*WEIGHTS, "layers", "budgets")


@mistake(
    replaces="DecoderTransformer",
    title="Probabilities are returned where log-probabilities are asked for",
    hint="What is the largest value of your result, and what can a logarithm of a probability be at most?",
    caught_by=(*WEIGHTS, "temperature", "training"),
)
class Probabilities(DecoderTransformer):
    def transformer_forward(self, x, causal=True, temperature=1.0):
        return super().transformer_forward(x, causal, temperature).exp()

    def sample(self, batch_size=4, temperature=1.0):
        x = torch.full((batch_size, 1), self.num_token_vals - 1)
        while x.size(1) < self.num_tokens:
            p = self.transformer_forward(x, temperature=temperature)[:, -1]
            x = torch.cat([x, torch.multinomial(p.detach(), 1)], dim=1)
        return x


class Computes(DecoderTransformer):
    """The solution's model in steps that mistakes can change."""

    def embedded(self, x):
        return self.dropout(self.token_embedding(x) + self.position_embedding(torch.arange(x.size(1))))

    def scores(self, x, causal):
        hidden = self.embedded(x)
        for block in self.blocks:
            hidden = block(hidden, causal)
        return self.head(hidden)

    def normalised(self, scores):
        return scores.log_softmax(dim=-1)

    def transformer_forward(self, x, causal=True, temperature=1.0):
        return self.normalised(self.scores(x, causal) / temperature)


@mistake(
    replaces="DecoderTransformer",
    title="The model returns what the head gives, without softmax and logarithm",
    hint="Sum e to the power of your result over V: does it make one?",
    caught_by=(*WEIGHTS, "temperature", "training"),
)
class BareScores(Computes):
    def normalised(self, scores):
        return scores

    def sample(self, batch_size=4, temperature=1.0):
        x = torch.full((batch_size, 1), self.num_token_vals - 1)
        while x.size(1) < self.num_tokens:
            p = self.transformer_forward(x, temperature=temperature)[:, -1].softmax(dim=-1)
            x = torch.cat([x, torch.multinomial(p.detach(), 1)], dim=1)
        return x


@mistake(
    replaces="DecoderTransformer",
    title="The softmax is over the positions, not over the values of a token",
    hint="(B, T, V): along which dimension does a distribution lie?",
    caught_by=(*WEIGHTS, "temperature", "training"),
)
class SoftmaxOverPositions(Computes):
    def normalised(self, scores):
        return scores.log_softmax(dim=1)

    def sample(self, batch_size=4, temperature=1.0):
        x = torch.full((batch_size, 1), self.num_token_vals - 1)
        while x.size(1) < self.num_tokens:
            p = self.transformer_forward(x, temperature=temperature)[:, -1].softmax(dim=-1)
            x = torch.cat([x, torch.multinomial(p.detach(), 1)], dim=1)
        return x


@mistake(
    replaces="DecoderTransformer",
    title="The model does not tell its blocks whether they are causal",
    hint="Each block takes two arguments. Which does it get?",
    caught_by=("model_both_ways",),
)
class BlocksNotTold(DecoderTransformer):
    def transformer_forward(self, x, causal=True, temperature=1.0):  # noqa: ARG002 - the mistake
        return super().transformer_forward(x, True, temperature)


@mistake(
    replaces="DecoderTransformer",
    title="The temperature is not used",
    hint="Find the line in which the temperature changes a number.",
    caught_by=("temperature",),
)
class TemperatureIgnored(DecoderTransformer):
    def transformer_forward(self, x, causal=True, temperature=1.0):  # noqa: ARG002 - the mistake
        return super().transformer_forward(x, causal)


@mistake(
    replaces="DecoderTransformer",
    title="The log-probabilities are divided by the temperature, after the softmax",
    hint="Sum e to the power of your result over V, at a temperature of 2: does it make one?",
    caught_by=("temperature",),
)
class DividedAfterwards(DecoderTransformer):
    def transformer_forward(self, x, causal=True, temperature=1.0):
        return super().transformer_forward(x, causal) / temperature

    def sample(self, batch_size=4, temperature=1.0):
        x = torch.full((batch_size, 1), self.num_token_vals - 1)
        while x.size(1) < self.num_tokens:
            p = self.transformer_forward(x, temperature=temperature)[:, -1].softmax(dim=-1)
            x = torch.cat([x, torch.multinomial(p.detach(), 1)], dim=1)
        return x


@mistake(
    replaces="DecoderTransformer",
    title="The scores are multiplied by the temperature",
    hint="At a high temperature all tokens become more alike. Do yours?",
    caught_by=("temperature",),
)
class TemperatureMultiplied(DecoderTransformer):
    def transformer_forward(self, x, causal=True, temperature=1.0):
        return super().transformer_forward(x, causal, 1 / temperature)


@mistake(
    replaces="DecoderTransformer",
    title="The positions have no part in it",
    hint="Without positions `tab` and `bat` hold the same letters. What is added to a token's vector?",
    caught_by=(*WEIGHTS, "sequence_loss_gradient"),
)
class NoPositions(Computes):
    def embedded(self, x):
        return self.dropout(self.token_embedding(x))


@mistake(
    replaces="DecoderTransformer",
    title="The positions count from 1",
    hint="The first position is 0. Which row of the table is never used?",
    caught_by=WEIGHTS,
)
class PositionsFromOne(Computes):
    def embedded(self, x):
        positions = (torch.arange(x.size(1)) + 1) % self.num_tokens
        return self.dropout(self.token_embedding(x) + self.position_embedding(positions))


@mistake(
    replaces="DecoderTransformer",
    title="A norm comes after the last block",
    hint="With post-norm every block ends in a norm. How many are there after the last one?",
    caught_by=COUNTED,
)
class FinalNorm(Computes):
    def __init__(self, num_tokens, num_token_vals, num_emb, *args, **kwargs):
        super().__init__(num_tokens, num_token_vals, num_emb, *args, **kwargs)
        self.final_norm = nn.LayerNorm(num_emb)

    def scores(self, x, causal):
        hidden = self.embedded(x)
        for block in self.blocks:
            hidden = block(hidden, causal)
        return self.head(self.final_norm(hidden))


@mistake(
    replaces="DecoderTransformer",
    title="The head has no bias",
    hint="A Linear has a bias when nothing is said. What do you say?",
    caught_by=COUNTED,
)
class HeadWithoutBias(DecoderTransformer):
    def __init__(self, num_tokens, num_token_vals, num_emb, *args, **kwargs):
        super().__init__(num_tokens, num_token_vals, num_emb, *args, **kwargs)
        self.head = nn.Linear(num_emb, num_token_vals, bias=False)


@mistake(
    replaces="DecoderTransformer",
    title="All blocks are one and the same",
    hint="[block] * 5 is a list of one block, five times. Does the number of parameters grow with num_blocks?",
    caught_by=("log_probs", "layers", "budgets"),
)
class OneBlock(DecoderTransformer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.blocks = nn.ModuleList([self.blocks[0]] * len(self.blocks))


@mistake(
    replaces="DecoderTransformer",
    title="Numbers are dropped in eval mode as well",
    hint="F.dropout drops unless it is told not to. nn.Dropout knows of .eval() by itself.",
    caught_by=("dropout",),
)
class DropoutInEval(Computes):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.p = self.dropout.p

    def embedded(self, x):
        return F.dropout(self.token_embedding(x) + self.position_embedding(torch.arange(x.size(1))), self.p)


@mistake(
    replaces="DecoderTransformer",
    title="Nothing is dropped in training mode",
    hint="dropout_prob is an argument. Which layer gets it, and where is that layer called?",
    caught_by=("dropout",),
)
class NoDropout(DecoderTransformer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.dropout = nn.Identity()


# --- Task 6: the loss of sequences

SEQUENCES = ("sequence_loss", "sequence_loss_settings")


@mistake(
    replaces="DecoderTransformer",
    title="The targets are not shifted: each position is to predict its own token",
    hint="Position t knows token t. What would it learn from having to say that token?",
    caught_by=(*SEQUENCES, "training"),
)
class NotShifted(DecoderTransformer):
    def forward(self, x, causal=True, temperature=1.0, reduction="mean"):
        return self.loss_fun(self.transformer_forward(x, causal, temperature), x, reduction)


@mistake(
    replaces="DecoderTransformer",
    title="The targets are shifted the wrong way: each position is to predict the token before it",
    hint="Write a row of tokens on paper, and below each the token that its position is to predict.",
    caught_by=(*SEQUENCES, "training"),
)
class ShiftedBack(DecoderTransformer):
    def forward(self, x, causal=True, temperature=1.0, reduction="mean"):
        return self.loss_fun(self.transformer_forward(x, causal, temperature)[:, 1:], x[:, :-1], reduction)


@mistake(
    replaces="DecoderTransformer",
    title="forward does not pass its reduction on",
    hint="Your LossFun takes three arguments. Which does it get?",
    caught_by=("sequence_loss_settings",),
)
class ReductionNotPassedOn(DecoderTransformer):
    def forward(self, x, causal=True, temperature=1.0, reduction="mean"):  # noqa: ARG002 - the mistake
        return super().forward(x, causal, temperature)


@mistake(
    replaces="DecoderTransformer",
    title="forward passes neither causal nor temperature on",
    hint="transformer_forward takes three arguments. Which does it get?",
    caught_by=("sequence_loss_settings",),
)
class SettingsNotPassedOn(DecoderTransformer):
    def forward(self, x, causal=True, temperature=1.0, reduction="mean"):  # noqa: ARG002 - the mistake
        return super().forward(x, reduction=reduction)


@mistake(
    replaces="DecoderTransformer",
    title="The loss is cut off from the weights",
    hint="detach, .item() and no_grad all end the way that a gradient takes back.",
    caught_by=("sequence_loss_gradient", "training"),
)
class Detached(DecoderTransformer):
    def forward(self, *args, **kwargs):
        return super().forward(*args, **kwargs).detach().requires_grad_()


class Guesses(DecoderTransformer):
    def shares(self, x):
        return (self.transformer_forward(x)[:, :-1].argmax(dim=-1) == x[:, 1:]).float().mean(dim=1)  # (B,)


@mistake(
    replaces="DecoderTransformer",
    title="The sum of top1_rec starts at 1",
    hint="What is the sum before the first row is added?",
    caught_by=("top1",),
)
class Top1FromOne(Guesses):
    def top1_rec(self, x):
        return 1 + self.shares(x).sum()


@mistake(
    replaces="DecoderTransformer",
    title="top1_rec is the mean over the rows, not the sum",
    hint="Whoever adds up the answers for several batches wants to divide by the number of all rows in the end.",
    caught_by=("top1",),
)
class Top1Mean(Guesses):
    def top1_rec(self, x):
        return self.shares(x).mean()


@mistake(
    replaces="DecoderTransformer",
    title="top1_rec counts tokens; it should add up shares",
    hint="A row in which every next token is guessed counts 1, however long it is.",
    caught_by=("top1",),
)
class Top1Counts(Guesses):
    def top1_rec(self, x):
        return self.shares(x).sum() * (x.size(1) - 1)


@mistake(
    replaces="DecoderTransformer",
    title="top1_rec compares each position's guess with its own token",
    hint="Position t speaks of token t + 1.",
    caught_by=("top1",),
)
class Top1NotShifted(DecoderTransformer):
    def top1_rec(self, x):
        return (self.transformer_forward(x).argmax(dim=-1) == x).float().mean(dim=1).sum()


# --- Task 7: sampling

DRAWN = ("sample_first", "sample_sequences", "sample_temperature")


class Samples(DecoderTransformer):
    """The solution's sampling in steps that mistakes can change."""

    def log_probs(self, x, temperature):
        return self.transformer_forward(x, temperature=temperature)[:, -1]

    def token(self, log_probs):
        return torch.multinomial(log_probs.exp(), num_samples=1)

    @torch.no_grad()
    def sample(self, batch_size=4, temperature=1.0):
        x = torch.full((batch_size, 1), self.num_token_vals - 1)
        while x.size(1) < self.num_tokens:
            x = torch.cat([x, self.token(self.log_probs(x, temperature))], dim=1)
        return x


@mistake(
    replaces="DecoderTransformer",
    title="The samples do not begin with the start token",
    hint="num_tokens counts the start token. What is the first column of your result?",
    caught_by=("sample_form",),
)
class StartNotEmitted(Samples):
    def sample(self, batch_size=4, temperature=1.0):
        return super().sample(batch_size, temperature)[:, 1:]


@mistake(
    replaces="DecoderTransformer",
    title="The samples begin with token 0, which is padding",
    hint="Sequences of the training data all begin with the same token. Which one is it?",
    caught_by=("sample_form", *DRAWN),
)
class StartsWithPadding(Samples):
    @torch.no_grad()
    def sample(self, batch_size=4, temperature=1.0):
        x = torch.zeros(batch_size, 1, dtype=torch.int64)
        while x.size(1) < self.num_tokens:
            x = torch.cat([x, self.token(self.log_probs(x, temperature))], dim=1)
        return x


@mistake(
    replaces="DecoderTransformer",
    title="The samples have one token too many",
    hint="num_tokens counts the start token. How many are drawn?",
    caught_by=("sample_form",),
)
class OneTokenTooMany(Samples):
    def sample(self, batch_size=4, temperature=1.0):
        x = super().sample(batch_size, temperature)
        return torch.cat([x, x[:, -1:]], dim=1)


@mistake(
    replaces="DecoderTransformer",
    title="sample does not pass its temperature on",
    hint="transformer_forward takes a temperature. Which does it get?",
    caught_by=("sample_temperature",),
)
class SampledAtOne(Samples):
    def log_probs(self, x, temperature):  # noqa: ARG002 - the mistake
        return super().log_probs(x, 1.0)


@mistake(
    replaces="DecoderTransformer",
    title="The temperature acts twice on what is drawn",
    hint="transformer_forward divides by the temperature already. What is left to do?",
    caught_by=("sample_temperature",),
)
class TemperatureTwice(Samples):
    def log_probs(self, x, temperature):
        return (super().log_probs(x, temperature) / temperature).log_softmax(dim=-1)


@mistake(
    replaces="DecoderTransformer",
    title="The likeliest token is always taken",
    hint="Sample four sequences. Should all of them be the same?",
    caught_by=DRAWN,
)
class Argmax(Samples):
    def token(self, log_probs):
        return log_probs.argmax(dim=-1, keepdim=True)


@mistake(
    replaces="DecoderTransformer",
    title="One token is drawn for all rows",
    hint="Each row is a sequence of its own. How many draws does your multinomial make?",
    caught_by=DRAWN,
)
class OneDrawForAll(Samples):
    def token(self, log_probs):
        return super().token(log_probs)[:1].expand(len(log_probs), 1)


@mistake(
    replaces="DecoderTransformer",
    title="The first position's answer is used for each token",
    hint="(B, T, V): which position speaks of the token that comes after the last one?",
    caught_by=("sample_sequences", "sample_temperature"),
)
class FirstPosition(Samples):
    def log_probs(self, x, temperature):
        return self.transformer_forward(x, temperature=temperature)[:, 0]


@mistake(
    replaces="DecoderTransformer",
    title="The model is shown the last token only",
    hint="The third token depends on the first two. What do you pass to the model?",
    caught_by=("sample_sequences", "sample_temperature"),
)
class LastTokenOnly(Samples):
    def log_probs(self, x, temperature):
        return super().log_probs(x[:, -1:], temperature)


# --- Task 8: training with patience


def mean_of_batches(model, batches):
    """The mean of the batches' means."""
    model.eval()
    with torch.no_grad():
        return sum(model(x).item() for x in batches) / len(batches)


def validated_as_is(model, batches):
    """The solution's validation loss in whatever mode the model is."""
    with torch.no_grad():
        return sum(model(x, reduction="sum").item() for x in batches) / sum(map(len, batches))


def training(
    model,
    optimizer,
    train_batches,
    valid_batches,
    max_epochs,
    max_patience,
    *,
    zero_grad=True,
    train=True,
    validate=validation_loss,
    better=lambda losses: losses[-1] < min(losses[:-1], default=float("inf")),
    keep=copy.deepcopy,
    restore=True,
    waits_again=True,
):
    """The solution's training in steps that mistakes can change."""
    losses, waited, best = [], 0, keep(model.state_dict())
    for _ in range(max_epochs):
        if train:
            model.train()
        for x in train_batches:
            if zero_grad:
                optimizer.zero_grad()
            model(x).backward()
            optimizer.step()
        losses.append(validate(model, valid_batches))
        if better(losses):
            best, waited = keep(model.state_dict()), waited if not waits_again else 0
        else:
            waited += 1
        if waited == max_patience:
            break
    if restore:
        model.load_state_dict(best)
    return losses


@mistake(
    replaces="train_with_patience",
    title="Training goes on for one epoch too many",
    hint="With a patience of 1 training stops after the first epoch that is not better. Compare: > or >=?",
    caught_by=("patience", "patience_values"),
)
def one_epoch_too_many(model, optimizer, train_batches, valid_batches, max_epochs, max_patience):
    return training(model, optimizer, train_batches, valid_batches, max_epochs, max_patience + 1)


@mistake(
    replaces="train_with_patience",
    title="Training never stops before max_epochs",
    hint="Where is the counter compared with max_patience, and what happens then?",
    caught_by=("patience", "patience_values"),
)
def never_stops(model, optimizer, train_batches, valid_batches, max_epochs, max_patience):  # noqa: ARG001
    return training(model, optimizer, train_batches, valid_batches, max_epochs, 10**9)


@mistake(
    replaces="train_with_patience",
    title="The epochs without improvement are counted over the whole training",
    hint="Patience is for epochs in a row. What happens to the counter when a loss is better?",
    caught_by=("patience",),
)
def never_patient_again(*args):
    return training(*args, waits_again=False)


@mistake(
    replaces="train_with_patience",
    title="A loss is compared with the one before it, not with the best one",
    hint="After 4, 6 and 5: is 5 an improvement?",
    caught_by=("patience",),
)
def compared_with_the_last(*args):
    return training(*args, better=lambda losses: len(losses) < 2 or losses[-1] < losses[-2])


@mistake(
    replaces="train_with_patience",
    title="A loss that is as low as the best one counts as an improvement",
    hint="Is 2 lower than 2?",
    caught_by=("patience_values",),
)
def equal_is_better(*args):
    return training(*args, better=lambda losses: losses[-1] <= min(losses[:-1], default=float("inf")))


@mistake(
    replaces="train_with_patience",
    title="The best loss starts at a number that losses can be above",
    hint="The loss of a long sequence may be more than 1000. Which number is no loss ever above?",
    caught_by=("patience_values",),
)
def best_starts_at_1000(*args):
    return training(*args, better=lambda losses: losses[-1] < min([1000.0, *losses[:-1]]))


@mistake(
    replaces="train_with_patience",
    title="The model keeps its last weights, not its best",
    hint="When the loop ends, which epoch are the model's weights from?",
    caught_by=("best_weights", "patience_values"),
)
def last_weights(*args):
    return training(*args, restore=False)


@mistake(
    replaces="train_with_patience",
    title="The best weights are kept without a copy, and the next step changes them",
    hint="A state dict holds the model's own tensors. What does the optimizer change in the next step?",
    caught_by=("best_weights", "patience_values"),
)
def no_copy(*args):
    return training(*args, keep=dict)


@mistake(
    replaces="train_with_patience",
    title="The gradients of earlier batches are never cleared",
    hint="backward adds to what is in .grad. How large is it in the third step?",
    caught_by=("steps", "training"),
)
def gradients_pile_up(*args):
    return training(*args, zero_grad=False)


@mistake(
    replaces="train_with_patience",
    title="Validation is in training mode",
    hint="Dropout is for training. Who tells the model that it is over?",
    caught_by=("modes",),
)
def validated_in_training_mode(*args):
    return training(*args, validate=validated_as_is)


@mistake(
    replaces="train_with_patience",
    title="After the first validation the model stays in eval mode",
    hint="Dropout is for training. Who tells the model that the next epoch begins?",
    caught_by=("modes",),
)
def stays_in_eval_mode(model, *args):
    model.train()
    return training(model, *args, train=False)


@mistake(
    replaces="train_with_patience",
    title="Gradients are recorded during validation",
    hint="Nobody calls backward on a validation loss. Which block keeps torch from taking notes?",
    caught_by=("modes",),
)
def validated_with_gradients(*args):
    def validate(model, batches):
        model.eval()
        return sum(model(x, reduction="sum").item() for x in batches) / sum(map(len, batches))

    return training(*args, validate=validate)


@mistake(
    replaces="train_with_patience",
    title="The validation loss is the mean of the batches' means",
    hint="The last batch may hold fewer sequences than the others. Does each sequence count the same?",
    caught_by=("valid_losses",),
)
def averaged_over_batches(*args):
    return training(*args, validate=mean_of_batches)


@mistake(
    replaces="train_with_patience",
    title="The validation loss is a sum, not one per sequence",
    hint="By how many sequences is the sum divided?",
    caught_by=("valid_losses",),
)
def not_per_sequence(*args):
    return training(*args, validate=lambda model, batches: validation_loss(model, batches) * sum(map(len, batches)))


@mistake(
    replaces="train_with_patience",
    title="The sum of the validation losses starts at 1",
    hint="What is the sum before the first batch is added?",
    caught_by=("valid_losses",),
)
def sum_starts_at_one(*args):
    return training(*args, validate=lambda model, batches: validation_loss(model, batches) + 1 / sum(map(len, batches)))


@mistake(
    replaces="train_with_patience",
    title="The number of sequences is counted from 1",
    hint="How many sequences are there before the first batch?",
    caught_by=("valid_losses",),
)
def count_starts_at_one(*args):
    def validate(model, batches):
        n = sum(map(len, batches))
        return validation_loss(model, batches) * n / (n + 1)

    return training(*args, validate=validate)


@mistake(
    replaces="train_with_patience",
    title="The losses are tensors, not floats",
    hint="A tensor of one number becomes a float with .item().",
    caught_by=("valid_losses",),
)
def losses_are_tensors(*args):
    return [torch.tensor(loss) for loss in training(*args)]


# --- Task 9: correlation


@mistake(
    replaces="pearson",
    title="The covariance is returned, which is not divided by the spread of the numbers",
    hint="Multiply all numbers of one list by 10. Should the correlation change?",
    caught_by=("pearson", "pearson_numbers"),
)
def covariance(a, b):
    pearson(a, b)
    a, b = (torch.as_tensor(numbers, dtype=torch.float64) for numbers in (a, b))
    return float(((a - a.mean()) * (b - b.mean())).mean())


@mistake(
    replaces="pearson",
    title="The correlation is divided by n in one place and by n - 1 in the other",
    hint="std and var divide by n - 1 unless they are told otherwise; mean divides by n.",
    caught_by=("pearson", "pearson_numbers"),
)
def n_and_n_minus_one(a, b):
    return pearson(a, b) * (len(a) - 1) / len(a)


@mistake(
    replaces="pearson",
    title="The means are not taken off",
    hint="Add 100 to all numbers of one list. Should the correlation change?",
    caught_by=("pearson", "pearson_numbers"),
)
def cosine(a, b):
    pearson(a, b)
    a, b = (torch.as_tensor(numbers, dtype=torch.float64) for numbers in (a, b))
    return float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt())


@mistake(
    replaces="pearson",
    title="The correlation is squared, or its sign is lost",
    hint="When one goes up as the other goes down the correlation is below zero.",
    caught_by=("pearson", "pearson_numbers"),
)
def without_sign(a, b):
    return pearson(a, b) ** 2


@mistake(
    replaces="pearson",
    title="A constant gives nan, not an error",
    hint="0 / 0 raises nothing in torch. Look before you divide.",
    caught_by=("pearson_constant", "pearson_numbers"),
)
def constant_gives_nan(a, b):
    a, b = (torch.as_tensor(numbers, dtype=torch.float64) for numbers in (a, b))
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt())


@mistake(
    replaces="pearson",
    title="A constant is found by a spread of exactly 0, which rounding prevents",
    hint="The mean of 0.1, 0.1 and 0.1 is not quite 0.1. How else can you see that all numbers are the same?",
    caught_by=("pearson_numbers",),
)
def spread_of_exactly_zero(a, b):
    a, b = ([float(x) - sum(map(float, numbers)) / len(numbers) for x in numbers] for numbers in (a, b))
    spread = sum(x * x for x in a) * sum(x * x for x in b)
    if spread == 0:
        raise ValueError("a constant")
    return sum(x * y for x, y in zip(a, b, strict=True)) / spread**0.5
