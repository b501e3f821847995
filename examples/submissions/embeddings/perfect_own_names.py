# Homework 1, Ingrid Solheim
import torch
from torch import nn


class Embedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.max_len = config.block_size
        # like in the GPT paper: wte = words, wpe = positions
        self.wpe = nn.Parameter(torch.zeros(config.block_size, config.n_embd))
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.drop = nn.Dropout(config.embd_pdrop)

    def forward(self, idx):
        n = idx.shape[1]
        if n > self.max_len:
            raise ValueError(f"text has {n} tokens, I can only do {self.max_len}")
        x = self.wte(idx) + self.wpe[:n]
        return self.drop(x)


@torch.no_grad()
def init_weights(m):
    if isinstance(m, (nn.Linear, nn.Embedding)):
        m.weight.copy_(torch.randn_like(m.weight) * 0.02)
    if isinstance(m, nn.Linear) and m.bias is not None:
        m.bias.zero_()
    if isinstance(m, nn.LayerNorm):
        m.weight.fill_(1.0)
        m.bias.zero_()
