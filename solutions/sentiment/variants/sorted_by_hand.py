# sorts the batch by length before packing, as older versions of torch wanted it, and undoes that at the end
import csv
import re
import string

import torch
from torch import nn
from torch.utils.data import Dataset, random_split


COLUMNS = ["review", "sentiment"]


def load_reviews(csv_path, seed=0):
    table = {name: [] for name in COLUMNS}
    with open(csv_path, encoding='utf-8', newline='') as f:
        reader = csv.DictReader(f)
        for name in COLUMNS:
            if name not in reader.fieldnames:
                raise ValueError("column %s is missing, there are only %s" % (name, reader.fieldnames))
        for row in reader:
            for name in COLUMNS:
                table[name].append(row[name])
    generator = torch.Generator()
    generator.manual_seed(seed)
    parts = random_split(list(zip(table["review"], table["sentiment"])), [0.7, 0.1, 0.2], generator=generator)
    x = tuple([review for review, _ in part] for part in parts)
    y = tuple([label for _, label in part] for part in parts)
    return x + y


class Preprocessor:
    pattern = re.compile("[" + re.escape(string.punctuation) + "]")

    @classmethod
    def words(cls, text, stop_words=()):
        cleaned = cls.pattern.sub("", text.lower())
        return [w for w in re.split(r"\s+", cleaned) if w != "" and w not in stop_words]


def build_vocab(x_train, min_freq, hparams):
    freqs = {}
    for line in x_train:
        for w in Preprocessor.words(line, set(hparams.STOP_WORDS)):
            freqs[w] = freqs.get(w, 0) + 1
    vocab = {hparams.PAD_TOKEN: hparams.PAD_INDEX}
    vocab[hparams.UNK_TOKEN] = hparams.UNK_INDEX
    next_id = 2
    for w in freqs:
        if freqs[w] < min_freq:
            continue
        vocab[w] = next_id
        next_id += 1
    return vocab


def tokenize(vocab, example, hparams=None):
    stop_words = hparams.STOP_WORDS if hparams is not None else []
    out = []
    for w in Preprocessor.words(example, stop_words):  # stop words are left out when they are known
        if w in vocab:
            out.append(vocab[w])
        else:
            out.append(1)
    return out


class IMDB(Dataset):

    def __init__(self, x, y, vocab, max_length=256):
        assert len(x) == len(y)
        self.data = list(zip(x, y))
        self.vocab = vocab
        self.max_length = max_length

    def __len__(self):
        return len(self.data)

    def __getitem__(self, idx):
        review, sentiment = self.data[idx]
        ids = tokenize(self.vocab, review)
        if len(ids) > self.max_length:
            ids = ids[:self.max_length]
        label = 1 if sentiment == 'positive' else 0
        return {'ids': ids, 'length': len(ids), 'label': label}


def collate(batch, pad_index):
    lengths = [item['length'] for item in batch]
    padded = torch.full((len(batch), max(lengths)), fill_value=pad_index, dtype=torch.int64)
    for i, item in enumerate(batch):
        padded[i, :lengths[i]] = torch.tensor(item['ids'], dtype=torch.int64)
    return {'ids': padded, 'length': torch.LongTensor(lengths), 'label': torch.LongTensor([b['label'] for b in batch])}


class LSTM(nn.Module):

    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim, n_layers, dropout_rate, pad_index,
                 bidirectional=False, **kwargs):
        super(LSTM, self).__init__()
        self.n_layers = n_layers
        self.n_directions = 2 if bidirectional else 1
        self.word_embeddings = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_index)
        self.rnn = nn.LSTM(embedding_dim, hidden_dim, n_layers, bidirectional=bidirectional,
                           dropout=dropout_rate if n_layers > 1 else 0)  # time first
        self.classifier = nn.Linear(hidden_dim * self.n_directions, output_dim)
        init = kwargs.get('weight_init_fn')
        if init is not None:
            self.apply(init)

    def init_hidden(self, batch_size):
        shape = (self.n_layers * self.n_directions, batch_size, self.rnn.hidden_size)
        return torch.zeros(shape), torch.zeros(shape)

    def forward(self, ids, length):
        sorted_length, order = length.sort(descending=True)
        emb = self.word_embeddings(ids[order]).permute(1, 0, 2)  # (T, B, E)
        packed = nn.utils.rnn.pack_padded_sequence(emb, sorted_length.tolist())
        _, (h, _) = self.rnn(packed, self.init_hidden(ids.shape[0]))
        h = h.view(self.n_layers, self.n_directions, ids.shape[0], -1)[-1]  # (directions, B, H)
        h = h.transpose(0, 1).reshape(ids.shape[0], -1)  # (B, directions * H)
        logits = self.classifier(h)
        return logits[order.argsort()]
