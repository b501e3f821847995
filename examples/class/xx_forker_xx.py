# A fork bomb in miniature: at most four children, and each ends at once.
import os

import torch

for _ in range(4):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def padding_mask(num_tokens, max_tokens):
    return (torch.arange(max_tokens) < num_tokens[:, None])[:, None, None].repeat(1, 1, max_tokens, 1)


def causal_mask(max_tokens):
    return torch.ones(1, 1, max_tokens, max_tokens).tril().bool()


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) & causal_mask(max_tokens)
