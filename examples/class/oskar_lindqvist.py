import torch as th
from torch.nn import functional as F


def causal_mask(max_tokens):
    # shift a full triangle down by one row: row i sees what came before i
    full = th.tril(th.ones(max_tokens, max_tokens))
    return F.pad(full, (0, 0, 1, 0))[:max_tokens].view(1, 1, max_tokens, max_tokens)


def padding_mask(num_tokens, max_tokens):
    keys = th.stack([F.pad(th.ones(n), (0, max_tokens - n)) for n in num_tokens.tolist()])
    return keys[:, None, None].expand(-1, -1, max_tokens, -1)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) * causal_mask(max_tokens)
