"""Toy language, my own way: generators, a class for the dictionary's special entries, a small transformer."""

import math
import random

import torch
from rules import RULES, WORD_MAP
from torch import nn


class Special:
    stop = "<stop>"
    nothing = "<nothing>"


def generate_sentence(rules, word_map, max_depth=3, rng=random):
    rng = rng or random

    def walk(symbol, depth):
        if symbol not in rules:
            yield rng.choice(word_map[symbol])
            return
        options = rules[symbol]
        if depth >= max_depth:
            options = options[:-1] or options
        for part in rng.choice(options):
            yield from walk(part, depth + 1)

    return list(walk("S", 0))


def build_dictionary(word_map):
    dictionary = {}
    for words in word_map.values():
        for word in words:
            dictionary[word] = len(dictionary)
    dictionary[Special.stop] = len(dictionary)
    dictionary[Special.nothing] = len(dictionary)
    return dictionary


def encode(words, dictionary):
    return [dictionary[word] for word in words]


def decode(ids, dictionary):
    words = {number: word for word, number in dictionary.items()}
    sentence = []
    for number in ids:
        if words[number] in vars(Special).values():
            break
        sentence.append(words[number])
    return sentence


dictionary = build_dictionary(WORD_MAP)
V, PAD = len(dictionary), dictionary[Special.nothing]


def batch_sampler(batch_size, max_len, rng=None):
    batch = torch.full((batch_size, max_len), PAD)
    for b in range(batch_size):
        while True:
            sentence = generate_sentence(RULES, WORD_MAP, rng=rng) + [Special.stop]
            if len(sentence) <= max_len:
                break
        batch[b, : len(sentence)] = torch.tensor(encode(sentence, dictionary))
    return batch


class Block(nn.Module):
    def __init__(self, C, H):
        super().__init__()
        self.H = H
        self.qkv = nn.Linear(C, 3 * C)
        self.proj = nn.Linear(C, C)
        self.n1, self.n2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.mlp = nn.Sequential(nn.Linear(C, 4 * C), nn.GELU(), nn.Linear(4 * C, C))

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(self.n1(x)).view(B, T, 3, self.H, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.mT / math.sqrt(C // self.H)
        scores = scores.masked_fill(torch.ones(T, T).triu(1) > 0, -torch.inf)
        x = x + self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, C))
        return x + self.mlp(self.n2(x))


class TinyGPT(nn.Module):
    def __init__(self, C=32, block_size=22):
        super().__init__()
        self.block_size = block_size
        self.wte, self.wpe = nn.Embedding(V, C), nn.Embedding(block_size, C)
        self.blocks = nn.Sequential(Block(C, 4), Block(C, 4))
        self.norm, self.head = nn.LayerNorm(C), nn.Linear(C, V)

    def forward(self, idx, targets=None):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1)))
        logits = self.head(self.norm(self.blocks(x)))
        if targets is None:
            return logits, None
        return logits, nn.functional.cross_entropy(logits.view(-1, V), targets.reshape(-1), ignore_index=PAD)


def train(seed, steps):
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = TinyGPT()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps + 1)
    for _ in range(steps):
        batch = batch_sampler(32, 22, rng)
        loss = model(batch[:, :-1], batch[:, 1:])[1]
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model
