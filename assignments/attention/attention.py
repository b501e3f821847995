# Attention
#
# A token that wants to know more asks a question, its **query**. Every token answers with a **key**, which says what
# it is about, and a **value**, which is what it has to tell. Attention compares the query with all keys and returns
# the mean of the values, in which the keys that fit best count most.
#
# First you write that as one function, then as a layer with several heads. Letters: `B` rows in the batch, `T` tokens,
# `C` = n_embd features per token, `H` heads, `D` = C // H features per head. `Tq` and `Tk` are the number of queries
# and of keys; they differ when one text looks at another.

"""Attention: a function, and the layer with several heads that is built on it."""

from typing import Any

import torch
from torch import nn

# A worked example: attention that does not look
#
# Here every query spreads its attention evenly over the keys that it may see. It has the mask, the weights and the
# two results of the real thing, and no comparison of queries with keys.


def even_attention(v: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the plain mean of the values that each query may see (B, H, Tq, D), and its weights (B, 1, Tq, Tk).

    v: (B, H, Tk, D). mask: (B, 1, Tq, Tk), 1 or True where query i (row) may look at key j (column).
    """
    allowed = (mask != 0).to(v.dtype)  # (B, 1, Tq, Tk), 1.0 and 0.0 whatever kind of numbers the mask holds
    weights = allowed / allowed.sum(dim=-1, keepdim=True)  # (B, 1, Tq, Tk), each row sums to one
    return weights @ v, weights  # (B, 1, Tq, Tk) @ (B, H, Tk, D) -> (B, H, Tq, D)


# Task 1: scaled dot-product attention
#
# The dot product says how well a query fits a key. It grows with the number of features, so it is divided by the
# square root of that number. A softmax over the keys makes weights of the scores. A key that a query may not see
# must end up with no weight at all, and the other weights of that query must still sum to one.


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output (B, H, Tq, D) and the weights (B, H, Tq, Tk).

        weights = softmax(q k^T / sqrt(D))    over the keys
        output  = weights v

    q: (B, H, Tq, D). k and v: (B, H, Tk, D).
    mask: 1 or True where query i (row) may look at key j (column), 0 or False where not. Its shape is anything that
        broadcasts to (B, H, Tq, Tk), and it holds booleans, integers or floats. Without a mask every query sees
        every key. Each query may see at least one key.

    Example: one query and two keys with D = 4. The scores are 4 / 2 and 0 / 2, and e^2 / (e^2 + e^0) = 0.8808.

    >>> q = torch.ones(1, 1, 1, 4)
    >>> k = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])[None, None]
    >>> v = torch.tensor([[10.0, 0.0, 0.0, 0.0], [0.0, 10.0, 0.0, 0.0]])[None, None]
    >>> output, weights = attention(q, k, v)
    >>> weights
    tensor([[[[0.8808, 0.1192]]]])
    >>> output
    tensor([[[[8.8080, 1.1920, 0.0000, 0.0000]]]])
    """
    raise NotImplementedError("Task 1: scaled dot-product attention")


# Tasks 2 to 5: self-attention with several heads
#
# In self-attention queries, keys and values all come from the same tokens, through three Linear layers. Each head
# works on its own D of the C features, so that one head can look at the verb while another looks at the previous
# word. The layers are given; you write how the features go to the heads, and how they come back.


class GenericSelfAttention(nn.Module):
    """Multi-head self-attention: every token looks at every token of its text that the mask allows.

        x (B, T, C) -> q, k, v (B, T, C) -> H heads of (B, T, D) -> attention in each head -> (B, T, C) -> c_proj

    config: any object with n_embd, n_head, attn_pdrop and hidden_pdrop, a `TransformerConfig` for instance.
    """

    def __init__(self, config: Any) -> None:
        """Make the layers. Raises ValueError when n_embd features cannot be shared out evenly among n_head heads."""
        super().__init__()
        raise NotImplementedError("Task 2: refuse a width that the heads cannot share evenly")
        self.n_head = config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)  # on the weights, after the softmax
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)  # on the output

    def split_heads(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, T, C) as (B, H, T, D): head h gets features h * D to (h + 1) * D of every token.

        Example: with H = 2 and C = 4 the token [1, 2, 3, 4] is [1, 2] in the first head and [3, 4] in the second.
        """
        raise NotImplementedError("Task 3: split the features into heads")

    def merge_heads(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, H, T, D) as (B, T, C), the other way round: each token's heads side by side."""
        raise NotImplementedError("Task 4: put the heads back side by side")

    def forward(self, x: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the tokens' new features (B, T, C).

        x: (B, T, C). attention_mask: (B, 1, T, T) or (1, 1, T, T), the same for every head.
        `attn_dropout` acts on the weights before they meet the values, `hidden_dropout` on the result of `c_proj`.
        """
        raise NotImplementedError("Task 5: self-attention with several heads")
