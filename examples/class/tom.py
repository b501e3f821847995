import torch

# TODO decoder, have to catch my train

def padding_mask(num_tokens, max_tokens):
    return (torch.arange(max_tokens) < num_tokens[:, None])[:, None, None].repeat(1, 1, max_tokens, 1)

def causal_mask(max_tokens):
    return torch.ones(1, 1, max_tokens, max_tokens).tril()
