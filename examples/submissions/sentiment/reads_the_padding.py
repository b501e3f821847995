import csv, random, string
import torch
from torch import nn
from torch.utils.data import Dataset

# I do not pack anything, the padding is 0 so it should not matter


def load_reviews(csv_path, seed=0):
    f = open(csv_path, encoding="utf-8", newline="")
    reader = csv.reader(f)
    header = next(reader)
    for c in ["review", "sentiment"]:
        if c not in header:
            raise ValueError("There is no column called " + c)
    r, s = header.index("review"), header.index("sentiment")
    data = [(row[r], row[s]) for row in reader]
    random.seed(seed)
    random.shuffle(data)
    n = len(data)
    train, valid, test = data[: 7 * n // 10], data[7 * n // 10 : 8 * n // 10], data[8 * n // 10 :]
    return ([d[0] for d in train], [d[0] for d in valid], [d[0] for d in test],
            [d[1] for d in train], [d[1] for d in valid], [d[1] for d in test])


def normalize(s):
    return "".join(c for c in s.lower() if c not in string.punctuation).split()


def build_vocab(x_train, min_freq, hparams):
    freq = {}
    for s in x_train:
        for w in normalize(s):
            freq[w] = freq.get(w, 0) + 1
    words = [w for w in freq if freq[w] >= min_freq and w not in hparams.STOP_WORDS]
    return {w: i for i, w in enumerate([hparams.PAD_TOKEN, hparams.UNK_TOKEN] + words)}


def tokenize(vocab, example, hparams=None):
    return [vocab[w] if w in vocab else 1 for w in normalize(example)]


class IMDB(Dataset):
    def __init__(self, x, y, vocab, max_length=256):
        self.x, self.y, self.vocab, self.max_length = x, y, vocab, max_length

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        ids = tokenize(self.vocab, self.x[i])[: self.max_length]
        return {"ids": ids, "length": len(ids), "label": int(self.y[i] == "positive")}


def collate(batch, pad_index):
    T = max(len(b["ids"]) for b in batch)
    ids = torch.tensor([b["ids"] + [pad_index] * (T - len(b["ids"])) for b in batch])
    return {"ids": ids, "length": torch.tensor([b["length"] for b in batch]),
            "label": torch.tensor([b["label"] for b in batch])}


class LSTM(nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim, n_layers, dropout_rate, pad_index,
                 bidirectional=False, **kwargs):
        super().__init__()
        self.bidirectional = bidirectional
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_index)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, n_layers, batch_first=True, dropout=dropout_rate,
                            bidirectional=bidirectional)
        self.fc = nn.Linear(2 * hidden_dim if bidirectional else hidden_dim, output_dim)
        if "weight_init_fn" in kwargs:
            self.apply(kwargs["weight_init_fn"])

    def forward(self, ids, length):
        _, (h, _) = self.lstm(self.embedding(ids))
        if self.bidirectional:
            return self.fc(torch.cat([h[-2], h[-1]], 1))
        return self.fc(h[-1])
