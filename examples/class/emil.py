"""Attention masks: which token may look at which."""

import torch


def padding_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    """Return (B, 1, T, T): 1 where key j is a real token of row b, the same for every query i."""
    raise NotImplementedError("Task 1: the padding mask")


def causal_mask(max_tokens: int) -> torch.Tensor:
    """Return (1, 1, T, T): 1 where key j is no later than query i."""
    raise NotImplementedError("Task 2: the causal mask")


def decoder_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    """Return (B, 1, T, T): 1 where key j is a real token of row b and no later than query i."""
    raise NotImplementedError("Task 3: the decoder mask")
