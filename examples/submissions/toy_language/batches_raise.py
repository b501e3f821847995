import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from rules import RULES, WORD_MAP

END, PADDING = "<end>", "<pad>"


def generate_sentence(rules, word_map, max_depth=3, rng=None):
    if rng is None:
        rng = random
    symbols = ["S"]
    depth = 0
    while any(s in rules for s in symbols):
        new = []
        for s in symbols:
            if s in rules:
                options = rules[s]
                if depth >= max_depth and len(options) > 1:
                    options = options[:-1]
                new.extend(rng.choice(options))
            else:
                new.append(s)
        symbols = new
        depth += 1
    return [rng.choice(word_map[s]) for s in symbols]


def build_dictionary(word_map):
    words = [w for part in word_map.values() for w in part]
    return {w: i for i, w in enumerate(words + [END, PADDING])}


def encode(words, dictionary):
    return [dictionary[word] for word in words]


def decode(ids, dictionary):
    words = []
    for i in ids:
        word = [w for w in dictionary if dictionary[w] == i][0]
        if word in (END, PADDING):
            break
        words.append(word)
    return words


def batch_sampler(batch_size, max_len):
    dictionary = build_dictionary(WORD_MAP)
    rows = []
    while len(rows) < batch_size:
        sentence = generate_sentence(RULES, WORD_MAP) + [END]
        if len(sentence) <= max_len:
            rows.append(encode(sentence, dictionary))
    return torch.tensor(rows)


def train(seed, steps):
    torch.manual_seed(seed)
    random.seed(seed)
    model = nn.Sequential(nn.Embedding(39, 32), nn.Linear(32, 39))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        batch = batch_sampler(32, 22)
        loss = F.cross_entropy(model(batch[:, :-1]).reshape(-1, 39), batch[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model
