"""Everything token by token, adapters made of two nn.Linear, the model from torch's own transformer layers."""
import math

import torch
import torch.nn.functional as F
from torch import nn


def causal_lm_loss(logits, labels, ignore_index=-100):
    picked = []
    for row, wanted in zip(logits, labels):
        for t in range(len(wanted) - 1):
            if wanted[t + 1] != ignore_index:
                picked.append(torch.logsumexp(row[t], dim=0) - row[t, wanted[t + 1]])
    return torch.stack(picked).mean()


def label_batch(input_ids, attention_mask):
    labels = input_ids.clone()
    for b in range(input_ids.shape[0]):
        for t in range(input_ids.shape[1]):
            if not attention_mask[b, t]:
                labels[b, t] = -100
    return labels


@torch.no_grad()
def perplexity(model, batches):
    mode = model.training
    model.train(False)
    nll, tokens = 0.0, 0
    for batch in batches:
        out = model(**batch)
        if hasattr(out, "logits"):
            out = out.logits
        elif isinstance(out, (tuple, list)):
            out = out[0]
        log_probs = F.log_softmax(out.double(), dim=-1)
        ids, mask = batch["input_ids"], batch["attention_mask"]
        for b in range(len(ids)):
            for t in range(1, ids.shape[1]):
                if mask[b, t] == 1:
                    nll -= log_probs[b, t - 1, ids[b, t]].item()
                    tokens += 1
    model.train(mode)
    return math.exp(nll / tokens)


class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        for p in base.parameters():
            p.requires_grad = False
        self.linear = base
        kwargs = dict(bias=False, device=base.weight.device, dtype=base.weight.dtype)
        self.down = nn.Linear(base.in_features, r, **kwargs)
        self.up = nn.Linear(r, base.out_features, **kwargs)
        nn.init.zeros_(self.up.weight)
        self.path = nn.Sequential(nn.Dropout(dropout), self.down, self.up)
        self.alpha, self.r = alpha, r

    def forward(self, x):
        return self.linear(x) + self.path(x) * self.alpha / self.r

    def merge(self):
        import copy
        plain = copy.deepcopy(self.linear)
        plain.weight.data += (self.up.weight @ self.down.weight).detach() * (self.alpha / self.r)
        return plain


def apply_lora(model, names, r, alpha):
    for p in model.parameters():
        p.requires_grad = False

    def visit(module, prefix):
        for name, child in list(module._modules.items()):
            path = f"{prefix}.{name}" if prefix else name
            if isinstance(child, nn.Linear):
                if name in names or path in names:
                    setattr(module, name, LoRALinear(child, r, alpha))
            elif child is not None:
                visit(child, path)

    visit(model, "")
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


class GPTClassifier(nn.Module):
    def __init__(self, config, n_classes):
        super().__init__()
        width = config.n_embd
        self.token = nn.Embedding(config.vocab_size, width)
        self.place = nn.Embedding(config.block_size, width)
        layer = nn.TransformerEncoderLayer(
            width, config.n_head, 4 * width, dropout=config.hidden_pdrop, batch_first=True, activation="gelu"
        )
        self.body = nn.TransformerEncoder(layer, config.n_layer, enable_nested_tensor=False)
        self.lm = nn.Linear(width, config.vocab_size)
        self.head = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, n_classes))

    def forward(self, input_ids, attention_mask=None):
        B, T = input_ids.shape
        x = self.token(input_ids) + self.place(torch.arange(T))
        x = self.body(x, mask=nn.Transformer.generate_square_subsequent_mask(T), is_causal=True)
        n = [T] * B if attention_mask is None else attention_mask.sum(1).tolist()
        return self.lm(x), torch.stack([self.head(x[b, n[b] - 1]) for b in range(B)])
