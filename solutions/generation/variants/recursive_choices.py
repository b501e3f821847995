"""No loop over the tokens: a text of n tokens is a text of one token, continued. random.choices draws."""
import random

import torch


def next_token_distribution(logits, temperature, top_k=None):
    if logits.dim() == 3:
        return next_token_distribution(logits[:, -1, :], temperature, top_k)
    if top_k is None or top_k >= logits.size(-1):
        return torch.softmax(logits / temperature, dim=-1)
    kept = torch.topk(logits, top_k, dim=-1)
    result = torch.zeros_like(logits)
    return result.scatter_(-1, kept.indices, torch.softmax(kept.values / temperature, dim=-1))


def continued(model, text, n, settings, rng):
    """-> text, [distribution of each new token]"""
    if n == 0:
        return text, []
    temperature, do_sample, top_k = settings
    with torch.no_grad():
        logits, _ = model(text[:, -model.block_size:])
        p = next_token_distribution(logits, temperature, top_k)
    if do_sample:
        vocabulary = range(p.size(1))
        chosen = [rng.choices(vocabulary, weights)[0] for weights in p.tolist()]
    else:
        chosen = p.argmax(-1).tolist()
    longer = torch.cat([text, torch.tensor(chosen)[:, None]], dim=-1)
    text, others = continued(model, longer, n - 1, settings, rng)
    return text, [p, *others]


def start(model, idx, max_new_tokens, temperature, do_sample, top_k, generator):
    if temperature <= 0:
        raise ValueError(f"temperature={temperature}")
    rng = random
    if generator is not None:
        rng = random.Random(torch.randint(2**62, (1,), generator=generator).item())
    return continued(model, idx, max_new_tokens, (temperature, do_sample, top_k), rng)


def generate(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    text, _ = start(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)
    return text


def generate_with_probabilities(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    text, ps = start(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)
    T = idx.shape[1]
    likely = [p.gather(-1, text[:, T + i, None]) for i, p in enumerate(ps)]
    return text, torch.cat([torch.ones(idx.shape), *likely], dim=-1)


def generate_with_alternatives(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6):
    text, ps = start(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)
    if not ps:
        return text, torch.empty(len(idx), 0, k, dtype=torch.int64), torch.empty(len(idx), 0, k)
    best = [p.topk(k) for p in ps]
    return text, torch.stack([b.indices for b in best], 1), torch.stack([b.values for b in best], 1)
