"""nn.Parameter for nearly everything: LayerNorm, GELU and softmax by hand, matrices that stand the other way round."""
import functools
import io
import random

import torch
from torch import nn


class Tokenizer:
    def __init__(self, max_length=0):
        self.max_length = max_length

    def encode(self, texts):
        length = self.max_length or len(max(texts, key=len))
        number = lambda c: 27 if c == " " else ord(c) - ord("a") + 1
        padded = [text.ljust(length, "\0")[:length] for text in texts]
        return torch.tensor([[28, *(0 if c == "\0" else number(c) for c in text)] for text in padded])

    def decode(self, tokens):
        is_text = (tokens != 0).cumprod(dim=1).bool()
        rows = (row[keep][1:].tolist() for row, keep in zip(tokens, is_text))
        return ["".join(" " if i == 27 else chr(ord("a") + i - 1) for i in row) for row in rows]


class LossFun(nn.Module):
    def forward(self, y_model, y_true, reduction="sum"):
        reductions = {"sum": 1, "mean": y_true.shape[0]}
        if reduction not in reductions:
            raise ValueError(reduction)
        one_hot = torch.nn.functional.one_hot(y_true, y_model.shape[-1])
        return -(y_model * one_hot).sum() / reductions[reduction]


def matrix(rows, columns):
    return nn.Parameter(torch.randn(rows, columns) / rows**0.5)


def vector(n, value=0.0):
    return nn.Parameter(torch.full((n,), value))


class MultiHeadSelfAttention(nn.Module):
    def __init__(self, num_emb, num_heads=8):
        super().__init__()
        self.H = num_heads
        self.w_q, self.b_q = matrix(num_emb, num_heads * num_emb), vector(num_heads * num_emb)
        self.w_k, self.b_k = matrix(num_emb, num_heads * num_emb), vector(num_heads * num_emb)
        self.w_v, self.b_v = matrix(num_emb, num_heads * num_emb), vector(num_heads * num_emb)
        self.w_out, self.b_out = matrix(num_heads * num_emb, num_emb), vector(num_emb)

    def forward(self, x, causal=True):
        B, T, D = x.shape
        heads = lambda w, b: (x @ w + b).reshape(B, T, self.H, D).permute(0, 2, 1, 3)
        q, k = heads(self.w_q, self.b_q) * D**-0.25, heads(self.w_k, self.b_k) * D**-0.25
        scores = q.matmul(k.mT)
        e = (scores - scores.amax(-1, keepdim=True)).exp()
        if causal:
            e = (scores - scores.masked_fill(~torch.ones(T, T).tril().bool(), -1e30).amax(-1, keepdim=True)).exp()
            e = e.where(torch.ones(T, T).tril().bool(), torch.zeros(()))
        mixed = (e / e.sum(-1, keepdim=True)) @ heads(self.w_v, self.b_v)
        return mixed.permute(0, 2, 1, 3).reshape(B, T, self.H * D) @ self.w_out + self.b_out


class Norm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.gamma, self.beta = vector(n, 1.0), vector(n)

    def forward(self, x):
        centred = x - x.mean(-1, keepdim=True)
        return centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + 1e-5) * self.gamma + self.beta


class TransformerBlock(nn.Module):
    def __init__(self, num_emb, num_neurons, num_heads=4):
        super().__init__()
        self.attention = MultiHeadSelfAttention(num_emb, num_heads)
        self.norm_a, self.norm_b = Norm(num_emb), Norm(num_emb)
        self.up_weight, self.up_bias = matrix(num_emb, num_neurons * num_emb), vector(num_neurons * num_emb)
        self.down_weight, self.down_bias = matrix(num_neurons * num_emb, num_emb), vector(num_emb)

    def forward(self, x, causal=True):
        x = self.norm_a(x + self.attention(x, causal=causal))
        h = x @ self.up_weight + self.up_bias
        h = h * 0.5 * (1 + torch.erf(h / 2**0.5))
        return self.norm_b(x + h @ self.down_weight + self.down_bias)


class DecoderTransformer(nn.Module):
    def __init__(self, num_tokens, num_token_vals, num_emb, num_neurons, num_heads=2, dropout_prob=0.1, num_blocks=10,
                 device="cpu"):
        super().__init__()
        self.start = num_token_vals - 1
        self.tokens = nn.Parameter(0.02 * torch.randn(num_token_vals, num_emb))
        self.positions = nn.Parameter(0.02 * torch.randn(num_tokens, num_emb))
        self.stack = nn.Sequential(*[TransformerBlock(num_emb, num_neurons, num_heads) for _ in range(num_blocks)])
        self.head, self.head_bias = matrix(num_emb, num_token_vals), vector(num_token_vals)
        self.dropout_prob = dropout_prob
        self.to(device)

    def transformer_forward(self, x, causal=True, temperature=1.0):
        h = self.tokens[x] + self.positions[: x.shape[1]]
        if self.training and self.dropout_prob > 0:
            h = h * (torch.rand_like(h) >= self.dropout_prob) / (1 - self.dropout_prob)
        h = functools.reduce(lambda h, block: block(h, causal), self.stack, h)
        return torch.log_softmax((h @ self.head + self.head_bias) / temperature, -1)

    def forward(self, x, causal=True, temperature=1.0, reduction="mean"):
        return LossFun()(self.transformer_forward(x, causal, temperature)[:, :-1], x[:, 1:], reduction)

    def top1_rec(self, x):
        guessed = self.transformer_forward(x).argmax(-1).tolist()
        shares = 0.0
        for row, guesses in zip(x.tolist(), guessed):
            right = [a == b for a, b in zip(row[1:], guesses)]
            shares += sum(right) / len(right)
        return shares

    def sample(self, batch_size=4, temperature=1.0):
        vocabulary = range(self.tokens.shape[0])
        rows = [[self.start] for _ in range(batch_size)]
        for _ in range(self.positions.shape[0] - 1):
            p = self.transformer_forward(torch.tensor(rows), temperature=temperature)[:, -1].exp().tolist()
            for row, weights in zip(rows, p):
                row.append(random.choices(vocabulary, weights)[0])
        return torch.tensor(rows)


def train_with_patience(model, optimizer, train_batches, valid_batches, max_epochs, max_patience):
    losses, kept, since = [], io.BytesIO(), 0
    for epoch in range(max_epochs):
        model.train(True)
        for x in train_batches:
            model.zero_grad()
            model(x).backward()
            optimizer.step()
        model.train(False)
        with torch.no_grad():
            per_batch = torch.tensor([model(x, reduction="sum") for x in valid_batches])
        losses.append((per_batch.sum() / sum(x.size(0) for x in valid_batches)).item())
        since = 0 if epoch == 0 or losses[-1] < min(losses[:-1]) else since + 1
        if since == 0:
            kept = io.BytesIO()
            torch.save(model.state_dict(), kept)
        if since == max_patience:
            break
    kept.seek(0)
    model.load_state_dict(torch.load(kept))
    return losses


def pearson(a, b):
    a, b = (torch.tensor([float(x) for x in v]).double() for v in (a, b))
    if a.max() == a.min() or b.max() == b.min():
        raise ValueError("constant")
    z = lambda v: (v - v.mean()) / v.std(unbiased=False)
    return (z(a) * z(b)).mean().item()
