"""Each token waits an exponential time with its probability as rate; the first one is drawn. In evaluation mode."""
from contextlib import contextmanager

import torch


@contextmanager
def evaluating(model):
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def next_token_distribution(logits, temperature, top_k=None):
    logits = logits if logits.dim() == 2 else logits[:, -1]
    V = logits.size(-1)
    probs = (logits / temperature).softmax(-1)
    if top_k is not None and top_k < V:
        threshold = probs.kthvalue(V - top_k + 1, dim=-1, keepdim=True).values  # the k-th from above
        probs = probs * (probs >= threshold)
        probs = probs / probs.sum(-1, keepdim=True)
    return probs


def run(model, idx, max_new_tokens, temperature, do_sample, top_k, generator, k=0):
    if temperature <= 0:
        raise ValueError("temperature")
    B, T = idx.shape
    buffer = torch.zeros(B, T + max_new_tokens, dtype=idx.dtype)
    buffer[:, :T] = idx
    probs = torch.ones(B, T + max_new_tokens)
    top_ids = torch.zeros(B, max_new_tokens, k, dtype=torch.int64)
    top_probs = torch.zeros(B, max_new_tokens, k)
    with evaluating(model):
        for now in range(T, T + max_new_tokens):
            logits = model(buffer[:, max(0, now - model.block_size):now])[0][:, -1, :]
            p = next_token_distribution(logits, temperature, top_k)
            if do_sample:
                wait = torch.empty_like(p, dtype=torch.float64).exponential_(1, generator=generator)
                new = (p / wait).argmax(-1)
            else:
                new = p.argmax(-1)
            buffer[:, now] = new
            probs[:, now] = p[range(B), new]
            if k:
                best = p.topk(k)
                top_ids[:, now - T], top_probs[:, now - T] = best.indices, best.values
    return buffer, probs, top_ids, top_probs


def generate(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    return run(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)[0]


def generate_with_probabilities(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    return run(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)[:2]


def generate_with_alternatives(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6):
    text, _, top_ids, top_probs = run(model, idx, max_new_tokens, temperature, do_sample, top_k, generator, k)
    return text, top_ids, top_probs
