"""A small transformer from torch's own layers; fixed positions, so that no source is too long.

A convolution comes first, as in models of speech: each letter is read with two neighbours on either side.
"""

import math

import torch
from torch import nn

PAD, BOS, EOS, UNK = 0, 1, 2, 3


def get_config():
    return {"steps": 320, "learning_rate": 6e-3, "batch": 32, "d": 48, "heads": 4, "dropout": 0.0}


class Model(nn.Module):
    def __init__(self, source_vocab, target_vocab, max_len, d, heads, dropout):
        super().__init__()
        self.sv, self.tv, self.max_len, self.d = source_vocab, target_vocab, max_len, d
        self.back = {i: c for c, i in target_vocab.items()}
        self.src = nn.Embedding(len(source_vocab) + 4, d, padding_idx=PAD)  # zeros, as beyond the end
        self.near = nn.Conv1d(d, d, 5, padding=2)
        self.tgt = nn.Embedding(len(target_vocab) + 4, d)
        encoder = nn.TransformerEncoderLayer(d, heads, 2 * d, dropout, batch_first=True, norm_first=True)
        decoder = nn.TransformerDecoderLayer(d, heads, 2 * d, dropout, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(encoder, 1, nn.LayerNorm(d), enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(decoder, 1, nn.LayerNorm(d))
        self.out = nn.Linear(d, len(target_vocab) + 4)

    def places(self, length):
        k = torch.arange(0, self.d, 2)
        angle = torch.arange(length)[:, None] / 10000 ** (k / self.d)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)

    def encode(self, ids):
        pad = ids == PAD
        x = self.src(ids)
        x = x + self.near(x.mT).mT + self.places(ids.size(1))
        return self.encoder(x, src_key_padding_mask=pad), pad

    def decode(self, ids, memory, pad):
        n = ids.size(1)
        later = torch.ones(n, n, dtype=torch.bool).triu(1)
        x = self.tgt(ids) + self.places(n)
        return self.out(self.decoder(x, memory, tgt_mask=later, memory_key_padding_mask=pad))

    def ids(self, texts, vocab):
        rows = [[vocab.get(c, UNK) for c in text] + [EOS] for text in texts]
        width = max(len(row) for row in rows)
        return torch.tensor([row + [PAD] * (width - len(row)) for row in rows])

    def predict(self, sources):
        if len(sources) == 0:
            return []
        was = self.training
        self.train(False)
        with torch.inference_mode():
            memory, pad = self.encode(self.ids(sources, self.sv))
            y = torch.full((len(sources), 1), BOS)
            for _ in range(self.max_len):
                y = torch.cat([y, self.decode(y, memory, pad)[:, -1].argmax(-1, keepdim=True)], dim=1)
        self.train(was)
        texts = []
        for row in y[:, 1:].tolist():
            text = ""
            for i in row:
                if i == EOS:
                    break
                text += self.back.get(i, "")
            texts.append(text)
        return texts


def train(train_pairs, config, seed):
    torch.manual_seed(seed)
    sv = {c: i for i, c in enumerate(sorted({c for s, _ in train_pairs for c in s}), 4)}
    tv = {c: i for i, c in enumerate(sorted({c for _, t in train_pairs for c in t}), 4)}
    longest = max(len(t) for _, t in train_pairs) + 1
    model = Model(sv, tv, longest, config["d"], config["heads"], config["dropout"])
    optimizer = torch.optim.Adam(model.parameters(), config["learning_rate"], betas=(0.9, 0.98))
    total = config["steps"]
    criterion = nn.CrossEntropyLoss(ignore_index=PAD)
    model.train()
    for step in range(total):
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / 40)
            group["lr"] = config["learning_rate"] * warm * 0.5 * (1 + math.cos(math.pi * step / total))
        batch = [train_pairs[i] for i in torch.randperm(len(train_pairs))[: config["batch"]].tolist()]
        x, y = model.ids([s for s, _ in batch], sv), model.ids([t for _, t in batch], tv)
        first = torch.full((len(batch), 1), BOS)
        logits = model.decode(torch.cat([first, y[:, :-1]], 1), *model.encode(x))
        loss = criterion(logits.reshape(-1, logits.size(-1)), y.reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model
