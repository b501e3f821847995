# Fine-tuning
#
# A language model that somebody else has trained can be made to serve you. You **measure** how well it predicts, you
# **adapt** it by training a few new numbers beside its many old ones, and you give it **another head**, so that it
# sorts texts instead of continuing them.
#
# Letters: `B` rows in the batch, `T` tokens per row, `V` tokens in the vocabulary, `C` = n_embd features per token.
# Padding stands on the right; `attention_mask` (B, T) is 1 at real tokens and 0 at padding.

"""Adapting a language model: its loss and perplexity, low-rank adapters, and a head that classifies."""

import math
from collections.abc import Collection, Iterable
from typing import Any

import torch
from structure import structure
from torch import nn
from torch.nn import functional as F

# Tasks 1 and 2: labels and loss
#
# The **labels** of a batch are its own tokens; padding is marked with -100, the number that torch's cross entropy
# leaves out. Labels are not shifted: position t has the label t. The shift happens in one place only, the loss.


def causal_lm_loss(logits: torch.Tensor, labels: torch.Tensor, ignore_index: int = -100) -> torch.Tensor:
    """Return the mean cross entropy of predicting each next token: one number, a tensor of shape ().

    logits: (B, T, V). labels: (B, T), where those that are `ignore_index` do not count.

        position           0    1    2    3
        label              a    b    c    d
        is to predict      b    c    d    -
    """
    raise NotImplementedError("Task 1: the loss")


def label_batch(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Return the labels (B, T): the tokens themselves, and -100 at padding. `input_ids` stays as it is.

    Example: [[5, 8, 0]] with the mask [[1, 1, 0]] gives [[5, 8, -100]].
    """
    raise NotImplementedError("Task 2: the labels")


# A worked example: a mean over batches of different sizes
#
# Two batches, one of three numbers and one of a single number. The mean of the two means weighs the lonely number as
# much as the other three together; adding up sums and counts does not.


def mean_over_batches(batches: Iterable[torch.Tensor]) -> float:
    """Return the mean of all numbers in all batches: of [1, 2, 3] and [10] it is 4.0, not 6.0."""
    total, count = 0.0, 0
    for batch in batches:
        total += batch.sum().item()
        count += batch.numel()
    return total / count


# Task 3: perplexity
#
# e to the power of the mean negative log-likelihood: among how many equally likely tokens the model seems to choose.
# The mean is over **all** predicted tokens of **all** batches. Models answer in different ways: with a tensor of
# logits, with a tuple that starts with it, or with an object that has it as `.logits`.


def perplexity(model: nn.Module, batches: Iterable[dict[str, torch.Tensor]]) -> float:
    """Return exp of the mean negative log-likelihood per predicted token that is not padding.

    batches: dicts with `input_ids` and `attention_mask`, both (B, T); B and T differ from batch to batch. It may be a
    generator, which can be gone through only once. The model is called with both and is in eval mode meanwhile.
    """
    raise NotImplementedError("Task 3: perplexity")


# Tasks 4 to 6: a layer with a low-rank adapter
#
# LoRA leaves a trained weight `W` alone and learns what to add to it, as the product of a tall and a wide matrix:
#
#     y = x W^T + bias + (alpha / r) * x A^T B^T        A: (r, in), B: (out, r)
#
# The rank r is small, 8 say, so that A and B together hold far fewer numbers than W.


class LoRALinear(nn.Module):
    """A Linear that is frozen, with a low-rank adapter beside it that trains."""

    def __init__(self, base: nn.Linear, r: int, alpha: float, dropout: float = 0.0) -> None:
        """Freeze `base` and make the two factors, so that the layer starts out as `base` and still can learn.

        The factors have the dtype and the device of the base's weight. Beside them nothing trains.
        """
        super().__init__()
        raise NotImplementedError("Task 4: base and factors")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (..., out) for x (..., in): the base's answer plus the adapter's. Only the adapter's has dropout."""
        raise NotImplementedError("Task 5: base and adapter together")

    def merge(self) -> nn.Linear:
        """Return a new Linear that computes what this layer computes in eval mode. This layer stays as it is."""
        raise NotImplementedError("Task 6: merge")


# Task 7: adapters for a whole model
#
# A model is a tree of modules. `model.named_modules(remove_duplicate=False)` goes through all of it; a path such as
# `blocks.0.attn.q` leads from the root to one module, and its last component, `q`, is the name that this module has in
# its parent. A module that stands at two places of the tree has two paths.


def small_tree() -> str:
    """Show a small model's tree. `structure` comes with this assignment; print it for any model, before and after."""
    return structure(nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 3).requires_grad_(False)), depth=1)


def apply_lora(model: nn.Module, names: Collection[str], r: int, alpha: float) -> int:
    """Replace Linears of `model` by LoRALinears, freeze all else, and return how many parameters (numbers) train.

    A Linear is replaced when `names` holds its full dotted path, or the last component of it. Nothing else matches:
    `q` is neither `seq` nor `q_norm`, and what is not a Linear stays what it is.
    """
    raise NotImplementedError("Task 7: replace, freeze, count")


# Task 0: bring your own decoder
#
# The last task builds on a language model: your `Decoder` of the assignment `transformer`. Put it here in place of the
# stub, with all that it is made of, or delete the stub and import it from a file beside this one. It was graded there
# and is not graded again. Your own takes more arguments; these two are what you need here.


class Decoder(nn.Module):
    """A causal transformer, from the assignment `transformer`: embedding, blocks, `ln_f`, `lm_head`."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        raise NotImplementedError("Task 0: put your own Decoder here")

    def forward(self, idx: torch.Tensor, return_hidden: bool = False) -> Any:
        """Return (logits, None), or with `return_hidden` the hidden states after `ln_f` (B, T, C).

        idx: (B, T) int64, -1 for padding, which comes last in each row.
        """
        raise NotImplementedError("Task 0: put your own Decoder here")


# Task 8: a classifier
#
# A causal model has read the whole text when it stands at the last token, and nowhere before. So the class is read off
# the hidden state of the last **real** token of each row.


class GPTClassifier(nn.Module):
    """A decoder with two heads: one for the next token, one for the class of the whole text.

    config: any object with the attributes of a `TransformerConfig`.
    """

    def __init__(self, config: Any, n_classes: int) -> None:
        super().__init__()
        raise NotImplementedError("Task 8: decoder and second head")

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return lm_logits (B, T, V) and class_logits (B, n_classes).

        input_ids: (B, T), padded on the right with any token. attention_mask: (B, T), 1 at real tokens, 0 at padding;
        None means that all of them are real.
        """
        raise NotImplementedError("Task 8: both answers")
