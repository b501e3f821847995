import torch

def padding_mask(num_tokens, max_tokens=None):
    T = int(torch.max(num_tokens))   # the batch is as wide as its longest text
    keep = torch.arange(T)[None, :] < num_tokens[:, None]
    return keep[:, None, None, :].repeat(1, 1, T, 1).long()

def causal_mask(max_tokens):
    T = max_tokens
    return torch.ones(T, T).long().tril()[None, None]

def decoder_mask(num_tokens, max_tokens):
    T = int(torch.max(num_tokens))
    return padding_mask(num_tokens) * causal_mask(T)
