# %% [markdown]
# # Transformer
#
# You have the parts: embeddings, attention, masks. Here you put them together, first as a **block**, which most of a
# transformer is made of, then as a whole model that predicts the next token, and last as its two kinds: an **encoder**,
# whose tokens look in both directions, and a **decoder**, whose tokens look back only.
#
# Letters: `B` rows in the batch, `T` tokens per row, `P` vectors of a cache in front of them, `C` = n_embd features per
# token, `V` = vocab_size tokens in the vocabulary. Padding in `idx` and ignored targets are -1.

# %%
"""A transformer made of earlier parts: the block, the model, and the model as encoder and as decoder."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

# %% [markdown]
# ## Task 0: bring your own parts
#
# Put your own code of the earlier assignments in place of the six stubs below. Or, if that code lies in files beside
# this one, delete the stubs and import it: `from attention import GenericSelfAttention`. The parts were graded there
# and are not graded again: where one of them is wrong, what you build on it can still earn its points.


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


# %% [markdown]
# ## A worked example: one residual step
#
# The hidden states of a transformer are a **stream**: vectors that are never replaced, only added to. A layer reads a
# normalised copy of the stream, and what it makes of it is added to the stream itself. Here the layer is a single
# Linear. Look at what is normalised, and at what is not.


# %%
class ResidualLinear(nn.Module):
    """One step of the stream with the simplest layer there is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, T, width) for x (B, T, width)."""
        return x + self.linear(self.ln(x))  # the sum keeps x as it came in


# %% [markdown]
# ## Tasks 1 and 2: the block
#
# A block is two such steps. In the first the tokens look at each other: attention. In the second each token thinks for
# itself: an MLP, two Linear layers with a GELU between them, the same for every token.


# %%
class TransformerBlock(nn.Module):
    """Attention, then an MLP; each reads a normalised copy of the stream, and its result is added to the stream.

    config: any object with the attributes of a `TransformerConfig`.
    """

    def __init__(self, config: Any) -> None:
        """Make a LayerNorm and your GenericSelfAttention; another LayerNorm and the MLP, C -> 4C -> C.

        Example: with C = 8 the block has 12 * 8 * 8 + 13 * 8 = 872 parameters.
        """
        super().__init__()
        # BEGIN SOLUTION Task 1: the layers of a block
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
        """Return the stream after this block (B, T, C).

            x = x + attention of ln_1(x), under the mask
            x = x + mlp of ln_2(x)

        x: (B, T, C). attention_mask: (B or 1, 1, T, T).
        """
        # BEGIN SOLUTION Task 2: two residual steps
        x = x + self.attn(self.ln_1(x), attention_mask)  # (B, T, C)
        return x + self.mlp(self.ln_2(x))  # (B, T, C), of the new x
        # END SOLUTION


# %% [markdown]
# ## Tasks 3 to 6: the whole model
#
# Tokens become vectors, vectors go through the blocks, and a last Linear layer, the **head**, gives each token of the
# vocabulary a score, its logit. Between the blocks and the head stands one more LayerNorm.
#
# A **cache** is a row of vectors that somebody else made, the hidden states of an encoder for instance. The model puts
# them in front of its own tokens, as if they were embedded tokens, and computes on.


# %%
class GenericTransformer(nn.Module):
    """A language model: every position gives logits for the token that comes next.

        idx (B, T) -> embedding (B, T, C) -> n_layer blocks -> ln_f -> lm_head -> logits (B, T, V)

    With a cache (B, P, C) in front of the tokens there are P + T positions instead of T.
    """

    def __init__(self, config: Any) -> None:
        """Make your Embedding, n_layer blocks, the final LayerNorm, and the head: a Linear without bias."""
        super().__init__()
        self.block_size = config.block_size
        # BEGIN SOLUTION Task 3: the layers of the model
        self.embedding = Embedding(config)
        self.blocks = nn.ModuleList([TransformerBlock(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        # END SOLUTION

    def get_attention_mask(self, num_tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, T, T) with T = num_tokens.max(): here every position may look at every other."""
        T = int(num_tokens.max())
        return torch.ones(len(num_tokens), 1, T, T, dtype=torch.bool, device=num_tokens.device)

    def hidden_states(self, idx: torch.Tensor, hidden_cache: torch.Tensor | None) -> torch.Tensor:
        """Return the hidden states after the final LayerNorm (B, P + T, C). P is 0 without a cache.

        idx: (B, T) with -1 for padding, which comes last in each row; T may be more than the longest row needs.
        hidden_cache: (B, P, C), no padding, or None.
        """
        # BEGIN SOLUTION Task 4: from tokens to hidden states
        num_tokens = (idx != -1).sum(dim=1)  # (B,)
        longest = int(num_tokens.max())
        x = self.embedding(idx[:, :longest].clamp(min=0))  # (B, longest, C); padding needs some id, the mask hides it
        if hidden_cache is not None:
            x = torch.cat([hidden_cache, x], dim=1)  # (B, P + longest, C)
            num_tokens = num_tokens + hidden_cache.size(1)
        mask = self.get_attention_mask(num_tokens)  # (B, 1, P + longest, P + longest)
        for block in self.blocks:
            x = block(x, mask)
        x = self.ln_f(x)
        return F.pad(x, (0, 0, 0, idx.size(1) - longest))  # (B, P + T, C): zeros where every row is padding
        # END SOLUTION

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean cross entropy over the targets that are not -1: one number, a tensor of shape ().

        logits: (B, P + T, V). targets: (B, T), where target t is what should follow the t-th position.

        Without a cache position t predicts target t. With a cache, target 0 is predicted by the cache's last vector:

                       c0   c1   c2   t0   t1        P = 3, T = 2
            predicts    -    -   y0   y1    -
        """
        # BEGIN SOLUTION Task 5: the loss
        P, T = logits.size(1) - targets.size(1), targets.size(1)
        first = max(P - 1, 0)  # the position that predicts target 0
        predictions = logits[:, first : first + T]  # (B, T, V)
        return F.cross_entropy(predictions.flatten(0, 1), targets.flatten(), ignore_index=-1)
        # END SOLUTION

    def forward(
        self,
        idx: torch.Tensor,
        targets: torch.Tensor | None = None,
        hidden_cache: torch.Tensor | None = None,
        return_hidden: bool = False,
    ) -> Any:
        """Return (logits, loss), or with `return_hidden` the hidden states alone, a tensor (B, P + T, C).

        idx: (B, T) int64, -1 for padding. targets: (B, T) int64, -1 for those that do not count.
        logits: (B, P + T, V). loss: a number, or None without targets.
        """
        # BEGIN SOLUTION Task 6: logits and loss
        hidden = self.hidden_states(idx, hidden_cache)  # (B, P + T, C)
        if return_hidden:
            return hidden
        logits = self.lm_head(hidden)  # (B, P + T, V)
        return logits, None if targets is None else self.loss(logits, targets)
        # END SOLUTION


# %% [markdown]
# ## Tasks 7 and 8: encoder and decoder
#
# Both are the model above. They differ only in who may look at whom: one method each, with your masks.


# %%
class Encoder(GenericTransformer):
    """Reads a whole text: each token looks at every real token of its row, before and after it."""

    def get_attention_mask(self, num_tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, T, T) with T = num_tokens.max(): 1 where key j is one of the num_tokens[b] real ones."""
        # BEGIN SOLUTION Task 7: the encoder's mask
        return padding_mask(num_tokens, int(num_tokens.max()))
        # END SOLUTION


class Decoder(Encoder):
    """Writes a text: each token looks at itself and at what comes before it."""

    def get_attention_mask(self, num_tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, T, T) with T = num_tokens.max(): 1 where key j is real and no later than query i."""
        # BEGIN SOLUTION Task 8: the decoder's mask
        return decoder_mask(num_tokens, int(num_tokens.max()))
        # END SOLUTION
