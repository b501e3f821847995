"""Lists of Linears, one per head, in three ModuleLists; queries are computed last."""
import math
import torch
from torch import nn


def attention(q, k, v, mask=None):
    s = torch.einsum("...qd,...kd->...qk", q, k) / math.sqrt(k.shape[-1])
    if mask is not None:
        s = s + torch.zeros_like(s).masked_fill(mask.logical_not(), float("-inf"))
    w = torch.softmax(s, -1)
    return w @ v, w


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        C, H = config.n_embd, config.n_head
        if C / H != C // H:
            raise ValueError(f"{C} / {H} is not whole")
        self.wv = nn.ModuleList([nn.Linear(C, C // H) for _ in range(H)])
        self.wk = nn.ModuleList([nn.Linear(C, C // H) for _ in range(H)])
        self.wq = nn.ModuleList([nn.Linear(C, C // H) for _ in range(H)])
        self.wo = nn.Linear(C, C)
        self.drop_w = nn.Dropout(config.attn_pdrop)
        self.drop_h = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        q = torch.stack([w(x) for w in self.wq], dim=1)
        k = torch.stack([w(x) for w in self.wk], dim=1)
        v = torch.stack([w(x) for w in self.wv], dim=1)
        _, w = attention(q, k, v, attention_mask)
        y = self.drop_w(w) @ v
        return self.drop_h(self.wo(torch.cat(tuple(y.transpose(0, 1)), dim=-1)))
