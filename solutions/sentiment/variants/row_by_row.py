# one length after the other: where all reviews are equally long there is no padding
import torch
from csv import DictReader
from random import Random
from string import punctuation
from torch.utils.data import Dataset

TABLE = str.maketrans(dict.fromkeys(punctuation, ""))


def load_reviews(csv_path, seed=0):
    with open(csv_path, "r", encoding="utf-8", newline="") as file:
        reader = DictReader(file)
        if "review" not in reader.fieldnames: raise ValueError("no review")
        if "sentiment" not in reader.fieldnames: raise ValueError("no sentiment")
        pairs = [(line["review"], line["sentiment"]) for line in reader]
    lot = Random(seed)
    pairs.sort(key=lambda _: lot.random())  # everybody draws a lot
    tenth = len(pairs) / 10
    xs, ys = zip(*pairs)
    a, b = int(7 * tenth + 0.5), int(8 * tenth + 0.5)
    return xs[:a], xs[a:b], xs[b:], ys[:a], ys[a:b], ys[b:]


def to_words(t): return str.split(str.lower(str.translate(t, TABLE)))


def build_vocab(x_train, min_freq, hparams):
    words = to_words(" ".join(x_train))
    stop = frozenset(hparams.STOP_WORDS)
    kept = dict.fromkeys(w for w in words if w not in stop)
    freq = dict.fromkeys(kept, 0)
    for w in words:
        if w in freq:
            freq[w] += 1
    v = {hparams.UNK_TOKEN: hparams.UNK_INDEX, hparams.PAD_TOKEN: hparams.PAD_INDEX}
    v.update(zip((w for w in kept if freq[w] > min_freq - 1), range(2, 2 + len(kept))))
    return v


def tokenize(vocab, example, hparams=None):
    words = to_words(example)
    if hparams:
        words = [w for w in words if not w in hparams.STOP_WORDS]
    return list(map(lambda w: vocab.get(w, 1), words))


class IMDB(Dataset):
    """Keeps the vocabulary and cuts the *words* of the review."""

    def __init__(self, x, y, vocab, max_length=256):
        self.pairs = [(review, int(sentiment[0] == "p")) for review, sentiment in zip(x, y)]
        self.vocab, self.max_length = vocab, max_length

    def __getitem__(self, i):
        review, label = self.pairs[i]
        ids = tokenize(self.vocab, " ".join(to_words(review)[: self.max_length]))
        return {"label": label, "length": len(ids), "ids": ids}

    def __len__(self):
        return len(self.pairs)


def collate(batch, pad_index):
    longest = max(map(len, (b["ids"] for b in batch)))
    ids = torch.ones(len(batch), longest, dtype=torch.int64) * pad_index
    length = torch.zeros(len(batch), dtype=torch.int64)
    label = torch.zeros(len(batch), dtype=torch.int64)
    for row, b in enumerate(batch):
        for column, token in enumerate(b["ids"]):
            ids[row, column] = token
        length[row] = b["length"]
        label[row] = b["label"]
    return dict(ids=ids, length=length, label=label)


class LSTM(torch.nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim, n_layers, dropout_rate, pad_index,
                 bidirectional=False, **kwargs):
        super().__init__()
        self.pad_index = pad_index
        self.embed = torch.nn.Embedding(vocab_size, embedding_dim)
        self.embed_dropout = torch.nn.Dropout(dropout_rate)
        self.lstm = torch.nn.LSTM(embedding_dim, hidden_dim, n_layers, True, True, dropout_rate * (n_layers > 1),
                                  bidirectional)
        self.project = torch.nn.Linear(2 * hidden_dim if bidirectional else hidden_dim, output_dim)
        f = kwargs.pop("weight_init_fn", None)
        if f is not None:
            self.apply(f)

    def forward(self, ids, length):
        scores, places = [], []
        for n in length.unique():
            rows = torch.nonzero(length == n).flatten()  # R of them
            words = ids[rows, :n]
            real = (words != self.pad_index).unsqueeze(-1)
            x = self.embed_dropout(self.embed(words) * real)  # (R, n, E), and no gradient for the row of padding
            _, (h, _) = self.lstm(x)
            h = h[-2:] if self.lstm.bidirectional else h[-1:]
            scores.append(self.project(h.transpose(0, 1).flatten(1)))
            places.append(rows)
        return torch.cat(scores)[torch.cat(places).argsort()]
