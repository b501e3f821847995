"""decoder_mask on its own, the other two derived from it."""
import torch as th


def decoder_mask(num_tokens, max_tokens):
    query = th.arange(max_tokens)[:, None]
    key = th.arange(max_tokens)[None, :]
    last_key = th.min(query, num_tokens.reshape(-1, 1, 1, 1) - 1)
    return th.le(key, last_key)


def causal_mask(max_tokens):
    return decoder_mask(th.as_tensor([max_tokens]), max_tokens)


def padding_mask(num_tokens, max_tokens):
    last_row = decoder_mask(num_tokens, max_tokens)[:, :, -1:, :]
    return last_row.broadcast_to(len(num_tokens), 1, max_tokens, max_tokens)
