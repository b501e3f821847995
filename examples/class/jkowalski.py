"""Masks as in nn.TransformerEncoderLayer (src_key_padding_mask): True = ignore."""
import torch


def padding_mask(num_tokens, max_tokens):
    ignore = torch.arange(max_tokens)[None, :] >= num_tokens[:, None]
    return ignore[:, None, None, :].expand(-1, -1, max_tokens, -1)


def causal_mask(max_tokens):
    return torch.triu(torch.ones(1, 1, max_tokens, max_tokens, dtype=torch.bool), diagonal=1)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) | causal_mask(max_tokens)
