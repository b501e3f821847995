from dataclasses import dataclass
from typing import Optional

import torch
import torch.nn as nn
from torch import Tensor


@dataclass
class ModelArgs:
    vocab_size: int = 0
    block_size: int = 0
    n_embd: int = 0


class Embedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.where = nn.Embedding(config.block_size, config.n_embd)
        self.what = nn.Embedding(config.vocab_size, config.n_embd)
        self.p = config.embd_pdrop

    def forward(self, idx: Tensor) -> Tensor:
        t = idx.shape[1]
        if t > self.where.num_embeddings:
            raise ValueError(f"{t} > {self.where.num_embeddings}")
        e = self.what(idx) + self.where(torch.arange(t))[None]
        return nn.functional.dropout(e, self.p, self.training)


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head != 0:
            raise ValueError("not divisible")
        c = config.n_embd
        self.out = nn.Linear(c, c)
        self.value = nn.Linear(c, c)
        self.query = nn.Linear(c, c)
        self.key = nn.Linear(c, c)
        self.n_head = config.n_head
        self.p_attn, self.p_hidden = config.attn_pdrop, config.hidden_pdrop

    def forward(self, x: Tensor, attention_mask: Tensor) -> Tensor:
        b, t, c = x.shape
        q, k, v = (f(x).reshape(b, t, self.n_head, -1).permute(0, 2, 1, 3) for f in (self.query, self.key, self.value))
        s = torch.matmul(q, k.mT) * (c // self.n_head) ** -0.5
        s = s + (1.0 - attention_mask.to(s.dtype)) * -1e9
        a = nn.functional.dropout(s.softmax(-1), self.p_attn, self.training)
        y = self.out(torch.matmul(a, v).permute(0, 2, 1, 3).reshape(b, t, c))
        return nn.functional.dropout(y, self.p_hidden, self.training)


class FeedForward(nn.Sequential):
    def __init__(self, width):
        super().__init__(nn.LayerNorm(width), nn.Linear(width, width * 4), nn.GELU(), nn.Linear(width * 4, width))


class TransformerBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.feed_forward = FeedForward(config.n_embd)  # with the norm inside
        self.norm = nn.LayerNorm(config.n_embd)
        self.self_attention = GenericSelfAttention(config)

    def forward(self, x: Tensor, attention_mask: Tensor) -> Tensor:
        x = torch.add(x, self.self_attention(self.norm(x), attention_mask))
        return torch.add(x, self.feed_forward(x))


class GenericTransformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.final_norm = nn.LayerNorm(config.n_embd)
        self.stack = nn.ModuleList(TransformerBlock(config) for _ in range(config.n_layer))
        self.embed = Embedding(config)

    def get_attention_mask(self, num_tokens: Tensor) -> Tensor:
        m = int(num_tokens.max())
        return torch.ones((num_tokens.numel(), 1, m, m), dtype=torch.int64)

    def forward(self, idx, targets: Optional[Tensor] = None, hidden_cache: Optional[Tensor] = None, return_hidden=False):
        num_tokens = idx.ne(-1).sum(-1)
        longest = int(num_tokens.max())
        unused = idx.shape[1] - longest
        idx = idx[:, :longest]
        x = self.embed(idx)
        past = 0
        if hidden_cache is not None:
            past = hidden_cache.shape[1]
            x = torch.cat((hidden_cache, x), 1)
        mask = self.get_attention_mask(num_tokens + past)
        for layer in self.stack:
            x = layer(x, mask)
        x = torch.cat((self.final_norm(x), x.new_zeros(x.shape[0], unused, x.shape[2])), 1)
        if return_hidden:
            return x
        logits = self.head(x)
        loss = None
        if targets is not None:
            guess = logits[:, past - 1 : past - 1 + idx.shape[1] + unused] if past else logits
            loss = nn.functional.cross_entropy(guess.transpose(1, 2), targets, ignore_index=-1)
        return logits, loss


class Encoder(GenericTransformer):
    def get_attention_mask(self, num_tokens: Tensor) -> Tensor:
        keys = torch.arange(int(num_tokens.max()))
        real = (keys[None] < num_tokens[:, None]).long()
        return real[:, None, None].repeat(1, 1, len(keys), 1)


class Decoder(Encoder):
    def get_attention_mask(self, num_tokens: Tensor) -> Tensor:
        return super().get_attention_mask(num_tokens).tril()
