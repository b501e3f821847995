# The decoder keeps keys and values, so each step computes one position. Rows are packed: real states, then targets.
import math
from types import SimpleNamespace

import torch
import torch.nn as nn
import torch.nn.functional as F


class Attend(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.n = cfg.n_head
        self.kv = nn.Linear(cfg.n_embd, 2 * cfg.n_embd)
        self.query = nn.Linear(cfg.n_embd, cfg.n_embd)
        self.out = nn.Linear(cfg.n_embd, cfg.n_embd)

    def forward(self, x, mask, kept=None):
        b, t, c = x.shape
        k, v = self.kv(x).chunk(2, dim=-1)
        if kept is not None:
            k, v = torch.cat([kept[0], k], 1), torch.cat([kept[1], v], 1)
        heads = [z.view(b, z.shape[1], self.n, c // self.n).permute(0, 2, 1, 3) for z in (self.query(x), k, v)]
        s = torch.einsum("bhid,bhjd->bhij", heads[0], heads[1]) / math.sqrt(c / self.n)
        s = s + torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))[:, None]
        y = torch.einsum("bhij,bhjd->bhid", F.softmax(s, dim=-1), heads[2])
        return self.out(y.permute(0, 2, 1, 3).reshape(b, t, c)), (k, v)


class Block(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.norm1 = nn.LayerNorm(cfg.n_embd)
        self.att = Attend(cfg)
        self.norm2 = nn.LayerNorm(cfg.n_embd)
        self.ff = nn.Sequential(nn.Linear(cfg.n_embd, 4 * cfg.n_embd), nn.GELU(), nn.Linear(4 * cfg.n_embd, cfg.n_embd))

    def forward(self, x, mask, kept=None):
        y, kept = self.att(self.norm1(x), mask, kept)
        x = x + y
        return x + self.ff(self.norm2(x)), kept


class Model(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.token = nn.Embedding(cfg.vocab_size, cfg.n_embd)
        self.place = nn.Parameter(torch.randn(1, cfg.block_size, cfg.n_embd) * 0.1)
        self.layers = nn.ModuleList([Block(cfg) for _ in range(cfg.n_layer)])
        self.norm = nn.LayerNorm(cfg.n_embd)

    def embed(self, idx, start=0):
        return self.token(idx.clamp(min=0)) + self.place[:, start : start + idx.shape[1]]

    def forward(self, x, mask, kept=None):
        now = []
        for i, layer in enumerate(self.layers):
            x, pair = layer(x, mask, None if kept is None else kept[i])
            now.append(pair)
        return self.norm(x), now


class EncoderDecoder(nn.Module):
    def __init__(self, encoder_config, decoder_config):
        super().__init__()
        self.reader = Model(encoder_config)
        self.writer = Model(SimpleNamespace(**{**vars(decoder_config), "vocab_size": decoder_config.vocab_size + 1}))
        self.to_logits = nn.Linear(decoder_config.n_embd, decoder_config.vocab_size + 1, bias=False)

    def forward(self, prefix, targets=None):
        tokens = prefix.new_zeros(prefix.shape[0], 0) if targets is None else targets
        (b, p), t = prefix.shape, tokens.shape[1]
        real = prefix.ne(-1)
        states, _ = self.reader(self.reader.embed(prefix), real[:, None].expand(b, p, p))
        x = torch.cat([states, self.writer.embed(tokens)], 1)
        # move padding of the prefix behind everything else, and back again
        order = torch.cat([~real, torch.zeros(b, t, dtype=torch.bool)], 1).int().argsort(dim=1, stable=True)
        x = x.gather(1, order[..., None].expand_as(x))
        y, _ = self.writer(x, torch.ones(b, p + t, p + t, dtype=torch.bool).tril())
        logits = self.to_logits(y)
        loss = None
        if targets is not None:
            n = real.sum(1)
            rows = [logits[i, n[i] - 1 : n[i] - 1 + t] for i in range(b)]
            loss = F.cross_entropy(torch.cat(rows), targets.reshape(-1), ignore_index=-1)
        back = order.argsort(dim=1)
        return logits.gather(1, back[..., None].expand_as(logits)), loss


def prefix_generate(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):
    if temperature <= 0:
        raise ValueError("temperature has to be larger than 0")
    b, p = prefix.shape
    real = prefix.ne(-1)
    with torch.no_grad():
        states, _ = model.reader(model.reader.embed(prefix), real[:, None].expand(b, p, p))
        mask = real[:, None] & torch.ones(p, p, dtype=torch.bool).tril()
        y, kept = model.writer(states, mask)
        y = y[torch.arange(b), real.sum(1) - 1]  # (B, C)
        result = []
        seen = real
        for t in range(max_new_tokens):
            probs = F.softmax(model.to_logits(y) / temperature, dim=-1)
            if do_sample:  # where a uniform number falls among the cumulative probabilities
                u = torch.rand(b, 1, generator=generator)
                token = torch.searchsorted(probs.cumsum(-1).contiguous(), u).clamp(max=probs.shape[-1] - 1)
            else:
                token = probs.max(dim=-1, keepdim=True).indices
            result.append(token)
            if t + 1 < max_new_tokens:
                seen = torch.cat([seen, torch.ones(b, 1, dtype=torch.bool)], 1)
                y, kept = model.writer(model.writer.embed(token, start=t), seen[:, None], kept)
                y = y[:, 0]
    return torch.cat(result, 1)
