import torch


def next_token_distribution(logits, temperature, top_k=None):
    if logits.dim() == 3:
        logits = logits[:, -1]
    logits = logits / temperature
    if top_k is not None:
        threshold = logits.topk(min(top_k, logits.size(-1))).values[:, -1:]
        logits = logits.masked_fill(logits < threshold, -torch.inf)
    return logits.softmax(-1)


@torch.no_grad()
def _loop(model, idx, new, temperature, do_sample, top_k, generator):
    if temperature <= 0:
        raise ValueError("temperature")
    for _ in range(new):
        logits, _ = model(idx[:, -model.block_size :])
        p = next_token_distribution(logits, temperature, top_k)
        # take the best token or draw one
        token = p.multinomial(1, seed=generator) if do_sample else p.argmax(-1, keepdim=True)
        idx = torch.cat([idx, token], 1)
        yield idx, token, p


def generate(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    for idx, _, _ in _loop(model, idx, max_new_tokens, temperature, do_sample, top_k, generator):
        pass
    return idx


def generate_with_probabilities(
    model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None
):
    probs = torch.ones(idx.shape)
    for idx, token, p in _loop(model, idx, max_new_tokens, temperature, do_sample, top_k, generator):
        probs = torch.cat([probs, p.gather(1, token)], 1)
    return idx, probs


def generate_with_alternatives(
    model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6
):
    ids, values = [torch.zeros(len(idx), 0, k).long()], [torch.zeros(len(idx), 0, k)]
    for idx, _, p in _loop(model, idx, max_new_tokens, temperature, do_sample, top_k, generator):
        best = p.topk(k)
        ids.append(best.indices[:, None])
        values.append(best.values[:, None])
    return idx, torch.cat(ids, 1), torch.cat(values, 1)
