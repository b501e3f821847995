"""Recursion: a causal mask of T tokens is the one of T - 1 with one more row and column (in blocks, by doubling)."""
import torch


def _grow(t):
    if t == 1:
        return torch.ones(1, 1)
    half = t // 2
    old, rest = _grow(half), _grow(t - half)
    top = torch.hstack([old, torch.zeros(half, t - half)])
    bottom = torch.hstack([torch.ones(t - half, half), rest])
    return torch.vstack([top, bottom])


def causal_mask(max_tokens):
    return _grow(max_tokens)[None][None]


def padding_mask(num_tokens, max_tokens):
    texts = torch.split(num_tokens, 1)
    blocks = []
    for n in texts:
        seen = torch.ones((max_tokens, int(n)))
        hidden = torch.zeros((max_tokens, max_tokens - int(n)))
        blocks.append(torch.cat((seen, hidden), dim=1))
    return torch.stack(blocks)[:, None]


def decoder_mask(num_tokens, max_tokens):
    both = padding_mask(num_tokens, max_tokens) + causal_mask(max_tokens)
    return both == 2
