"""Loops over rows and tokens, one vector after another; and one weight after another from Python's random numbers."""
import random

import torch
from torch import nn


class Embedding(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.tables = nn.ModuleDict(
            {
                "position": nn.Embedding(cfg.block_size, cfg.n_embd),
                "token": nn.Embedding(cfg.vocab_size, cfg.n_embd),
            }
        )
        self.embd_dropout = nn.Dropout(cfg.embd_pdrop)

    def forward(self, idx):
        rows = []
        for row in idx.tolist():
            if len(row) > self.cfg.block_size:
                raise ValueError("sequence longer than block_size")
            vectors = [
                self.tables["token"].weight[token] + self.tables["position"].weight[place]
                for place, token in enumerate(row)
            ]
            rows.append(torch.stack(vectors))
        return self.embd_dropout(torch.stack(rows))


def init_weights(module):
    if isinstance(module, nn.LayerNorm):
        module.reset_parameters()
        return
    if not isinstance(module, (nn.Linear, nn.Embedding)):
        return
    draws = [random.gauss(0, 0.02) for _ in range(module.weight.numel())]
    with torch.no_grad():
        module.weight.data = torch.tensor(draws).view_as(module.weight)
        for name, parameter in module.named_parameters():
            if name == "bias":
                nn.init.zeros_(parameter)
