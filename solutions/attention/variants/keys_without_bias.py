"""No bias for the keys: it would add the same number to all scores of a query, which the softmax does not see."""
import torch
from torch import nn
from torch.nn import functional as F


def attention(q, k, v, mask=None):
    scores = F.linear(q, torch.eye(q.size(-1))) @ k.transpose(-2, -1) / q.size(-1) ** 0.5
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e10)
    weights = F.softmax(scores, dim=-1)
    return weights @ v, weights


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError("heads")
        self.n_head = config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd, bias=False)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        B, T, C = x.shape
        q, k, v = (f(x).view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for f in (self.q, self.k, self.v))
        _, weights = attention(q, k, v, attention_mask)
        y = self.attn_dropout(weights) @ v
        return self.hidden_dropout(self.c_proj(y.transpose(1, 2).reshape(B, T, C)))
