"""Positions as a buffer of the whole block, expanded to every row, and weights that are put in by load_state_dict."""
import torch
from torch import nn
from torch.nn import functional as F


class Embedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        V, L, C = config.vocab_size, config.block_size, config.n_embd
        self.position_embeddings = nn.Embedding(L, C)
        self.vocab_embeddings = nn.Embedding(V, C)
        self.dropout = nn.Dropout(config.embd_pdrop)
        self.register_buffer("positions", torch.arange(L)[None], persistent=False)

    def forward(self, idx):
        B, T = idx.shape
        if T > self.positions.numel():
            raise ValueError("T > block_size")
        pos = self.positions[:, :T].expand(B, T)
        both = torch.stack([F.embedding(idx, self.vocab_embeddings.weight), self.position_embeddings(pos)])
        return self.dropout(both.sum(dim=0))


def init_weights(m):
    new = {}
    if isinstance(m, nn.LayerNorm):
        new = {"weight": torch.ones(m.normalized_shape), "bias": torch.zeros(m.normalized_shape)}
    elif isinstance(m, nn.Linear):
        new["weight"] = torch.distributions.Normal(0.0, 0.02).sample(m.weight.shape)
        if m.bias is not None:
            new["bias"] = torch.zeros_like(m.bias)
    elif isinstance(m, nn.Embedding):
        new["weight"] = torch.distributions.Normal(0.0, 0.02).sample(m.weight.shape)
    if new:
        m.load_state_dict(new)
