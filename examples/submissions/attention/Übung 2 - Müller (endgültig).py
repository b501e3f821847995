# Übung 2, Jürgen Müller, Matrikelnr. 123456
# (geschrieben unter Windows mit dem Editor)
import torch
from torch import nn
from dataclasses import dataclass


def attention(q, k, v, mask=None):
    größe = q.shape[-1]
    punkte = (q / größe ** 0.25) @ (k / größe ** 0.25).transpose(-2, -1)   # besser konditioniert
    if mask is not None:
        punkte = punkte + (1.0 - mask.float()) * -1e9
    gewichte = punkte.softmax(dim=-1)
    return gewichte @ v, gewichte


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head != 0:
            raise ValueError("n_embd muss durch n_head teilbar sein")
        self.köpfe = config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        teile = []
        breite = x.shape[-1] // self.köpfe
        for q, k, v in zip(*(f(x).split(breite, dim=-1) for f in (self.q, self.k, self.v))):
            _, gewichte = attention(q[:, None], k[:, None], v[:, None], attention_mask)
            teile.append(self.attn_dropout(gewichte[:, 0]) @ v)
        return self.hidden_dropout(self.c_proj(torch.cat(teile, dim=-1)))
