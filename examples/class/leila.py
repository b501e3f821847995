import torch


def padding_mask(num_tokens, max_tokens):
    mask = torch.arange(max_tokens).reshape(1, 1, 1, -1) < num_tokens.reshape(-1, 1, 1, 1)
    mask = mask.expand(-1, 1, max_tokens, max_tokens)
    print(mask.shape)


def causal_mask(max_tokens):
    rows, cols = torch.meshgrid(torch.arange(max_tokens), torch.arange(max_tokens), indexing="ij")
    return (cols <= rows).reshape(1, 1, max_tokens, max_tokens)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) & causal_mask(max_tokens)
