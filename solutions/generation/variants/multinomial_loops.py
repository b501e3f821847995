"""Three plain loops, nothing shared. Like the sample() everybody knows, with a generator added."""
import torch
from torch.nn import functional as F


def next_token_distribution(logits, temperature, top_k=None):
    if logits.ndim == 3:
        logits = logits[:, -1, :]
    logits = logits / temperature
    if top_k is not None:
        v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
        logits[logits < v[:, [-1]]] = -float("Inf")
    return F.softmax(logits, dim=-1)


@torch.no_grad()
def generate(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    if temperature <= 0:
        raise ValueError("temperature must be positive")
    for _ in range(max_new_tokens):
        idx_cond = idx if idx.size(1) <= model.block_size else idx[:, -model.block_size:]
        logits, _ = model(idx_cond)
        probs = next_token_distribution(logits, temperature, top_k)
        if do_sample:
            idx_next = torch.multinomial(probs, num_samples=1, generator=generator)
        else:
            _, idx_next = torch.topk(probs, k=1, dim=-1)
        idx = torch.cat((idx, idx_next), dim=1)
    return idx


@torch.no_grad()
def generate_with_probabilities(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None,
                                generator=None):
    if temperature <= 0:
        raise ValueError("temperature must be positive")
    p = torch.ones_like(idx, dtype=torch.float32)
    for _ in range(max_new_tokens):
        idx_cond = idx if idx.size(1) <= model.block_size else idx[:, -model.block_size:]
        logits, _ = model(idx_cond)
        probs = next_token_distribution(logits, temperature, top_k)
        if do_sample:
            idx_next = torch.multinomial(probs, num_samples=1, generator=generator)
        else:
            _, idx_next = torch.topk(probs, k=1, dim=-1)
        p = torch.cat((p, torch.gather(probs, 1, idx_next)), dim=1)
        idx = torch.cat((idx, idx_next), dim=1)
    return idx, p


@torch.no_grad()
def generate_with_alternatives(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None,
                               generator=None, k=6):
    if temperature <= 0:
        raise ValueError("temperature must be positive")
    B = idx.size(0)
    all_ids = torch.zeros(B, max_new_tokens, k, dtype=torch.long)
    all_probs = torch.zeros(B, max_new_tokens, k)
    for i in range(max_new_tokens):
        idx_cond = idx if idx.size(1) <= model.block_size else idx[:, -model.block_size:]
        logits, _ = model(idx_cond)
        probs = next_token_distribution(logits, temperature, top_k)
        all_probs[:, i], all_ids[:, i] = torch.topk(probs, k, dim=-1)
        if do_sample:
            idx_next = torch.multinomial(probs, num_samples=1, generator=generator)
        else:
            _, idx_next = torch.topk(probs, k=1, dim=-1)
        idx = torch.cat((idx, idx_next), dim=1)
    return idx, all_ids, all_probs
