import torch


def padding_mask(num_tokens, max_tokens):
    """1 for the real tokens"""
    B = num_tokens.shape[0]
    positions = torch.arange(max_tokens)                     # T
    mask = positions[None, :] < num_tokens[:, None]          # B, T
    mask = mask.view(B, 1, 1, max_tokens)
    return mask.repeat(1, 1, max_tokens, 1)


def causal_mask(max_tokens):
    ones = torch.ones(1, 1, max_tokens, max_tokens, dtype=torch.bool)
    return torch.tril(ones)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) & causal_mask(max_tokens)


if __name__ == "__main__":
    print(decoder_mask(torch.tensor([2, 3]), 4).int())
