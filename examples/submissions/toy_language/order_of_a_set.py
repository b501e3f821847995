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
    words = set()
    for part in word_map.values():
        words |= set(part)
    words |= {END, PADDING}
    return {word: i for i, word in enumerate(words)}


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
    batch = []
    for _ in range(batch_size):
        sentence = generate_sentence(RULES, WORD_MAP) + [END]
        while len(sentence) > max_len:
            sentence = generate_sentence(RULES, WORD_MAP) + [END]
        sentence += [PADDING] * (max_len - len(sentence))
        batch.append(encode(sentence, dictionary))
    return torch.tensor(batch)


class LastWord(nn.Module):
    """Looks at one word only. It is a start."""

    def __init__(self):
        super().__init__()
        self.block_size = 1
        self.table = nn.Embedding(39, 39)

    def forward(self, idx):
        return self.table(idx), None


def train(seed, steps):
    random.seed(seed)
    torch.manual_seed(seed)
    model = LastWord()
    padding = build_dictionary(WORD_MAP)[PADDING]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(steps):
        batch = batch_sampler(64, 22)
        logits, _ = model(batch[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, 39), batch[:, 1:].reshape(-1), ignore_index=padding)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model
