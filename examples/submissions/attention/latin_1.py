# -*- coding: latin-1 -*-
# TP2 : mécanisme d'attention, rédigé par Hélène Lefèvre
import torch
from torch import nn


def attention(q, k, v, mask=None):
    """Renvoie la sortie et les poids (après normalisation par la racine carrée de D)."""
    poids = torch.matmul(q, k.transpose(-2, -1)) / q.size(-1) ** 0.5
    if mask is not None:
        poids = poids.masked_fill(mask == 0, float("-inf"))  # clés masquées
    poids = torch.softmax(poids, dim=-1)
    return torch.matmul(poids, v), poids


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError("le nombre de têtes doit diviser n_embd")
        self.têtes = config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        B, T, C = x.shape

        def séparer(t):
            return t.view(B, T, self.têtes, C // self.têtes).transpose(1, 2)

        q, k, v = séparer(self.q(x)), séparer(self.k(x)), séparer(self.v(x))
        _, poids = attention(q, k, v, attention_mask)
        y = torch.matmul(self.attn_dropout(poids), v).transpose(1, 2).reshape(B, T, C)
        return self.hidden_dropout(self.c_proj(y))
