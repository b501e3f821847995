import torch


def padding_mask(num_tokens, max_tokens):
    return (torch.arange(max_tokens) < num_tokens[:, None, None, None]).expand(-1, 1, max_tokens, max_tokens)


def casual_mask(max_tokens):
    return torch.ones(max_tokens, max_tokens).tril().bool()[None, None]


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) & casual_mask(max_tokens)
