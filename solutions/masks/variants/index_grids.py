"""tril_indices and meshgrid, filled in place; the result is permuted from another layout (not contiguous)."""
import torch


def padding_mask(num_tokens, max_tokens):
    b, i, j = torch.meshgrid(num_tokens, torch.arange(max_tokens), torch.arange(max_tokens), indexing="ij")
    return torch.unsqueeze(j < b, 1)


def causal_mask(max_tokens):
    mask = torch.zeros((max_tokens, max_tokens), dtype=torch.int16)
    rows, columns = torch.tril_indices(max_tokens, max_tokens)
    mask[rows, columns] = 1
    return mask.view(1, 1, max_tokens, max_tokens)


def decoder_mask(num_tokens, max_tokens):
    keys_first = torch.zeros(max_tokens, max_tokens, 1, len(num_tokens), dtype=torch.bool)  # (Tk, Tq, 1, B)
    for j in range(max_tokens):
        keys_first[j, j:, 0, :] = num_tokens > j
    return keys_first.permute(3, 2, 1, 0)
