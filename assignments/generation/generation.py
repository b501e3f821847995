# Generation
#
# A language model does one thing: given some tokens, it says how likely each token of the vocabulary is to come next.
# To write a text with it, pick a token, append it, and ask again. What you pick, and from how much of the model's
# answer, decides whether the text is dull, lively or nonsense.
#
# Letters: `B` rows in the batch, `T` tokens in the prompt, `V` tokens in the vocabulary. Token ids are int64.

"""Generation: one token after another, each chosen from what a language model says comes next."""

import torch
from torch import nn
from torch.nn import functional as F

# A model to try your code on
#
# It needs no training, and you know what it should say: after hour 3 comes hour 4, and after hour 4 hour 0. It is not
# quite sure of that. Like every model here it returns its logits together with a loss (which you do not need), and it
# has a `block_size`: longer texts it cannot read.


class Clock(nn.Module):
    """A language model of five tokens, the hours 0 to 4. It expects the next hour with probability 0.6488.

    Each of the other four hours gets 0.0878: the logits are 2 and four times 0, and e^2 / (e^2 + 4) = 0.6488.
    """

    block_size = 3

    def forward(self, idx: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return the logits (B, T, V) of the token after each token of idx (B, T), and no loss."""
        if idx.size(1) > self.block_size:
            raise ValueError(f"the clock reads {self.block_size} tokens at most, and it was given {idx.size(1)}")
        return 2.0 * F.one_hot((idx + 1) % 5, num_classes=5), None  # (B, T) -> (B, T, V)


# A worked example: how likely is a text that is already there?
#
# The model answers at every position at once: the logits at position `t` are about the token at position `t + 1`. So
# the answer at the last position is about a token that does not exist yet. Here it is dropped; you will need nothing
# else.


def text_probabilities(model: nn.Module, idx: torch.Tensor) -> torch.Tensor:
    """Return the probability (B, T - 1) of each token of idx (B, T) but the first, given the tokens before it.

    >>> text_probabilities(Clock(), torch.tensor([[1, 2, 0]]))
    tensor([[0.6488, 0.0878]])
    """
    with torch.no_grad():  # nobody will train on this: without a history it is faster, and nothing piles up
        logits, _ = model(idx)  # (B, T, V)
    probs = logits[:, :-1].softmax(dim=-1)  # (B, T - 1, V)
    actual = idx[:, 1:, None]  # (B, T - 1, 1): the tokens that really came next
    return probs.gather(-1, actual)[:, :, 0]  # out of V probabilities, the one at the actual token


# Task 1: from logits to a distribution
#
# A softmax makes probabilities of logits. Two things change them first. The **temperature** divides the logits: below 1
# likely tokens become likelier, above 1 all tokens become more alike. And **top-k** lets only the k most likely tokens
# take part.


def next_token_distribution(logits: torch.Tensor, temperature: float, top_k: int | None = None) -> torch.Tensor:
    """Return the probabilities (B, V) of the next token; each row sums to one.

    logits: (B, V), or (B, T, V) as a model returns them; of these only the last position counts.
    temperature: above 0; the logits are divided by it.
    top_k: only the `top_k` most likely tokens keep a probability, and they share out all of it. None, V or more: all.

    Example: e^2, e^1 and e^0 are 7.389, 2.718 and 1. Their sum is 11.107; that of the first two is 10.107.

    >>> logits = torch.tensor([[2.0, 1.0, 0.0]])
    >>> next_token_distribution(logits, temperature=1.0)
    tensor([[0.6652, 0.2447, 0.0900]])
    >>> next_token_distribution(logits, temperature=1.0, top_k=2)
    tensor([[0.7311, 0.2689, 0.0000]])
    """
    raise NotImplementedError("Task 1: from logits to a distribution")


# Task 2: one more token
#
# All three functions below take the same step again and again, so it is worth a function of its own. It is not graded
# by itself: when you like another way of sharing the work better, change it or drop it.


def next_token(
    model: nn.Module,
    idx: torch.Tensor,
    temperature: float,
    do_sample: bool,
    top_k: int | None,
    generator: torch.Generator | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the next token of each row (B, 1), and the distribution (B, V) that it was chosen from.

    The model is shown the last `model.block_size` tokens of idx (B, T), or all when there are fewer, and keeps no
    gradient. A token is drawn from the distribution, with the numbers of `generator` when there is one; without
    `do_sample` it is the most likely token. Raises ValueError when temperature is not above 0.
    """
    raise NotImplementedError("Task 2: one more token")


# Task 3: generate
#
# Choose a token, append it to the text, and go on with the longer text.


def generate(
    model: nn.Module,
    idx: torch.Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    do_sample: bool = True,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return the prompt idx (B, T) with max_new_tokens more tokens behind it: (B, T + max_new_tokens).

    >>> generate(Clock(), torch.tensor([[2], [0]]), max_new_tokens=4, do_sample=False)
    tensor([[2, 3, 4, 0, 1],
            [0, 1, 2, 3, 4]])
    """
    raise NotImplementedError("Task 3: generate")


# Tasks 4 and 5: look over its shoulder
#
# The same loop, but it also says how sure the model was, and what else it could have said.


def generate_with_probabilities(
    model: nn.Module,
    idx: torch.Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    do_sample: bool = True,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `generate` returns, and how likely each of its tokens was: both (B, T + max_new_tokens).

    A probability is that of the distribution the token was chosen from, with do_sample=False as well. The tokens of
    the prompt were not chosen: they get 1.0.

    >>> idx, probs = generate_with_probabilities(Clock(), torch.tensor([[2]]), max_new_tokens=2, do_sample=False)
    >>> probs
    tensor([[1.0000, 0.6488, 0.6488]])
    """
    raise NotImplementedError("Task 4: generate, and say how likely each token was")


def generate_with_alternatives(
    model: nn.Module,
    idx: torch.Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    do_sample: bool = True,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
    k: int = 6,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what `generate` returns, and at each new token the k likeliest tokens and their probabilities.

    The other two results are (B, max_new_tokens, k), the most likely token first. They are taken from the distribution
    the token was chosen from, and have nothing to do with `top_k`. k is at most V.

    >>> prompt = torch.tensor([[2]])
    >>> idx, top_ids, top_probs = generate_with_alternatives(Clock(), prompt, max_new_tokens=3, do_sample=False, k=2)
    >>> top_ids[0, :, 0], top_probs[0, 1]
    (tensor([3, 4, 0]), tensor([0.6488, 0.0878]))
    """
    raise NotImplementedError("Task 5: generate, and say what else was likely")
