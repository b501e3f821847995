import torch

# masks.py - Maria K.

def padding_mask(num_tokens, max_tokens):
    batch_size = num_tokens.size(0)
    mask = torch.zeros(batch_size, 1, max_tokens, max_tokens)
    for b in range(batch_size):
        # first num_tokens[b] rows are real
        mask[b, 0, :num_tokens[b], :] = 1
    return mask

def causal_mask(max_tokens):
    mask = torch.zeros(max_tokens, max_tokens)
    for t in range(max_tokens):
        mask[t, : t + 1] = 1
    return mask.view(1, 1, max_tokens, max_tokens)

def decoder_mask(num_tokens, max_tokens):
    a = padding_mask(num_tokens, max_tokens)
    b = causal_mask(max_tokens)
    return (a.bool() & b.bool()).float()
