"""The layer called k makes the queries and the one called q the keys: two names, and nothing more."""
import torch
from torch import nn


def attention(q, k, v, mask=None):
    s = (q.unsqueeze(-2) * k.unsqueeze(-3)).sum(-1) / q.size(-1) ** 0.5  # (B, H, Tq, 1, D) * (B, H, 1, Tk, D)
    if mask is not None:
        s = s.masked_fill(mask == 0, float("-inf"))
    w = s.softmax(-1)
    return (w.unsqueeze(-1) * v.unsqueeze(-3)).sum(-2), w


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head != 0:
            raise ValueError("n_embd % n_head != 0")
        self.n_head = config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def split_heads(self, x):
        return torch.stack(x.chunk(self.n_head, dim=-1), dim=1)

    def forward(self, x, attention_mask):
        q = self.split_heads(self.q(x))
        k = self.split_heads(self.k(x))
        v = self.split_heads(self.v(x))
        _, w = attention(k, q, v, attention_mask)
        y = self.attn_dropout(w) @ v
        return self.hidden_dropout(self.c_proj(torch.cat(y.unbind(1), dim=-1)))
