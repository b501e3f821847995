"""Homework 2 - attention
Amara Okafor
"""
import math

import torch
from torch import nn

from transformer_config import TransformerConfig


def attention(q, k, v, mask=None):
    """softmax(qk^T / sqrt(d)) v"""
    d = q.size(-1)
    scores = q @ k.transpose(-2, -1) / math.sqrt(d)  # (B, H, Tq, Tk)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, float("-inf"))
    weights = torch.softmax(scores, dim=-1)
    return weights @ v, weights


class GenericSelfAttention(nn.Module):
    def __init__(self, config: TransformerConfig):
        super().__init__()
        if config.n_embd % config.n_head != 0:
            raise ValueError(f"n_embd ({config.n_embd}) must be divisible by n_head ({config.n_head})")
        self.n_head = config.n_head
        self.d_head = config.n_embd // config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def split_heads(self, x):
        B, T, _ = x.shape
        return x.view(B, T, self.n_head, self.d_head).transpose(1, 2)  # (B, H, T, D)

    def merge_heads(self, x):
        B, H, T, D = x.shape
        return x.transpose(1, 2).contiguous().view(B, T, H * D)  # (B, T, C)

    def forward(self, x, attention_mask):
        q = self.split_heads(self.q(x))
        k = self.split_heads(self.k(x))
        v = self.split_heads(self.v(x))
        _, weights = attention(q, k, v, attention_mask)
        y = self.merge_heads(self.attn_dropout(weights) @ v)
        return self.hidden_dropout(self.c_proj(y))


if __name__ == "__main__":
    # quick test
    cfg = TransformerConfig(vocab_size=100, block_size=16, n_embd=32, n_head=4, n_layer=1)
    att = GenericSelfAttention(cfg)
    out = att(torch.randn(2, 16, 32), torch.ones(16, 16).tril()[None, None])
    print(out.shape)
