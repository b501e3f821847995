"""Two tensors of its own instead of two nn.Embedding, the position table first."""
import torch
from torch import nn


class Embedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.where = nn.Parameter(torch.zeros(1, config.block_size, config.n_embd))
        self.what = nn.Parameter(torch.randn(config.vocab_size, config.n_embd) * 0.02)
        self.drop = nn.Dropout(p=config.embd_pdrop)

    def forward(self, idx):
        b, t = idx.size()
        if not t <= self.where.shape[1]:
            raise ValueError(f"cannot embed {t} tokens, only {self.where.shape[1]}")
        x = self.what[idx]
        x = x + self.where[:, :t, :]
        return self.drop(x)


@torch.no_grad()
def init_weights(module):
    kind = type(module)
    if kind is nn.Linear or kind is nn.Embedding:
        module.weight.copy_(0.02 * torch.randn(module.weight.shape))
    if kind is nn.LayerNorm:
        module.weight.fill_(1.0)
        module.bias.fill_(0.0)
    if kind is nn.Linear and getattr(module, "bias", None) is not None:
        module.bias.fill_(0.0)
