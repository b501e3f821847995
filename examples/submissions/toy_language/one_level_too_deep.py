import random

import torch
from rules import RULES, WORD_MAP

END, PADDING = "<end>", "<pad>"


def generate_sentence(rules, word_map, max_depth=3, rng=None):
    rng = rng or random

    def expand(symbol, depth):
        if symbol not in rules:
            return [rng.choice(word_map[symbol])]
        choices = rules[symbol]
        if depth > max_depth and len(choices) > 1:
            choices = choices[:-1]
        words = []
        for s in rng.choice(choices):
            words += expand(s, depth + 1)
        return words

    return expand("S", 0)


def build_dictionary(word_map):
    words = []
    for part in word_map:
        words += word_map[part]
    words += [END, PADDING]
    return {w: i for i, w in enumerate(words)}


def encode(words, dictionary):
    return [dictionary[w] for w in words]


def decode(ids, dictionary):
    words = []
    names = {i: w for w, i in dictionary.items()}
    for i in ids:
        if i in (dictionary[END], dictionary[PADDING]):
            break
        words.append(names[i])
    return words


def batch_sampler(batch_size, max_len, rng=None):
    d = build_dictionary(WORD_MAP)
    rows = []
    while len(rows) < batch_size:
        ids = encode(generate_sentence(RULES, WORD_MAP, rng=rng), d) + [d[END]]
        if len(ids) <= max_len:
            rows.append(ids + [d[PADDING]] * (max_len - len(ids)))
    return torch.tensor(rows)


def train(seed, steps):
    # TODO: the model from the transformer assignment
    raise NotImplementedError
