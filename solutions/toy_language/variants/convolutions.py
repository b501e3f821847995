"""random numbers from torch without an rng, one function for both kinds of choice, and causal convolutions as model."""
import random

import torch
import torch.nn.functional as F
from rules import RULES, WORD_MAP
from torch import nn

STOP, FILL = "</s>", "<blank>"


def pick(options, rng):
    if rng is not None:
        return options[rng.randint(0, len(options) - 1)]
    return options[torch.randint(len(options), ()).item()]


def generate_sentence(rules, word_map, max_depth=3, rng=None):
    def level(symbols, depth):
        if not rules.keys() & set(symbols):
            return symbols
        below = []
        for s in symbols:
            below += pick(limited(rules[s], depth), rng) if s in rules else [s]
        return level(below, depth + 1)

    def limited(options, depth):
        return options[: len(options) - 1] or options if depth >= max_depth else options

    return [pick(word_map[s], rng) for s in level(["S"], 0)]


def build_dictionary(word_map):
    words = {}  # keeps the order of insertion
    for w in [*(w for ws in word_map.values() for w in ws), FILL, STOP]:
        words.setdefault(w, len(words))
    return words


def encode(words, dictionary):
    return tuple(dictionary[w] for w in words)


def decode(ids, dictionary):
    text = [next(w for w, n in dictionary.items() if n == i) for i in ids]
    stops = [t for t, w in enumerate(text) if w in (STOP, FILL)]
    return text[: stops[0]] if stops else text


def batch_sampler(batch_size, max_len, *, rng=None):
    d = build_dictionary(WORD_MAP)
    rows = torch.empty(0, max_len, dtype=torch.int64)
    while len(rows) < batch_size:
        s = generate_sentence(RULES, WORD_MAP, rng=rng) + [STOP]
        if len(s) <= max_len:
            row = F.pad(torch.tensor(encode(s, d)), (0, max_len - len(s)), value=d[FILL])
            rows = torch.cat([rows, row[None]])
    return rows


class Looks(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.block_size = 22
        self.embedding = nn.Embedding(39, width)
        self.near = nn.ModuleList([nn.Conv1d(width, width, 3, dilation=2**i) for i in range(3)])
        self.head = nn.Linear(width, 39)

    def forward(self, idx):
        x = self.embedding(idx).mT  # (B, C, T)
        for i, conv in enumerate(self.near):
            x = x + F.gelu(conv(F.pad(x, (2 * 2**i, 0))))
        return self.head(x.mT), None


def train(seed, steps):
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = Looks()
    optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.02, 1 - step / max(1, steps)))
    for _ in range(steps):
        batch = batch_sampler(32, 22, rng=rng)
        logits, _ = model(batch[:, :-1])
        target = batch[:, 1:]
        each = F.cross_entropy(logits.mT, target, reduction="none")
        real = (target != 37).float()
        loss = (each * real).sum() / real.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
    return model
