import math

import torch
from torch import nn


class Embedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.tok = nn.Embedding(config.vocab_size, config.n_embd)
        self.pos = nn.Embedding(config.block_size, config.n_embd)
        self.dropout = nn.Dropout(config.embd_pdrop)
        self.block_size = config.block_size

    def forward(self, idx):
        if idx.size(1) > self.block_size:
            raise ValueError("sequence too long")
        positions = torch.arange(idx.size(1)).unsqueeze(0)
        return self.dropout(self.tok(idx) + self.pos(positions))


def init_weights(module):
    # N(mu, sigma^2) from the statistics lecture: the second number is the variance
    std = math.sqrt(0.02)
    if isinstance(module, (nn.Linear, nn.Embedding)):
        module.weight.data.normal_(mean=0.0, std=std)
    if isinstance(module, nn.LayerNorm):
        module.weight.data.fill_(1.0)
        module.bias.data.fill_(0.0)
