"""No tensor tricks: nested lists, then one call of torch.tensor."""
from torch import tensor, uint8


def padding_mask(num_tokens, max_tokens):
    lengths = num_tokens.tolist()
    return tensor([[[[1 if key < n else 0 for key in range(max_tokens)] for _query in range(max_tokens)]] for n in lengths], dtype=uint8)


def causal_mask(max_tokens):
    rows = []
    for query in range(max_tokens):
        rows.append([1] * (query + 1) + [0] * (max_tokens - query - 1))
    return tensor([[rows]], dtype=uint8)


def decoder_mask(num_tokens, max_tokens):
    out = []
    for n in num_tokens.tolist():
        out.append([[[int(j < n and j <= i) for j in range(max_tokens)] for i in range(max_tokens)]])
    return tensor(out, dtype=uint8)
