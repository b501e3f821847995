# Encoder and decoder
#
# A translator reads a whole sentence before writing the first word of another. Here one model reads: the **encoder**,
# whose tokens look in both directions. Another one writes: the **decoder**, whose tokens look back only. The encoder's
# hidden states stand in front of the decoder's tokens, and so the decoder knows what was read.
#
# Letters: `B` rows in the batch, `P` tokens of the prefix, which is read, `T` tokens of the targets, which are written,
# `C` = n_embd features per token, `V` = vocab_size of the decoder's config. Padding and ignored targets are -1.

"""An encoder that reads a prefix, and a decoder that writes what follows."""

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

# Task 0: bring your own parts
#
# Put your own code of the earlier assignments in place of the stubs below. Or, if that code lies in files beside this
# one, delete the stubs and import it: `from transformer import Decoder, Encoder`. The parts were graded there and are
# not graded again: where one of them is wrong, what you build on it can still earn its points. If you would rather
# build the model from other parts, do that; only the names from task 1 on are asked for.


class Embedding(nn.Module):
    """Tokens as vectors, from the assignment `embeddings`: what the token is plus where it stands."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        raise NotImplementedError("Task 0: put your own Embedding here")

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """Return (B, T, C) for idx (B, T). Raises ValueError when T is larger than block_size."""
        raise NotImplementedError("Task 0: put your own Embedding here")


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output (B, H, Tq, D) and the weights (B, H, Tq, Tk), from the assignment `attention`."""
    raise NotImplementedError("Task 0: put your own attention here")


class GenericSelfAttention(nn.Module):
    """Self-attention with several heads, from the assignment `attention`."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        raise NotImplementedError("Task 0: put your own GenericSelfAttention here")

    def forward(self, x: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return (B, T, C) for x (B, T, C) and attention_mask (B or 1, 1, T, T)."""
        raise NotImplementedError("Task 0: put your own GenericSelfAttention here")


def padding_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    """Return (B, 1, T, T): 1 where key j is a real token of row b, from the assignment `masks`."""
    raise NotImplementedError("Task 0: put your own padding_mask here")


def causal_mask(max_tokens: int) -> torch.Tensor:
    """Return (1, 1, T, T): 1 where key j is no later than query i, from the assignment `masks`."""
    raise NotImplementedError("Task 0: put your own causal_mask here")


def decoder_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    """Return (B, 1, T, T): 1 where both masks say 1, from the assignment `masks`."""
    raise NotImplementedError("Task 0: put your own decoder_mask here")


class TransformerBlock(nn.Module):
    """Attention, then an MLP, from the assignment `transformer`."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        raise NotImplementedError("Task 0: put your own TransformerBlock here")

    def forward(self, x: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return (B, T, C) for x (B, T, C) and attention_mask (B or 1, 1, T, T)."""
        raise NotImplementedError("Task 0: put your own TransformerBlock here")


class GenericTransformer(nn.Module):
    """A language model, with or without a cache of vectors in front, from the assignment `transformer`."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        raise NotImplementedError("Task 0: put your own GenericTransformer here")

    def get_attention_mask(self, num_tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, T, T) with T = num_tokens.max(): every position may look at every other."""
        raise NotImplementedError("Task 0: put your own GenericTransformer here")

    def forward(
        self,
        idx: torch.Tensor,
        targets: torch.Tensor | None = None,
        hidden_cache: torch.Tensor | None = None,
        return_hidden: bool = False,
    ) -> Any:
        """Return (logits (B, P + T, V), loss), or with `return_hidden` the hidden states (B, P + T, C) alone."""
        raise NotImplementedError("Task 0: put your own GenericTransformer here")


class Encoder(GenericTransformer):
    """Each token looks at every real token of its row, from the assignment `transformer`."""

    def get_attention_mask(self, num_tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, T, T) with T = num_tokens.max(): 1 where key j is a real token of row b."""
        raise NotImplementedError("Task 0: put your own Encoder here")


class Decoder(Encoder):
    """Each token looks at itself and at what comes before it, from the assignment `transformer`."""

    def get_attention_mask(self, num_tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, T, T) with T = num_tokens.max(): 1 where key j is real and no later than query i."""
        raise NotImplementedError("Task 0: put your own Decoder here")


# A worked example: what a decoder makes of a cache
#
# Your `Decoder` takes vectors in front of its tokens: `hidden_cache`. It need not have any token of its own to do so.
# Then all that it knows comes from the cache, and its last position predicts the first token that is written.


def first_token(decoder: nn.Module, cache: torch.Tensor) -> torch.Tensor:
    """Return the token (B,) that is the likeliest one to come right after a cache (B, P, C)."""
    nothing = torch.empty(len(cache), 0, dtype=torch.int64)  # (B, 0), a text without tokens
    logits, _ = decoder(nothing, None, cache)  # (B, P, V), a position for each vector of the cache
    return logits[:, -1].argmax(dim=-1)


# Tasks 1 to 5: the model
#
# One of the rows below has a prefix of three tokens, the other one of two and padding, and both have two targets. The
# logits have a column for each column of the prefix and for each target. What is predicted where:
#
#     column               0          1          2          3          4
#     row 0             prefix 0   prefix 1   prefix 2   target 0   target 1
#         predicts         -          -       target 0   target 1      -
#     row 1             prefix 0   prefix 1   padding    target 0   target 1
#         predicts         -       target 0      -       target 1      -
#
# Padding must not change a row. The easiest way to be sure of that is not to show it to the decoder: the rows whose
# prefixes are equally long go through the decoder together, without their padding.


class EncoderDecoder(nn.Module):
    """Reads a prefix with an encoder and writes targets with a decoder that has the encoder's states in front.

    Both configs are any objects with the attributes of a `TransformerConfig`, of one width n_embd. They stay as they
    are. The decoder knows one token more than its config says: the end token, whose id is decoder_config.vocab_size.
    """

    def __init__(self, encoder_config: Any, decoder_config: Any) -> None:
        """Make an Encoder, and a Decoder for a vocabulary of decoder_config.vocab_size + 1 tokens."""
        super().__init__()
        self.end_token = decoder_config.vocab_size
        raise NotImplementedError("Task 1: the two models")

    def encode(self, prefix: torch.Tensor) -> torch.Tensor:
        """Return the encoder's hidden states (B, P, C) of prefix (B, P), which has -1 for padding."""
        raise NotImplementedError("Task 2: read the prefix")

    def decode(self, hidden: torch.Tensor, num_tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, P + T, V + 1): a column for each column of the prefix, then one for each target.

        hidden: (B, P, C), what `encode` returns. num_tokens: (B,), how many tokens of each prefix are real.
        targets: (B, T), -1 for padding; T may be 0.

        Columns of padding in the prefix may hold anything.
        """
        raise NotImplementedError("Task 3: decode what was read, without its padding")

    def predictions(self, logits: torch.Tensor, num_tokens: torch.Tensor, T: int) -> torch.Tensor:
        """Return what is predicted for targets 0 to T, (B, T + 1, V + 1): for one more than there are.

        The column of a prefix's last real token predicts target 0, and that of target t - 1 predicts target t.
        """
        raise NotImplementedError("Task 4: which column predicts what")

    def forward(
        self, prefix: torch.Tensor, targets: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return (logits, loss) for prefix (B, P) and targets (B, T), both int64.

        logits: (B, P + T, V + 1), or (B, P, V + 1) without targets.
        loss: the mean cross entropy over the targets that are not -1, a tensor of shape (); None without targets.
        """
        raise NotImplementedError("Task 5: logits and loss")


# Task 6: write
#
# As in the assignment `generation`, one token after another. But here the prompt does not grow: the prefix is read
# once, and what grows are the tokens behind it.


def prefix_generate(
    model: EncoderDecoder,
    prefix: torch.Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    do_sample: bool = True,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return the max_new_tokens tokens (B, max_new_tokens) that the model writes after prefix (B, P).

    Each token is drawn from softmax(logits / temperature), with the numbers of `generator` when there is one; without
    `do_sample` it is the most likely token. Nothing stops at the end token: whoever reads the result cuts it there.
    Raises ValueError when temperature is not above 0.
    """
    raise NotImplementedError("Task 6: write")
