"""Integer masks from comparing index vectors, written as products."""
import torch


def padding_mask(num_tokens, max_tokens):
    B, T = num_tokens.size(0), max_tokens
    j = torch.arange(T).view(1, 1, 1, T)
    mask = (j < num_tokens.view(B, 1, 1, 1)).long()
    return mask.repeat(1, 1, T, 1)


def causal_mask(max_tokens):
    i = torch.arange(max_tokens).view(1, 1, -1, 1)
    j = torch.arange(max_tokens).view(1, 1, 1, -1)
    return (i >= j).long()


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) * causal_mask(max_tokens)
