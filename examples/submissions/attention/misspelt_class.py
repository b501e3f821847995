import torch
from torch import nn

class SelfAttentionConfig: pass

def attention(q, k, v, mask=None):
    logits = q @ k.transpose(-1, -2) / k.shape[-1]**.5
    if mask is not None:
        logits.masked_fill_(mask == 0, -torch.inf)
    probs = logits.softmax(-1)
    return probs @ v, probs

class GenericSelfAttn(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        if cfg.n_embd % cfg.n_head: raise ValueError
        self.h = cfg.n_head
        self.q, self.k, self.v, self.c_proj = [nn.Linear(cfg.n_embd, cfg.n_embd) for _ in range(4)]
        self.attn_dropout, self.hidden_dropout = nn.Dropout(cfg.attn_pdrop), nn.Dropout(cfg.hidden_pdrop)

    def forward(self, x, mask):
        split = lambda t: t.unflatten(-1, (self.h, -1)).transpose(1, 2)
        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        p = self.attn_dropout(attention(q, k, v, mask)[1])
        return self.hidden_dropout(self.c_proj((p @ v).transpose(1, 2).flatten(2)))
