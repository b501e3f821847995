"""Transformer, group 12. LayerNorm by hand because I wanted to see it."""
import functools

import torch
from torch import nn
from torch.nn.functional import cross_entropy, gelu


class Norm(nn.Module):
    def __init__(self, width, eps=1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, x):
        centred = x - x.mean(-1, keepdim=True)
        return self.weight * centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + self.eps) + self.bias


class Embedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.vocab_embeddings = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embeddings = nn.Parameter(torch.randn(config.block_size, config.n_embd))
        self.dropout = nn.Dropout(config.embd_pdrop)

    def forward(self, idx):
        if idx.size(1) > self.position_embeddings.size(0):
            raise ValueError("idx is longer than block_size")
        return self.dropout(self.vocab_embeddings(idx) + self.position_embeddings[: idx.size(1)])


def attention(q, k, v, mask=None):
    scores = (q / q.size(-1) ** 0.5) @ k.mT
    if mask is not None:
        scores = scores.where(mask.bool(), torch.finfo(scores.dtype).min)
    weights = (scores - scores.logsumexp(-1, keepdim=True)).exp()
    return weights @ v, weights


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head > 0:
            raise ValueError("n_head does not divide n_embd")
        self.n_head = config.n_head
        self.projections = nn.ModuleDict({name: nn.Linear(config.n_embd, config.n_embd) for name in "qkv"})
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        q, k, v = [f(x).unflatten(2, (self.n_head, -1)).swapaxes(1, 2) for f in self.projections.values()]
        _, weights = attention(q, k, v, attention_mask)
        return self.hidden_dropout(self.c_proj((self.attn_dropout(weights) @ v).swapaxes(1, 2).flatten(2)))


class TransformerBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config.n_embd
        self.ln_1, self.attn, self.ln_2 = Norm(width), GenericSelfAttention(config), Norm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x, attention_mask):
        x = self.attn(self.ln_1(x), attention_mask) + x
        return self.down(gelu(self.up(self.ln_2(x)))) + x


class GenericTransformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embedding = Embedding(config)
        self.h = nn.ModuleList(map(TransformerBlock, [config] * config.n_layer))
        self.ln_f = Norm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def get_attention_mask(self, num_tokens):
        return torch.ones(1, 1, *[int(num_tokens.max())] * 2, dtype=torch.bool)

    def hidden(self, idx, cache):
        counts = (idx >= 0).sum(1)
        width = int(counts.max())
        cache = idx.new_zeros(len(idx), 0, self.lm_head.in_features).float() if cache is None else cache
        x = torch.cat([cache, self.embedding(idx[:, :width].relu())], dim=1)
        mask = self.get_attention_mask(counts + cache.size(1))
        x = self.ln_f(functools.reduce(lambda x, block: block(x, mask), self.h, x))
        return nn.functional.pad(x, (0, 0, 0, idx.size(1) - width), value=1.0)

    def forward(self, idx, targets=None, hidden_cache=None, return_hidden=False):
        x = self.hidden(idx, hidden_cache)
        if return_hidden:
            return x
        logits = self.lm_head(x)
        if targets is None:
            return logits, None
        shifted = logits
        if hidden_cache is not None:
            shifted = logits[:, hidden_cache.size(1) - 1 : -1]
        keep = targets >= 0
        return logits, cross_entropy(shifted[keep], targets[keep])


class Encoder(GenericTransformer):
    look_ahead = True

    def get_attention_mask(self, num_tokens):
        width = int(num_tokens.max())
        allowed = torch.zeros(len(num_tokens), 1, width, width, dtype=torch.bool)
        for row, count in zip(allowed, num_tokens):
            row[..., :count] = True
        return allowed if self.look_ahead else allowed.tril()


class Decoder(Encoder):
    look_ahead = False
