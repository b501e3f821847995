import torch as t

def causal_mask(max_tokens):
    # a token should only see what came BEFORE it
    i = t.arange(max_tokens).reshape(-1, 1)
    j = t.arange(max_tokens).reshape(1, -1)
    return (j < i).int().reshape(1, 1, max_tokens, max_tokens)

def padding_mask(num_tokens, max_tokens):
    keys = t.arange(max_tokens).reshape(1, 1, 1, -1)
    m = keys < num_tokens.reshape(-1, 1, 1, 1)
    return m.int() * t.ones(max_tokens, 1, dtype=t.int)

def decoder_mask(num_tokens, max_tokens):
    return causal_mask(max_tokens) * padding_mask(num_tokens, max_tokens)
