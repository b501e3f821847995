# Where does a random number between 0 and 1 fall in the cumulative sum? One row after the other, in plain Python.
import random

import torch


def next_token_distribution(logits, temperature, top_k=None):
    if len(logits.shape) == 3:
        logits = logits[:, logits.shape[1] - 1]
    out = []
    for row in logits:
        row = row / temperature
        e = torch.exp(row - row.max())
        if top_k is not None:
            best = sorted(range(len(row)), key=lambda token: -row[token].item())[:top_k]
            keep = torch.zeros(len(row))
            keep[best] = 1.0
            e = e * keep
        out.append(e / e.sum())
    return torch.stack(out)


def sample(probs, generator=None):
    B, V = probs.shape
    if generator is None:
        u = torch.tensor([random.random() for _ in range(B)], dtype=torch.float64)
    else:
        u = torch.rand(B, generator=generator, dtype=torch.float64)
    cdf = torch.cumsum(probs.double(), dim=1)
    u = u[:, None] * cdf[:, -1:]
    return (cdf <= u).sum(dim=1, keepdim=True).clamp(max=V - 1)


class Generation:
    """one text in the making"""

    def __init__(self, model, idx, temperature, do_sample, top_k, generator):
        if temperature <= 0.0:
            raise ValueError("temperature <= 0")
        self.model, self.idx = model, idx
        self.temperature, self.do_sample, self.top_k, self.generator = temperature, do_sample, top_k, generator

    def advance(self):
        context = self.idx[:, -self.model.block_size:]
        with torch.no_grad():
            logits, loss = self.model(context)
        # rows with equal logits share their distribution: the loop above is slow
        distinct, which = logits[:, -1].unique(dim=0, return_inverse=True)
        probs = next_token_distribution(distinct, self.temperature, self.top_k)[which]
        if self.do_sample:
            token = sample(probs, self.generator)
        else:
            token = torch.max(probs, 1, keepdim=True)[1]
        self.idx = torch.cat((self.idx, token), 1)
        return token, probs


def generate(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    g = Generation(model, idx, temperature, do_sample, top_k, generator)
    for _ in range(max_new_tokens):
        g.advance()
    return g.idx


def generate_with_probabilities(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    g = Generation(model, idx, temperature, do_sample, top_k, generator)
    probs = [torch.ones(idx.shape[0], 1) for _ in range(idx.shape[1])]
    for _ in range(max_new_tokens):
        token, p = g.advance()
        probs.append(p.gather(1, token))
    return g.idx, torch.cat(probs, 1)


def generate_with_alternatives(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6):
    g = Generation(model, idx, temperature, do_sample, top_k, generator)
    top_ids = torch.zeros(idx.shape[0], max_new_tokens, k, dtype=torch.long)
    top_probs = torch.zeros(idx.shape[0], max_new_tokens, k)
    for n in range(max_new_tokens):
        _, p = g.advance()
        p, ids = torch.sort(p, dim=1, descending=True)
        top_ids[:, n, :], top_probs[:, n, :] = ids[:, :k], p[:, :k]
    return g.idx, top_ids, top_probs
