"""Attention, one head after the other (slow but I understand it)."""
import torch
from torch import nn
from torch.nn import functional as F


def attention(query, key, value, mask=None):
    B, H, Tq, D = query.size()
    Tk = key.size(2)
    outputs = []
    all_weights = []
    if mask is not None:
        mask = torch.broadcast_to(mask, (B, H, Tq, Tk))
    for h in range(H):
        s = torch.bmm(query[:, h], key[:, h].transpose(1, 2))  # (B, Tq, Tk)
        s = s * D ** -0.5
        if mask is not None:
            s = s.masked_fill(mask[:, h] == 0, -1e9)
        w = F.softmax(s, dim=2)
        outputs.append(torch.bmm(w, value[:, h]))
        all_weights.append(w)
    return torch.stack(outputs, dim=1), torch.stack(all_weights, dim=1)


class GenericSelfAttention(nn.Module):
    def __init__(self, cfg):
        super(GenericSelfAttention, self).__init__()
        self.num_heads = cfg.n_head
        self.d_head, rest = divmod(cfg.n_embd, cfg.n_head)
        if rest > 0:
            raise ValueError("the heads do not fit")
        self.q_proj = nn.Linear(cfg.n_embd, cfg.n_embd)
        self.k_proj = nn.Linear(cfg.n_embd, cfg.n_embd)
        self.v_proj = nn.Linear(cfg.n_embd, cfg.n_embd)
        self.out_proj = nn.Linear(cfg.n_embd, cfg.n_embd)
        self.drop_weights = nn.Dropout(cfg.attn_pdrop)
        self.drop_out = nn.Dropout(cfg.hidden_pdrop)

    def heads(self, t):
        # list of (B, T, D), one for each head, stacked in dim 1
        return torch.stack(torch.split(t, self.d_head, dim=-1), dim=1)

    def forward(self, x, attention_mask):
        q = self.heads(self.q_proj(x))
        k = self.heads(self.k_proj(x))
        v = self.heads(self.v_proj(x))
        w = attention(q, k, v, attention_mask)[1]
        w = self.drop_weights(w)
        results = [torch.bmm(w[:, h], v[:, h]) for h in range(self.num_heads)]
        y = torch.cat(results, dim=-1)  # heads next to each other again
        y = self.out_proj(y)
        return self.drop_out(y)
