"""Everything in containers: dicts of Sequentials, the output's dropout included."""
import torch
from torch import nn
import torch.nn.functional as F


def attention(q, k, v, mask=None):
    # chunks of queries, so that long texts fit into memory
    outputs, weights = [], []
    if mask is not None:
        mask = mask.expand(*mask.shape[:-2], q.size(-2), k.size(-2))
    for start in range(0, q.size(-2), 3):
        part = slice(start, start + 3)
        scores = q[..., part, :] @ k.transpose(-1, -2) / q.size(-1) ** 0.5
        if mask is not None:
            scores = scores.masked_fill(mask[..., part, :] == 0, float("-inf"))
        weights.append(F.softmax(scores, dim=-1))
        outputs.append(weights[-1] @ v)
    return torch.cat(outputs, dim=-2), torch.cat(weights, dim=-2)


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head > 0:
            raise ValueError(f"n_embd must be divisible by n_head")
        width = config.n_embd
        self.n_head = config.n_head
        self.net = nn.ModuleDict({
            "inputs": nn.ModuleDict({
                "query": nn.Sequential(nn.Linear(width, width)),
                "key": nn.Sequential(nn.Linear(width, width)),
                "value": nn.Sequential(nn.Linear(width, width), nn.Unflatten(-1, (config.n_head, width // config.n_head))),
            }),
            "output": nn.Sequential(nn.Flatten(2), nn.Linear(width, width), nn.Dropout(config.hidden_pdrop)),
        })
        self.attn_dropout = nn.Dropout(config.attn_pdrop)

    def forward(self, x, attention_mask):
        layers = self.net["inputs"]
        q = layers["query"](x).unflatten(-1, (self.n_head, -1)).transpose(1, 2)
        k = layers["key"](x).unflatten(-1, (self.n_head, -1)).transpose(1, 2)
        v = layers["value"](x).transpose(1, 2)
        _, weights = attention(q, k, v, attention_mask)
        return self.net["output"]((self.attn_dropout(weights) @ v).transpose(1, 2))
