import torch


def padding_mask(num_tokens, max_tokens):
    j = torch.arange(max_tokens)
    mask = j.unsqueeze(0) < num_tokens.unsqueeze(1)  # B x T
    mask = mask.unsqueeze(1).unsqueeze(1)            # B x 1 x 1 x T
    return mask.repeat(1, 1, max_tokens, 1)


def causal_mask(max_tokens):
    j = torch.arange(max_tokens)
    mask = j.unsqueeze(0) <= j.unsqueeze(1)
    return mask.unsqueeze(0).unsqueeze(0)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) * causal_mask(max_tokens)
