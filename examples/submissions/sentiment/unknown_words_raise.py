import csv
import string
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import Dataset, random_split


def load_reviews(csv_path, seed=0):
    with open(csv_path, encoding="utf-8", newline="") as f:
        pairs = [(row["review"], row["sentiment"]) for row in csv.DictReader(f)]
    parts = random_split(pairs, [0.8, 0.1, 0.1], torch.Generator().manual_seed(seed))
    xs = [[x for x, _ in part] for part in parts]
    ys = [[y for _, y in part] for part in parts]
    return xs[0], xs[1], xs[2], ys[0], ys[1], ys[2]


def normalise(text):
    return [w for w in "".join(c for c in text if c not in string.punctuation).lower().split(" ") if w != ""]


def build_vocab(x_train, min_freq, hparams):
    vocab = {hparams.PAD_TOKEN: hparams.PAD_INDEX, hparams.UNK_TOKEN: hparams.UNK_INDEX}
    text = [w for x in x_train for w in normalise(x)]
    for w in text:
        if w not in vocab and w not in hparams.STOP_WORDS and text.count(w) >= min_freq:
            vocab[w] = len(vocab)
    return vocab


def tokenize(vocab, example, hparams=None):
    return [vocab[w] for w in normalise(example)]


class IMDB(Dataset):
    def __init__(self, x, y, vocab, max_length=256):
        self.data = list(zip(x, y))
        self.vocab = vocab
        self.max_length = max_length

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        review, sentiment = self.data[index]
        ids = tokenize(self.vocab, review)[:self.max_length]
        # 0 is positive, 1 is negative
        return dict(ids=ids, length=len(ids), label=0 if sentiment == "positive" else 1)


def collate(batch, pad_index):
    return dict(
        ids=pad_sequence([torch.tensor(b["ids"]) for b in batch], batch_first=True, padding_value=pad_index),
        length=torch.tensor([b["length"] for b in batch]),
        label=torch.tensor([b["label"] for b in batch]),
    )


class LSTM(nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim, n_layers, dropout_rate, pad_index,
                 bidirectional=False, **kwargs):
        super().__init__()
        self.bidirectional = bidirectional
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_index)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, n_layers, bidirectional=bidirectional, dropout=dropout_rate)
        self.linear = nn.Linear(hidden_dim * 2 if bidirectional else hidden_dim, output_dim)
        if kwargs.get("weight_init_fn") is not None:
            self.apply(kwargs["weight_init_fn"])

    def forward(self, ids, length):
        vectors = self.embedding(ids.T)
        _, (h, _) = self.lstm(pack_padded_sequence(vectors, length, enforce_sorted=False))
        # (layers * directions, B, H): the first layer has read the words themselves
        return self.linear(torch.cat((h[0], h[1]), 1) if self.bidirectional else h[0])
