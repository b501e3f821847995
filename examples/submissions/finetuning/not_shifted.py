import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def causal_lm_loss(logits, labels, ignore_index=-100):
    return F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=ignore_index)


def label_batch(input_ids, attention_mask):
    labels = input_ids.clone()
    labels[attention_mask == 0] = -100
    return labels


def get_logits(out):
    if isinstance(out, torch.Tensor):
        return out
    if hasattr(out, "logits"):
        return out.logits
    return out[0]


@torch.no_grad()
def perplexity(model, batches):
    training = model.training
    model.eval()
    total_nll = 0.0
    total_tokens = 0
    for batch in batches:
        logits = get_logits(model(batch["input_ids"], attention_mask=batch["attention_mask"]))
        labels = label_batch(batch["input_ids"], batch["attention_mask"])
        n = (labels[:, 1:] != -100).sum().item()
        if n > 0:
            total_nll += causal_lm_loss(logits, labels).item() * n
            total_tokens += n
    model.train(training)
    return math.exp(total_nll / total_tokens)


class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        self.base = base
        for p in self.base.parameters():
            p.requires_grad = False
        w = base.weight
        self.lora_A = nn.Parameter(torch.randn(r, base.in_features, dtype=w.dtype, device=w.device) * 0.02)
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, r, dtype=w.dtype, device=w.device))
        self.scaling = alpha / r
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        update = self.dropout(x) @ self.lora_A.T @ self.lora_B.T
        return self.base(x) + update * self.scaling

    def merge(self):
        has_bias = self.base.bias is not None
        merged = nn.Linear(
            self.base.in_features, self.base.out_features, bias=has_bias,
            dtype=self.base.weight.dtype, device=self.base.weight.device,
        )
        with torch.no_grad():
            merged.weight.copy_(self.base.weight + self.scaling * (self.lora_B @ self.lora_A))
            if has_bias:
                merged.bias.copy_(self.base.bias)
        return merged


def apply_lora(model, names, r, alpha):
    for p in model.parameters():
        p.requires_grad = False
    found = [
        path
        for path, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, nn.Linear) and (path in names or path.split(".")[-1] in names)
    ]
    for path in found:
        parent_path, _, child = path.rpartition(".")
        parent = model.get_submodule(parent_path)
        setattr(parent, child, LoRALinear(getattr(parent, child), r, alpha))
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


class SelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.n_head = config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)

    def forward(self, x, mask):
        B, T, C = x.shape
        q, k, v = (f(x).view(B, T, self.n_head, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.size(-1))
        weights = scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)
        return self.c_proj((weights @ v).transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd)
        self.attn = SelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd)
        self.mlp = nn.Sequential(
            nn.Linear(config.n_embd, 4 * config.n_embd), nn.GELU(), nn.Linear(4 * config.n_embd, config.n_embd)
        )

    def forward(self, x, mask):
        x = x + self.attn(self.ln_1(x), mask)
        return x + self.mlp(self.ln_2(x))


class Decoder(nn.Module):
    """From the assignment `transformer`."""

    def __init__(self, config):
        super().__init__()
        self.vocab_embeddings = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embeddings = nn.Embedding(config.block_size, config.n_embd)
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, idx, targets=None, hidden_cache=None, return_hidden=False):
        T = idx.size(1)
        real = (idx != -1)[:, None, None, :]  # (B, 1, 1, T)
        mask = real & torch.ones(T, T, dtype=torch.bool).tril()
        x = self.vocab_embeddings(idx.clamp(min=0)) + self.position_embeddings(torch.arange(T))
        for block in self.blocks:
            x = block(x, mask)
        x = self.ln_f(x)
        return x if return_hidden else (self.lm_head(x), None)


class GPTClassifier(nn.Module):
    def __init__(self, config, n_classes):
        super().__init__()
        self.decoder = Decoder(config)
        self.class_head = nn.Linear(config.n_embd, n_classes)

    def forward(self, input_ids, attention_mask=None):
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        idx = input_ids.masked_fill(attention_mask == 0, -1)
        h = self.decoder(idx, return_hidden=True)
        last = attention_mask.sum(dim=1) - 1
        return self.decoder.lm_head(h), self.class_head(h[torch.arange(h.size(0)), last])
