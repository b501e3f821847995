import torch

MAX_LEN = 128  # enough for all our texts

_CAUSAL = torch.tril(torch.ones(MAX_LEN, MAX_LEN, dtype=torch.bool))
_STEPS = torch.arange(MAX_LEN)


def causal_mask(max_tokens):
    return _CAUSAL[None, None, :max_tokens, :max_tokens]


def padding_mask(num_tokens, max_tokens):
    keys = _STEPS[:max_tokens] < num_tokens[:, None]
    return keys[:, None, None, :].expand(-1, -1, keys.shape[-1], -1)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) & causal_mask(max_tokens)
