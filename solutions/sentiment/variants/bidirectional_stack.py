"""A stack of one-layer LSTMs, each with both directions, packed once and handed on packed."""
from __future__ import annotations

import csv
import string
from collections import Counter
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_sequence
from torch.utils.data import Dataset


def load_reviews(csv_path, seed: int = 0):
    with open(csv_path, newline="", encoding="utf8") as f:
        header, *rows = [row for row in csv.reader(f) if row]
    missing = {"review", "sentiment"} - set(header)
    if missing:
        raise ValueError("missing: " + ", ".join(sorted(missing)))
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).tolist()
    x, y = ([rows[i][header.index(name)] for i in order] for name in ("review", "sentiment"))
    a, b = int(len(rows) * 0.7), int(len(rows) * 0.8)
    return x[:a], x[a:b], x[b:], y[:a], y[a:b], y[b:]


def normalise(text: str) -> list[str]:
    lowered = reduce(lambda t, mark: t.replace(mark, ""), string.punctuation, text.lower())
    return [word for word in lowered.split(" ") for word in word.split()]


def build_vocab(x_train: list[str], min_freq: int, hparams) -> dict[str, int]:
    counts = sum((Counter(normalise(text)) for text in x_train), Counter())
    words = [w for w in counts if counts[w] >= min_freq and w not in hparams.STOP_WORDS]
    special = {hparams.PAD_TOKEN: hparams.PAD_INDEX, hparams.UNK_TOKEN: hparams.UNK_INDEX}
    return special | {word: number for number, word in enumerate(words, start=2)}


def tokenize(vocab: dict[str, int], example: str, hparams=None) -> list[int]:
    return [vocab.get(word, hparams.UNK_INDEX if hparams else 1) for word in normalise(example)]


@dataclass
class IMDB(Dataset):
    x: list[str]
    y: list[str]
    vocab: dict[str, int]
    max_length: int = 256

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict:
        ids = tokenize(self.vocab, self.x[index])
        length = min(len(ids), self.max_length)
        return {"ids": ids[:length], "length": length, "label": int(self.y[index] != "negative")}


def collate(batch: list[dict], pad_index: int) -> dict[str, Tensor]:
    columns = {key: [item[key] for item in batch] for key in ("ids", "length", "label")}
    ids = pad_sequence([torch.tensor(row, dtype=torch.int64) for row in columns["ids"]], padding_value=pad_index)
    return {"ids": ids.T, "length": torch.as_tensor(columns["length"]), "label": torch.as_tensor(columns["label"])}


class LSTM(nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim, n_layers, dropout_rate, pad_index,
                 bidirectional=False, **kwargs):
        super().__init__()
        directions = 2 if bidirectional else 1
        self.head = nn.Linear(hidden_dim * directions, output_dim)
        self.layers = nn.ModuleList(
            nn.LSTM(embedding_dim if i == 0 else hidden_dim * directions, hidden_dim, bidirectional=bidirectional)
            for i in range(n_layers)
        )
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_index)
        self.between = nn.Dropout(dropout_rate)
        if (init := kwargs.get("weight_init_fn")) is not None:
            self.apply(init)

    def forward(self, ids: Tensor, length: Tensor) -> Tensor:
        states = pack_padded_sequence(self.embedding(ids), length, batch_first=True, enforce_sorted=False)
        for number, layer in enumerate(self.layers):
            if number > 0:
                # dropout acts on the packed steps, and the packing stays as it is
                states = PackedSequence(self.between(states.data), *states[1:])
            states, (h, _) = layer(states)  # h: (directions, B, H)
        return self.head(torch.cat(list(h), dim=-1))
