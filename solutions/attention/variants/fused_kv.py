"""Queries on their own, keys and values together, as for cross attention. Values first."""
import torch
from torch import nn
from torch.nn.functional import softmax


def attention(q, k, v, mask=None):
    dots = q.matmul(k.swapaxes(-1, -2))
    dots = dots / torch.sqrt(torch.tensor(q.size(-1), dtype=q.dtype))
    if mask is not None:
        dots = torch.masked_fill(dots, mask.eq(0), torch.finfo(q.dtype).min)
    attn = softmax(dots, dim=-1)
    return attn.matmul(v), attn


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError("heads")
        self.heads = config.n_head
        self.to_q = nn.Linear(config.n_embd, config.n_embd)
        self.to_kv = nn.Linear(config.n_embd, config.n_embd * 2)
        self.to_out = nn.Sequential(nn.Linear(config.n_embd, config.n_embd), nn.Dropout(config.hidden_pdrop))
        self.dropout = nn.Dropout(config.attn_pdrop)

    def forward(self, x, attention_mask):
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q = split(self.to_q(x))
        v, k = map(split, self.to_kv(x).chunk(2, dim=-1))
        _, attn = attention(q, k, v, attention_mask)
        return self.to_out((self.dropout(attn) @ v).transpose(1, 2).flatten(2))
