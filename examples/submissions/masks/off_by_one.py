import torch

def padding_mask(num_tokens, max_tokens):
    # a text with 3 tokens can see position 1, 2 and 3
    positions = torch.arange(0, max_tokens).unsqueeze(0)
    lengths = num_tokens.unsqueeze(1)
    mask = (positions <= lengths).unsqueeze(1).unsqueeze(2)
    mask = mask.expand(-1, 1, max_tokens, max_tokens)
    return mask

def causal_mask(max_tokens):
    idx = torch.arange(max_tokens)
    return (idx.unsqueeze(0) <= idx.unsqueeze(1)).unsqueeze(0).unsqueeze(0)

def decoder_mask(num_tokens, max_tokens):
    return torch.logical_and(padding_mask(num_tokens, max_tokens), causal_mask(max_tokens))
