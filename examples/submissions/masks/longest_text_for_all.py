import torch

def padding_mask(num_tokens: torch.LongTensor, max_tokens: int):
    bs = num_tokens.shape[0]
    longest = num_tokens.max()
    row = torch.cat([torch.ones(longest), torch.zeros(max_tokens - longest)])
    return row.repeat(bs, 1, max_tokens, 1)

def causal_mask(max_tokens: int):
    return 1 - torch.triu(torch.ones(1, 1, max_tokens, max_tokens), diagonal=1)

def decoder_mask(num_tokens: torch.LongTensor, max_tokens: int):
    return padding_mask(num_tokens, max_tokens) * causal_mask(max_tokens)
