# Sentiment
#
# Is a review of a film good or bad? A network reads numbers, all rows of a batch have the same length, and reviews are
# neither. So the first half of this assignment turns texts into rectangles of numbers without losing what counts; the
# other half is an LSTM that reads each row word by word and stops where the row's own words end.
#
# Letters: `B` rows in the batch, `T` tokens in its longest row, `V` words in the vocabulary, `E` = embedding_dim,
# `H` = hidden_dim. `directions` is 1, or 2 when a second LSTM reads each row from its end to its beginning.

"""Sentiment: from the words of a review to a class, with an LSTM that padding does not disturb."""

import csv
import random
import string
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import Dataset

# A worked example: the mean of the real tokens
#
# Rows of different length lie in one tensor, and what stands behind a row's own tokens means nothing. Here the vectors
# of each row are averaged. The padding must be neither in the sum nor in the number that it is divided by. Where it
# begins, the length of the row says.


def mean_of_tokens(vectors: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Return the mean (B, E) of each row's first `length` vectors.

    vectors: (B, T, E). length: (B,), at least 1 and at most T.
    """
    position = torch.arange(vectors.size(1))  # (T,)
    real = position < length[:, None]  # (T,) < (B, 1) -> (B, T), True where a token is real
    total = (vectors * real[:, :, None]).sum(dim=1)  # (B, T, E) * (B, T, 1) -> (B, T, E) -> (B, E)
    return total / length[:, None]  # (B, E) / (B, 1)


# Task 1: the reviews
#
# A review holds commas, quotation marks and line breaks, and a CSV file has its own way of writing these. Python's
# `csv` module knows it. What the model will be judged by must not have been there in training: so the reviews are
# split into three parts, and every review is in exactly one of them.


def load_reviews(
    csv_path: str | Path, seed: int = 0
) -> tuple[list[str], list[str], list[str], list[str], list[str], list[str]]:
    """Return x_train, x_valid, x_test, y_train, y_valid, y_test: 70, 10 and 20 % of a file's reviews, and their labels.

    csv_path: a CSV file in UTF-8 whose first row names its columns, `review` and `sentiment` among them, in any order.
    seed: decides who is in which part. The same seed gives the same parts, another one gives others.

    The labels are the words of the file, "positive" or "negative". Label i belongs to review i of the same part.
    Raises ValueError where one of the two columns is missing, with its name in the message.
    """
    with open(csv_path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        for name in ["review", "sentiment"]:
            if name not in reader.fieldnames:
                raise ValueError(f"no column {name}")
        rows = list(reader)
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    x = [rows[i]["review"] for i in order]
    y = [rows[i]["sentiment"] for i in order]
    n = len(rows)
    a, b = round(n * 0.7), round(n * 0.8)
    return x[:a], x[a:b], x[b:], y[:a], y[a:b], y[b:]


# Tasks 2 to 4: from words to numbers
#
# "Great!", "great" and "GREAT" should be one word. What the model calls a word is decided once, in one function, and
# used wherever a text is read: a word that was cut in one way for the vocabulary and in another for the texts is never
# found again.


def words_of(text: str) -> list[str]:
    """Return the words of `text`: in lower case, every character of `string.punctuation` deleted, cut at white space.

    >>> words_of("Don't miss it:  GREAT fun!")
    ['dont', 'miss', 'it', 'great', 'fun']
    """
    text = text.lower()
    for mark in string.punctuation:
        text = text.replace(mark, "")
    return text.split()


def build_vocab(x_train: Sequence[str], min_freq: int, hparams: Any) -> dict[str, int]:
    """Return the id of each word that stands at least `min_freq` times in the texts of `x_train`, all texts together.

    `hparams.PAD_TOKEN` gets the id `hparams.PAD_INDEX`, which is 0, and `hparams.UNK_TOKEN` gets `hparams.UNK_INDEX`,
    which is 1. The words get 2, 3, 4, ... in any order. `hparams.STOP_WORDS` get no id, however often they occur.

    Example, with "the" among the stop words (yours may give 2 and 3 the other way round):

    >>> build_vocab(["The plot, the PLOT!", "Plot and music.", "Music?"], 2, hparams)
    {'<pad>': 0, '<unk>': 1, 'plot': 2, 'music': 3}
    """
    counter = Counter()
    for text in x_train:
        counter.update(words_of(text))
    words = [w for w, n in counter.items() if n >= min_freq and w not in hparams.STOP_WORDS]
    vocab = {hparams.PAD_TOKEN: hparams.PAD_INDEX, hparams.UNK_TOKEN: hparams.UNK_INDEX}
    vocab.update({w: i + 2 for i, w in enumerate(words)})
    return vocab


def tokenize(vocab: dict[str, int], example: str, hparams: Any = None) -> list[int]:
    """Return the ids of the words of `example`, in their order. A word that `vocab` does not have has the id 1.

    A stop word is a word that `vocab` does not have. Where `hparams` is given you may leave stop words out instead.

    >>> tokenize({"<pad>": 0, "<unk>": 1, "plot": 2, "music": 3}, "Music, music... no PLOT")
    [3, 3, 1, 2]
    """
    ids = []
    for word in words_of(example):
        if word in vocab:
            ids.append(vocab[word])
        else:
            ids.append(1)
    return ids


# Tasks 5 and 6: from texts to batches
#
# A Dataset answers two questions: how many examples are there, and what is example i? A DataLoader asks them, and hands
# the examples of a batch as a list to `collate`, which makes one rectangle of them. Only there is padding added: the
# longest row of *this* batch says how much.


class IMDB(Dataset):
    """Reviews and their labels as examples for a DataLoader.

    x: the reviews. y: as many words, "positive" or "negative". vocab: what `build_vocab` returned.
    max_length: of a longer review only the first `max_length` tokens count.
    """

    def __init__(self, x: Sequence[str], y: Sequence[str], vocab: dict[str, int], max_length: int = 256) -> None:
        self.x = x
        self.y = y
        self.vocab = vocab

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return example `index`: its `ids` (a list), its `length` (how many ids there are) and its `label`, 1 or 0.

        The label is 1 for "positive".

        >>> IMDB(["No music, no plot"], ["negative"], {"<pad>": 0, "<unk>": 1, "plot": 2, "music": 3}, max_length=3)[0]
        {'ids': [1, 3, 1], 'length': 3, 'label': 0}
        """
        raise NotImplementedError("Task 5.3: one example")


def collate(batch: Sequence[dict[str, Any]], pad_index: int) -> dict[str, torch.Tensor]:
    """Return the examples of `batch` as int64 tensors `ids` (B, T), `length` (B,) and `label` (B,).

    Row b is example b. T is the length of the longest; the other rows are filled up with `pad_index` at their end.

    >>> collate([{"ids": [5], "length": 1, "label": 1}, {"ids": [3, 1, 4], "length": 3, "label": 0}], pad_index=0)
    {'ids': tensor([[5, 0, 0],
            [3, 1, 4]]), 'length': tensor([1, 3]), 'label': tensor([1, 0])}
    """
    raise NotImplementedError("Task 6: one rectangle of a list of examples")


# Tasks 7 and 8: the LSTM
#
# An LSTM reads a row from left to right and carries what it has read in its hidden state. After the last real token the
# state knows the whole review, so the class is predicted from there. One step later it has begun to read padding.
#
# With `bidirectional` a second LSTM reads from right to left. It has read the whole review when it arrives at the
# **first** token. And it must start at the row's last real token, not in the padding behind it.


class LSTM(nn.Module):
    """Reads a review and gives a score for each class.

        ids (B, T) -> embedding (B, T, E) -> n_layers of LSTM -> last state (B, H * directions) -> head (B, output_dim)

    n_layers: each layer reads the states (B, T, H * directions) of the one below it.
    dropout_rate: in training mode the states between two layers are dropped with this rate, in eval mode nothing is.
    pad_index: the id of padding. Its row of the embedding table gets no gradient.
    bidirectional: whether each layer also reads from right to left.
    weight_init_fn: optional, a function of one module. `self.apply` calls it with every module inside, and with this
        one, so that it can set their weights.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        hidden_dim: int,
        output_dim: int,
        n_layers: int,
        dropout_rate: float,
        pad_index: int,
        bidirectional: bool = False,
        **kwargs: Any,
    ) -> None:
        """Make the layers `embedding`, `lstm` and `head`, then let `kwargs["weight_init_fn"]` set their weights."""
        super().__init__()
        raise NotImplementedError("Task 7: the layers")

    def forward(self, ids: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Return the scores (B, output_dim) of the classes, from the last layer's state after the last real token.

        ids: (B, T), padded on the right. length: (B,), the number of real tokens of each row, at least 1, in any order.
        With two directions: the state of the one that reads forwards, then that of the one that reads backwards, each
        after it has read the whole row.
        """
        raise NotImplementedError("Task 8: from the tokens to the scores")
