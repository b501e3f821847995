import torch

def padding_mask(num_tokens, max_tokens):
    B = num_tokens.shape[0]
    return (torch.arange(max_tokens).view(1, 1, 1, -1) < num_tokens.view(B, 1, 1, 1)).expand(B, 1, max_tokens, max_tokens)

def causal_mask(max_tokens):
    r = torch.arange(max_tokens)
    return (r[:, None] >= r)[None, None]

def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) & causal_mask(max_tokens)

# test
example = torch.tensor([2, 3])
for k in range(3):
    print("text", k)
    print(decoder_mask(example, 4)[k, 0].int())
