import torch


def next_token_distribution(logits, temperature, top_k=None):
    if len(logits.shape) == 3:
        logits = logits[:, -1, :]
    logits = logits / temperature
    if top_k is not None:
        top_k = min(top_k, logits.shape[-1])
        smallest = torch.topk(logits, top_k).values.min(dim=-1, keepdim=True).values
        logits[logits < smallest] = float("-inf")
    return torch.softmax(logits, dim=-1)


def generate(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    idx, _ = generate_with_probabilities(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)
    return idx


def generate_with_probabilities(
    model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None
):
    if temperature <= 0:
        raise ValueError("temperature has to be larger than 0")
    probs = torch.ones(idx.shape)
    for _ in range(max_new_tokens):
        logits, _ = model(idx)
        p = next_token_distribution(logits, temperature, top_k)
        if do_sample:
            new = torch.multinomial(p, num_samples=1, generator=generator)
        else:
            new = p.argmax(dim=-1, keepdim=True)
        probs = torch.cat([probs, p.gather(1, new)], dim=1)
        idx = torch.cat([idx, new], dim=1)
    return idx, probs


def generate_with_alternatives(
    model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6
):
    if temperature <= 0:
        raise ValueError("temperature has to be larger than 0")
    ids, values = [], []
    for _ in range(max_new_tokens):
        logits, _ = model(idx)
        p = next_token_distribution(logits, temperature, top_k)
        if do_sample:
            new = torch.multinomial(p, num_samples=1, generator=generator)
        else:
            new = p.argmax(dim=-1, keepdim=True)
        best = p.topk(k)
        ids.append(best.indices)
        values.append(best.values)
        idx = torch.cat([idx, new], dim=1)
    return idx, torch.stack(ids, dim=1), torch.stack(values, dim=1)
