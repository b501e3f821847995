# Attention masks
#
# Write the three functions below.
"""Attention masks: which token may look at which."""

import torch


def self_mask(max_tokens: int) -> torch.Tensor:
    """Return (1, 1, T, T): 1 where query i and key j are the same token."""
    keys = torch.arange(max_tokens)  # (T,)
    queries = keys[:, None]  # (T, 1)
    return (keys == queries)[None, None]  # (T, T) -> (1, 1, T, T)


def padding_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    """Return (B, 1, T, T): 1 where key j is a real token of row b, the same for every query i."""
    keys = torch.arange(max_tokens)
    real = torch.stack([keys < n for n in num_tokens])  # (B, T)
    return torch.stack([real] * max_tokens, dim=1)[:, None]


def causal_mask(max_tokens: int) -> torch.Tensor:
    """Return (1, 1, T, T): 1 where key j is no later than query i."""
    keys = torch.arange(max_tokens)
    queries = keys[:, None]
    return (keys <= queries)[None, None]


def decoder_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    """Return (B, 1, T, T): 1 where key j is a real token of row b and no later than query i."""
    raise NotImplementedError("Task 3: the decoder mask")
