"""The settings of a transformer, in one place."""

from dataclasses import dataclass


@dataclass
class TransformerConfig:
    """Sizes and dropout rates, for every part of the model."""

    vocab_size: int  # V, how many different tokens there are
    block_size: int  # the longest text, in tokens
    n_embd: int  # C, features per token
    n_head: int  # H, heads per attention layer; C is a multiple of it
    n_layer: int  # blocks on top of each other
    embd_pdrop: float = 0.0  # dropout on the embeddings
    attn_pdrop: float = 0.0  # dropout on the attention weights
    hidden_pdrop: float = 0.0  # dropout on what a layer adds to the hidden states
