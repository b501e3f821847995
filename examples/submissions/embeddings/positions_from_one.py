import torch
import torch.nn as nn


class Embedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.vocab_embeddings = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embeddings = nn.Embedding(config.block_size, config.n_embd)
        self.dropout = nn.Dropout(config.embd_pdrop)

    def forward(self, idx):
        B, T = idx.shape
        if T > self.config.block_size:
            raise ValueError("T > block_size")
        # first token is number 1, second is number 2, ...
        pos = torch.arange(1, T + 1)
        return self.dropout(self.vocab_embeddings(idx) + self.position_embeddings(pos))


def init_weights(module):
    if isinstance(module, nn.Linear):
        torch.nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            torch.nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        torch.nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.LayerNorm):
        torch.nn.init.ones_(module.weight)
        torch.nn.init.zeros_(module.bias)
