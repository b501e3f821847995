"""The largest of log-probability plus Gumbel noise is a sample. Everything stays in log space until the end."""
import math

import torch


def log_distribution(logits, temperature, top_k=None):
    if logits.dim() == 3:
        logits = logits[:, -1]
    scaled = logits * (1.0 / temperature)
    if top_k is not None and top_k < scaled.size(1):
        rank = scaled.argsort(dim=1, descending=True).argsort(dim=1)  # 0 for the largest
        scaled = torch.where(rank < top_k, scaled, torch.full_like(scaled, -math.inf))
    return scaled - scaled.logsumexp(dim=1, keepdim=True)


def next_token_distribution(logits, temperature, top_k=None):
    return log_distribution(logits, temperature, top_k).exp()


def pick(log_p, do_sample, generator):
    if not do_sample:
        return log_p.max(dim=1).indices
    uniform = torch.rand(log_p.shape, generator=generator, dtype=torch.float64).clamp_min(1e-300)
    gumbel = -torch.log(-torch.log(uniform).clamp_max(-1e-300))
    return (log_p + gumbel).argmax(dim=1)


def everything(model, idx, max_new_tokens, temperature, do_sample, top_k, generator):
    if temperature <= 0:
        raise ValueError(temperature)
    logs = []
    with torch.inference_mode():
        text = idx.clone()
        while len(logs) < max_new_tokens:
            context = text[:, max(0, text.size(1) - model.block_size):]
            logits, _loss = model(context)
            log_p = log_distribution(logits, temperature, top_k)
            text = torch.cat([text, pick(log_p, do_sample, generator).view(-1, 1)], dim=1)
            logs.append(log_p)
        stacked = torch.stack(logs, dim=1) if logs else torch.zeros(idx.size(0), 0, 1)
    return text, stacked.exp()  # (B, T + new), (B, new, V)


def generate(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    return everything(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)[0]


def generate_with_probabilities(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    text, probs = everything(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)
    result = torch.ones(text.shape)
    if max_new_tokens > 0:
        new = text[:, idx.size(1):, None]
        result[:, idx.size(1):] = probs.gather(2, new).squeeze(2)
    return text, result


def generate_with_alternatives(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6):
    text, probs = everything(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)
    if max_new_tokens == 0:
        return text, torch.zeros(len(idx), 0, k, dtype=torch.int64), torch.zeros(len(idx), 0, k)
    top = probs.topk(k, dim=2)
    return text, top.indices, top.values
