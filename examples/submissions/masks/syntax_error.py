import torch

def padding_mask(num_tokens, max_tokens):
    mask = torch.zeros(len(num_tokens), 1, max_tokens, max_tokens)
    for b, n in enumerate(num_tokens)
        mask[b, :, :, :n] = 1
    return mask

def causal_mask(max_tokens):
    return torch.tril(torch.ones(1, 1, max_tokens, max_tokens))

def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) * causal_mask(max_tokens)
