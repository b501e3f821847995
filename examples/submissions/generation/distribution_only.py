import torch


def next_token_distribution(logits, temperature, top_k=None):
    """Return (B, V): the probability of each token to come next."""
    if logits.dim() == 3:
        logits = logits[:, -1]
    logits = logits / temperature
    if top_k is not None:
        values, ids = logits.topk(min(top_k, logits.size(-1)), dim=-1)
        logits = torch.full_like(logits, -torch.inf).scatter(-1, ids, values)
    return torch.softmax(logits, dim=-1)


def generate(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    raise NotImplementedError("Task 3: generate")


def generate_with_probabilities(
    model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None
):
    raise NotImplementedError("Task 4: generate, and say how likely each token was")


def generate_with_alternatives(
    model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6
):
    raise NotImplementedError("Task 5: generate, and say what else was likely")
