# torch.distributions does the drawing. It knows no generator, so with one its state is lent to the global generator.
import torch
from torch.distributions import Categorical


def next_token_distribution(logits, temperature, top_k=None):
    if logits.dim() > 2:
        logits = logits[:, -1, :]
    if top_k is not None:
        k = min(top_k, logits.shape[-1])
        values, indices = logits.topk(k, dim=-1)
        logits = torch.full_like(logits, -torch.inf).scatter(-1, indices, values)
    return Categorical(logits=logits / temperature).probs


def draw(probs, generator):
    if generator is None:
        return Categorical(probs=probs).sample()
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(generator.get_state())
        token = Categorical(probs=probs).sample()
        generator.set_state(torch.get_rng_state())
    return token


def steps(model, idx, max_new_tokens, temperature, do_sample, top_k, generator):
    """yields (the text so far, the new token, its distribution)"""
    if not temperature > 0:
        raise ValueError("the temperature has to be positive")
    for _ in range(max_new_tokens):
        with torch.no_grad():
            logits = model(idx[:, -model.block_size:])[0]
        probs = next_token_distribution(logits, temperature, top_k)
        token = draw(probs, generator) if do_sample else probs.argmax(1)
        idx = torch.hstack([idx, token.unsqueeze(1)])
        yield idx, token, probs


def generate(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    for idx, _, _ in steps(model, idx, max_new_tokens, temperature, do_sample, top_k, generator):
        pass
    return idx


def generate_with_probabilities(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None,
                                generator=None):
    columns = [torch.ones(idx.shape)]
    for idx, token, probs in steps(model, idx, max_new_tokens, temperature, do_sample, top_k, generator):
        columns.append(probs[torch.arange(len(token)), token].unsqueeze(1))
    return idx, torch.cat(columns, dim=1)


def generate_with_alternatives(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None,
                               generator=None, k=6):
    ids, ps = [idx.new_zeros(len(idx), 0, k)], [torch.zeros(len(idx), 0, k)]
    for idx, _, probs in steps(model, idx, max_new_tokens, temperature, do_sample, top_k, generator):
        order = probs.argsort(dim=-1, descending=True)[:, :k]
        ids.append(order.unsqueeze(1))
        ps.append(probs.gather(1, order).unsqueeze(1))
    return idx, torch.cat(ids, 1), torch.cat(ps, 1)
