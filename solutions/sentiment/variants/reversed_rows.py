"""No packing at all: for the way back each row is turned around within its own length, and what padding computes is
never looked at. A list of one-layer LSTMs, one list per direction.
"""
import csv
import random
from string import punctuation

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils import data


def load_reviews(csv_path, seed=0):
    """Each label is split by itself, so that it has the same share in all three parts."""
    with open(csv_path, encoding="utf-8", newline="") as f:
        reader = csv.reader(f)
        names = next(reader)
        for name in ("review", "sentiment"):
            if names.count(name) != 1:
                raise ValueError(f"expected one column {name!r}, found {names}")
        review, sentiment = names.index("review"), names.index("sentiment")
        by_label = {}
        for row in reader:
            by_label.setdefault(row[sentiment], []).append(row[review])
    x, y = ([], [], []), ([], [], [])
    rng = random.Random(seed)
    for label in sorted(by_label):
        texts = by_label[label]
        rng.shuffle(texts)
        cuts = [0, round(0.7 * len(texts)), round(0.8 * len(texts)), len(texts)]
        for part in range(3):
            some = texts[cuts[part]:cuts[part + 1]]
            x[part].extend(some)
            y[part].extend([label] * len(some))
    return *x, *y


def split_words(text: str) -> list[str]:
    return "".join(c for c in text if c not in punctuation).lower().split()


def build_vocab(x_train, min_freq, hparams):
    all_words = [w for text in x_train for w in split_words(text)]
    vocab = {hparams.PAD_TOKEN: 0, hparams.UNK_TOKEN: 1}
    for w in all_words:
        if w in hparams.STOP_WORDS or w in vocab:
            continue
        if all_words.count(w) >= min_freq:
            vocab[w] = max(vocab.values()) + 1
    return vocab


def tokenize(vocab, example, hparams=None):
    words = split_words(example)
    if hparams is not None:
        words = filter(lambda w: w not in hparams.STOP_WORDS, words)
    return [vocab[w] if w in vocab else vocab["<unk>"] for w in words]


class IMDB(data.Dataset):
    def __init__(self, x, y, vocab, max_length=256):
        super().__init__()
        self.ids = [tokenize(vocab, text)[:max_length] for text in x]
        self.labels = [1 if word == "positive" else 0 for word in y]

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, n):
        return {"ids": self.ids[n], "label": self.labels[n], "length": len(self.ids[n])}


def collate(batch, pad_index):
    ids, lengths, labels = zip(*((b["ids"], b["length"], b["label"]) for b in batch))
    width = max(lengths)
    rows = [F.pad(torch.tensor(row, dtype=torch.long), (0, width - len(row)), value=pad_index) for row in ids]
    return {"ids": torch.stack(rows), "length": torch.tensor(lengths), "label": torch.tensor(labels)}


class LSTM(nn.Module):
    def __init__(
        self,
        vocab_size,
        embedding_dim,
        hidden_dim,
        output_dim,
        n_layers,
        dropout_rate,
        pad_index,
        bidirectional=False,
        weight_init_fn=None,
    ):
        super().__init__()
        directions = 2 if bidirectional else 1
        widths = [embedding_dim] + [hidden_dim * directions] * (n_layers - 1)
        self.table = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_index)
        self.ahead = nn.ModuleList(nn.LSTM(width, hidden_dim, batch_first=True) for width in widths)
        if bidirectional:
            self.back = nn.ModuleList(nn.LSTM(width, hidden_dim, batch_first=True) for width in widths)
        else:
            self.back = None
        self.drop = nn.Dropout(dropout_rate)
        self.out = nn.Linear(hidden_dim * directions, output_dim)
        if weight_init_fn:
            self.apply(weight_init_fn)

    @staticmethod
    def turned(x, length):
        """Each row (T, F) of x (B, T, F) from its last real token to its first; padding stays where it is."""
        t = torch.arange(x.size(1)).expand(x.size(0), -1)  # (B, T)
        source = torch.where(t < length[:, None], length[:, None] - 1 - t, t)  # (B, T)
        return x.gather(1, source[:, :, None].expand_as(x))

    def forward(self, ids, length):
        x = self.table(ids)  # (B, T, E)
        for level, lstm in enumerate(self.ahead):
            if level > 0:
                x = self.drop(x)
            h, _ = lstm(x)
            if self.back is not None:
                b, _ = self.back[level](self.turned(x, length))
                x = torch.cat([h, self.turned(b, length)], dim=-1)  # (B, T, 2H)
            else:
                x = h
        rows = torch.arange(len(ids))
        last = x[rows, length - 1]  # (B, H) or (B, 2H)
        if self.back is not None:
            H = last.size(1) // 2
            last = torch.cat([last[:, :H], x[:, 0, H:]], dim=1)
        return self.out(last)
