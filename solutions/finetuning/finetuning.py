# %% [markdown]
# # Fine-tuning
#
# A language model that somebody else has trained can be made to serve you. You **measure** how well it predicts, you
# **adapt** it by training a few new numbers beside its many old ones, and you give it **another head**, so that it
# sorts texts instead of continuing them.
#
# Letters: `B` rows in the batch, `T` tokens per row, `V` tokens in the vocabulary, `C` = n_embd features per token.
# Padding stands on the right; `attention_mask` (B, T) is 1 at real tokens and 0 at padding.

# %%
"""Adapting a language model: its loss and perplexity, low-rank adapters, and a head that classifies."""

import math
from collections.abc import Collection, Iterable
from typing import Any

import torch
from structure import structure
from torch import nn
from torch.nn import functional as F

# %% [markdown]
# ## Tasks 1 and 2: labels and loss
#
# The **labels** of a batch are its own tokens; padding is marked with -100, the number that torch's cross entropy
# leaves out. Labels are not shifted: position t has the label t. The shift happens in one place only, the loss.


# %%
def causal_lm_loss(logits: torch.Tensor, labels: torch.Tensor, ignore_index: int = -100) -> torch.Tensor:
    """Return the mean cross entropy of predicting each next token: one number, a tensor of shape ().

    logits: (B, T, V). labels: (B, T), where those that are `ignore_index` do not count.

        position           0    1    2    3
        label              a    b    c    d
        is to predict      b    c    d    -
    """
    # BEGIN SOLUTION Task 1: the loss
    predictions = logits[:, :-1]  # (B, T - 1, V), the last position has nothing left to predict
    targets = labels[:, 1:]  # (B, T - 1), nobody predicts the first token
    return F.cross_entropy(predictions.flatten(0, 1), targets.flatten(), ignore_index=ignore_index)
    # END SOLUTION


def label_batch(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Return the labels (B, T): the tokens themselves, and -100 at padding. `input_ids` stays as it is.

    Example: [[5, 8, 0]] with the mask [[1, 1, 0]] gives [[5, 8, -100]].
    """
    # BEGIN SOLUTION Task 2: the labels
    return input_ids.masked_fill(attention_mask == 0, -100)
    # END SOLUTION


# %% [markdown]
# ## A worked example: a mean over batches of different sizes
#
# Two batches, one of three numbers and one of a single number. The mean of the two means weighs the lonely number as
# much as the other three together; adding up sums and counts does not.


# %%
def mean_over_batches(batches: Iterable[torch.Tensor]) -> float:
    """Return the mean of all numbers in all batches: of [1, 2, 3] and [10] it is 4.0, not 6.0."""
    total, count = 0.0, 0
    for batch in batches:
        total += batch.sum().item()
        count += batch.numel()
    return total / count


# %% [markdown]
# ## Task 3: perplexity
#
# e to the power of the mean negative log-likelihood: among how many equally likely tokens the model seems to choose.
# The mean is over **all** predicted tokens of **all** batches. Models answer in different ways: with a tensor of
# logits, with a tuple that starts with it, or with an object that has it as `.logits`.


# %%
def perplexity(model: nn.Module, batches: Iterable[dict[str, torch.Tensor]]) -> float:
    """Return exp of the mean negative log-likelihood per predicted token that is not padding.

    batches: dicts with `input_ids` and `attention_mask`, both (B, T); B and T differ from batch to batch. It may be a
    generator, which can be gone through only once. The model is called with both and is in eval mode meanwhile.
    """
    # BEGIN SOLUTION Task 3: perplexity
    was_training = model.training
    model.eval()
    total, count = 0.0, 0  # Python's floats have 64 bits: a long sum loses nothing that matters
    with torch.no_grad():
        for batch in batches:
            input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
            labels = label_batch(input_ids, attention_mask)  # (B, T)
            predicted = int((labels[:, 1:] != -100).sum())
            if predicted == 0:  # nothing but padding: a mean over nothing is not a number
                continue
            answer = model(input_ids, attention_mask=attention_mask)
            logits = answer if isinstance(answer, torch.Tensor) else getattr(answer, "logits", None)
            if logits is None:
                logits = answer[0]
            total += causal_lm_loss(logits, labels).item() * predicted  # the sum over the batch again
            count += predicted
    model.train(was_training)
    return math.exp(total / count)
    # END SOLUTION


# %% [markdown]
# ## Tasks 4 to 6: a layer with a low-rank adapter
#
# LoRA leaves a trained weight `W` alone and learns what to add to it, as the product of a tall and a wide matrix:
#
#     y = x W^T + bias + (alpha / r) * x A^T B^T        A: (r, in), B: (out, r)
#
# The rank r is small, 8 say, so that A and B together hold far fewer numbers than W.


# %%
class LoRALinear(nn.Module):
    """A Linear that is frozen, with a low-rank adapter beside it that trains."""

    def __init__(self, base: nn.Linear, r: int, alpha: float, dropout: float = 0.0) -> None:
        """Freeze `base` and make the two factors, so that the layer starts out as `base` and still can learn.

        The factors have the dtype and the device of the base's weight. Beside them nothing trains.
        """
        super().__init__()
        # BEGIN SOLUTION Task 4: base and factors
        self.base = base.requires_grad_(False)
        weight = base.weight  # (out, in)
        self.A = nn.Parameter(weight.new_zeros(r, base.in_features))
        self.B = nn.Parameter(weight.new_zeros(base.out_features, r))  # B A is zero at first, and B's gradient is not
        nn.init.normal_(self.A, std=1 / r)
        self.scaling = alpha / r
        self.dropout = nn.Dropout(dropout)
        # END SOLUTION

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (..., out) for x (..., in): the base's answer plus the adapter's. Only the adapter's has dropout."""
        # BEGIN SOLUTION Task 5: base and adapter together
        low_rank = self.dropout(x) @ self.A.T @ self.B.T  # (..., in) -> (..., r) -> (..., out)
        return self.base(x) + self.scaling * low_rank
        # END SOLUTION

    def merge(self) -> nn.Linear:
        """Return a new Linear that computes what this layer computes in eval mode. This layer stays as it is."""
        # BEGIN SOLUTION Task 6: merge
        out_features, in_features = self.base.weight.shape
        merged = nn.Linear(in_features, out_features, bias=self.base.bias is not None).to(self.base.weight)
        with torch.no_grad():
            merged.weight.copy_(self.base.weight + self.scaling * self.B @ self.A)  # (out, r) @ (r, in)
            if self.base.bias is not None:
                merged.bias.copy_(self.base.bias)
        return merged
        # END SOLUTION


# %% [markdown]
# ## Task 7: adapters for a whole model
#
# A model is a tree of modules. `model.named_modules(remove_duplicate=False)` goes through all of it; a path such as
# `blocks.0.attn.q` leads from the root to one module, and its last component, `q`, is the name that this module has in
# its parent. A module that stands at two places of the tree has two paths.


# %%
def small_tree() -> str:
    """Show a small model's tree. `structure` comes with this assignment; print it for any model, before and after."""
    return structure(nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 3).requires_grad_(False)), depth=1)


# %%
def apply_lora(model: nn.Module, names: Collection[str], r: int, alpha: float) -> int:
    """Replace Linears of `model` by LoRALinears, freeze all else, and return how many parameters (numbers) train.

    A Linear is replaced when `names` holds its full dotted path, or the last component of it. Nothing else matches:
    `q` is neither `seq` nor `q_norm`, and what is not a Linear stays what it is.
    """
    # BEGIN SOLUTION Task 7: replace, freeze, count
    model.requires_grad_(False)
    adapted: dict[nn.Linear, LoRALinear] = {}  # a Linear at two places gets one adapter, and stays shared
    for path, module in list(model.named_modules(remove_duplicate=False)):
        parent, _, name = path.rpartition(".")
        if isinstance(module, nn.Linear) and (path in names or name in names):
            if module not in adapted:
                adapted[module] = LoRALinear(module, r, alpha)
            setattr(model.get_submodule(parent), name, adapted[module])
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
    # END SOLUTION


# %% [markdown]
# ## Task 0: bring your own decoder
#
# The last task builds on a language model: your `Decoder` of the assignment `transformer`. Put it here in place of the
# stub, with all that it is made of, or delete the stub and import it from a file beside this one. It was graded there
# and is not graded again. Your own takes more arguments; these two are what you need here.


# %%
class Decoder(nn.Module):
    """A causal transformer, from the assignment `transformer`: embedding, blocks, `ln_f`, `lm_head`."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        # BEGIN SOLUTION Task 0: put your own Decoder here
        C = config.n_embd
        self.n_head = config.n_head
        self.vocab_embeddings = nn.Embedding(config.vocab_size, C)
        self.position_embeddings = nn.Embedding(config.block_size, C)
        self.blocks = nn.ModuleList()
        for _ in range(config.n_layer):
            layers = {name: nn.Linear(C, C) for name in ("q", "k", "v", "c_proj")}
            mlp = nn.Sequential(nn.Linear(C, 4 * C), nn.GELU(), nn.Linear(4 * C, C))
            self.blocks.append(nn.ModuleDict({"ln_1": nn.LayerNorm(C), **layers, "ln_2": nn.LayerNorm(C), "mlp": mlp}))
        self.ln_f = nn.LayerNorm(C)
        self.lm_head = nn.Linear(C, config.vocab_size, bias=False)
        # END SOLUTION

    def forward(self, idx: torch.Tensor, return_hidden: bool = False) -> Any:
        """Return (logits, None), or with `return_hidden` the hidden states after `ln_f` (B, T, C).

        idx: (B, T) int64, -1 for padding, which comes last in each row.
        """
        # BEGIN SOLUTION Task 0: put your own Decoder here
        x = self.vocab_embeddings(idx.clamp(min=0)) + self.position_embeddings.weight[: idx.size(1)]  # (B, T, C)
        for block in self.blocks:
            normal = block["ln_1"](x)
            q, k, v = (
                block[name](normal).unflatten(-1, (self.n_head, -1)).transpose(1, 2)  # (B, T, C) -> (B, H, T, D)
                for name in ("q", "k", "v")
            )
            heads = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # padding comes later: nobody looks there
            x = x + block["c_proj"](heads.transpose(1, 2).flatten(2))
            x = x + block["mlp"](block["ln_2"](x))
        hidden = self.ln_f(x)
        return hidden if return_hidden else (self.lm_head(hidden), None)
        # END SOLUTION


# %% [markdown]
# ## Task 8: a classifier
#
# A causal model has read the whole text when it stands at the last token, and nowhere before. So the class is read off
# the hidden state of the last **real** token of each row.


# %%
class GPTClassifier(nn.Module):
    """A decoder with two heads: one for the next token, one for the class of the whole text.

    config: any object with the attributes of a `TransformerConfig`.
    """

    def __init__(self, config: Any, n_classes: int) -> None:
        super().__init__()
        # BEGIN SOLUTION Task 8: decoder and second head
        self.decoder = Decoder(config)
        self.classifier = nn.Linear(config.n_embd, n_classes)
        # END SOLUTION

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return lm_logits (B, T, V) and class_logits (B, n_classes).

        input_ids: (B, T), padded on the right with any token. attention_mask: (B, T), 1 at real tokens, 0 at padding;
        None means that all of them are real.
        """
        # BEGIN SOLUTION Task 8: both answers
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        idx = input_ids.masked_fill(attention_mask == 0, -1)  # the decoder's own sign for padding
        hidden = self.decoder(idx, return_hidden=True)  # (B, T, C)
        last = (attention_mask != 0).sum(dim=1) - 1  # (B,), the place of each row's last real token
        rows = torch.arange(len(idx), device=idx.device)
        return self.decoder.lm_head(hidden), self.classifier(hidden[rows, last])
        # END SOLUTION
