"""pad_sequence builds the padding, sign and clamp build the triangle."""
import torch
from torch.nn.utils.rnn import pad_sequence


def padding_mask(num_tokens, max_tokens):
    ones = [torch.ones(n, dtype=torch.long) for n in num_tokens.tolist()]
    ones.append(torch.ones(max_tokens, dtype=torch.long))  # forces the width, dropped again
    keys = pad_sequence(ones, batch_first=True)[:-1]
    return torch.stack([keys] * max_tokens, dim=1).unsqueeze(1)


def causal_mask(max_tokens):
    steps = torch.arange(max_tokens)
    distance = steps.unsqueeze(1) - steps + 1
    return distance.clamp(0, 1).reshape([1, 1] + 2 * [max_tokens])


def decoder_mask(num_tokens, max_tokens):
    return torch.logical_and(padding_mask(num_tokens, max_tokens), causal_mask(max_tokens)).float()
