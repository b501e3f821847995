"""As the minimal GPT repositories write it: small methods, pos before tok, a normal that is cut far outside."""
import torch
from torch import nn


class Embedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.block_size = config.block_size
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Parameter(torch.empty(config.n_embd, config.block_size).normal_())  # (C, block_size)
        self.drop = nn.Dropout(config.embd_pdrop)

    def _check(self, idx):
        if self.block_size < idx.size(-1):
            raise ValueError(f"block size is {self.block_size}, got {idx.size(-1)} tokens")

    def forward(self, idx):
        self._check(idx)
        pos_emb = self.wpe[:, : idx.size(-1)].T
        tok_emb = self.wte(idx)
        return self.drop(pos_emb + tok_emb)


def init_weights(module):
    """The default bounds of trunc_normal_, -2 and 2, are a hundred standard deviations away."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.trunc_normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and isinstance(module.bias, nn.Parameter):
        module.bias.data *= 0
    if isinstance(module, nn.LayerNorm):
        module.weight.data.fill_(1)
        module.bias.data.fill_(0)
