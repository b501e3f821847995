"""Rewrites the leftmost symbol, with a list of depths beside that of symbols; batches grow by whole blocks."""
import random

import torch
from rules import RULES, WORD_MAP
from torch import nn

SPECIALS = ("<bye>", "<nothing>")


def generate_sentence(rules, word_map, max_depth=3, rng=None):
    r = rng or random
    line, depths, i = ["S"], [0], 0
    while i < len(line):
        symbol, d = line[i], depths[i]
        if symbol in rules:
            options = list(rules[symbol])
            if d >= max_depth and options[1:]:
                del options[-1]
            new = r.choices(options)[0]
            line[i : i + 1] = new
            depths[i : i + 1] = [d + 1] * len(new)
        else:
            line[i] = r.sample(word_map[symbol], 1)[0]
            i += 1
    return line


def build_dictionary(word_map):
    entries = list(SPECIALS[:1])
    for words in word_map.values():
        entries += words
    entries.append(SPECIALS[1])
    return {entries[i]: i for i in range(len(entries))}


def encode(words, dictionary):
    result = []
    for w in words:
        result.append(dictionary[w])
    return result


def decode(ids, dictionary):
    inverse = {v: k for k, v in dictionary.items()}
    result = []
    i = 0
    while i < len(ids) and inverse[ids[i]] not in SPECIALS:
        result.append(inverse[ids[i]])
        i += 1
    return result


def batch_sampler(batch_size, max_len, rng=None):
    d = build_dictionary(WORD_MAP)
    batch = torch.full((batch_size, max_len), d["<nothing>"])
    b = 0
    while b < batch_size:
        s = generate_sentence(RULES, WORD_MAP, 3, rng)
        if len(s) + 1 > max_len:
            continue
        batch[b, : len(s)] = torch.as_tensor(encode(s, d))
        batch[b, len(s)] = d["<bye>"]
        b += 1
    used = (batch != d["<nothing>"]).any(0)
    return batch[:, used]


class Cells(nn.Module):
    """A GRU cell by cell, with the embedding's weights used again in the head."""

    def __init__(self):
        super().__init__()
        self.block_size = 30
        self.emb = nn.Embedding(39, 64)
        nn.init.normal_(self.emb.weight, std=0.2)
        self.cell = nn.GRUCell(64, 64)
        self.bias = nn.Parameter(torch.zeros(39))

    def forward(self, idx, targets=None):
        h = torch.zeros(len(idx), 64)
        states = []
        for x in self.emb(idx).unbind(1):
            h = self.cell(x, h)
            states.append(h)
        logits = torch.stack(states, 1) @ self.emb.weight.T + self.bias
        if targets is None:
            return logits, None
        real = targets != 38
        return logits, nn.functional.cross_entropy(logits[real], targets[real])


def train(seed, steps):
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = Cells()
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=8e-3, weight_decay=0.0)
    for step in range(steps):
        if step == int(0.6 * steps) or step == int(0.85 * steps):
            optimizer.param_groups[0]["lr"] *= 0.3
        tokens = batch_sampler(32, 22, rng)
        _, loss = model(tokens[:, :-1], tokens[:, 1:])
        model.zero_grad()
        loss.backward()
        optimizer.step()
    return model
