# %% [markdown]
# # Embeddings
#
# A neural network computes with vectors of numbers, and a text is a row of token ids. The first layer of a language
# model turns each token into a vector, of **what** it is and of **where** it stands. You write that layer, and the
# function that gives all layers of a model their first weights.
#
# Letters: `B` rows in the batch, `T` tokens per row, `C` = n_embd features per token, `V` = vocab_size tokens in the
# vocabulary. Token ids are int64, from 0 to V - 1.

# %%
"""The first layer of a language model, and the first weights of all its layers."""

from typing import Any

import torch
from torch import nn

# %% [markdown]
# ## A worked example: one table
#
# `nn.Embedding(n, C)` is a table of n rows with C numbers each, its `weight`. Called with ids of any shape it looks up
# one row for each id. Here the ids are the days of a week, so there are 7 rows, and they have nothing to do with text.


# %%
class Weekdays(nn.Module):
    """A vector for each day of the week."""

    def __init__(self, n_embd: int) -> None:
        super().__init__()
        self.days = nn.Embedding(7, n_embd)

    def forward(self, day: torch.Tensor) -> torch.Tensor:
        """Return (..., C) for days of shape (...), each from 0 to 6.

        >>> Weekdays(4)(torch.tensor([[0, 6, 6], [2, 3, 0]])).shape
        torch.Size([2, 3, 4])
        """
        return self.days(day % 7)  # (...) -> (..., C)


# %% [markdown]
# ## Tasks 1 to 3: tokens with a place
#
# Two tables: one with a row for each token of the vocabulary, one with a row for each place in a text. A token's vector
# is the sum of the two rows. Both tables are learned.


# %%
class Embedding(nn.Module):
    """Tokens as vectors: what the token is plus where it stands."""

    def __init__(self, config: Any) -> None:
        """Make the table of tokens, the table of positions, and the dropout on their sum.

        config: a TransformerConfig, or anything else with its attributes `vocab_size`, `block_size`, `n_embd` and
            `embd_pdrop`.
        """
        super().__init__()
        # BEGIN SOLUTION Task 1: the two tables
        self.vocab_embeddings = nn.Embedding(config.vocab_size, config.n_embd)  # (V, C)
        self.position_embeddings = nn.Embedding(config.block_size, config.n_embd)  # (block_size, C)
        self.dropout = nn.Dropout(config.embd_pdrop)
        # END SOLUTION

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """Return (B, T, C) for token ids (B, T): each token's vector plus that of its position, then dropout.

        Positions are 0, 1, ..., T - 1, in each row the same. Raises ValueError when T is larger than block_size.
        """
        # BEGIN SOLUTION Task 2: add the two rows, and Task 3: refuse a text that is too long
        T, block_size = idx.size(1), self.position_embeddings.num_embeddings
        if block_size < T:
            raise ValueError(f"a text of {T} tokens is longer than block_size = {block_size}")
        positions = torch.arange(T, device=idx.device)  # (T,)
        tokens = self.vocab_embeddings(idx)  # (B, T) -> (B, T, C)
        places = self.position_embeddings(positions)  # (T,) -> (T, C), which broadcasts over the rows
        return self.dropout(tokens + places)  # (B, T, C)
        # END SOLUTION


# %% [markdown]
# ## Task 4: the first weights
#
# `model.apply(init_weights)` calls `init_weights` once for each module in the model, the model itself included. So the
# function looks at one module, sets its weights when it is of a kind that it knows, and does nothing else.


# %%
def init_weights(module: nn.Module) -> None:
    """Give one layer its first weights, in place.

    Linear: weight from N(0, 0.02), bias 0 where it has one. Embedding: weight from N(0, 0.02). LayerNorm: weight 1 and
    bias 0. 0.02 is the standard deviation. Any other module, and the modules inside this one, stay as they are.

    >>> layer = nn.Linear(300, 200)
    >>> init_weights(layer)
    >>> round(layer.weight.std().item(), 3), layer.bias.abs().max().item()
    (0.02, 0.0)
    """
    # BEGIN SOLUTION Task 4: the first weights
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, mean=0.0, std=0.02)
    if isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
    if isinstance(module, (nn.Linear, nn.LayerNorm)) and module.bias is not None:
        nn.init.zeros_(module.bias)
    # END SOLUTION
