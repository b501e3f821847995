# Homework 5, Yusuf Demir: one loop for everything
import torch


def next_token_distribution(logits, temperature, top_k=None):
    if logits.dim() == 3:
        logits = logits[:, -1, :]
    scaled = logits / temperature
    if top_k is not None and top_k < scaled.shape[-1]:
        kth_best = scaled.sort(dim=-1, descending=True)[0][:, top_k - 1 : top_k]
        scaled = torch.where(scaled >= kth_best, scaled, float("-inf"))
    return scaled.softmax(-1)


@torch.no_grad()
def run(model, idx, n, temperature, do_sample, top_k, generator):
    if not temperature > 0:
        raise ValueError("temperature must be positive")
    distributions = []
    for _ in range(n):
        logits, _ = model(idx[:, -model.block_size :])
        p = next_token_distribution(logits, temperature, top_k)
        new = torch.multinomial(p, 1, generator=generator) if do_sample else p.argmax(1, keepdim=True)
        idx = torch.cat((idx, new), 1)
        distributions.append(p)
    return idx, distributions


def generate(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    return run(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)[0]


def generate_with_probabilities(
    model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None
):
    out, ps = run(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)
    T = idx.shape[1]
    chosen = [p.gather(1, out[:, T + i : T + i + 1]) for i, p in enumerate(ps)]
    return out, torch.cat([torch.ones(idx.shape)] + chosen, 1)


def generate_with_alternatives(
    model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6
):
    out, ps = run(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)
    if not ps:
        return out, torch.zeros(len(idx), 0, k, dtype=torch.long), torch.zeros(len(idx), 0, k)
    best = torch.stack(ps, 1).topk(k)
    return out, best.indices, best.values
