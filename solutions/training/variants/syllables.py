"""Tokens are learned from the sources: the most frequent neighbours are merged, as in byte pair encoding."""

from collections import Counter

import torch
from torch import nn


def get_config():
    return {"steps": 450, "learning_rate": 0.01, "merges": 40, "units": 48}


def merge(tokens, pair):
    out, i = [], 0
    while i < len(tokens):
        if tuple(tokens[i : i + 2]) == pair:
            out.append(tokens[i] + tokens[i + 1])
            i += 2
        else:
            out.append(tokens[i])
            i += 1
    return out


class Codes:
    def __init__(self, texts, merges):
        words = Counter(word for text in texts for word in text.split(" "))
        split = {word: list(word) for word in words}
        self.order = []
        for _ in range(merges):
            pairs = Counter()
            for word, tokens in split.items():
                for pair in zip(tokens, tokens[1:]):
                    pairs[pair] += words[word]
            if not pairs:
                break
            best = max(sorted(pairs), key=pairs.get)
            self.order.append(best)
            split = {word: merge(tokens, best) for word, tokens in split.items()}
        letters = sorted(set("".join(texts)))
        self.id = {token: n for n, token in enumerate([*letters, *map("".join, self.order)], 2)}

    def __call__(self, text):
        ids = []
        for number, word in enumerate(text.split(" ")):
            tokens = ([" "] if number else []) + list(word)
            for pair in self.order:
                tokens = merge(tokens, pair)
            ids += [self.id.get(token, 1) for token in tokens]
        return [*ids, 1]


class Net(nn.Module):
    def __init__(self, codes, signs, limit, units):
        super().__init__()
        self.codes, self.signs, self.limit = codes, signs, limit
        self.table = nn.Embedding(len(codes.id) + 2, units)
        self.out_table = nn.Embedding(len(signs) + 1, units)
        self.lstm = nn.LSTM(units, units, batch_first=True)
        self.cell = nn.LSTMCell(units, units)
        self.mix = nn.Bilinear(units, units, 1)
        self.final = nn.Linear(2 * units, len(signs) + 1)

    def states(self, lists):
        n = torch.tensor(list(map(len, lists)))
        ids = torch.zeros(len(lists), int(n.max()), dtype=torch.int64)
        for row, some in zip(ids, lists):
            row[: len(some)] = torch.tensor(some)
        hidden, _ = self.lstm(self.table(ids))
        return hidden, n, hidden[range(len(lists)), n - 1]

    def one(self, newest, state, hidden, n):
        state = self.cell(self.out_table(newest), state)
        scores = torch.einsum("bi,ij,bsj->bs", state[0], self.mix.weight[0], hidden)
        scores = scores.masked_fill(torch.arange(hidden.shape[1]) >= n[:, None], torch.finfo(torch.float32).min)
        seen = (scores.softmax(1)[..., None] * hidden).sum(1)
        return self.final(torch.cat([state[0], seen], 1)), state

    def predict(self, sources):
        return [self.answer(text) for text in sources]

    @torch.no_grad()
    def answer(self, text):
        hidden, n, last = self.states([self.codes(text)])
        state, newest, said = (last, torch.zeros_like(last)), torch.tensor([0]), ""
        while len(said) < self.limit:
            logits, state = self.one(newest, state, hidden, n)
            newest = logits.argmax(1)
            if newest.item() == 0:
                break
            said += self.signs[newest.item() - 1]
        return said


def train(train_pairs, config, seed):
    torch.manual_seed(seed)
    sources, targets = [s for s, _ in train_pairs], [t for _, t in train_pairs]
    signs = sorted(set("".join(targets)))
    net = Net(Codes(sources, config["merges"]), signs, max(map(len, targets)), config["units"])
    coded = list(map(net.codes, sources))
    optimizer = torch.optim.NAdam(net.parameters(), lr=config["learning_rate"])
    for step in range(config["steps"]):
        optimizer.param_groups[0]["lr"] = config["learning_rate"] * (1 - step / config["steps"])
        rows = torch.randperm(len(sources))[:40].tolist()
        length = max(len(targets[r]) for r in rows) + 1
        goal = torch.full((len(rows), length), -100)
        for place, r in enumerate(rows):
            goal[place, : len(targets[r]) + 1] = torch.tensor([*(signs.index(c) + 1 for c in targets[r]), 0])
        hidden, n, last = net.states([coded[r] for r in rows])
        state, newest, logits = (last, torch.zeros_like(last)), torch.zeros(len(rows), dtype=torch.int64), []
        for t in range(length):
            scores, state = net.one(newest, state, hidden, n)
            logits.append(scores)
            newest = goal[:, t].clamp(0)
        loss = nn.functional.cross_entropy(torch.stack(logits, 2), goal)
        net.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    net.eval()
    return net
