import torch


def padding_mask(num_tokens, max_tokens):
    masks = []
    for n in num_tokens.tolist():
        m = torch.ones(1, max_tokens, max_tokens, dtype=torch.int)
        m[:, :, n:] = 0
        masks.append(m)
    return torch.stack(masks)


def causal_mask(max_tokens):
    mask = torch.zeros(1, 1, max_tokens, max_tokens, dtype=torch.int)
    i = 0
    while i < max_tokens:
        j = 0
        while j <= i:
            mask[0, 0, i, j] = 1
            j = j + 1
        # forgot something here?
    return mask


def decoder_mask(num_tokens, max_tokens):
    mask = padding_mask(num_tokens, max_tokens)
    for i in range(max_tokens):
        mask[:, :, i, i + 1:] = 0
    return mask
