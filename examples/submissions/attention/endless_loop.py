import torch
from torch import nn


def attention(q, k, v, mask=None):
    scores = q @ k.permute(0, 1, 3, 2) / q.size(3) ** 0.5
    if mask is not None:
        scores = scores.masked_fill(mask == 0, float("-inf"))
    weights = torch.softmax(scores, -1)
    return weights @ v, weights


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head > 0:
            raise ValueError("heads?")
        self.n_head = config.n_head
        self.size = config.n_embd // config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        q, k, v = self.q(x), self.k(x), self.v(x)
        done = {}
        head = 0
        while head < self.n_head:
            part = slice(head * self.size, (head + 1) * self.size)
            _, w = attention(q[:, None, :, part], k[:, None, :, part], v[:, None, :, part], attention_mask)
            done[head] = (self.attn_dropout(w) @ v[:, None, :, part])[:, 0]
        return self.hidden_dropout(self.c_proj(torch.cat(list(done.values()), dim=-1)))
