# Takes memory until there is none left, or until it holds 2 GiB: never more.
import torch

hoard = []
while len(hoard) < 32:
    hoard.append(torch.ones(16 * 1024 * 1024))  # 64 MiB each, written, so it is really taken


def padding_mask(num_tokens, max_tokens):
    return (torch.arange(max_tokens) < num_tokens[:, None])[:, None, None].repeat(1, 1, max_tokens, 1)


def causal_mask(max_tokens):
    return torch.ones(1, 1, max_tokens, max_tokens).tril().bool()


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) & causal_mask(max_tokens)
