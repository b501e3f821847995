"""Step by step with LSTMCell: a row whose tokens are used up keeps the state that it has."""
import csv
import math
import random
import string
from collections import defaultdict

import torch
import torch.nn as nn


def load_reviews(csv_path, seed=0):
    reviews, labels = [], []
    with open(csv_path, encoding="utf-8", newline="") as f:
        for row in csv.DictReader(f):
            for column in ("review", "sentiment"):
                if row.get(column) is None:
                    raise ValueError("There is no column " + column)
            reviews.append(row["review"])
            labels.append(row["sentiment"])
    n = len(reviews)
    index = random.Random(seed).sample(range(n), n)
    n_test = math.ceil(0.2 * n)
    n_valid = math.ceil(0.125 * (n - n_test))  # an eighth of the rest is a tenth of all
    splits = [index[n_test + n_valid:], index[n_test:n_test + n_valid], index[:n_test]]
    return tuple([texts[i] for i in split] for texts in (reviews, labels) for split in splits)


def clean(text):
    text = text.lower()
    for mark in string.punctuation:
        text = text.replace(mark, "")
    return text.split()


def build_vocab(x_train, min_freq, hparams):
    counts = defaultdict(int)
    for x in x_train:
        for w in clean(x):
            if w not in hparams.STOP_WORDS:
                counts[w] += 1
    frequent = [w for w, c in sorted(counts.items(), key=lambda wc: -wc[1]) if c >= min_freq]
    vocab = {w: i + 2 for i, w in enumerate(frequent)}
    vocab.update({hparams.PAD_TOKEN: hparams.PAD_INDEX, hparams.UNK_TOKEN: hparams.UNK_INDEX})
    return vocab


def tokenize(vocab, example, hparams=None):
    ids = []
    for w in clean(example):
        try:
            ids.append(vocab[w])
        except KeyError:
            ids.append(1)
    return ids


class IMDB(torch.utils.data.Dataset):
    def __init__(self, x, y, vocab, max_length=256):
        self.x, self.y, self.vocab, self.max_length = x, y, vocab, max_length

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        ids = [t for k, t in enumerate(tokenize(self.vocab, self.x[i])) if k < self.max_length]
        return {"ids": ids, "length": len(ids), "label": ["negative", "positive"].index(self.y[i])}


def collate(batch, pad_index):
    ids = nn.utils.rnn.pad_sequence([torch.tensor(b["ids"]) for b in batch], True, pad_index)
    return {
        "ids": ids,
        "length": torch.tensor([len(b["ids"]) for b in batch]),
        "label": torch.tensor([b["label"] for b in batch]),
    }


class LSTM(nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim, n_layers, dropout_rate, pad_index,
                 bidirectional=False, **kwargs):
        super().__init__()
        D = 1 + int(bidirectional)
        self.emb = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_index)
        self.cells = nn.ModuleList()
        for layer in range(n_layers):
            for _ in range(D):
                self.cells.append(nn.LSTMCell(embedding_dim if layer == 0 else D * hidden_dim, hidden_dim))
        self.linear = nn.Linear(D * hidden_dim, output_dim)
        self.n_layers, self.D, self.H, self.p = n_layers, D, hidden_dim, dropout_rate
        if kwargs.get("weight_init_fn", None) is not None:
            self.apply(kwargs["weight_init_fn"])

    def run(self, cell, x, length, times):
        B, T, _ = x.shape
        h = c = torch.zeros(B, self.H)
        outputs = [None] * T
        for t in times:
            h_new, c_new = cell(x[:, t], (h, c))
            alive = (t < length).unsqueeze(1)  # (B, 1)
            h, c = torch.where(alive, h_new, h), torch.where(alive, c_new, c)
            outputs[t] = h
        return torch.stack(outputs, dim=1), h

    def forward(self, ids, length):
        x = self.emb(ids)
        T = ids.size(1)
        for layer in range(self.n_layers):
            if layer:
                x = nn.functional.dropout(x, self.p, training=self.training)
            directions = [range(T), range(T - 1, -1, -1)][: self.D]
            results = [
                self.run(self.cells[layer * self.D + d], x, length, times) for d, times in enumerate(directions)
            ]
            x = torch.cat([outputs for outputs, _ in results], dim=2)
            last = torch.cat([h for _, h in results], dim=1)
        return self.linear(last)
