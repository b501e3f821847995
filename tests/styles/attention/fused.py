"""HW attention, einsum version. Did the softmax myself to see how it works."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def my_softmax(s, dim):
    s = s - s.max(dim=dim, keepdim=True).values  # exp gets huge without this
    e = torch.exp(s)
    return e / e.sum(dim=dim, keepdim=True)


def attention(q, k, v, mask=None):
    d = q.shape[-1]
    # every query i with every key j, separately for each head
    sim = torch.einsum("bhid,bhjd->bhij", q, k)
    sim = sim / math.sqrt(d)
    if mask is not None:
        sim = torch.where(mask.bool(), sim, torch.tensor(float("-inf")))
    att = my_softmax(sim, dim=-1)
    out = torch.einsum("bhij,bhjd->bhid", att, v)
    return out, att


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError("n_embd must be a multiple of n_head, got %d and %d" % (config.n_embd, config.n_head))
        self.heads = config.n_head
        self.head_dim = config.n_embd // config.n_head
        # q, k and v in one go, faster than three layers
        self.to_qkv = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.to_out = nn.Linear(config.n_embd, config.n_embd)
        self.p_att = config.attn_pdrop
        self.p_out = config.hidden_pdrop

    def forward(self, x, attention_mask):
        b, t, c = x.shape
        q, k, v = self.to_qkv(x).chunk(3, dim=-1)
        # b t (h d) -> b h t d
        q = q.reshape(b, t, self.heads, self.head_dim).permute(0, 2, 1, 3)
        k = k.reshape(b, t, self.heads, self.head_dim).permute(0, 2, 1, 3)
        v = v.reshape(b, t, self.heads, self.head_dim).permute(0, 2, 1, 3)
        _, att = attention(q, k, v, attention_mask)
        # attention() has no dropout so I need the second product again
        att = F.dropout(att, self.p_att, training=self.training)
        out = torch.einsum("bhij,bhjd->bhid", att, v)
        # and back: b h t d -> b t (h d)
        out = out.permute(0, 2, 1, 3).reshape(b, t, c)
        out = self.to_out(out)
        return F.dropout(out, self.p_out, training=self.training)
