"""Bucketed positions with searchsorted, and a boolean index."""
import torch


def padding_mask(num_tokens, max_tokens):
    keys = torch.arange(1, max_tokens + 1)
    limits = num_tokens.reshape(-1, 1)
    hidden = torch.searchsorted(limits, keys.repeat(len(num_tokens), 1))  # 0 up to the length, 1 after it
    return torch.where(hidden.bool(), 0, 1).unflatten(1, (1, 1, max_tokens)).repeat_interleave(max_tokens, dim=2)


def causal_mask(max_tokens):
    n = max_tokens
    flat = torch.arange(n * n)
    return torch.less_equal(flat.remainder(n), flat.div(n, rounding_mode="floor")).int().view(1, 1, n, n)


def decoder_mask(num_tokens, max_tokens):
    mask = padding_mask(num_tokens, max_tokens)
    mask[:, causal_mask(max_tokens)[0] == 0] = 0
    return mask
