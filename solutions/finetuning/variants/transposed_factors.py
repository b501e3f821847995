"""Factors the other way round, the first one zero; the base as buffers; one weight in eval mode; a tied head."""
from torch import nn
import torch


def causal_lm_loss(logits, labels, ignore_index=-100):
    logp = logits.log_softmax(-1)[:, :-1]
    target = labels[:, 1:]
    counts = target.ne(ignore_index)
    nll = -logp.gather(2, target.where(counts, torch.zeros_like(target)).unsqueeze(2)).squeeze(2)
    return nll[counts].mean()


def label_batch(input_ids, attention_mask):
    return torch.where(attention_mask.bool(), input_ids, torch.full_like(input_ids, -100))


def perplexity(model, batches):
    before = model.training
    try:
        model.eval()
        sums = torch.zeros(2, dtype=torch.float64)
        with torch.inference_mode():
            for batch in batches:
                out = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
                logits = out if torch.is_tensor(out) else out.logits if hasattr(out, "logits") else next(iter(out))
                real = batch["attention_mask"][:, 1:].bool()
                logp = logits[:, :-1].double().log_softmax(-1)
                nll = -logp.gather(-1, batch["input_ids"][:, 1:, None])[..., 0]
                sums += torch.stack([nll[real].sum(), real.sum().double()])
        return (sums[0] / sums[1]).exp().item()
    finally:
        model.train(before)


class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        w = base.weight.detach()
        self.register_buffer("w", w)
        self.register_buffer("b", None if base.bias is None else base.bias.detach())
        self.first = nn.Parameter(torch.zeros(w.shape[1], r, dtype=w.dtype, device=w.device))
        self.second = nn.Parameter(torch.randn(r, w.shape[0], dtype=w.dtype, device=w.device) / r)
        self.scale, self.p = alpha / r, dropout

    def delta(self):
        return (self.first @ self.second).T * self.scale

    def forward(self, x):
        if not self.training or self.p == 0:
            return nn.functional.linear(x, self.w + self.delta(), self.b)
        kept = (torch.rand_like(x) >= self.p) / (1 - self.p)
        return nn.functional.linear(x, self.w, self.b) + nn.functional.linear(x * kept, self.delta())

    @torch.no_grad()
    def merge(self):
        out_features, in_features = self.w.shape
        new = nn.Linear(in_features, out_features, bias=self.b is not None, dtype=self.w.dtype, device=self.w.device)
        state = {"weight": self.w + self.delta()}
        if self.b is not None:
            state["bias"] = self.b
        new.load_state_dict(state)
        return new


def apply_lora(model, names, r, alpha):
    model.requires_grad_(False)
    paths = [p for p, m in model.named_modules(remove_duplicate=False) if isinstance(m, nn.Linear)]
    done = {}
    for path in paths:
        *parents, last = path.split(".")
        if path not in names and last not in names:
            continue
        owner = model
        for step in parents:
            owner = getattr(owner, step)
        old = getattr(owner, last)
        new = done.setdefault(id(old), None) or LoRALinear(old, r, alpha)
        done[id(old)] = new
        owner._modules[last] = new
    return sum(p.numel() * p.requires_grad for p in model.parameters())


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.att = nn.MultiheadAttention(c.n_embd, c.n_head, batch_first=True)
        self.n1, self.n2 = nn.LayerNorm(c.n_embd), nn.LayerNorm(c.n_embd)
        self.up, self.down = nn.Linear(c.n_embd, 2 * c.n_embd), nn.Linear(2 * c.n_embd, c.n_embd)

    def forward(self, x):
        ahead = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        y = self.n1(x)
        x = x + self.att(y, y, y, attn_mask=ahead, need_weights=False)[0]
        return x + self.down(torch.relu(self.up(self.n2(x))))


class GPTClassifier(nn.Module):
    def __init__(self, config, n_classes):
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Parameter(0.02 * torch.randn(config.block_size, config.n_embd))
        self.h = nn.Sequential(*[Layer(config) for _ in range(config.n_layer)])
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight
        self.score = nn.Linear(config.n_embd, n_classes, bias=False)

    def forward(self, input_ids, attention_mask=None):
        h = self.h(self.wte(input_ids) + self.wpe[: input_ids.shape[1]])
        every = self.score(h)  # (B, T, n_classes)
        if attention_mask is None:
            return self.lm_head(h), every[:, -1]
        at = (attention_mask * torch.arange(1, 1 + input_ids.shape[1])).argmax(1)
        return self.lm_head(h), every.gather(1, at[:, None, None].expand(-1, 1, every.shape[2]))[:, 0]
