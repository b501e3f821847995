"""Lengths found by flipping the mask, rows cut to their length, matrices stored under odd names."""
import math
import torch
from torch import nn
import torch.nn.functional as F


def label_batch(input_ids, attention_mask):
    ignored = torch.tensor(-100).expand_as(input_ids)
    return ignored.masked_scatter(attention_mask > 0, input_ids[attention_mask > 0])


def causal_lm_loss(logits, labels, ignore_index=-100):
    labels = labels.roll(-1, dims=1)
    labels[:, -1] = ignore_index  # of a new tensor
    V = logits.shape[-1]
    return F.cross_entropy(logits.reshape(-1, V), labels.reshape(-1), ignore_index=ignore_index)


def as_logits(out):
    try:
        return out.logits
    except AttributeError:
        return out[0] if type(out) in (tuple, list) else out


def perplexity(model, batches):
    mode = model.training
    model.eval()
    totals = []
    with torch.no_grad():
        for batch in batches:
            ids, mask = batch["input_ids"], batch["attention_mask"]
            if ids.shape[1] < 2:
                continue
            logits = as_logits(model(ids, mask))
            for row, row_ids, n in zip(logits, ids, mask.sum(1).tolist()):
                if n > 1:
                    loss = F.cross_entropy(row[: n - 1].double(), row_ids[1:n], reduction="sum")
                    totals.append((loss.item(), n - 1))
    model.train() if mode else model.eval()
    return math.exp(sum(a for a, _ in totals) / sum(b for _, b in totals))


class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        self.frozen = [base]  # a list: none of the module's parameters
        like = {"dtype": base.weight.dtype, "device": base.weight.device}
        self.adapter = nn.ParameterDict(
            {
                "right": nn.Parameter(torch.rand(base.in_features, r, **like) - 0.5),
                "left": nn.Parameter(torch.zeros(base.out_features, r, **like)),
            }
        )
        self.factor = alpha / r
        self.rate = dropout
        for p in base.parameters():
            p.requires_grad_(False)

    def forward(self, x):
        small = x @ self.adapter["right"]
        small = F.dropout(small, self.rate, self.training)
        return F.linear(small, self.factor * self.adapter["left"]) + self.frozen[0](x)

    def merge(self):
        base = self.frozen[0]
        eye = torch.eye(base.in_features).to(base.weight)
        with torch.no_grad():
            added = self.factor * (eye @ self.adapter["right"] @ self.adapter["left"].T).T
        new = nn.Linear(base.in_features, base.out_features, bias=base.bias is not None)
        new.weight.data = base.weight.data + added
        if base.bias is not None:
            new.bias.data = base.bias.data.clone()
        return new


def apply_lora(model, names, r, alpha):
    total = 0
    linears = {}
    for path, module in model.named_modules(remove_duplicate=False):
        if type(module) is nn.Linear and any(n in (path, path.split(".")[-1]) for n in names):
            linears[path] = module
    for p in model.parameters():
        p.requires_grad = False
    for path, module in linears.items():
        head, _, tail = path.rpartition(".")
        layer = LoRALinear(module, r, alpha)
        model.get_submodule(head).register_module(tail, layer)
        total += sum(p.numel() for p in layer.parameters())
    return total


class GPTClassifier(nn.Module):
    """One row at a time: what is padded is never computed."""

    def __init__(self, config, n_classes):
        super().__init__()
        self.config = config
        self.emb = nn.ModuleList([nn.Embedding(config.vocab_size, config.n_embd), nn.Embedding(config.block_size, config.n_embd)])
        self.layers = nn.ModuleList()
        for _ in range(config.n_layer):
            self.layers.append(nn.TransformerDecoderLayer(config.n_embd, config.n_head, 32, 0.0, batch_first=True, norm_first=True))
        self.heads = nn.ModuleList([nn.Linear(config.n_embd, config.vocab_size), nn.Linear(config.n_embd, n_classes)])

    def one(self, ids):
        T = len(ids)
        x = (self.emb[0](ids) + self.emb[1](torch.arange(T)))[None]
        no_memory = torch.zeros(1, 1, x.shape[-1])
        ahead = torch.full((T, T), float("-inf")).triu(1)
        for layer in self.layers:
            x = layer(x, no_memory, tgt_mask=ahead)
        return self.heads[0](x[0]), self.heads[1](x[0, -1])

    def forward(self, input_ids, attention_mask=None):
        B, T = input_ids.shape
        if attention_mask is None:
            attention_mask = torch.ones(B, T)
        lengths = T - attention_mask.flip(1).to(torch.int64).argmax(1)
        lm, cls = zip(*[self.one(ids[:n]) for ids, n in zip(input_ids, lengths)])
        return nn.utils.rnn.pad_sequence(list(lm) + [torch.zeros(T, self.config.vocab_size)], batch_first=True)[:-1], torch.stack(cls)
