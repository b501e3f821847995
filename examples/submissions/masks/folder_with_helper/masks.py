"""The three masks. The index grids live in grids.py because attention.py will need them too."""
from grids import keys, queries


def padding_mask(num_tokens, max_tokens):
    shape = (len(num_tokens), 1, max_tokens, max_tokens)
    return (keys(max_tokens) < num_tokens.view(-1, 1, 1, 1)).broadcast_to(shape)


def causal_mask(max_tokens):
    return keys(max_tokens) <= queries(max_tokens)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) & causal_mask(max_tokens)
