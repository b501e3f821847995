import torch


def padding_mask(num_tokens, max_tokens):
    data = [[[[float(j < n) for j in range(max_tokens)] for i in range(max_tokens)]] for n in num_tokens.tolist()]
    return torch.tensor(data)


def causal_mask(max_tokens):
    data = [[[[float(j <= i) for j in range(max_tokens)] for i in range(max_tokens)]]]
    return torch.tensor(data)


def decoder_mask(num_tokens, max_tokens):
    data = [[[[float(j < n and j <= i) for j in range(max_tokens)] for i in range(max_tokens)]] for n in num_tokens.tolist()]
    return torch.tensor(data)
