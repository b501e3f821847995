"""Unpacks the outputs again and picks two of them per row. The texts are tokenised once, when the dataset is made."""
import csv
import random
import string
from collections import Counter

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

DELETE = {ord(c): None for c in string.punctuation}


def load_reviews(csv_path, seed=0):
    data = list(csv.DictReader(open(csv_path, encoding="utf-8")))
    for name in ["review", "sentiment"]:
        if name not in data[0]:
            raise ValueError(f"column '{name}' not found in {csv_path}")
    random.seed(seed)
    random.shuffle(data)
    n_test = round(0.2 * len(data))
    n_valid = round(0.1 * len(data))
    test, valid, train = data[:n_test], data[n_test:n_test + n_valid], data[n_test + n_valid:]
    x = [[d["review"] for d in part] for part in (train, valid, test)]
    y = [[d["sentiment"] for d in part] for part in (train, valid, test)]
    return (*x, *y)


def normalize(text):
    return text.translate(DELETE).lower().split()


def build_vocab(x_train, min_freq, hparams):
    counter = Counter()
    for review in x_train:
        counter.update(normalize(review))
    for stop_word in hparams.STOP_WORDS:
        counter.pop(stop_word, None)
    words = sorted(w for w, n in counter.items() if n >= min_freq)
    itos = [hparams.PAD_TOKEN, hparams.UNK_TOKEN, *words]
    return {w: i for i, w in enumerate(itos)}


def tokenize(vocab, example, hparams=None):
    unk = vocab[hparams.UNK_TOKEN] if hparams else 1
    return [vocab.get(w, unk) for w in normalize(example)]


class IMDB(torch.utils.data.Dataset):
    def __init__(self, x, y, vocab, max_length=256):
        self.examples = []
        for review, sentiment in zip(x, y):
            ids = tokenize(vocab, review)[:max_length]
            self.examples.append(dict(ids=ids, length=len(ids), label={"negative": 0, "positive": 1}[sentiment]))

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, i):
        return self.examples[i]


def collate(batch, pad_index):
    T = max(d["length"] for d in batch)
    return {
        "ids": torch.tensor([d["ids"] + [pad_index] * (T - d["length"]) for d in batch], dtype=torch.long),
        "length": torch.tensor([d["length"] for d in batch]),
        "label": torch.tensor([d["label"] for d in batch]),
    }


class LSTM(nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim, n_layers, dropout_rate, pad_index,
                 bidirectional=False, **kwargs):
        super().__init__()
        self.bidirectional = bidirectional
        self.hidden_dim = hidden_dim
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_index)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, num_layers=n_layers, bidirectional=bidirectional,
                            dropout=dropout_rate if n_layers > 1 else 0, batch_first=True)
        self.fc = nn.Linear(hidden_dim * (2 if bidirectional else 1), output_dim)
        self.dropout = nn.Dropout(dropout_rate)
        if "weight_init_fn" in kwargs and kwargs["weight_init_fn"]:
            self.apply(kwargs["weight_init_fn"])

    def forward(self, ids, length):
        embedded = self.dropout(self.embedding(ids))  # b t e
        packed = pack_padded_sequence(embedded, length, batch_first=True, enforce_sorted=False)
        output, _ = self.lstm(packed)
        output, _ = pad_packed_sequence(output, batch_first=True)  # b t (2)h
        index = (length - 1).view(-1, 1, 1).expand(-1, 1, self.hidden_dim)
        last = output[:, :, :self.hidden_dim].gather(1, index).squeeze(1)  # b h
        if self.bidirectional:
            last = torch.cat((last, output[:, 0, self.hidden_dim:]), dim=1)
        return self.fc(self.dropout(last))
