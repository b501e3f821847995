# %% [markdown]
# # Attention masks
#
# Texts differ in length, a batch is a rectangle: short texts are filled up with padding, and nothing may be learned
# from padding. A model that predicts the next token must not see that token either. Masks tell the attention layer so.
#
# Write the three functions below. Letters: `B` texts in the batch, `T` tokens per text. In each mask the **query**, the
# token that looks, is the row (dim -2); the **key**, the token that is looked at, is the column (dim -1).

# %%
"""Attention masks: which token may look at which."""

import torch

# %% [markdown]
# ## A worked example: the diagonal
#
# A mask is a table of answers to "may query i attend to key j?". Number the keys along the last dimension and the
# queries along the one before it; a comparison of the two then answers all T * T questions at once. Here the
# question is whether query and key are the same token, so each token sees nothing but itself.


# %%
def self_mask(max_tokens: int) -> torch.Tensor:
    """Return (1, 1, T, T): 1 where query i and key j are the same token."""
    keys = torch.arange(max_tokens)  # (T,)
    queries = keys[:, None]  # (T, 1)
    return (keys == queries)[None, None]  # (T, T) -> (1, 1, T, T)


# %% [markdown]
# ## Task 1: the padding mask
#
# Text b holds `num_tokens[b]` real tokens, then padding. Hide that padding from every query of the text, but leave each
# query something to look at, the padded ones too: the softmax of a row without a single allowed key is 0 / 0.


# %%
def padding_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    """Return (B, 1, T, T): 1 where key j is a real token of text b, the same for every query i.

    num_tokens: (B,) int64, the number of real tokens in each text; they come first, padding follows.
    max_tokens: T, the length every text is padded to.

    Example: padding_mask(torch.tensor([2, 3]), 4)

                    b = 0, 2 tokens      b = 1, 3 tokens
              key   0  1  2  3           0  1  2  3
        query 0     1  1  0  0           1  1  1  0
              1     1  1  0  0           1  1  1  0
              2     1  1  0  0           1  1  1  0
              3     1  1  0  0           1  1  1  0
    """
    # BEGIN SOLUTION Task 1: the padding mask
    keys = torch.arange(max_tokens, device=num_tokens.device)  # (T,)
    is_real = keys < num_tokens[:, None]  # (T,) against (B, 1) -> (B, T)
    per_query = is_real[:, None, None, :]  # (B, 1, 1, T): the query is still to come
    return per_query.expand(-1, -1, max_tokens, -1)  # (B, 1, T, T): every query gets the same keys
    # END SOLUTION


# %% [markdown]
# ## Task 2: the causal mask
#
# A token may look at itself and at what came before it, never at what comes after. One table does for all texts and
# heads, so the first two dimensions are 1 and broadcast.


# %%
def causal_mask(max_tokens: int) -> torch.Tensor:
    """Return (1, 1, T, T): 1 where key j is no later than query i.

    max_tokens: T, the length every text is padded to.

    Example: causal_mask(4)

              key   0  1  2  3
        query 0     1  0  0  0
              1     1  1  0  0
              2     1  1  1  0
              3     1  1  1  1
    """
    # BEGIN SOLUTION Task 2: the causal mask
    keys = torch.arange(max_tokens)  # (T,)
    queries = keys[:, None]  # (T, 1)
    return (keys <= queries)[None, None]  # (T, T) -> (1, 1, T, T)
    # END SOLUTION


# %% [markdown]
# ## Task 3: the decoder mask
#
# A decoder reads padded batches and must not look ahead: it sees a key that passes both masks.


# %%
def decoder_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    """Return (B, 1, T, T): 1 where key j is a real token of text b and no later than query i.

    num_tokens: (B,) int64, the number of real tokens in each text; they come first, padding follows.
    max_tokens: T, the length every text is padded to.

    Example: decoder_mask(torch.tensor([2, 3]), 4)

                    b = 0, 2 tokens      b = 1, 3 tokens
              key   0  1  2  3           0  1  2  3
        query 0     1  0  0  0           1  0  0  0
              1     1  1  0  0           1  1  0  0
              2     1  1  0  0           1  1  1  0
              3     1  1  0  0           1  1  1  0
    """
    # BEGIN SOLUTION Task 3: the decoder mask
    real = padding_mask(num_tokens, max_tokens)  # (B, 1, T, T)
    not_later = causal_mask(max_tokens).to(num_tokens.device)  # (1, 1, T, T)
    return torch.logical_and(real, not_later)  # (B, 1, T, T)
    # END SOLUTION
