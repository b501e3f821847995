from torch import arange, ones, tril


def padding_mask(num_tokens, max_tokens):
    x = arange(max_tokens).view(1, 1, 1, 1, -1)
    m = x < num_tokens.view(-1, 1, 1, 1, 1)
    m = m.expand(-1, 1, 1, max_tokens, max_tokens)
    return m.squeeze().unsqueeze(1)


def causal_mask(max_tokens):
    return tril(ones(max_tokens, max_tokens)).bool().view(1, 1, max_tokens, max_tokens)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) & causal_mask(max_tokens)
