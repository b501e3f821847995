import torch
from torch.nn.utils.rnn import pad_sequence

def padding_mask(num_tokens, max_tokens):
    """real tokens x real tokens, padding neither looks nor is looked at"""
    real = [torch.ones(int(n)) for n in num_tokens] + [torch.ones(max_tokens)]
    real = pad_sequence(real, batch_first=True)[:-1]   # (B, T)
    return torch.bmm(real.unsqueeze(2), real.unsqueeze(1)).unsqueeze(1)

def causal_mask(max_tokens):
    return torch.tril(torch.ones((max_tokens, max_tokens), dtype=torch.int64))[None, None, :, :]

def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) * causal_mask(max_tokens)
