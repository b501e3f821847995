import torch
import torch.nn as nn
import torch.nn.functional as F

PAD, BOS, EOS, UNK = 0, 1, 2, 3


def get_config():
    return {"steps": 300, "learning_rate": 0.02, "batch": 40, "hidden": 64}


class Vocab:
    def __init__(self, texts):
        self.chars = sorted(set("".join(texts)))
        self.index = {c: i + 4 for i, c in enumerate(self.chars)}

    def __len__(self):
        return len(self.chars) + 4

    def tensor(self, texts):
        rows = [[self.index.get(c, UNK) for c in t] + [EOS] for t in texts]
        longest = max(map(len, rows))
        return torch.tensor([r + [PAD] * (longest - len(r)) for r in rows])

    def text(self, ids):
        if EOS in ids:
            ids = ids[: ids.index(EOS)]
        return "".join(self.chars[i - 4] for i in ids if i > 3)


class Model(nn.Module):
    def __init__(self, src, tgt, hidden, max_len):
        super().__init__()
        self.src, self.tgt, self.max_len = src, tgt, max_len
        self.src_emb = nn.Embedding(len(src), 32)
        self.tgt_emb = nn.Embedding(len(tgt), 32)
        self.enc = nn.LSTM(32, hidden, batch_first=True)
        self.dec = nn.LSTM(32, hidden, batch_first=True)
        self.wq = nn.Linear(hidden, hidden)
        self.out = nn.Linear(2 * hidden, len(tgt))
        self.drop = nn.Dropout(0.1)

    def encode(self, x):
        mask = x == PAD
        h, _ = self.enc(self.drop(self.src_emb(x)))
        last = h[:, -1]
        return h, mask, (last[None], torch.zeros_like(last)[None])

    def decode(self, y, h, mask, state):
        d, state = self.dec(self.drop(self.tgt_emb(y)), state)
        scores = self.wq(d) @ h.transpose(1, 2) / h.shape[-1] ** 0.5
        context = scores.softmax(-1) @ h
        return self.out(self.drop(torch.cat([d, context], -1))), state

    @torch.no_grad()
    def predict(self, sources):
        if not sources:
            return []
        self.eval()
        h, mask, state = self.encode(self.src.tensor(sources))
        y = torch.full((len(sources), 1), BOS)
        result = []
        for _ in range(self.max_len):
            logits, state = self.decode(y, h, mask, state)
            y = logits.argmax(-1)
            result.append(y)
        return [self.tgt.text(row) for row in torch.cat(result, 1).tolist()]


def train(train_pairs, config, seed):
    torch.manual_seed(seed)
    sources = [s for s, t in train_pairs]
    targets = [t for s, t in train_pairs]
    src, tgt = Vocab(sources), Vocab(targets)
    model = Model(src, tgt, config["hidden"], max(len(t) for t in targets) + 1)
    opt = torch.optim.Adam(model.parameters(), lr=config["learning_rate"])
    model.train()
    for step in range(config["steps"]):
        opt.param_groups[0]["lr"] = config["learning_rate"] * min(1, (step + 1) / 30) * (1 - step / config["steps"])
        rows = torch.randperm(len(train_pairs))[: config["batch"]].tolist()
        x = src.tensor([sources[i] for i in rows])
        y = tgt.tensor([targets[i] for i in rows])
        given = torch.cat([torch.full((len(y), 1), BOS), y[:, :-1]], 1)
        h, mask, state = model.encode(x)
        logits, _ = model.decode(given, h, mask, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=PAD)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        if "report" in config and step % 10 == 0:
            config["report"](step, loss.item())
    return model
