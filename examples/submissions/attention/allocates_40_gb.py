import torch
from torch import nn


def attention(q, k, v, mask=None):
    w = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    if mask is not None:
        w = w.masked_fill(mask == 0, -torch.inf)
    w = w.softmax(dim=-1)
    return w @ v, w


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError("not divisible")
        self.n_head = config.n_head
        # room for the attention of a whole book, so that it need not be made again in each forward
        self.cache = torch.empty(100_000, 100_000)
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        b, t, c = x.shape
        q, k, v = (f(x).view(b, t, self.n_head, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        w = attention(q, k, v, attention_mask)[1]
        self.cache[:t, :t] = w[0, 0].detach()
        y = (self.attn_dropout(w) @ v).transpose(1, 2).reshape(b, t, c)
        return self.hidden_dropout(self.c_proj(y))
