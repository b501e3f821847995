# Transformer
#
# You have the parts: embeddings, attention, masks. Here you put them together, first as a **block**, which most of a
# transformer is made of, then as a whole model that predicts the next token, and last as its two kinds: an **encoder**,
# whose tokens look in both directions, and a **decoder**, whose tokens look back only.
#
# Letters: `B` rows in the batch, `T` tokens per row, `P` vectors of a cache in front of them, `C` = n_embd features per
# token, `V` = vocab_size tokens in the vocabulary. Padding in `idx` and ignored targets are -1.

"""A transformer made of earlier parts: the block, the model, and the model as encoder and as decoder."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

# Task 0: bring your own parts
#
# Put your own code of the earlier assignments in place of the six stubs below. Or, if that code lies in files beside
# this one, delete the stubs and import it: `from attention import GenericSelfAttention`. The parts were graded there
# and are not graded again: where one of them is wrong, what you build on it can still earn its points.


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


# A worked example: one residual step
#
# The hidden states of a transformer are a **stream**: vectors that are never replaced, only added to. A layer reads a
# normalised copy of the stream, and what it makes of it is added to the stream itself. Here the layer is a single
# Linear. Look at what is normalised, and at what is not.


class ResidualLinear(nn.Module):
    """One step of the stream with the simplest layer there is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, T, width) for x (B, T, width)."""
        return x + self.linear(self.ln(x))  # the sum keeps x as it came in


# Tasks 1 and 2: the block
#
# A block is two such steps. In the first the tokens look at each other: attention. In the second each token thinks for
# itself: an MLP, two Linear layers with a GELU between them, the same for every token.


class TransformerBlock(nn.Module):
    """Attention, then an MLP; each reads a normalised copy of the stream, and its result is added to the stream.

    config: any object with the attributes of a `TransformerConfig`.
    """

    def __init__(self, config: Any) -> None:
        """Make a LayerNorm and your GenericSelfAttention; another LayerNorm and the MLP, C -> 4C -> C.

        Example: with C = 8 the block has 12 * 8 * 8 + 13 * 8 = 872 parameters.
        """
        super().__init__()
        raise NotImplementedError("Task 1: the layers of a block")

    def forward(self, x: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the stream after this block (B, T, C).

            x = x + attention of ln_1(x), under the mask
            x = x + mlp of ln_2(x)

        x: (B, T, C). attention_mask: (B or 1, 1, T, T).
        """
        raise NotImplementedError("Task 2: two residual steps")


# Tasks 3 to 6: the whole model
#
# Tokens become vectors, vectors go through the blocks, and a last Linear layer, the **head**, gives each token of the
# vocabulary a score, its logit. Between the blocks and the head stands one more LayerNorm.
#
# A **cache** is a row of vectors that somebody else made, the hidden states of an encoder for instance. The model puts
# them in front of its own tokens, as if they were embedded tokens, and computes on.


class GenericTransformer(nn.Module):
    """A language model: every position gives logits for the token that comes next.

        idx (B, T) -> embedding (B, T, C) -> n_layer blocks -> ln_f -> lm_head -> logits (B, T, V)

    With a cache (B, P, C) in front of the tokens there are P + T positions instead of T.
    """

    def __init__(self, config: Any) -> None:
        """Make your Embedding, n_layer blocks, the final LayerNorm, and the head: a Linear without bias."""
        super().__init__()
        self.block_size = config.block_size
        raise NotImplementedError("Task 3: the layers of the model")

    def get_attention_mask(self, num_tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, T, T) with T = num_tokens.max(): here every position may look at every other."""
        T = int(num_tokens.max())
        return torch.ones(len(num_tokens), 1, T, T, dtype=torch.bool, device=num_tokens.device)

    def hidden_states(self, idx: torch.Tensor, hidden_cache: torch.Tensor | None) -> torch.Tensor:
        """Return the hidden states after the final LayerNorm (B, P + T, C). P is 0 without a cache.

        idx: (B, T) with -1 for padding, which comes last in each row; T may be more than the longest row needs.
        hidden_cache: (B, P, C), no padding, or None.
        """
        raise NotImplementedError("Task 4: from tokens to hidden states")

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean cross entropy over the targets that are not -1: one number, a tensor of shape ().

        logits: (B, P + T, V). targets: (B, T), where target t is what should follow the t-th position.

        Without a cache position t predicts target t. With a cache, target 0 is predicted by the cache's last vector:

                       c0   c1   c2   t0   t1        P = 3, T = 2
            predicts    -    -   y0   y1    -
        """
        raise NotImplementedError("Task 5: the loss")

    def forward(
        self,
        idx: torch.Tensor,
        targets: torch.Tensor | None = None,
        hidden_cache: torch.Tensor | None = None,
        return_hidden: bool = False,
    ) -> Any:
        """Return (logits, loss), or with `return_hidden` the hidden states alone, a tensor (B, P + T, C).

        idx: (B, T) int64, -1 for padding. targets: (B, T) int64, -1 for those that do not count.
        logits: (B, P + T, V). loss: a number, or None without targets.
        """
        raise NotImplementedError("Task 6: logits and loss")


# Tasks 7 and 8: encoder and decoder
#
# Both are the model above. They differ only in who may look at whom: one method each, with your masks.


class Encoder(GenericTransformer):
    """Reads a whole text: each token looks at every real token of its row, before and after it."""

    def get_attention_mask(self, num_tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, T, T) with T = num_tokens.max(): 1 where key j is one of the num_tokens[b] real ones."""
        raise NotImplementedError("Task 7: the encoder's mask")


class Decoder(Encoder):
    """Writes a text: each token looks at itself and at what comes before it."""

    def get_attention_mask(self, num_tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, T, T) with T = num_tokens.max(): 1 where key j is real and no later than query i."""
        raise NotImplementedError("Task 8: the decoder's mask")
