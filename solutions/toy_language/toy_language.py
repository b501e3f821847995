# %% [markdown]
# # A toy language
#
# A language of 37 words and three rules is small enough to know everything about it: which sentences there are, how
# likely each of them is, and how good a model of it can be at best. You write the machine that makes its sentences,
# turn them into numbers, and train a model that has to find the rules out by itself, from sentences alone.
#
# Letters: `B` rows in the batch, `T` tokens in its longest row, `V` = 39 entries of the dictionary.

# %%
"""A toy language: sentences from a grammar, batches of them, and a model that learns the grammar from these."""

import random
from collections.abc import Iterable, Mapping, Sequence

import torch
from rules import RULES, WORD_MAP
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

END, PADDING = "<end>", "<pad>"  # two entries of the dictionary that are no words
BLOCK_SIZE = 24  # the longest sentence has 21 words, and its end token is one more

# %% [markdown]
# ## A worked example: a weighted coin of sentences
#
# How many words does a noun phrase, `NP`, have on average? Each of its expansions is as likely as the others. With
# `rules["NP"]` from `rules.py` that is (2 + 3 + 4 + 4) / 4.


# %%
def mean_length(symbol: str, rules: Mapping[str, list[list[str]]]) -> float:
    """Return how many symbols the expansions of `symbol` have on average.

    >>> mean_length("NP", RULES)
    3.25
    """
    expansions = rules[symbol]  # a list of lists
    return sum(len(expansion) for expansion in expansions) / len(expansions)


# %% [markdown]
# ## Task 1: a sentence
#
# Start with the one symbol `S`, at depth 0. Replace every symbol that has rules by one of its expansions, all on one
# level before the next level begins. What is left are parts of speech, and each becomes a word.


# %%
def generate_sentence(
    rules: Mapping[str, list[list[str]]],
    word_map: Mapping[str, list[str]],
    max_depth: int = 3,
    rng: random.Random | None = None,
) -> list[str]:
    """Return the words of one sentence, drawn from the grammar.

    rules: the expansions of each symbol. A symbol that is no key is a part of speech.
    word_map: the words of each part of speech.
    max_depth: at this depth and below, a symbol's last expansion is not chosen any more, unless it is the only one.
    rng: where every random number comes from; None: from Python's own `random`.

    Example: S -> NP VP, NP -> Article N, VP -> IV with max_depth=3

        depth 0   S
        depth 1   NP VP
        depth 2   Article N IV
        words     the fox sleeps
    """
    # BEGIN SOLUTION Task 1: a sentence
    choice = random.choice if rng is None else rng.choice
    symbols, depth = ["S"], 0
    while any(symbol in rules for symbol in symbols):
        level: list[str] = []  # the symbols one level deeper
        for symbol in symbols:
            if symbol not in rules:
                level.append(symbol)  # a part of speech stays what it is
                continue
            expansions = rules[symbol]
            if depth >= max_depth and len(expansions) > 1:
                expansions = expansions[:-1]
            level += choice(expansions)
        symbols, depth = level, depth + 1
    return [choice(word_map[symbol]) for symbol in symbols]
    # END SOLUTION


# %% [markdown]
# ## Tasks 2 and 3: words and numbers
#
# A model reads numbers. The dictionary gives one to each word, and two more: to the token that ends a sentence, and to
# the one that fills up what is shorter than its batch.


# %%
def build_dictionary(word_map: Mapping[str, list[str]]) -> dict[str, int]:
    """Return the ids 0, 1, 2, ... of all words, of `END` and of `PADDING`. The same words always get the same ids.

    Example: for {"N": ["fox"], "IV": ["sings", "waits"]} there are five entries, with the ids 0 to 4.
    """
    # BEGIN SOLUTION Task 2: the dictionary
    words = [word for part in word_map.values() for word in part]  # in the order in which they are written down
    return {entry: number for number, entry in enumerate([*words, END, PADDING])}
    # END SOLUTION


# %%
def encode(words: Sequence[str], dictionary: Mapping[str, int]) -> list[int]:
    """Return the ids of the words, and nothing else."""
    # BEGIN SOLUTION Task 3: from words to ids
    return [dictionary[word] for word in words]
    # END SOLUTION


# %%
def decode(ids: Iterable[int], dictionary: Mapping[str, int]) -> list[str]:
    """Return the words that stand before the first `END` or `PADDING`.

    Example: the ids of `the fox sings <end> <pad> <pad>` give ["the", "fox", "sings"].
    """
    # BEGIN SOLUTION Task 3: and back
    entries = {number: entry for entry, number in dictionary.items()}
    words: list[str] = []
    for number in ids:
        entry = entries[int(number)]  # int: a tensor of one number is not the number itself
        if entry in (END, PADDING):
            break
        words.append(entry)
    return words
    # END SOLUTION


# %% [markdown]
# ## Task 4: batches
#
# Sentences differ in length, a tensor is a rectangle. A row holds one whole sentence, its end token, and then padding.


# %%
def batch_sampler(batch_size: int, max_len: int, rng: random.Random | None = None) -> torch.Tensor:
    """Return batch_size new sentences as ids (B, T), int64, T at most max_len.

    A sentence that does not fit into max_len together with its end token is left, and another one drawn.

    Example: two rows of a batch, in words

        the fox sings <end> <pad> <pad>
        a pirate hears the mouse <end>
    """
    # BEGIN SOLUTION Task 4: batches
    dictionary = build_dictionary(WORD_MAP)
    rows: list[torch.Tensor] = []
    while len(rows) < batch_size:
        ids = [*encode(generate_sentence(RULES, WORD_MAP, rng=rng), dictionary), dictionary[END]]
        if len(ids) <= max_len:
            rows.append(torch.tensor(ids))
    return pad_sequence(rows, batch_first=True, padding_value=dictionary[PADDING])  # (B, T)
    # END SOLUTION


# %% [markdown]
# ## Task 5: a model of the language
#
# `WordModel` is one that is small and learns fast. Use it, or one of your own with the same form: `model(idx)` returns
# `(logits, loss)`, and `model.block_size` says how many tokens it can read at once. The logits at position `t` are
# about the token at `t + 1`, and know of the tokens up to `t` only.


# %%
class WordModel(nn.Module):
    """A GRU reads the tokens from left to right; what it has in mind after each of them says what may come next."""

    def __init__(self, vocab_size: int, embedding: int = 32, hidden: int = 64) -> None:
        super().__init__()
        self.block_size = BLOCK_SIZE
        self.embedding = nn.Embedding(vocab_size, embedding)
        self.gru = nn.GRU(embedding, hidden, batch_first=True)
        self.head = nn.Linear(hidden, vocab_size)

    def forward(
        self, idx: torch.Tensor, targets: torch.Tensor | None = None, padding: int = -1
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the logits (B, T, V), and with targets (B, T) the mean loss over those that are not `padding`."""
        # BEGIN SOLUTION Task 5: the model
        states, _ = self.gru(self.embedding(idx))  # (B, T, hidden), the state after each token
        logits = self.head(states)  # (B, T, V)
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=padding)
        # END SOLUTION


# %%
def train(seed: int, steps: int) -> nn.Module:
    """Return a model after `steps` steps of training, each on a new batch. The same seed gives the same model."""
    # BEGIN SOLUTION Task 5: training
    torch.manual_seed(seed)  # for the first weights
    rng = random.Random(seed)  # for the sentences
    dictionary = build_dictionary(WORD_MAP)
    model = WordModel(len(dictionary))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=steps)
    for _ in range(steps):
        batch = batch_sampler(32, BLOCK_SIZE, rng)  # (B, T)
        _, loss = model(batch[:, :-1], batch[:, 1:], padding=dictionary[PADDING])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()  # smaller and smaller steps: the last ones settle what the first ones found
    return model.eval()
    # END SOLUTION
