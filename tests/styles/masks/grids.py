"""Masks with index grids: row = query, column = key."""
import torch


def padding_mask(num_tokens: torch.Tensor, max_tokens: int):
    batch = num_tokens.shape[0]
    lengths = num_tokens.view(batch, 1, 1, 1)
    # column number of every cell, the same in all rows
    column = torch.arange(max_tokens).view(1, 1, 1, -1).repeat(batch, 1, max_tokens, 1)
    mask = torch.lt(column, lengths)
    return mask.long()


def causal_mask(max_tokens: int):
    ones = torch.ones(max_tokens, max_tokens, dtype=torch.int32)
    table = torch.tril(ones)
    return table.unsqueeze(0).unsqueeze(0)


def decoder_mask(num_tokens: torch.Tensor, max_tokens: int):
    # not reusing the functions above, so that they can be wrong without this being wrong
    row = torch.arange(max_tokens).view(-1, 1)
    column = torch.arange(max_tokens).view(1, -1)
    lengths = num_tokens.view(-1, 1, 1, 1)
    real = column < lengths
    past = column <= row
    return (real & past).long()
