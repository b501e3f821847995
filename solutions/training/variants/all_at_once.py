"""No writer at all: an LSTM reads in both directions, and one query for each place of the answer looks for its character."""

import torch
from torch import nn


def get_config():
    return {"learning_rate": 0.02, "steps": 280, "rows": 40, "width": 64}


class Slots(nn.Module):
    def __init__(self, pairs, width):
        super().__init__()
        self.seen = {c: i + 2 for i, c in enumerate(sorted(set("".join(s for s, _ in pairs))))}
        self.signs = ["", *sorted(set("".join(t for _, t in pairs)))]  # "" stands behind the end
        self.places = max(1, *(len(t) for _, t in pairs))
        self.letters = nn.Parameter(torch.randn(len(self.seen) + 2, width // 2))
        self.forwards = nn.LSTM(width // 2, width, batch_first=True)
        self.backwards = nn.LSTM(width // 2, width, batch_first=True)
        self.wanted = nn.Parameter(torch.randn(self.places, 2 * width) * 0.1)
        self.ask = nn.Linear(2 * width, 2 * width)
        self.name = nn.Sequential(nn.Linear(4 * width, width), nn.ReLU(), nn.Linear(width, len(self.signs)))

    def forward(self, sources):
        rows = [[1, *(self.seen.get(c, 0) for c in s)] for s in sources]
        n = torch.tensor([len(r) for r in rows])
        length = int(n.max())
        ids = torch.tensor([r + [0] * (length - len(r)) for r in rows])
        # turned round, each row still begins at the left
        turned = (n[:, None] - 1 - torch.arange(length)).clamp(min=0)
        there, _ = self.forwards(self.letters[ids])
        back, _ = self.backwards(self.letters[ids.gather(1, turned)])
        back = back.gather(1, turned[:, :, None].expand_as(back))
        memory = torch.cat([there, back], -1)
        whole = memory[torch.arange(len(rows)), n - 1]
        queries = self.ask(torch.tanh(self.wanted + whole[:, None]))
        scores = torch.baddbmm(torch.zeros(()), queries, memory.mT, beta=0) / queries.size(-1) ** 0.5
        scores = scores + torch.where(torch.arange(length) < n[:, None], 0.0, float("-inf"))[:, None]
        found = scores.softmax(-1) @ memory
        return self.name(torch.cat([found, queries], -1))

    def predict(self, sources):
        if not sources:
            return []
        with torch.no_grad():
            best = self(sources).argmax(-1).tolist()
        answers = []
        for row in best:
            end = row.index(0) if 0 in row else len(row)
            answers.append("".join(self.signs[i] for i in row[:end]))
        return answers


def train(train_pairs, config, seed):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed + 1)
    net = Slots(train_pairs, config["width"])
    goal = torch.zeros(len(train_pairs), net.places, dtype=torch.long)
    for row, (_, target) in enumerate(train_pairs):
        for place, sign in enumerate(target):
            goal[row, place] = net.signs.index(sign)
    optimizer = torch.optim.RAdam(net.parameters(), lr=config["learning_rate"])
    for step in range(config["steps"]):
        optimizer.param_groups[0]["lr"] = config["learning_rate"] * (1 - step / config["steps"]) ** 0.7
        chosen = torch.randint(len(train_pairs), (config["rows"],), generator=generator)
        logits = net([train_pairs[i][0] for i in chosen])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), goal[chosen].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    return net
