"""Recursion down to the words, special entries first, a transformer of torch's own."""
import random as _random

import torch
import torch.nn as nn
from rules import RULES, WORD_MAP


def generate_sentence(rules, word_map, max_depth=3, rng=None):
    if rng is None:
        rng = _random

    def expand(symbol, depth):
        if symbol not in rules:
            options = word_map[symbol]
            return [options[rng.randrange(len(options))]]
        options = rules[symbol]
        count = len(options)
        if count > 1 and depth >= max_depth:
            count -= 1
        sentence = []
        for child in options[rng.randrange(count)]:
            sentence.extend(expand(child, depth + 1))
        return sentence

    return expand("S", 0)


def build_dictionary(word_map):
    dictionary = {"[PAD]": 0, "[EOS]": 1}
    for part in word_map:
        for word in word_map[part]:
            dictionary[word] = len(dictionary)
    return dictionary


def encode(words, dictionary):
    return list(map(dictionary.__getitem__, words))


def decode(ids, dictionary):
    backwards = dict(zip(dictionary.values(), dictionary.keys()))
    out = []
    for i in ids:
        if i == dictionary["[PAD]"] or i == dictionary["[EOS]"]:
            return out
        out.append(backwards[i])
    return out


def batch_sampler(batch_size, max_len):
    dictionary = build_dictionary(WORD_MAP)
    batch = torch.zeros(batch_size, max_len, dtype=torch.long)  # padding is 0
    for row in batch:
        ids = None
        while ids is None or len(ids) > max_len:
            ids = encode(generate_sentence(RULES, WORD_MAP), dictionary) + [1]
        row[: len(ids)] = torch.tensor(ids)
    return batch


class Transformer(nn.Module):
    def __init__(self, width=32, heads=4, layers=2, block_size=22):
        super().__init__()
        self.block_size = block_size
        self.tokens = nn.Embedding(39, width)
        self.places = nn.Embedding(block_size, width)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 39))

    def forward(self, idx):
        T = idx.shape[1]
        hidden = self.tokens(idx) + self.places(torch.arange(T))
        ahead = torch.ones(T, T).triu(1).bool()
        return self.out(self.layers(hidden, mask=ahead)), None


def train(seed, steps):
    torch.manual_seed(seed)
    _random.seed(seed)
    model = Transformer()
    opt = torch.optim.AdamW(model.parameters(), lr=5e-3)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, 1e-2, total_steps=steps + 1)
    for _ in range(steps):
        data = batch_sampler(32, 22)
        x, y = data[:, :-1], data[:, 1:].clone()
        y[y == 0] = -100
        logits, _ = model(x)
        loss = nn.functional.cross_entropy(logits.transpose(1, 2), y)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        sched.step()
    return model
