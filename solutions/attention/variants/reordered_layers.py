"""The layers in another order, and the weights computed by a function of their own."""
import torch
from torch import nn


def attention_weights(q, k, mask):
    D = q.shape[-1]
    scores = (k @ q.mT).mT / D**0.5  # the transpose of the transpose
    if mask is not None:
        hidden = torch.logical_not(mask)
        scores = torch.where(hidden, torch.full_like(scores, -1e30), scores)
    scores = scores - scores.amax(dim=-1, keepdim=True)
    e = scores.exp()
    return e / e.sum(dim=-1, keepdim=True)


def attention(q, k, v, mask=None):
    weights = attention_weights(q, k, mask)
    return (weights @ v, weights)


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        C, H = config.n_embd, config.n_head
        if C % H != 0:
            raise ValueError("C % H != 0")
        self.H = H
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.c_proj = nn.Linear(C, C)
        self.v = nn.Linear(C, C)
        self.k = nn.Linear(C, C)
        self.q = nn.Linear(C, C)

    def forward(self, x, attention_mask):
        B, T, C = x.shape
        q, k, v = (layer(x).reshape(B, T, self.H, C // self.H).swapaxes(1, 2) for layer in (self.q, self.k, self.v))
        y = self.attn_dropout(attention_weights(q, k, attention_mask)) @ v
        y = self.c_proj(y.swapaxes(1, 2).reshape(B, T, C))
        return self.hidden_dropout(y)
