# Jonas, group 7
# I know loops are slow but this way I understand it :)
import torch

def padding_mask(num_tokens, max_tokens):
    B = len(num_tokens)
    mask = torch.zeros((B, 1, max_tokens, max_tokens), dtype=torch.long)
    for b in range(B):
        n = num_tokens[b].item()
        for i in range(max_tokens):
            for j in range(max_tokens):
                if j < n:
                    mask[b, 0, i, j] = 1
    return mask

def causal_mask(max_tokens):
    mask = torch.zeros((1, 1, max_tokens, max_tokens), dtype=torch.long)
    for i in range(max_tokens):
        for j in range(i + 1):
            mask[0, 0, i, j] = 1
    return mask

def decoder_mask(num_tokens, max_tokens):
    p = padding_mask(num_tokens, max_tokens)
    c = causal_mask(max_tokens)
    result = torch.zeros_like(p)
    for b in range(len(num_tokens)):
        result[b, 0] = p[b, 0] * c[0, 0]
    return result
