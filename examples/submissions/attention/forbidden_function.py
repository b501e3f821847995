import math
import torch
import torch.nn as nn
from torch.nn import functional as func


def attention(q, k, v, mask=None):
    scores = (q @ k.transpose(-2, -1)) / math.sqrt(q.size(-1))
    if mask is not None:
        scores = scores.masked_fill(mask == 0, float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head != 0:
            raise ValueError("n_embd must be divisible by n_head")
        self.n_head = config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_pdrop = config.attn_pdrop
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        B, T, C = x.shape
        q, k, v = [m(x).view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for m in (self.q, self.k, self.v)]
        # much faster than my own (flash attention!)
        y = func.scaled_dot_product_attention(
            q, k, v, attn_mask=attention_mask.bool(), dropout_p=self.attn_pdrop if self.training else 0.0
        )
        y = y.transpose(1, 2).reshape(B, T, C)
        return self.hidden_dropout(self.c_proj(y))
