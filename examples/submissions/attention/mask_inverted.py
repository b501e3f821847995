"""
Tarea 2: atención
Lucía Fernández
"""
import math
import torch
import torch.nn as nn


def attention(q, k, v, mask=None):
    d = q.shape[-1]
    puntajes = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(d)
    if mask is not None:
        # la máscara dice qué posiciones hay que tapar
        puntajes = puntajes.masked_fill(mask.bool(), -1e9)
    pesos = torch.softmax(puntajes, dim=-1)   # cada fila suma uno
    salida = torch.matmul(pesos, v)
    return salida, pesos


class GenericSelfAttention(nn.Module):

    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head != 0:
            raise ValueError("n_embd tiene que ser divisible por n_head")
        self.cabezas = config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def separar(self, x):
        b, t, c = x.shape
        return x.view(b, t, self.cabezas, c // self.cabezas).transpose(1, 2)

    def juntar(self, x):
        b, h, t, d = x.shape
        return x.transpose(1, 2).reshape(b, t, h * d)

    def forward(self, x, attention_mask):
        q = self.separar(self.q(x))
        k = self.separar(self.k(x))
        v = self.separar(self.v(x))
        _, pesos = attention(q, k, v, attention_mask)
        salida = self.juntar(torch.matmul(self.attn_dropout(pesos), v))
        return self.hidden_dropout(self.c_proj(salida))
