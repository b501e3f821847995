"""One small module per head, as in the drawing of the lecture: each has its own three Linears of width D."""
import torch
import torch.nn as nn
import torch.nn.functional as F


def attention(q, k, v, mask=None):
    sim = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if mask is not None:
        sim = sim.masked_fill(mask == False, float("-inf"))  # noqa
    weights = F.softmax(sim, dim=-1)
    return weights @ v, weights


class Head(nn.Module):
    def __init__(self, n_embd, head_size, dropout):
        super().__init__()
        self.query = nn.Linear(n_embd, head_size)
        self.key = nn.Linear(n_embd, head_size)
        self.value = nn.Linear(n_embd, head_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask):
        q, k, v = self.query(x)[:, None], self.key(x)[:, None], self.value(x)[:, None]  # (B, 1, T, D)
        weights = attention(q, k, v, mask)[1]
        return (self.dropout(weights) @ v).squeeze(1)


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head != 0:
            raise ValueError
        size = config.n_embd // config.n_head
        self.heads = nn.ModuleList(Head(config.n_embd, size, config.attn_pdrop) for _ in range(config.n_head))
        self.proj = nn.Linear(config.n_embd, config.n_embd)
        self.dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        out = torch.cat([head(x, attention_mask) for head in self.heads], dim=-1)
        return self.dropout(self.proj(out))
