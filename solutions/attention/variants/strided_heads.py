"""One Linear for all, and head h takes every H-th of its features, from h on. Which ones it takes is up to me."""
import torch
from torch import nn


def attention(q, k, v, mask=None):
    scores = torch.matmul(q, k.transpose(-1, -2)) / q.size(-1) ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask.to(torch.bool), float("-inf"))
    weights = torch.softmax(scores, dim=-1)
    return torch.matmul(weights, v), weights


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head != 0:
            raise ValueError("n_head does not divide n_embd")
        self.n_head = config.n_head
        self.in_proj = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.out_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        qkv = self.in_proj(x).unflatten(-1, (3, -1, self.n_head))  # (B, T, 3, D, H)
        q, k, v = qkv.permute(2, 0, 4, 1, 3)  # each (B, H, T, D)
        _, weights = attention(q, k, v, attention_mask)
        y = self.attn_dropout(weights) @ v
        return self.hidden_dropout(self.out_proj(y.transpose(1, 2).flatten(2)))
