import torch


def padding_mask(num_tokens, max_tokens):
    # (B, 1, 1, T) is enough: it broadcasts over heads and queries
    return (torch.arange(max_tokens) < num_tokens[:, None]).view(-1, 1, 1, max_tokens)


def causal_mask(max_tokens):
    return torch.ones(max_tokens, max_tokens, dtype=torch.bool).tril().view(1, 1, max_tokens, max_tokens)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) & causal_mask(max_tokens)
