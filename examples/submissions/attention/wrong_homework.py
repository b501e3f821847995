# homework 3 (masks)
import torch


def padding_mask(num_tokens, max_tokens):
    keys = torch.arange(max_tokens)
    return (keys < num_tokens[:, None])[:, None, None, :].expand(-1, 1, max_tokens, -1)


def causal_mask(max_tokens):
    return torch.tril(torch.ones(1, 1, max_tokens, max_tokens))


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) * causal_mask(max_tokens)
