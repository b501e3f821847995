# Sentiment, final version (Aylin)
import csv
import random
import string
from collections import Counter

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset


def load_reviews(csv_path, seed=0):
    with open(csv_path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    for needed in ("review", "sentiment"):
        if not rows or needed not in rows[0]:
            raise ValueError(f"{needed}: no such column")
    rng = random.Random(seed)
    rng.shuffle(rows)
    n = len(rows)
    i, j = int(n * 0.7), int(n * 0.7) + int(n * 0.1)
    x = [r["review"] for r in rows]
    y = [r["sentiment"] for r in rows]
    return x[:i], x[i:j], x[j:], y[:i], y[i:j], y[j:]


def clean(text):
    for p in string.punctuation:
        text = text.replace(p, "")
    return text.lower().split()


def build_vocab(x_train, min_freq, hparams):
    counts = Counter()
    for text in x_train:
        counts.update(clean(text))
    vocab = {hparams.PAD_TOKEN: hparams.PAD_INDEX, hparams.UNK_TOKEN: hparams.UNK_INDEX}
    for word in sorted(counts):
        if counts[word] >= min_freq and word not in hparams.STOP_WORDS:
            vocab[word] = len(vocab)
    return vocab


def tokenize(vocab, example, hparams=None):
    stop = set(hparams.STOP_WORDS) if hparams else set()
    return [vocab.get(w, 1) for w in clean(example) if w not in stop]


class IMDB(Dataset):
    def __init__(self, x, y, vocab, max_length=256):
        self.samples = []
        for text, label in zip(x, y):
            ids = tokenize(vocab, text)[:max_length]
            self.samples.append({"ids": ids, "length": len(ids), "label": 1 if label == "positive" else 0})

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, idx):
        return self.samples[idx]


def collate(batch, pad_index):
    ids = [torch.LongTensor(s["ids"]) for s in batch]
    return {
        "ids": pad_sequence(ids, batch_first=True, padding_value=pad_index),
        "length": torch.LongTensor([s["length"] for s in batch]),
        "label": torch.LongTensor([s["label"] for s in batch]),
    }


class LSTM(nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim, n_layers, dropout_rate, pad_index,
                 bidirectional=False, **kwargs):
        super().__init__()
        self.n_dir = 2 if bidirectional else 1
        self.emb = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_index)
        self.rnn = nn.LSTM(embedding_dim, hidden_dim, n_layers, dropout=dropout_rate if n_layers > 1 else 0,
                           bidirectional=bidirectional, batch_first=True)
        self.drop = nn.Dropout(dropout_rate)
        self.out = nn.Linear(self.n_dir * hidden_dim, output_dim)
        if kwargs.get("weight_init_fn"):
            self.apply(kwargs["weight_init_fn"])

    def forward(self, ids, length):
        x = self.drop(self.emb(ids))                                     # B T E
        x = pack_padded_sequence(x, length.cpu(), batch_first=True, enforce_sorted=False)
        out, (h, c) = self.rnn(x)
        h = h.unflatten(0, (-1, self.n_dir))[-1]                          # dirs B H
        return self.out(self.drop(torch.cat(tuple(h), dim=1)))


if __name__ == "__main__":
    x_train, x_valid, x_test, y_train, y_valid, y_test = load_reviews("reviews.csv")
    print(len(x_train), len(x_valid), len(x_test))
