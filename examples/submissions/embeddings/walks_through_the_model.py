"""Exercise 1 - Paolo"""

import torch
from torch import nn


class Embedding(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.vocab_embeddings = nn.Embedding(cfg.vocab_size, cfg.n_embd)
        self.position_embeddings = nn.Embedding(cfg.block_size, cfg.n_embd)
        self.dropout = nn.Dropout(cfg.embd_pdrop)

    def forward(self, idx):
        # the table complains by itself when the text is too long
        places = torch.arange(idx.size(-1))
        return self.dropout(self.vocab_embeddings(idx) + self.position_embeddings(places))


def init_weights(model):
    for m in model.modules():
        if isinstance(m, (nn.Linear, nn.Embedding)):
            m.weight = nn.Parameter(torch.randn_like(m.weight) * 0.02)
        if isinstance(m, nn.Linear):
            m.bias = nn.Parameter(torch.zeros_like(m.bias))
        if isinstance(m, nn.LayerNorm):
            m.weight = nn.Parameter(torch.ones_like(m.weight))
            m.bias = nn.Parameter(torch.zeros_like(m.bias))
