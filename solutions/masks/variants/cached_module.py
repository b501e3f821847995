"""An nn.Module with a buffer that grows as needed, and vmap over the batch."""
import torch
from torch import nn


class CausalTable(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.ones(0, 0, dtype=torch.bool), persistent=False)

    def forward(self, size):
        if self.table.shape[0] < size:
            self.table = torch.ones(size, size, dtype=torch.bool).tril_()
        return self.table[:size, :size]


_table = CausalTable()


def causal_mask(max_tokens: int) -> torch.Tensor:
    return _table(max_tokens)[None, None, :, :]


def padding_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    keys = torch.arange(max_tokens)
    one_text = lambda n: (keys < n).expand(1, max_tokens, max_tokens)
    return torch.vmap(one_text)(num_tokens)


def decoder_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    allowed = padding_mask(num_tokens, max_tokens).clone()
    allowed[~causal_mask(max_tokens).expand_as(allowed)] = False
    return allowed.to(torch.bfloat16)
