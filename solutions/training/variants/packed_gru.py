"""Two-way GRU over packed sources, additive attention, a GRU cell that writes step by step; epochs of batches."""

import random

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


def get_config():
    return dict(learning_rate=0.015, steps=180, batch_size=32, hidden=40, embedding=24)


class Seq2Seq(nn.Module):
    def __init__(self, alphabet_in, alphabet_out, length, hidden, embedding):
        super().__init__()
        self.alphabet_in, self.alphabet_out, self.length = alphabet_in, alphabet_out, length
        self.embed_in = nn.Embedding(len(alphabet_in) + 2, embedding, padding_idx=0)  # 0 padding, 1 end or unknown
        self.embed_out = nn.Embedding(len(alphabet_out) + 1, embedding)  # 0 start and end
        self.reader = nn.GRU(embedding, hidden, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.cell = nn.GRUCell(embedding + 2 * hidden, hidden)
        self.keys = nn.Linear(2 * hidden, hidden, bias=False)
        self.asks = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.top = nn.Linear(3 * hidden, len(alphabet_out) + 1)

    def read(self, texts):
        rows = [torch.tensor([self.alphabet_in.find(c) + 2 if c in self.alphabet_in else 1 for c in t] + [1]) for t in texts]
        lengths = torch.tensor([len(r) for r in rows])
        packed = pack_padded_sequence(self.embed_in(pad_sequence(rows)), lengths, enforce_sorted=False)
        states, last = self.reader(packed)
        states, _ = pad_packed_sequence(states)
        states = states.transpose(0, 1)
        hide = torch.arange(states.size(1)) >= lengths[:, None]
        return states, hide, torch.tanh(self.bridge(torch.cat([last[0], last[1]], 1)))

    def step(self, ids, hidden, context, states, keys, hide):
        hidden = self.cell(torch.cat([self.embed_out(ids), context], 1), hidden)
        scores = self.score(torch.tanh(keys + self.asks(hidden)[:, None])).squeeze(2)
        share = torch.softmax(scores.masked_fill(hide, -1e9), dim=1)
        context = torch.einsum("bs,bsh->bh", share, states)
        return self.top(torch.cat([hidden, context], 1)), hidden, context

    def forward(self, texts, targets):
        states, hide, hidden = self.read(texts)
        keys = self.keys(states)
        context = torch.zeros(len(texts), states.size(2))
        ids = torch.zeros(len(texts), dtype=torch.long)
        losses = []
        for t in range(targets.size(1)):
            logits, hidden, context = self.step(ids, hidden, context, states, keys, hide)
            losses.append(F.cross_entropy(logits, targets[:, t], ignore_index=-1, reduction="sum"))
            ids = targets[:, t].clamp(min=0)
        return torch.stack(losses).sum() / (targets >= 0).sum()

    @torch.no_grad()
    def predict(self, sources):
        results = []
        for start in range(0, len(sources), 100):
            results += self._predict(sources[start : start + 100])
        return results

    def _predict(self, texts):
        states, hide, hidden = self.read(texts)
        keys = self.keys(states)
        context = torch.zeros(len(texts), states.size(2))
        ids = torch.zeros(len(texts), dtype=torch.long)
        found, alive = [""] * len(texts), [True] * len(texts)
        for _ in range(self.length):
            logits, hidden, context = self.step(ids, hidden, context, states, keys, hide)
            ids = logits.argmax(1)
            for row, i in enumerate(ids.tolist()):
                alive[row] = alive[row] and i > 0
                found[row] += self.alphabet_out[i - 1] if alive[row] else ""
        return found


def train(train_pairs, config, seed):
    rng = random.Random(seed)
    torch.manual_seed(rng.randrange(2**30))
    alphabet_in = "".join(sorted({c for pair in train_pairs for c in pair[0]}))
    alphabet_out = "".join(sorted({c for pair in train_pairs for c in pair[1]}))
    longest = max(len(t) for _, t in train_pairs) + 1
    net = Seq2Seq(alphabet_in, alphabet_out, longest, config["hidden"], config["embedding"])
    adam = torch.optim.Adam(net.parameters(), lr=config["learning_rate"])
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.02, total_iters=config["steps"])
    done = 0
    while done < config["steps"]:
        order = rng.sample(range(len(train_pairs)), len(train_pairs))
        for start in range(0, len(order), config["batch_size"]):
            if done == config["steps"]:
                break
            batch = [train_pairs[i] for i in order[start : start + config["batch_size"]]]
            rows = [torch.tensor([alphabet_out.index(c) + 1 for c in t] + [0]) for _, t in batch]
            targets = pad_sequence(rows, batch_first=True, padding_value=-1)
            adam.zero_grad()
            loss = net([s for s, _ in batch], targets)
            loss.backward()
            nn.utils.clip_grad_value_(net.parameters(), 0.5)
            adam.step()
            falling.step()
            done += 1
            if config.get("report"):
                config["report"](done, loss)
    return net.eval()
