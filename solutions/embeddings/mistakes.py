"""Known mistakes of the embeddings assignment, as replacements of the solution's names."""

import math

import torch
from embeddings import Embedding, init_weights
from torch import nn
from torch.nn import functional as F

from grader.checks import mistake

VALUES = ("values", "other_sizes", "gradients")
LINEAR = ("linear_weight", "without_bias", "apply")  # the checks that look at the weights of a Linear


def length(layer, idx):
    """T, when it is block_size at most."""
    if idx.size(1) > layer.position_embeddings.num_embeddings:
        raise ValueError("too long")
    return idx.size(1)


# --- the embedding


@mistake(
    replaces="Embedding",
    title="The two vectors are put side by side, not added",
    hint="A sum of two rows of C numbers has C numbers. Side by side they have 2C, and no later layer expects that.",
    caught_by=("shape", *VALUES),
)
class Concatenated(Embedding):
    def forward(self, idx):
        tokens = self.vocab_embeddings(idx)
        places = self.position_embeddings(torch.arange(length(self, idx))).expand_as(tokens)
        return self.dropout(torch.cat([tokens, places], dim=-1))  # (B, T, 2C)


@mistake(
    replaces="Embedding",
    title="The two vectors are multiplied, not added",
    hint="In a product a small number of one vector wipes out what the other had to say. Which sign joins them?",
    caught_by=VALUES,
)
class Multiplied(Embedding):
    def forward(self, idx):
        places = self.position_embeddings(torch.arange(length(self, idx)))
        return self.dropout(self.vocab_embeddings(idx) * places)


@mistake(
    replaces="Embedding",
    title="Positions are looked up with the token ids",
    hint="The position table is asked where a token stands, not which token it is. Where do 0, 1, 2, ... come from?",
    caught_by=("places", "too_long", *VALUES),
)
class PlacesOfTokens(Embedding):
    def forward(self, idx):
        return self.dropout(self.vocab_embeddings(idx) + self.position_embeddings(idx))


@mistake(
    replaces="Embedding",
    title="Positions count from 1",
    hint="The table has the rows 0 to block_size - 1. Which one is never used, and which one is missing?",
    caught_by=("full_length", *VALUES),
)
class PlacesFromOne(Embedding):
    def forward(self, idx):
        positions = torch.arange(1, length(self, idx) + 1)
        return self.dropout(self.vocab_embeddings(idx) + self.position_embeddings(positions))


@mistake(
    replaces="Embedding",
    title="Positions count from 1, in a table with one row more",
    hint="Row 0 of the position table is never looked up. What is the place of the first token?",
    caught_by=("tables", "values", "other_sizes", "gradients"),
)
class PlacesFromOneWithRoom(Embedding):
    def __init__(self, config):
        super().__init__(config)
        self.block_size = config.block_size
        self.position_embeddings = nn.Embedding(config.block_size + 1, config.n_embd)

    def forward(self, idx):
        if idx.size(1) > self.block_size:
            raise ValueError("too long")
        positions = torch.arange(1, idx.size(1) + 1)
        return self.dropout(self.vocab_embeddings(idx) + self.position_embeddings(positions))


@mistake(
    replaces="Embedding",
    title="Positions count the rows of the batch, not the tokens of a row",
    hint="idx is (B, T). Which of the two is its size 0, and along which of them does a text run?",
    caught_by=("places", "rows", *VALUES),
)
class PlacesAlongTheBatch(Embedding):
    def forward(self, idx):
        length(self, idx)
        places = self.position_embeddings(torch.arange(idx.size(0)))[:, None]  # (B, 1, C)
        return self.dropout(self.vocab_embeddings(idx) + places)


@mistake(
    replaces="Embedding",
    title="The position table is not used",
    hint="To this layer 'dog bites man' and 'man bites dog' hold the same vectors. What tells the places apart?",
    caught_by=("places", *VALUES),
)
class NoPlaces(Embedding):
    def forward(self, idx):
        length(self, idx)
        return self.dropout(self.vocab_embeddings(idx))


@mistake(
    replaces="Embedding",
    title="The position table is never made",
    hint="The layer learns two tables. What does a token's vector say of where the token stands?",
    caught_by=("tables", "places", *VALUES),
)
class OneTable(Embedding):
    def __init__(self, config):
        super().__init__(config)
        self.block_size = config.block_size
        del self.position_embeddings

    def forward(self, idx):
        if idx.size(1) > self.block_size:
            raise ValueError("too long")
        return self.dropout(self.vocab_embeddings(idx))


@mistake(
    replaces="Embedding",
    title="The positions are looked up in the token table",
    hint="Place 3 has nothing to do with token 3. Which table is made for places?",
    caught_by=("full_length", *VALUES),
)
class PlacesInTokenTable(Embedding):
    def forward(self, idx):
        places = self.vocab_embeddings(torch.arange(length(self, idx)))
        return self.dropout(self.vocab_embeddings(idx) + places)


@mistake(
    replaces="Embedding",
    title="Every token has position 0",
    hint="torch.zeros makes as many places as there are tokens, and they are all the same one.",
    caught_by=("places", *VALUES),
)
class AllAtPlaceZero(Embedding):
    def forward(self, idx):
        length(self, idx)
        return self.dropout(self.vocab_embeddings(idx) + self.position_embeddings(torch.zeros_like(idx)))


@mistake(
    replaces="Embedding",
    title="Positions go on counting from row to row",
    hint="The second text starts at the beginning, as the first one did: its places are the same.",
    caught_by=("rows", "values", "other_sizes"),
)
class PlacesGoOn(Embedding):
    def forward(self, idx):
        length(self, idx)
        places = torch.arange(idx.numel()).view_as(idx) % self.position_embeddings.num_embeddings
        return self.dropout(self.vocab_embeddings(idx) + self.position_embeddings(places))


@mistake(
    replaces="Embedding",
    title="Positions count backwards",
    hint="The first token of a text stands at place 0, however long the text is.",
    caught_by=VALUES,
)
class PlacesBackwards(Embedding):
    def forward(self, idx):
        positions = torch.arange(length(self, idx)).flip(0)
        return self.dropout(self.vocab_embeddings(idx) + self.position_embeddings(positions))


@mistake(
    replaces="Embedding",
    title="The token's vector is multiplied by the square root of C first",
    hint="The original transformer did so. Here both vectors are added as they are.",
    caught_by=VALUES,
)
class Scaled(Embedding):
    def forward(self, idx):
        T = length(self, idx)
        tokens = self.vocab_embeddings(idx) * math.sqrt(self.vocab_embeddings.embedding_dim)
        return self.dropout(tokens + self.position_embeddings(torch.arange(T)))


@mistake(
    replaces="Embedding",
    title="The mean of the two vectors is taken, not their sum",
    hint="Nothing is divided. A token's vector is one row plus the other.",
    caught_by=VALUES,
)
class Averaged(Embedding):
    def forward(self, idx):
        return super().forward(idx) / 2


@mistake(
    replaces="Embedding",
    title="The sum is normalised",
    hint="Some models have a LayerNorm behind the sum. This layer adds, drops out, and does nothing else.",
    caught_by=("tables", "values", "other_sizes", "gradients", "dropout"),
)
class Normalised(Embedding):
    def __init__(self, config):
        super().__init__(config)
        self.norm = nn.LayerNorm(config.n_embd)

    def forward(self, idx):
        return self.norm(super().forward(idx))


@mistake(
    replaces="Embedding",
    title="The positions are fixed waves of sine and cosine, not a table that is learned",
    hint="Both ways exist. Here each place has a row of numbers of its own that training changes.",
    caught_by=("tables", *VALUES),
)
class Waves(Embedding):
    def __init__(self, config):
        super().__init__(config)
        del self.position_embeddings
        steps = torch.arange(config.block_size)[:, None] / 10000 ** (torch.arange(config.n_embd) / config.n_embd)
        self.register_buffer("waves", torch.where(torch.arange(config.n_embd) % 2 == 0, steps.sin(), steps.cos()))

    def forward(self, idx):
        if idx.size(1) > len(self.waves):
            raise ValueError("too long")
        return self.dropout(self.vocab_embeddings(idx) + self.waves[: idx.size(1)])


@mistake(
    replaces="Embedding",
    title="The position table has a row for each token of the vocabulary",
    hint="There are as many places as block_size says. What has the vocabulary to do with them?",
    caught_by=("tables", "full_length", *VALUES),
)
class PlacesLikeVocabulary(Embedding):
    def __init__(self, config):
        super().__init__(config)
        self.position_embeddings = nn.Embedding(config.vocab_size, config.n_embd)


@mistake(
    replaces="Embedding",
    title="A text that is too long is not looked at before the tables are",
    hint="The table raises an IndexError of its own, which says nothing of block_size. Compare first.",
    caught_by=("too_long",),
)
class NotRefused(Embedding):
    def forward(self, idx):
        places = self.position_embeddings(torch.arange(idx.size(1)))
        return self.dropout(self.vocab_embeddings(idx) + places)


@mistake(
    replaces="Embedding",
    title="A text that is too long is refused with an assert",
    hint="An assert raises AssertionError, and python -O skips it. What raises a ValueError?",
    caught_by=("too_long",),
)
class Asserted(Embedding):
    def forward(self, idx):
        assert idx.size(1) <= self.position_embeddings.num_embeddings
        return super().forward(idx)


@mistake(
    replaces="Embedding",
    title="A text that is too long is cut to block_size tokens and not refused",
    hint="Whoever calls the layer would not notice that a part of the text is gone. That is what errors are for.",
    caught_by=("too_long",),
)
class Cropped(Embedding):
    def forward(self, idx):
        return super().forward(idx[:, -self.position_embeddings.num_embeddings :])


@mistake(
    replaces="Embedding",
    title="A text of exactly block_size tokens is refused",
    hint="The table has block_size rows, so that many tokens find a place. From how many on is it too few?",
    caught_by=("full_length", "other_sizes"),
)
class RefusedTooEarly(Embedding):
    def forward(self, idx):
        if idx.size(1) >= self.position_embeddings.num_embeddings:
            raise ValueError("too long")
        return super().forward(idx)


@mistake(
    replaces="Embedding",
    title="The number of rows is compared with block_size, not the number of tokens",
    hint="len(idx) is B. A batch may have as many rows as it likes; which size of idx is T?",
    caught_by=("too_long", "other_sizes"),
)
class RowsCompared(Embedding):
    def forward(self, idx):
        if len(idx) > self.position_embeddings.num_embeddings:
            raise ValueError("too long")
        places = self.position_embeddings(torch.arange(idx.size(1)))
        return self.dropout(self.vocab_embeddings(idx) + places)


@mistake(
    replaces="Embedding",
    title="The position table is not learned: it is detached from the graph",
    hint="`.data`, `.detach()` and `no_grad` give the right numbers and no gradient. Which table never learns?",
    caught_by=("gradients",),
)
class PlacesDetached(Embedding):
    def forward(self, idx):
        T = length(self, idx)
        return self.dropout(self.vocab_embeddings(idx) + self.position_embeddings.weight.data[:T])


@mistake(
    replaces="Embedding",
    title="The token table is not learned: it is detached from the graph",
    hint="`.data`, `.detach()` and `no_grad` give the right numbers and no gradient. Which table never learns?",
    caught_by=("gradients",),
)
class TokensDetached(Embedding):
    def forward(self, idx):
        T = length(self, idx)
        places = self.position_embeddings(torch.arange(T))
        return self.dropout(self.vocab_embeddings.weight.data[idx] + places)


@mistake(
    replaces="Embedding",
    title="Token 0 is taken for padding: its row of the table learns nothing",
    hint="What does `padding_idx` do to the gradient of that row? Here token 0 is a token like any other.",
    caught_by=("gradients",),
)
class TokenZeroIsPadding(Embedding):
    def __init__(self, config):
        super().__init__(config)
        self.vocab_embeddings = nn.Embedding(config.vocab_size, config.n_embd, padding_idx=0)


@mistake(
    replaces="Embedding",
    title="The caller's token ids are changed",
    hint="A method whose name ends in _ changes the tensor that was passed in. Make a new one instead.",
    caught_by=("other_sizes", "gradients"),
)
class IdsChanged(Embedding):
    def forward(self, idx):
        output = super().forward(idx)
        idx.zero_()
        return output


@mistake(
    replaces="Embedding",
    title="Dropout acts on the tokens before the sum",
    hint="Where a token's number is dropped, its place is still there: nothing in the sum is ever 0. Add first.",
    caught_by=("dropout",),
)
class TokensDropped(Embedding):
    def forward(self, idx):
        T = length(self, idx)
        return self.dropout(self.vocab_embeddings(idx)) + self.position_embeddings(torch.arange(T))


@mistake(
    replaces="Embedding",
    title="Dropout acts on each of the two vectors, not on their sum",
    hint="The two are dropped from independently, and a number of the sum is 0 only where both are. Add first.",
    caught_by=("dropout",),
)
class BothDropped(Embedding):
    def forward(self, idx):
        T = length(self, idx)
        return self.dropout(self.vocab_embeddings(idx)) + self.dropout(self.position_embeddings(torch.arange(T)))


@mistake(
    replaces="Embedding",
    title="Nothing is dropped in training mode",
    hint="embd_pdrop is read from the config. What becomes of it?",
    caught_by=("dropout",),
)
class NeverDropped(Embedding):
    def __init__(self, config):
        super().__init__(config)
        self.dropout = nn.Identity()


@mistake(
    replaces="Embedding",
    title="The dropout rate is fixed, whatever the config says",
    hint="The rate is embd_pdrop; hidden_pdrop and attn_pdrop belong to other layers.",
    caught_by=("dropout",),
)
class OtherRate(Embedding):
    def __init__(self, config):
        super().__init__(config)
        self.dropout = nn.Dropout(0.1)


@mistake(
    replaces="Embedding",
    title="Dropout is active in eval mode, too",
    hint="F.dropout does not know whether .eval() was called. A layer nn.Dropout does.",
    caught_by=("eval", "dropout"),
)
class AlwaysDropped(Embedding):
    def forward(self, idx):
        places = self.position_embeddings(torch.arange(length(self, idx)))
        return F.dropout(self.vocab_embeddings(idx) + places, self.dropout.p)


# --- the first weights


def drawn(module, draw, kinds=(nn.Linear, nn.Embedding)):
    """Do as init_weights does, with another `draw` for the weights of these kinds: once, so that it can be replayed."""
    if not isinstance(module, kinds):
        init_weights(module)
        return
    draw(module.weight)
    if getattr(module, "bias", None) is not None:
        nn.init.zeros_(module.bias)


@mistake(
    replaces="init_weights",
    title="The weights have variance 0.02, not standard deviation 0.02",
    hint="In N(0, 0.02) the second number is the standard deviation here, and no root is taken of it.",
    caught_by=("embedding_weight", *LINEAR),
)
def variance(module):
    drawn(module, lambda weight: nn.init.normal_(weight, std=0.02**0.5))


@mistake(
    replaces="init_weights",
    title="The weights have standard deviation 1, which is normal_'s default",
    hint="normal_(weight) draws from N(0, 1). What do its other arguments say?",
    caught_by=("embedding_weight", *LINEAR),
)
def standard_normal(module):
    drawn(module, nn.init.normal_)


@mistake(
    replaces="init_weights",
    title="The standard deviation is squared: 0.0004",
    hint="0.02 is already the standard deviation; torch.normal and normal_ both take just that.",
    caught_by=("embedding_weight", *LINEAR),
)
def squared(module):
    drawn(module, lambda weight: nn.init.normal_(weight, std=0.02**2))


@mistake(
    replaces="init_weights",
    title="The weights are drawn evenly between -0.02 and 0.02",
    hint="uniform_ knows a smallest and a largest number, normal_ a middle and a spread. Which one is N?",
    caught_by=("embedding_weight", *LINEAR),
)
def uniform(module):
    drawn(module, lambda weight: nn.init.uniform_(weight, -0.02, 0.02))


@mistake(
    replaces="init_weights",
    title="The weights have the right spread, and are drawn evenly, not from a normal distribution",
    hint="Count how many of them are larger than two standard deviations: of a normal distribution 5 in 100 are.",
    caught_by=("embedding_weight", *LINEAR),
)
def uniform_of_that_spread(module):
    drawn(module, lambda weight: nn.init.uniform_(weight, -0.02 * 3**0.5, 0.02 * 3**0.5))


@mistake(
    replaces="init_weights",
    title="The weights are drawn around 0.02: mean and standard deviation have changed places",
    hint="normal_ takes the mean first, then the standard deviation.",
    caught_by=("embedding_weight", *LINEAR),
)
def mean_and_std_swapped(module):
    drawn(module, lambda weight: nn.init.normal_(weight, 0.02, 0.0))


@mistake(
    replaces="init_weights",
    title="The spread depends on the layer's size (Xavier)",
    hint="Xavier and Kaiming look at the number of inputs and outputs. Here every layer gets the same spread.",
    caught_by=("embedding_weight", *LINEAR),
)
def xavier(module):
    drawn(module, nn.init.xavier_normal_)


@mistake(
    replaces="init_weights",
    title="The weights of a Linear keep what PyTorch gave them",
    hint="PyTorch draws them evenly, and wider the fewer inputs there are. Which branch should a Linear go through?",
    caught_by=LINEAR,
)
def linear_forgotten(module):
    drawn(module, lambda weight: weight, nn.Linear)


@mistake(
    replaces="init_weights",
    title="The table of an Embedding keeps what PyTorch gave it",
    hint="A new nn.Embedding is drawn from N(0, 1). Is it a Linear?",
    caught_by=("embedding_weight", "apply"),
)
def embedding_forgotten(module):
    if not isinstance(module, nn.Embedding):
        init_weights(module)


@mistake(
    replaces="init_weights",
    title="A LayerNorm keeps what it held",
    hint="The weights of a norm may have been loaded or trained before. What should they be afterwards?",
    caught_by=("layer_norm",),
)
def layer_norm_forgotten(module):
    if not isinstance(module, nn.LayerNorm):
        init_weights(module)


@mistake(
    replaces="init_weights",
    title="The weight of a LayerNorm is drawn at random, like that of a Linear",
    hint="The weight of a norm is what its numbers are multiplied by. Which number leaves a product as it is?",
    caught_by=("layer_norm",),
)
def layer_norm_drawn(module):
    drawn(module, lambda weight: nn.init.normal_(weight, std=0.02), nn.LayerNorm)


@mistake(
    replaces="init_weights",
    title="The weight of a LayerNorm is 0",
    hint="A norm that multiplies by 0 lets nothing through: the layers behind it see zeros.",
    caught_by=("layer_norm",),
)
def layer_norm_zero(module):
    drawn(module, nn.init.zeros_, nn.LayerNorm)


@mistake(
    replaces="init_weights",
    title="The bias of a LayerNorm keeps what it held",
    hint="A norm has two Parameters, a weight and a bias.",
    caught_by=("layer_norm",),
)
def layer_norm_bias_kept(module):
    if isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
    else:
        init_weights(module)


@mistake(
    replaces="init_weights",
    title="The biases of a Linear keep the random numbers that PyTorch gave them",
    hint="A new Linear draws its bias, too. What should it be?",
    caught_by=("linear_bias",),
)
def bias_left(module):
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    else:
        init_weights(module)


@mistake(
    replaces="init_weights",
    title="The biases of a Linear are drawn at random, like the weights",
    hint="A bias adds the same to every token. At first it should add nothing.",
    caught_by=("linear_bias",),
)
def bias_drawn(module):
    init_weights(module)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.normal_(module.bias, 0.0, 0.02)


@mistake(
    replaces="init_weights",
    title="A Linear without a bias makes it crash",
    hint="Linear(..., bias=False).bias is None, and None cannot be filled with zeros.",
    caught_by=("without_bias",),
)
def needs_bias(module):
    init_weights(module)
    if isinstance(module, nn.Linear):
        module.bias.data.zero_()


@mistake(
    replaces="init_weights",
    title="A Linear without a bias is left alone",
    hint="Weight and bias are two questions. Ask about the bias only when it comes to the bias.",
    caught_by=("without_bias",),
)
def skips_without_bias(module):
    if not isinstance(module, nn.Linear) or module.bias is not None:
        init_weights(module)


@mistake(
    replaces="init_weights",
    title="Everything that has a weight is drawn, whatever kind of layer it is",
    hint="A convolution has a weight, a norm has one, a custom module may. Ask with isinstance.",
    caught_by=("untouched",),
)
def by_attribute(module):
    if isinstance(module, nn.LayerNorm):
        init_weights(module)
    elif isinstance(getattr(module, "weight", None), nn.Parameter):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if isinstance(getattr(module, "bias", None), nn.Parameter):
            nn.init.zeros_(module.bias)


@mistake(
    replaces="init_weights",
    title="Biases of layers of any kind are set to 0",
    hint="Convolutions and other norms have a bias as well. Whose bias is yours to set?",
    caught_by=("untouched",),
)
def every_bias(module):
    init_weights(module)
    if isinstance(getattr(module, "bias", None), nn.Parameter):
        nn.init.zeros_(module.bias)


@mistake(
    replaces="init_weights",
    title="Convolutions are drawn as well",
    hint="A list of three kinds is asked for: Linear, Embedding, LayerNorm.",
    caught_by=("untouched",),
)
def convolutions_too(module):
    drawn(module, lambda weight: nn.init.normal_(weight, std=0.02), (nn.Linear, nn.Embedding, nn.Conv1d))


@mistake(
    replaces="init_weights",
    title="The modules inside the module are set as well",
    hint="Module.apply calls the function for each module by itself. Who walks through the model twice here?",
    caught_by=("not_recursive",),
)
def recursive(module):
    for inner in module.modules():
        init_weights(inner)


@mistake(
    replaces="init_weights",
    title="The layer gets a new Parameter in the place of the old one",
    hint="`layer.weight = nn.Parameter(...)` leaves an optimizer, and layers that share the weight, with the old one.",
    caught_by=("same_parameters",),
)
def new_parameters(module):
    if isinstance(module, (nn.Linear, nn.Embedding)):
        module.weight = nn.Parameter(0.02 * torch.randn_like(module.weight))
    if isinstance(module, nn.LayerNorm):
        module.weight = nn.Parameter(torch.ones_like(module.weight))
    if isinstance(module, (nn.Linear, nn.LayerNorm)) and module.bias is not None:
        module.bias = nn.Parameter(torch.zeros_like(module.bias))


@mistake(
    replaces="init_weights",
    title="The weights do not learn any more: requires_grad is switched off",
    hint="To set numbers without autograd use torch.no_grad(); requires_grad_ is for ever.",
    caught_by=("same_parameters",),
)
def frozen(module):
    init_weights(module)
    if isinstance(module, (nn.Linear, nn.Embedding, nn.LayerNorm)):
        module.requires_grad_(False)


@mistake(
    replaces="init_weights",
    title="The seed is set in the function, so that layers of one shape are the same",
    hint="A seed belongs to the start of a program. What does every layer draw after manual_seed(42)?",
    caught_by=("apply",),
)
def seeded(module):
    torch.manual_seed(42)
    init_weights(module)


@mistake(
    replaces="init_weights",
    title="The new weights are computed and thrown away",
    hint="`weight * 0.02` makes a new tensor. In place means that the layer's own numbers change.",
    caught_by=("layer_norm", "linear_bias", "embedding_weight", *LINEAR),
)
def nothing_set(module):
    if isinstance(module, nn.Linear):
        torch.randn_like(module.weight) * 0.02
