import torch


def padding_mask(num_tokens, max_tokens):
    m = torch.zeros((len(num_tokens), 1, max_tokens, max_tokens), dtype=torch.int8)
    for k, n in enumerate(num_tokens.tolist()):
        m[k, ..., :n] = 1
    return m


def causal_mask(max_tokens):
    m = torch.zeros((1, 1, max_tokens, max_tokens), dtype=torch.int8)
    r, c = torch.tril_indices(max_tokens, max_tokens)
    m[..., r, c] = 1
    return m


def decoder_mask(num_tokens, max_tokens):
    # decoder = causal, once for every text
    return torch.cat([causal_mask(max_tokens) for _ in num_tokens])
