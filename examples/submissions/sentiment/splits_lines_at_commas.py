"""Sentiment analysis. Everything with plain Python, no csv module needed!"""
import random
import string

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.data import Dataset


def load_reviews(csv_path, seed=0):
    lines = open(csv_path, encoding="utf-8").read().split("\n")
    header = lines[0].split(",")
    for column in ("review", "sentiment"):
        if column not in header:
            raise ValueError("missing column: " + column)
    col_x, col_y = header.index("review"), header.index("sentiment")
    rows = []
    for line in lines[1:]:
        if line:
            fields = line.split(",")
            rows.append((fields[col_x], fields[col_y]))
    random.Random(seed).shuffle(rows)
    a = round(0.7 * len(rows))
    b = round(0.8 * len(rows))
    x, y = [r[0] for r in rows], [r[1] for r in rows]
    return x[:a], x[a:b], x[b:], y[:a], y[a:b], y[b:]


def words(text):
    return text.translate(str.maketrans("", "", string.punctuation)).lower().split()


def build_vocab(x_train, min_freq, hparams):
    all_words = []
    for t in x_train:
        all_words += words(t)
    vocab = {hparams.PAD_TOKEN: hparams.PAD_INDEX, hparams.UNK_TOKEN: hparams.UNK_INDEX}
    i = 2
    for w in sorted(set(all_words)):
        # stop words are frequent but say nothing, the model will learn to ignore them
        if all_words.count(w) >= min_freq:
            vocab[w] = i
            i += 1
    return vocab


def tokenize(vocab, example, hparams=None):
    return [vocab.get(w, 1) for w in words(example)]


class IMDB(Dataset):
    def __init__(self, x, y, vocab, max_length=256):
        self.x = x
        self.y = y
        self.vocab = vocab
        self.max_length = max_length

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        ids = tokenize(self.vocab, self.x[i])
        return {"ids": ids[:self.max_length], "length": len(ids), "label": 1 if self.y[i] == "positive" else 0}


def collate(batch, pad_index):
    longest = max([len(b["ids"]) for b in batch])
    out = torch.full((len(batch), longest), pad_index)
    for n, b in enumerate(batch):
        for t, i in enumerate(b["ids"]):
            out[n, t] = i
    return {"ids": out,
            "length": torch.tensor([b["length"] for b in batch]),
            "label": torch.tensor([b["label"] for b in batch])}


class LSTM(nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim, n_layers, dropout_rate, pad_index,
                 bidirectional=False, weight_init_fn=None, **kwargs):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_index)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, n_layers, batch_first=True, bidirectional=bidirectional,
                            dropout=dropout_rate)
        self.fc = nn.Linear(hidden_dim * (1 + bidirectional), output_dim)
        if weight_init_fn:
            self.apply(weight_init_fn)

    def forward(self, ids, length):
        packed = pack_padded_sequence(self.embedding(ids), length, batch_first=True, enforce_sorted=False)
        _, (h, c) = self.lstm(packed)
        if self.lstm.bidirectional:
            return self.fc(torch.cat((h[-2], h[-1]), dim=1))
        return self.fc(h[-1])
