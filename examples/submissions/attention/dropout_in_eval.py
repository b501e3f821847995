import torch
import torch.nn.functional as F
from torch import nn


def attention(q, k, v, mask=None):
    s = torch.einsum("bhqd,bhkd->bhqk", q, k) / (q.shape[-1] ** 0.5)
    if mask is not None:
        s = s.masked_fill(mask == 0, torch.finfo(s.dtype).min)
    p = F.softmax(s, dim=-1)
    return torch.einsum("bhqk,bhkd->bhqd", p, v), p


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError(config.n_head)
        self.cfg = config
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)

    def forward(self, x, attention_mask):
        B, T, C = x.shape
        H = self.cfg.n_head
        q = self.q(x).reshape(B, T, H, C // H).permute(0, 2, 1, 3)
        k = self.k(x).reshape(B, T, H, C // H).permute(0, 2, 1, 3)
        v = self.v(x).reshape(B, T, H, C // H).permute(0, 2, 1, 3)
        _, p = attention(q, k, v, attention_mask)
        p = F.dropout(p, self.cfg.attn_pdrop)
        y = (p @ v).permute(0, 2, 1, 3).reshape(B, T, C)
        return F.dropout(self.c_proj(y), self.cfg.hidden_pdrop)
