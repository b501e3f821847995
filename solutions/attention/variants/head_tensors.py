"""Parameters with a dimension for the heads, (H, C, D), and einsum: nothing is ever split or merged."""
import torch
from torch import nn


def attention(q, k, v, mask=None):
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / q.size(-1) ** 0.5
    if mask is not None:
        scores = torch.where(mask > 0, scores, -torch.inf)
    weights = torch.softmax(scores, dim=-1)
    return torch.einsum("bhqk,bhkd->bhqd", weights, v), weights


class GenericSelfAttention(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        H, C = cfg.n_head, cfg.n_embd
        D, rest = divmod(C, H)
        if rest:
            raise ValueError("not divisible")
        self.W_Q = nn.Parameter(torch.empty(H, C, D))
        self.W_K = nn.Parameter(torch.empty(H, C, D))
        self.W_V = nn.Parameter(torch.empty(H, C, D))
        self.W_O = nn.Parameter(torch.empty(H, D, C))
        for w in (self.W_Q, self.W_K, self.W_V, self.W_O):
            nn.init.normal_(w, std=0.02)
        self.b_Q = nn.Parameter(torch.zeros(H, D))
        self.b_K = nn.Parameter(torch.zeros(H, D))
        self.b_V = nn.Parameter(torch.zeros(H, D))
        self.b_O = nn.Parameter(torch.zeros(C))
        self.drop_attn = nn.Dropout(cfg.attn_pdrop)
        self.drop_resid = nn.Dropout(cfg.hidden_pdrop)

    def forward(self, x, attention_mask):
        q = torch.einsum("btc,hcd->bhtd", x, self.W_Q) + self.b_Q[:, None]
        k = torch.einsum("btc,hcd->bhtd", x, self.W_K) + self.b_K[:, None]
        v = torch.einsum("btc,hcd->bhtd", x, self.W_V) + self.b_V[:, None]
        weights = self.drop_attn(attention(q, k, v, attention_mask)[1])
        z = torch.einsum("bhqk,bhkd->bhqd", weights, v)
        return self.drop_resid(torch.einsum("bhtd,hdc->btc", z, self.W_O) + self.b_O)
