import torch

NEG_INF = float("-inf")


def padding_mask(num_tokens, max_tokens):
    """0 where attention is allowed, -inf where not, ready to be added to the scores"""
    mask = torch.zeros(len(num_tokens), 1, max_tokens, max_tokens)
    for b in range(len(num_tokens)):
        mask[b, :, :, num_tokens[b]:] = NEG_INF
    return mask


def causal_mask(max_tokens):
    return torch.triu(torch.full((1, 1, max_tokens, max_tokens), NEG_INF), diagonal=1)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) + causal_mask(max_tokens)
