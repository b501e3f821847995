"""masks homework, filled in with loops and slices"""
import torch


def padding_mask(num_tokens, max_tokens):
    B = len(num_tokens)
    mask = torch.zeros(B, 1, max_tokens, max_tokens)
    for b in range(B):
        n = int(num_tokens[b])
        mask[b, 0, :, :n] = 1
    return mask


def causal_mask(max_tokens):
    mask = torch.zeros(1, 1, max_tokens, max_tokens)
    for i in range(max_tokens):
        mask[0, 0, i, :i + 1] = 1
    return mask


def decoder_mask(num_tokens, max_tokens):
    pad = padding_mask(num_tokens, max_tokens)
    causal = causal_mask(max_tokens)
    return pad * causal
