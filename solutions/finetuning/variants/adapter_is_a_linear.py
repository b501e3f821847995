"""The adapted layer inherits from nn.Linear; the classifier inherits from the student's own decoder."""
import math
from typing import Iterable

import torch
from torch import nn, Tensor
from torch.nn import functional as F


def label_batch(input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    mask = attention_mask.to(input_ids.dtype)
    return input_ids * mask - 100 * (1 - mask)


class ShiftedLoss(nn.Module):
    def __init__(self, ignore_index):
        super().__init__()
        self.ce = nn.CrossEntropyLoss(ignore_index=ignore_index)

    def forward(self, logits, labels):
        B, T, V = logits.shape
        return self.ce(logits[:, : T - 1].transpose(1, 2), labels[:, 1:].contiguous())


def causal_lm_loss(logits: Tensor, labels: Tensor, ignore_index: int = -100) -> Tensor:
    return ShiftedLoss(ignore_index)(logits, labels)


def perplexity(model: nn.Module, batches: Iterable[dict]) -> float:
    mode = model.training
    model.eval()
    losses = []
    for batch in batches:
        with torch.no_grad():
            result = model(batch["input_ids"], attention_mask=batch["attention_mask"])
        match result:
            case Tensor():
                logits = result
            case tuple() | list():
                logits = result[0]
            case _:
                logits = result.logits
        labels = label_batch(**batch)
        each = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="none")
        losses.extend(each[labels[:, 1:].flatten() >= 0].tolist())
    model.train(mode)
    return math.exp(math.fsum(losses) / len(losses))


class LoRALinear(nn.Linear):
    def __init__(self, base: nn.Linear, r: int, alpha: float, dropout: float = 0.0):
        super().__init__(
            base.in_features, base.out_features, base.bias is not None, base.weight.device, base.weight.dtype
        )
        self.load_state_dict(base.state_dict())
        self.requires_grad_(False)
        self.lora_a = nn.Parameter(torch.empty_like(base.weight[:1]).repeat(r, 1))
        self.lora_b = nn.Parameter(torch.zeros_like(base.weight[:, :1]).repeat(1, r))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))
        self.s = alpha / r
        self.drop = nn.Dropout(dropout) if dropout > 0 else nn.Identity()

    def forward(self, x):
        low = torch.einsum("...i,ri->...r", x, self.lora_a)
        return super().forward(x) + self.drop(torch.einsum("...r,or->...o", low, self.lora_b)) * self.s

    def merge(self):
        result = nn.Linear(self.in_features, self.out_features, self.bias is not None).to(self.weight.dtype)
        result.weight = nn.Parameter(torch.addmm(self.weight, self.lora_b, self.lora_a, alpha=self.s).detach())
        if self.bias is not None:
            result.bias = nn.Parameter(self.bias.detach().clone())
        return result


def apply_lora(model, names, r, alpha):
    wanted = set(names)
    for p in model.parameters():
        p.requires_grad_(False)
    for parent_path, parent in list(model.named_modules()):
        for name, child in list(parent._modules.items()):
            path = ".".join(filter(None, [parent_path, name]))
            if isinstance(child, nn.Linear) and not isinstance(child, LoRALinear) and wanted & {name, path}:
                parent.add_module(name, LoRALinear(child, r, alpha))
    return sum(p.numel() for p in filter(lambda p: p.requires_grad, model.parameters()))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.H = config.n_head
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.out = nn.Linear(config.n_embd, config.n_embd)
        self.ln_1, self.ln_2 = nn.LayerNorm(config.n_embd), nn.LayerNorm(config.n_embd)
        self.mlp = nn.Sequential(
            nn.Linear(config.n_embd, 4 * config.n_embd), nn.GELU("tanh"), nn.Linear(4 * config.n_embd, config.n_embd)
        )

    def forward(self, x, mask):
        B, T, C = x.shape
        q, k, v = self.qkv(self.ln_1(x)).view(B, T, 3, self.H, C // self.H).permute(2, 0, 3, 1, 4)
        scores = (q @ k.mT) / math.sqrt(C // self.H)
        weights = scores.masked_fill(~mask, float("-inf")).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(B, T, C))
        return x + self.mlp(self.ln_2(x))


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.tok = nn.Embedding(config.vocab_size, config.n_embd)
        self.pos = nn.Embedding(config.block_size, config.n_embd)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def hidden(self, idx):
        T = idx.shape[1]
        real = (idx >= 0)[:, None, None, :]
        causal = torch.tril(torch.ones(T, T)).bool()
        x = self.tok(idx.clamp(min=0)) + self.pos.weight[:T]
        for block in self.blocks:
            x = block(x, causal & real)
        return self.ln_f(x)


class GPTClassifier(Decoder):
    def __init__(self, config, n_classes):
        super().__init__(config)
        self.score = nn.Linear(config.n_embd, n_classes)

    def forward(self, input_ids, attention_mask=None):
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        h = self.hidden(torch.where(attention_mask == 1, input_ids, -1))
        last = F.one_hot(attention_mask.sum(dim=1) - 1, h.shape[1]).to(h.dtype)  # (B, T)
        return self.lm_head(h), self.score((last[:, :, None] * h).sum(dim=1))
