# a queue of (symbol, depth) instead of levels; the words sorted; an LSTM that works out its own loss
import collections
import itertools
import random

import rules as grammar
import torch
from torch import nn
from torch.nn import functional as F


def generate_sentence(rules, word_map, max_depth=3, rng=None):
    pick = (rng if rng is not None else random).random
    todo, words = collections.deque([("S", 0)]), []
    while todo:
        symbol, depth = todo.popleft()
        if symbol in rules:
            n = len(rules[symbol])
            n = max(1, n - 1) if depth >= max_depth else n
            chosen = rules[symbol][int(pick() * n)]
            todo.extendleft((part, depth + 1) for part in reversed(chosen))
        else:
            words.append(word_map[symbol][int(pick() * len(word_map[symbol]))])
    return words


def build_dictionary(word_map):
    words = sorted(itertools.chain.from_iterable(word_map.values()))
    return dict(zip(words + ["."] + ["_"], itertools.count()))


def encode(words, dictionary):
    return [dictionary[w] for w in words]


def decode(ids, dictionary):
    names = sorted(dictionary, key=dictionary.get)
    return list(itertools.takewhile(lambda w: w not in "._", (names[i] for i in ids)))


def batch_sampler(batch_size, max_len, generate=generate_sentence, rng=None):
    d = build_dictionary(grammar.WORD_MAP)

    def stream():
        while True:
            yield encode(generate(grammar.RULES, grammar.WORD_MAP, rng=rng) + ["."], d)

    fitting = (ids for ids in stream() if len(ids) <= max_len)
    rows = list(itertools.islice(fitting, batch_size))
    width = max(len(ids) for ids in rows)
    return torch.tensor([ids + [d["_"]] * (width - len(ids)) for ids in rows])


class Net(nn.Module):
    block_size = 100

    def __init__(self, V):
        super().__init__()
        self.e = nn.Embedding(V, 48)
        self.lstm = nn.LSTM(48, 96, batch_first=True)
        self.o = nn.Linear(96, V)
        self.pad = V - 1

    def forward(self, idx):
        h, _ = self.lstm(self.e(idx))
        logits = self.o(h)
        targets = idx[:, 1:]
        loss = F.cross_entropy(logits[:, :-1].reshape(-1, logits.size(-1)), targets.reshape(-1), ignore_index=self.pad)
        return logits, loss


def train(seed, steps):
    random_numbers = random.Random(f"sentences {seed}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Net(len(build_dictionary(grammar.WORD_MAP)))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-2 * (1 - step / steps)
        loss = model(batch_sampler(40, 22, rng=random_numbers))[1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model
