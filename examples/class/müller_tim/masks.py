from mask_utils import both, column_index, row_index


def padding_mask(num_tokens, max_tokens):
    """one table per text, so (B, 1, T, T)"""
    tables = column_index(max_tokens) < num_tokens[:, None, None]
    return tables[:, None]


def causal_mask(max_tokens):
    return (column_index(max_tokens) <= row_index(max_tokens))[None, None]


def decoder_mask(num_tokens, max_tokens):
    return both(padding_mask(num_tokens, max_tokens), causal_mask(max_tokens))
