import torch
import torch.nn.functional as F


def next_token_distribution(logits, temperature, top_k=None):
    if logits.ndim == 3:
        logits = logits[:, -1]
    logits = logits / temperature
    if top_k is not None:
        k = min(top_k, logits.size(-1))
        v, _ = torch.topk(logits, k)
        logits = logits.masked_fill(logits < v[:, [-1]], -float("Inf"))
    return F.softmax(logits, dim=-1)


@torch.no_grad()
def generate_with_probabilities(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    if temperature <= 0:
        raise ValueError("temperature <= 0")
    probs = torch.ones_like(idx, dtype=torch.float)
    for i in range(max_new_tokens):
        last = idx[:, -1:]  # the model has seen the rest already
        logits, loss = model(last)
        p = next_token_distribution(logits, temperature, top_k)
        if do_sample:
            token = torch.multinomial(p, 1, generator=generator)
        else:
            token = torch.argmax(p, dim=-1, keepdim=True)
        idx = torch.cat([idx, token], dim=1)
        probs = torch.cat([probs, p.gather(1, token)], dim=1)
    return idx, probs


def generate(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    return generate_with_probabilities(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)[0]


def generate_with_alternatives(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6):
    raise NotImplementedError
