# %% [markdown]
# # Autoregressive decoder
#
# An autoregressive model gives a sequence a probability, one token after the other: how likely is the first, how likely
# is the second after the first, and so on. In this file you build such a model of texts from end to end: the tokenizer,
# the loss, a decoder-only transformer, sampling, and a training loop that knows when to stop.
#
# Letters: `B` sequences in the batch, `T` tokens per sequence, `V` values that a token can have, `D` = num_emb features
# per token, `H` = num_heads. Token ids are int64.

# %%
"""A decoder-only transformer over letters: tokenizer, loss, layers, model, training with patience."""

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

PAD, SPACE, CLS = 0, 27, 28  # the letters a to z are 1 to 26
LETTERS = "abcdefghijklmnopqrstuvwxyz"

# %% [markdown]
# ## Task 1: the tokenizer
#
# Every text begins with `CLS`, the token that stands for "here it starts", and texts shorter than the longest one are
# filled up with `PAD`. To a model of texts the first padding is the sign that the text is over.


# %%
class Tokenizer:
    """Texts of small letters and blanks as rows of token ids, and back."""

    def __init__(self, max_length: int = 0) -> None:
        """max_length: letters of a text that are kept; 0 means as many as the longest text has."""
        self.max_length = max_length

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the ids (N, L + 1), int64: `CLS`, then L letters, or fewer letters and `PAD` behind them.

        L is max_length, and longer texts are cut; or the length of the longest text when max_length is 0.

        >>> Tokenizer().encode(["ab z", "hi"])
        tensor([[28,  1,  2, 27, 26],
                [28,  8,  9,  0,  0]])
        """
        # BEGIN SOLUTION Task 1: from texts to token ids
        L = self.max_length or max(map(len, texts))
        tokens = torch.full((len(texts), L + 1), PAD)  # (N, L + 1)
        tokens[:, 0] = CLS
        for row, text in zip(tokens, texts, strict=True):
            for place, character in enumerate(text[:L], start=1):
                row[place] = SPACE if character == " " else 1 + LETTERS.index(character)
        return tokens
        # END SOLUTION

    def decode(self, tokens: torch.Tensor) -> list[str]:
        """Return the N texts of the ids (N, L + 1): without `CLS`, each up to its first `PAD`.

        >>> Tokenizer().decode(torch.tensor([[28, 1, 2, 27, 26], [28, 8, 9, 0, 5]]))
        ['ab z', 'hi']
        """
        # BEGIN SOLUTION Task 1: from token ids to texts
        texts = []
        for row in tokens.tolist():
            kept = row[: row.index(PAD)] if PAD in row else row
            texts.append("".join(" " if i == SPACE else LETTERS[i - 1] for i in kept if i != CLS))
        return texts
        # END SOLUTION


# %% [markdown]
# ## Task 2: the loss
#
# The model gives log-probabilities. Of the V numbers at a position one counts: that of the token that is really there.
# Its negative is the loss of that position, and a sequence's loss is the **sum** over its positions, because the
# probability of the sequence is a product.


# %%
class LossFun(nn.Module):
    """The negative log-likelihood of sequences."""

    def forward(self, y_model: torch.Tensor, y_true: torch.Tensor, reduction: str = "sum") -> torch.Tensor:
        """Return one number, a tensor of shape ().

        y_model: (B, T, V), log-probabilities. y_true: (B, T), what is really there.
        reduction: "sum" for the sum over everything, "mean" for the sum over T and the mean over B. Anything else is a
        ValueError.
        """
        # BEGIN SOLUTION Task 2: the loss
        if reduction not in ("sum", "mean"):
            raise ValueError(f"reduction is {reduction!r}, and it can be 'sum' or 'mean'")
        of_tokens = -y_model.gather(-1, y_true[..., None])[..., 0]  # (B, T, V) -> (B, T)
        of_sequences = of_tokens.sum(dim=1)  # (B,)
        return of_sequences.sum() if reduction == "sum" else of_sequences.mean()
        # END SOLUTION


# %% [markdown]
# ## Task 3: attention with wide heads
#
# In most transformers H heads share the D features. Here each head has D features of its own, so the projections go
# from D to D * H and one more goes back.


# %%
class MultiHeadSelfAttention(nn.Module):
    """Self-attention in which each head has the full width."""

    def __init__(self, num_emb: int, num_heads: int = 8) -> None:
        """Make w_k, w_q and w_v, Linear from D to D * H, and w_c, Linear from D * H to D. All have biases.

        Example: with D = 4 and H = 3 there are 3 * (4 * 12 + 12) + (12 * 4 + 4) = 232 parameters.
        """
        super().__init__()
        # BEGIN SOLUTION Task 3: the projections
        self.num_heads = num_heads
        self.w_k = nn.Linear(num_emb, num_emb * num_heads)
        self.w_q = nn.Linear(num_emb, num_emb * num_heads)
        self.w_v = nn.Linear(num_emb, num_emb * num_heads)
        self.w_c = nn.Linear(num_emb * num_heads, num_emb)
        # END SOLUTION

    def forward(self, x: torch.Tensor, causal: bool = True) -> torch.Tensor:
        """Return (B, T, D) for x (B, T, D). When `causal`, no token looks at one that comes after it."""
        # BEGIN SOLUTION Task 3: attention
        B, T, D = x.shape
        k, q, v = (
            layer(x).view(B, T, self.num_heads, D).transpose(1, 2)  # (B, T, D * H) -> (B, H, T, D)
            for layer in (self.w_k, self.w_q, self.w_v)
        )
        scores = q @ k.transpose(-2, -1) / D**0.5  # (B, H, T, T)
        if causal:
            later = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(diagonal=1)  # (T, T)
            scores = scores.masked_fill(later, float("-inf"))
        heads = scores.softmax(dim=-1) @ v  # (B, H, T, D)
        return self.w_c(heads.transpose(1, 2).reshape(B, T, -1))  # (B, T, H * D) -> (B, T, D)
        # END SOLUTION


# %% [markdown]
# ## Task 4: the block
#
# Two steps again, attention and an MLP, but the norm stands **after** each sum: post-norm, as in the first transformer.


# %%
class TransformerBlock(nn.Module):
    """Attention, then an MLP; each result is added to what went in, and the sum is normalised."""

    def __init__(self, num_emb: int, num_neurons: int, num_heads: int = 4) -> None:
        """Make your attention, two LayerNorms, and the MLP: Linear from D to num_neurons * D, GELU, Linear back to D.

        Example: with D = 4, num_neurons = 2 and H = 3 there are 232 + 2 * 8 + (4 * 8 + 8) + (8 * 4 + 4) = 324
        parameters.
        """
        super().__init__()
        # BEGIN SOLUTION Task 4: the layers of a block
        self.attention = MultiHeadSelfAttention(num_emb, num_heads)
        self.layer_norm_1 = nn.LayerNorm(num_emb)
        self.mlp = nn.Sequential(
            nn.Linear(num_emb, num_neurons * num_emb),
            nn.GELU(),
            nn.Linear(num_neurons * num_emb, num_emb),
        )
        self.layer_norm_2 = nn.LayerNorm(num_emb)
        # END SOLUTION

    def forward(self, x: torch.Tensor, causal: bool = True) -> torch.Tensor:
        """Return (B, T, D) for x (B, T, D).

        x = layer_norm_1(x + attention of x)
        x = layer_norm_2(x + mlp of x)
        """
        # BEGIN SOLUTION Task 4: two steps
        x = self.layer_norm_1(x + self.attention(x, causal))
        return self.layer_norm_2(x + self.mlp(x))
        # END SOLUTION


# %% [markdown]
# ## Tasks 5 to 7: the model
#
# Position t knows the tokens 0 to t and says how likely each value is for token t + 1. That is all a decoder does.
# Everything else is bookkeeping: which token does a prediction belong to?


# %%
class DecoderTransformer(nn.Module):
    """A model of sequences of num_tokens tokens; the first of them is the start token, num_token_vals - 1."""

    def __init__(
        self,
        num_tokens: int,
        num_token_vals: int,
        num_emb: int,
        num_neurons: int,
        num_heads: int = 2,
        dropout_prob: float = 0.1,
        num_blocks: int = 10,
        device: str = "cpu",
    ) -> None:
        """Make the two tables of the embedding, num_blocks blocks, and the head: Linear from D to V, with a bias.

        The positions have a table of their own, one row for each of num_tokens. No norm comes after the last block.
        """
        super().__init__()
        self.num_tokens = num_tokens
        self.num_token_vals = num_token_vals
        self.device = device
        self.loss_fun = LossFun()
        # BEGIN SOLUTION Task 5: the layers of the model
        self.token_embedding = nn.Embedding(num_token_vals, num_emb)
        self.position_embedding = nn.Embedding(num_tokens, num_emb)
        self.dropout = nn.Dropout(dropout_prob)
        self.blocks = nn.ModuleList([TransformerBlock(num_emb, num_neurons, num_heads) for _ in range(num_blocks)])
        self.head = nn.Linear(num_emb, num_token_vals)
        # END SOLUTION
        self.to(device)

    def transformer_forward(self, x: torch.Tensor, causal: bool = True, temperature: float = 1.0) -> torch.Tensor:
        """Return log-probabilities (B, T, V) of the next token at each position of x (B, T); T is num_tokens or less.

        What the head gives is divided by the temperature, before it becomes log-probabilities.
        """
        # BEGIN SOLUTION Task 5: from tokens to log-probabilities
        positions = torch.arange(x.size(1), device=x.device)  # (T,)
        hidden = self.dropout(self.token_embedding(x) + self.position_embedding(positions))  # (B, T, D) + (T, D)
        for block in self.blocks:
            hidden = block(hidden, causal)
        return F.log_softmax(self.head(hidden) / temperature, dim=-1)  # (B, T, V)
        # END SOLUTION

    def forward(
        self, x: torch.Tensor, causal: bool = True, temperature: float = 1.0, reduction: str = "mean"
    ) -> torch.Tensor:
        """Return the loss of x[:, 1:] given what comes before: your LossFun, with this reduction."""
        # BEGIN SOLUTION Task 6: the loss of sequences
        log_probs = self.transformer_forward(x, causal, temperature)  # (B, T, V)
        return self.loss_fun(log_probs[:, :-1], x[:, 1:], reduction)  # position t predicts token t + 1
        # END SOLUTION

    @torch.no_grad()
    def top1_rec(self, x: torch.Tensor) -> torch.Tensor:
        """Return one number: for each row the share of its T - 1 next tokens that were the likeliest, summed over B."""
        # BEGIN SOLUTION Task 6: how many next tokens are guessed
        guesses = self.transformer_forward(x)[:, :-1].argmax(dim=-1)  # (B, T - 1)
        return (guesses == x[:, 1:]).float().mean(dim=1).sum()
        # END SOLUTION

    @torch.no_grad()
    def sample(self, batch_size: int = 4, temperature: float = 1.0) -> torch.Tensor:
        """Return new sequences (batch_size, num_tokens), int64. Each begins with the start token, num_token_vals - 1.

        Every other token is drawn from what the model says of it at this temperature, given the tokens before it.
        """
        # BEGIN SOLUTION Task 7: new sequences
        x = torch.full((batch_size, 1), self.num_token_vals - 1, device=self.device)  # (B, 1)
        while x.size(1) < self.num_tokens:
            log_probs = self.transformer_forward(x, temperature=temperature)[:, -1]  # (B, V)
            token = torch.multinomial(log_probs.exp(), num_samples=1)  # (B, 1)
            x = torch.cat([x, token], dim=1)  # (B, T + 1)
        return x
        # END SOLUTION


# %% [markdown]
# ## Task 8: train, but not for too long
#
# Trained for long enough, a model learns its training data by heart and gets worse at everything else. So watch the
# loss of sequences that it is not trained on: when that has not improved for a while, stop, and go back to the weights
# with which it was lowest.


# %%
def train_with_patience(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train_batches: Sequence[torch.Tensor],
    valid_batches: Sequence[torch.Tensor],
    max_epochs: int,
    max_patience: int,
) -> list[float]:
    """Train the model; return the validation loss per sequence after each epoch.

    An epoch is one step of the optimizer for each of train_batches, on the loss `model(x)`, in training mode; then the
    loss of valid_batches, in eval mode and without gradients: the sum over all their sequences, which is what
    `model(x, reduction="sum")` gives, divided by how many there are. Batches are tensors (B, T); B may differ.

    Training ends after max_epochs, or as soon as max_patience epochs in a row had no lower validation loss than the
    best one so far. Then the model has the weights with which that best one was reached.
    """
    # BEGIN SOLUTION Task 8: train with patience
    losses: list[float] = []
    best_loss, best_weights, waited = float("inf"), copy.deepcopy(model.state_dict()), 0
    for _ in range(max_epochs):
        model.train()
        for x in train_batches:
            optimizer.zero_grad()
            model(x).backward()
            optimizer.step()
        losses.append(validation_loss(model, valid_batches))
        if losses[-1] < best_loss:
            # a copy: the tensors of a state dict are the model's own, and the next step changes them
            best_loss, best_weights, waited = losses[-1], copy.deepcopy(model.state_dict()), 0
        else:
            waited += 1
        if waited == max_patience:
            break
    model.load_state_dict(best_weights)
    return losses
    # END SOLUTION


@torch.no_grad()
def validation_loss(model: nn.Module, batches: Sequence[torch.Tensor]) -> float:
    """Return the loss per sequence of batches (B, T), in eval mode. A helper: change it or do without, as you like."""
    # BEGIN SOLUTION Task 8: the validation loss
    model.eval()
    total = sum(model(x, reduction="sum").item() for x in batches)
    return total / sum(len(x) for x in batches)
    # END SOLUTION


# %% [markdown]
# ## Task 9: do larger models do better?
#
# You have four budgets to try, and for each a loss. Pearson's correlation says how well a straight line fits: 1 and -1
# are lines, 0 is none.


# %%
def pearson(a: Sequence[float] | torch.Tensor, b: Sequence[float] | torch.Tensor) -> float:
    """Return the correlation of n numbers with n others; both are lists, or tensors (n,).

    When all numbers of `a` or all of `b` are the same there is no line to fit: ValueError.

    >>> round(pearson([1, 2, 3, 4], [1, 3, 2, 5]), 4)
    0.8315
    """
    # BEGIN SOLUTION Task 9: Pearson's correlation
    a, b = (torch.as_tensor(numbers, dtype=torch.float64) for numbers in (a, b))  # (n,)
    if (a == a[0]).all() or (b == b[0]).all():
        raise ValueError("a constant has no correlation with anything")
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt())
    # END SOLUTION
