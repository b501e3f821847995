# %% [markdown]
# # Encoder and decoder
#
# A translator reads a whole sentence before writing the first word of another. Here one model reads: the **encoder**,
# whose tokens look in both directions. Another one writes: the **decoder**, whose tokens look back only. The encoder's
# hidden states stand in front of the decoder's tokens, and so the decoder knows what was read.
#
# Letters: `B` rows in the batch, `P` tokens of the prefix, which is read, `T` tokens of the targets, which are written,
# `C` = n_embd features per token, `V` = vocab_size of the decoder's config. Padding and ignored targets are -1.

# %%
"""An encoder that reads a prefix, and a decoder that writes what follows."""

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

# %% [markdown]
# ## Task 0: bring your own parts
#
# Put your own code of the earlier assignments in place of the stubs below. Or, if that code lies in files beside this
# one, delete the stubs and import it: `from transformer import Decoder, Encoder`. The parts were graded there and are
# not graded again: where one of them is wrong, what you build on it can still earn its points. If you would rather
# build the model from other parts, do that; only the names from task 1 on are asked for.


# %%
class Embedding(nn.Module):
    """Tokens as vectors, from the assignment `embeddings`: what the token is plus where it stands."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        # BEGIN SOLUTION Task 0: put your own Embedding here
        self.vocab_embeddings = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embeddings = nn.Embedding(config.block_size, config.n_embd)
        self.dropout = nn.Dropout(config.embd_pdrop)
        # END SOLUTION

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """Return (B, T, C) for idx (B, T). Raises ValueError when T is larger than block_size."""
        # BEGIN SOLUTION Task 0: put your own Embedding here
        T, block_size = idx.size(1), self.position_embeddings.num_embeddings
        if block_size < T:
            raise ValueError(f"{T} tokens are more than block_size = {block_size}")
        positions = torch.arange(T, device=idx.device)  # (T,)
        return self.dropout(self.vocab_embeddings(idx) + self.position_embeddings(positions))  # (B, T, C) + (T, C)
        # END SOLUTION


# %%
def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output (B, H, Tq, D) and the weights (B, H, Tq, Tk), from the assignment `attention`."""
    # BEGIN SOLUTION Task 0: put your own attention here
    scores = q @ k.transpose(-2, -1) / q.size(-1) ** 0.5  # (B, H, Tq, Tk)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v, weights
    # END SOLUTION


# %%
class GenericSelfAttention(nn.Module):
    """Self-attention with several heads, from the assignment `attention`."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        # BEGIN SOLUTION Task 0: put your own GenericSelfAttention here
        if config.n_embd % config.n_head != 0:
            raise ValueError(f"n_embd is {config.n_embd}, which {config.n_head} heads cannot share evenly")
        self.n_head = config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)
        # END SOLUTION

    def forward(self, x: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return (B, T, C) for x (B, T, C) and attention_mask (B or 1, 1, T, T)."""
        # BEGIN SOLUTION Task 0: put your own GenericSelfAttention here
        B, T, C = x.shape
        q, k, v = (
            layer(x).view(B, T, self.n_head, C // self.n_head).transpose(1, 2)  # (B, T, C) -> (B, H, T, D)
            for layer in (self.q, self.k, self.v)
        )
        _, weights = attention(q, k, v, attention_mask)  # (B, H, T, T)
        heads = self.attn_dropout(weights) @ v  # (B, H, T, D)
        return self.hidden_dropout(self.c_proj(heads.transpose(1, 2).reshape(B, T, C)))  # (B, T, C)
        # END SOLUTION


# %%
def padding_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    """Return (B, 1, T, T): 1 where key j is a real token of row b, from the assignment `masks`."""
    # BEGIN SOLUTION Task 0: put your own padding_mask here
    is_real = torch.arange(max_tokens, device=num_tokens.device) < num_tokens[:, None]  # (T,) < (B, 1) -> (B, T)
    return is_real[:, None, None, :].expand(-1, -1, max_tokens, -1)  # (B, 1, T, T)
    # END SOLUTION


def causal_mask(max_tokens: int) -> torch.Tensor:
    """Return (1, 1, T, T): 1 where key j is no later than query i, from the assignment `masks`."""
    # BEGIN SOLUTION Task 0: put your own causal_mask here
    return torch.ones(1, 1, max_tokens, max_tokens, dtype=torch.bool).tril()
    # END SOLUTION


def decoder_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    """Return (B, 1, T, T): 1 where both masks say 1, from the assignment `masks`."""
    # BEGIN SOLUTION Task 0: put your own decoder_mask here
    return padding_mask(num_tokens, max_tokens) & causal_mask(max_tokens).to(num_tokens.device)
    # END SOLUTION


# %%
class TransformerBlock(nn.Module):
    """Attention, then an MLP, from the assignment `transformer`."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        # BEGIN SOLUTION Task 0: put your own TransformerBlock here
        self.ln_1 = nn.LayerNorm(config.n_embd)
        self.attn = GenericSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd)
        self.mlp = nn.Sequential(
            nn.Linear(config.n_embd, 4 * config.n_embd),
            nn.GELU(),
            nn.Linear(4 * config.n_embd, config.n_embd),
            nn.Dropout(config.hidden_pdrop),
        )
        # END SOLUTION

    def forward(self, x: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return (B, T, C) for x (B, T, C) and attention_mask (B or 1, 1, T, T)."""
        # BEGIN SOLUTION Task 0: put your own TransformerBlock here
        x = x + self.attn(self.ln_1(x), attention_mask)  # (B, T, C)
        return x + self.mlp(self.ln_2(x))  # (B, T, C)
        # END SOLUTION


# %%
class GenericTransformer(nn.Module):
    """A language model, with or without a cache of vectors in front, from the assignment `transformer`."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        # BEGIN SOLUTION Task 0: put your own GenericTransformer here
        self.embedding = Embedding(config)
        self.blocks = nn.ModuleList([TransformerBlock(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        # END SOLUTION

    def get_attention_mask(self, num_tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, T, T) with T = num_tokens.max(): every position may look at every other."""
        # BEGIN SOLUTION Task 0: put your own GenericTransformer here
        T = int(num_tokens.max())
        return torch.ones(len(num_tokens), 1, T, T, dtype=torch.bool, device=num_tokens.device)
        # END SOLUTION

    def forward(
        self,
        idx: torch.Tensor,
        targets: torch.Tensor | None = None,
        hidden_cache: torch.Tensor | None = None,
        return_hidden: bool = False,
    ) -> Any:
        """Return (logits (B, P + T, V), loss), or with `return_hidden` the hidden states (B, P + T, C) alone."""
        # BEGIN SOLUTION Task 0: put your own GenericTransformer here
        num_tokens = (idx != -1).sum(dim=1)  # (B,)
        longest = int(num_tokens.max())
        x = self.embedding(idx[:, :longest].clamp(min=0))  # (B, longest, C)
        if hidden_cache is not None:
            x = torch.cat([hidden_cache, x], dim=1)  # (B, P + longest, C)
            num_tokens = num_tokens + hidden_cache.size(1)
        mask = self.get_attention_mask(num_tokens)  # (B, 1, P + longest, P + longest)
        for block in self.blocks:
            x = block(x, mask)
        hidden = F.pad(self.ln_f(x), (0, 0, 0, idx.size(1) - longest))  # (B, P + T, C)
        if return_hidden:
            return hidden
        logits = self.lm_head(hidden)  # (B, P + T, V)
        if targets is None:
            return logits, None
        first = 0 if hidden_cache is None else hidden_cache.size(1) - 1  # the position that predicts target 0
        predictions = logits[:, first : first + targets.size(1)]  # (B, T, V)
        return logits, F.cross_entropy(predictions.flatten(0, 1), targets.flatten(), ignore_index=-1)
        # END SOLUTION


# %%
class Encoder(GenericTransformer):
    """Each token looks at every real token of its row, from the assignment `transformer`."""

    def get_attention_mask(self, num_tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, T, T) with T = num_tokens.max(): 1 where key j is a real token of row b."""
        # BEGIN SOLUTION Task 0: put your own Encoder here
        return padding_mask(num_tokens, int(num_tokens.max()))
        # END SOLUTION


class Decoder(Encoder):
    """Each token looks at itself and at what comes before it, from the assignment `transformer`."""

    def get_attention_mask(self, num_tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, T, T) with T = num_tokens.max(): 1 where key j is real and no later than query i."""
        # BEGIN SOLUTION Task 0: put your own Decoder here
        return decoder_mask(num_tokens, int(num_tokens.max()))
        # END SOLUTION


# %% [markdown]
# ## A worked example: what a decoder makes of a cache
#
# Your `Decoder` takes vectors in front of its tokens: `hidden_cache`. It need not have any token of its own to do so.
# Then all that it knows comes from the cache, and its last position predicts the first token that is written.


# %%
def first_token(decoder: nn.Module, cache: torch.Tensor) -> torch.Tensor:
    """Return the token (B,) that is the likeliest one to come right after a cache (B, P, C)."""
    nothing = torch.empty(len(cache), 0, dtype=torch.int64)  # (B, 0), a text without tokens
    logits, _ = decoder(nothing, None, cache)  # (B, P, V), a position for each vector of the cache
    return logits[:, -1].argmax(dim=-1)


# %% [markdown]
# ## Tasks 1 to 5: the model
#
# One of the rows below has a prefix of three tokens, the other one of two and padding, and both have two targets. The
# logits have a column for each column of the prefix and for each target. What is predicted where:
#
#     column               0          1          2          3          4
#     row 0             prefix 0   prefix 1   prefix 2   target 0   target 1
#         predicts         -          -       target 0   target 1      -
#     row 1             prefix 0   prefix 1   padding    target 0   target 1
#         predicts         -       target 0      -       target 1      -
#
# Padding must not change a row. The easiest way to be sure of that is not to show it to the decoder: the rows whose
# prefixes are equally long go through the decoder together, without their padding.


# %%
class EncoderDecoder(nn.Module):
    """Reads a prefix with an encoder and writes targets with a decoder that has the encoder's states in front.

    Both configs are any objects with the attributes of a `TransformerConfig`, of one width n_embd. They stay as they
    are. The decoder knows one token more than its config says: the end token, whose id is decoder_config.vocab_size.
    """

    def __init__(self, encoder_config: Any, decoder_config: Any) -> None:
        """Make an Encoder, and a Decoder for a vocabulary of decoder_config.vocab_size + 1 tokens."""
        super().__init__()
        self.end_token = decoder_config.vocab_size
        # BEGIN SOLUTION Task 1: the two models
        with_end = copy.copy(decoder_config)  # the caller's own object must not change
        with_end.vocab_size = decoder_config.vocab_size + 1
        self.encoder = Encoder(encoder_config)
        self.decoder = Decoder(with_end)
        # END SOLUTION

    def encode(self, prefix: torch.Tensor) -> torch.Tensor:
        """Return the encoder's hidden states (B, P, C) of prefix (B, P), which has -1 for padding."""
        # BEGIN SOLUTION Task 2: read the prefix
        return self.encoder(prefix, return_hidden=True)
        # END SOLUTION

    def decode(self, hidden: torch.Tensor, num_tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, P + T, V + 1): a column for each column of the prefix, then one for each target.

        hidden: (B, P, C), what `encode` returns. num_tokens: (B,), how many tokens of each prefix are real.
        targets: (B, T), -1 for padding; T may be 0.

        Columns of padding in the prefix may hold anything.
        """
        # BEGIN SOLUTION Task 3: decode what was read, without its padding
        P = hidden.size(1)
        groups = [
            (num_tokens == n).nonzero()[:, 0] for n in num_tokens.unique()
        ]  # rows whose prefixes are equally long
        logits = []
        for rows in groups:
            n = int(num_tokens[rows[0]])
            found, _ = self.decoder(targets[rows], None, hidden[rows, :n])  # (rows, n + T, V + 1)
            of_prefix = F.pad(found[:, :n], (0, 0, 0, P - n))  # (rows, P, V + 1)
            logits.append(torch.cat([of_prefix, found[:, n:]], dim=1))  # (rows, P + T, V + 1)
        return torch.cat(logits)[torch.cat(groups).argsort()]  # (B, P + T, V + 1), each row back in its place
        # END SOLUTION

    def predictions(self, logits: torch.Tensor, num_tokens: torch.Tensor, T: int) -> torch.Tensor:
        """Return what is predicted for targets 0 to T, (B, T + 1, V + 1): for one more than there are.

        The column of a prefix's last real token predicts target 0, and that of target t - 1 predicts target t.
        """
        # BEGIN SOLUTION Task 4: which column predicts what
        first = logits[torch.arange(len(logits)), num_tokens - 1]  # (B, V + 1)
        return torch.cat([first[:, None], logits[:, logits.size(1) - T :]], dim=1)
        # END SOLUTION

    def forward(
        self, prefix: torch.Tensor, targets: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return (logits, loss) for prefix (B, P) and targets (B, T), both int64.

        logits: (B, P + T, V + 1), or (B, P, V + 1) without targets.
        loss: the mean cross entropy over the targets that are not -1, a tensor of shape (); None without targets.
        """
        # BEGIN SOLUTION Task 5: logits and loss
        num_tokens = (prefix != -1).sum(dim=1)  # (B,)
        tokens = prefix[:, :0] if targets is None else targets  # (B, T)
        logits = self.decode(self.encode(prefix), num_tokens, tokens)
        if targets is None:
            return logits, None
        predictions = self.predictions(logits, num_tokens, targets.size(1))[:, :-1]  # (B, T, V + 1)
        return logits, F.cross_entropy(predictions.flatten(0, 1), targets.flatten(), ignore_index=-1)
        # END SOLUTION


# %% [markdown]
# ## Task 6: write
#
# As in the assignment `generation`, one token after another. But here the prompt does not grow: the prefix is read
# once, and what grows are the tokens behind it.


# %%
def prefix_generate(
    model: EncoderDecoder,
    prefix: torch.Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    do_sample: bool = True,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return the max_new_tokens tokens (B, max_new_tokens) that the model writes after prefix (B, P).

    Each token is drawn from softmax(logits / temperature), with the numbers of `generator` when there is one; without
    `do_sample` it is the most likely token. Nothing stops at the end token: whoever reads the result cuts it there.
    Raises ValueError when temperature is not above 0.
    """
    # BEGIN SOLUTION Task 6: write
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it has to be above 0")
    tokens = prefix[:, :0]  # (B, 0): nothing is written yet
    with torch.no_grad():
        num_tokens = (prefix != -1).sum(dim=1)  # (B,)
        hidden = model.encode(prefix)  # (B, P, C), once for all tokens
        for T in range(max_new_tokens):
            logits = model.decode(hidden, num_tokens, tokens)  # (B, P + T, V + 1)
            distribution = (model.predictions(logits, num_tokens, T)[:, -1] / temperature).softmax(dim=-1)
            if do_sample:
                token = torch.multinomial(distribution, num_samples=1, generator=generator)  # (B, 1)
            else:
                token = distribution.argmax(dim=-1, keepdim=True)  # (B, 1)
            tokens = torch.cat([tokens, token], dim=1)  # (B, T + 1)
    return tokens
    # END SOLUTION
