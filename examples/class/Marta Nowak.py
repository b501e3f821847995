import torch

def padding_mask(num_tokens, max_tokens):
    mask = torch.zeros((num_tokens.shape[0], 1, max_tokens, max_tokens))
    for idx in range(num_tokens.shape[0]):
        mask[idx, 0, :, 0:num_tokens[idx]] = 1
    return mask

# diagonal=1 because range() is exclusive at the end
def causal_mask(max_tokens):
    return torch.tril(torch.ones((1, 1, max_tokens, max_tokens)), diagonal=1)

def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) * causal_mask(max_tokens)
