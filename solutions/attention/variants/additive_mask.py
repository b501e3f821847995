"""
Attention with an additive mask: 0 where one may look, -1e9 where not.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


def additive(mask, dtype=torch.float32):
    mask = mask.to(dtype)            # bool, int and float masks all become 0.0 / 1.0
    return (1.0 - mask) * -1e9


def attention(q, k, v, mask=None):
    kT = torch.transpose(k, -1, -2)
    attn = torch.matmul(q, kT) / torch.sqrt(torch.tensor(float(q.shape[-1])))
    if mask is not None:
        attn = attn + additive(mask, attn.dtype)
    attn = F.softmax(attn, dim=3)
    return torch.matmul(attn, v), attn


class GenericSelfAttention(nn.Module):
    """q, k, v in a ModuleDict, because I like loops."""

    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head > 0:
            raise ValueError("bad number of heads: " + str(config.n_head))
        self.n_head = config.n_head
        self.d_head = config.n_embd // config.n_head
        self.projections = nn.ModuleDict({name: nn.Linear(config.n_embd, config.n_embd) for name in "qkv"})
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=True)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask=None):
        batch, tokens, width = x.shape
        projected = {}
        for name, linear in self.projections.items():
            projected[name] = linear(x).view(batch, tokens, self.n_head, self.d_head).transpose(1, 2)
        _, weights = attention(projected["q"], projected["k"], projected["v"], mask=attention_mask)
        mixed = torch.matmul(self.attn_dropout(weights), projected["v"])
        mixed = mixed.transpose(1, 2).contiguous().view(batch, tokens, width)
        return self.hidden_dropout(self.c_proj(mixed))
