"""Index arithmetic: count down with cumsum, look rows up in a table."""
import torch
import torch.nn.functional as F


def causal_mask(max_tokens):
    # a column of ones on the diagonal, summed along the keys backwards: 1 up to the diagonal, 0 behind it
    eye = torch.eye(max_tokens, dtype=torch.int32)
    return eye.flip(-1).cumsum(-1).flip(-1)[None, None].to(torch.int8)


def padding_mask(num_tokens, max_tokens):
    one_hot = F.one_hot(num_tokens, max_tokens + 1)  # (B, T + 1), the 1 is at the length
    ended = one_hot.cumsum(dim=1)[:, :max_tokens]  # 0 as long as the text goes on
    return (1 - ended).reshape(-1, 1, 1, max_tokens).tile(1, 1, max_tokens, 1)


def decoder_mask(num_tokens, max_tokens):
    # query i of a text of n tokens sees min(i + 1, n) keys: row min(i, n - 1) of the causal table
    table = causal_mask(max_tokens)[0, 0]
    row = torch.minimum(torch.arange(max_tokens)[None, :], num_tokens[:, None] - 1)
    return table[row][:, None]
