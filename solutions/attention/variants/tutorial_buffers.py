"""After a GPT tutorial: a causal bias buffer that is not needed here, and a layer I wanted to try later."""
import math

import torch
import torch.nn as nn


def attention(q, k, v, mask=None):
    att = (q @ k.transpose(-2, -1)) / math.sqrt(k.size(-1))
    if mask is not None:
        att = att.masked_fill(mask == 0, float('-inf'))
    att = nn.functional.softmax(att, dim=-1)
    return att @ v, att


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if not config.n_embd % config.n_head == 0:
            raise ValueError('n_embd % n_head')
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.gate = nn.Linear(config.n_embd, 1)  # TODO maybe
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.resid_dropout = nn.Dropout(config.hidden_pdrop)
        self.register_buffer("bias", torch.tril(torch.ones(64, 64)).view(1, 1, 64, 64))
        self.register_buffer("masked_bias", torch.tensor(-1e4))
        self.n_head = config.n_head
        self.n_embd = config.n_embd

    def forward(self, x, attention_mask):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(self.n_embd, dim=2)
        k = k.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        _, att = attention(q, k, v, attention_mask)
        att = self.attn_dropout(att)
        y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.resid_dropout(self.c_proj(y))
