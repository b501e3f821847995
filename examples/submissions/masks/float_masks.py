"""Assignment 3 -- masks. Everything is float32 so that I can multiply."""

from __future__ import annotations

import torch
from torch import Tensor


def padding_mask(num_tokens: Tensor, max_tokens: int) -> Tensor:
    key_index = torch.arange(max_tokens, dtype=torch.float32)
    allowed = torch.heaviside(num_tokens.unsqueeze(-1) - key_index, torch.zeros(()))  # n - j > 0
    return torch.einsum("bj,i->bij", allowed, torch.ones(max_tokens)).unsqueeze(1)


def causal_mask(max_tokens: int) -> Tensor:
    return torch.ones(max_tokens, max_tokens).tril()[None, None]


def decoder_mask(num_tokens: Tensor, max_tokens: int) -> Tensor:
    return padding_mask(num_tokens, max_tokens) * causal_mask(max_tokens)
