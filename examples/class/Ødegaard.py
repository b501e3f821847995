# Written on Windows, with Notepad
import torch


def padding_mask(num_tokens, max_tokens):
    rows = []
    for n in num_tokens:
        n = int(n)
        row = torch.tensor([True] * n + [False] * (max_tokens - n))
        rows.append(row.repeat(max_tokens, 1))
    return torch.stack(rows, 0).unsqueeze(1)


def causal_mask(max_tokens):
    rows = [torch.arange(max_tokens) <= i for i in range(max_tokens)]
    return torch.stack(rows).reshape(1, 1, max_tokens, max_tokens)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) & causal_mask(max_tokens)
