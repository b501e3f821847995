"""Attention written with einsum: the letters say which dimensions meet."""
import math
from typing import Optional, Tuple

import torch
import torch.nn as nn
from torch import Tensor


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
    logits = torch.einsum("bhqd,bhkd->bhqk", q, k).div(math.sqrt(q.shape[-1]))
    if mask is not None:
        logits = logits.masked_fill(~mask.bool(), -math.inf)
    probs = torch.softmax(logits, -1)
    return torch.einsum("bhqk,bhkd->bhqd", probs, v), probs


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError("n_embd must be a multiple of n_head")
        self.H = config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        def heads(t):
            return t.unflatten(-1, (self.H, -1))  # b t h d, never transposed

        q, k, v = heads(self.q(x)), heads(self.k(x)), heads(self.v(x))
        logits = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(q.size(-1))
        logits = logits.masked_fill(~attention_mask.bool(), -math.inf)
        probs = self.attn_dropout(logits.softmax(dim=-1))
        out = torch.einsum("bhqk,bkhd->bqhd", probs, v).flatten(2)
        return self.hidden_dropout(self.c_proj(out))
