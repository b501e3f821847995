"""Homework 2, group 7 (Rivera, Novak)."""
import torch
import torch.nn as nn

from layers import Heads
from transformer_config import TransformerConfig


def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / q.size(-1) ** 0.5
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -torch.inf)
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


class GenericSelfAttention(nn.Module):
    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.heads = Heads(config.n_embd, config.n_head)
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        q, k, v = (self.heads.split(layer(x)) for layer in (self.q, self.k, self.v))
        _, weights = attention(q, k, v, attention_mask)
        return self.hidden_dropout(self.c_proj(self.heads.merge(self.attn_dropout(weights) @ v)))
