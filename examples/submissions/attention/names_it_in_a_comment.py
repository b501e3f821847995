"""
My own version of what nn.MultiheadAttention does, without using it.

References: the docs of torch.nn.MultiheadAttention and of
torch.nn.functional.scaled_dot_product_attention (only read, not called!).
"""
import torch
import torch.nn as nn


def scaled_dot_product_attention(q, k, v, mask=None):
    # same formula as F.scaled_dot_product_attention(q, k, v)
    logits = torch.matmul(q, k.transpose(-2, -1)) / q.shape[-1] ** 0.5
    if mask is not None:
        logits = logits + torch.where(mask.to(torch.bool), 0.0, -1e9)
    weights = nn.functional.softmax(logits, dim=-1)
    return torch.matmul(weights, v), weights


attention = scaled_dot_product_attention


class MultiheadAttention(nn.Module):
    """NOT nn.MultiheadAttention: written by hand"""

    def __init__(self, n_embd, n_head, attn_pdrop, hidden_pdrop):
        super().__init__()
        if n_embd % n_head != 0:
            raise ValueError("use another instance: MultiheadAttention(n_embd, n_head) needs n_embd % n_head == 0")
        self.n_head = n_head
        self.q = nn.Linear(n_embd, n_embd)
        self.k = nn.Linear(n_embd, n_embd)
        self.v = nn.Linear(n_embd, n_embd)
        self.c_proj = nn.Linear(n_embd, n_embd)
        self.attn_dropout = nn.Dropout(attn_pdrop)
        self.hidden_dropout = nn.Dropout(hidden_pdrop)

    def forward(self, x, attention_mask):
        b, t, c = x.shape
        q, k, v = (p(x).view(b, t, self.n_head, c // self.n_head).transpose(1, 2) for p in (self.q, self.k, self.v))
        _, weights = scaled_dot_product_attention(q, k, v, attention_mask)
        y = torch.matmul(self.attn_dropout(weights), v).transpose(1, 2).reshape(b, t, c)
        return self.hidden_dropout(self.c_proj(y))


class GenericSelfAttention(MultiheadAttention):
    def __init__(self, config):
        super().__init__(config.n_embd, config.n_head, config.attn_pdrop, config.hidden_pdrop)
