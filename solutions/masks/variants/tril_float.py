# float masks, the way most tutorials write them
import torch


def padding_mask(num_tokens: torch.Tensor, max_tokens: int):
    batch_size = len(num_tokens)
    mask = torch.zeros(batch_size, 1, max_tokens, max_tokens)
    for b, n in enumerate(num_tokens):
        mask[b, :, :, :n] = 1.0
    return mask


def causal_mask(max_tokens: int):
    return torch.tril(torch.ones(max_tokens, max_tokens)).unsqueeze(0).unsqueeze(0)


def decoder_mask(num_tokens: torch.Tensor, max_tokens: int):
    return torch.minimum(padding_mask(num_tokens, max_tokens), causal_mask(max_tokens))
