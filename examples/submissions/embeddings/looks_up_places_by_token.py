import torch
from torch import nn
from torch.nn import functional as F


class Embedding(nn.Module):
    def __init__(self, config):
        super(Embedding, self).__init__()
        self.vocab_embeddings = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embeddings = nn.Embedding(config.block_size, config.n_embd)
        self.p = config.embd_pdrop
        self.block_size = config.block_size

    def forward(self, idx):
        if idx.shape[1] > self.block_size:
            raise ValueError("too many tokens: " + str(idx.shape[1]))
        tok = self.vocab_embeddings(idx)
        pos = self.position_embeddings(idx)
        return F.dropout(tok + pos, self.p, self.training)


def init_weights(module):
    name = module.__class__.__name__
    if name == "Linear" or name == "Embedding":
        nn.init.normal_(module.weight, std=0.02)
    if name == "Linear" and module.bias is not None:
        nn.init.constant_(module.bias, 0)
    if name == "LayerNorm":
        nn.init.constant_(module.weight, 1)
        nn.init.constant_(module.bias, 0)
