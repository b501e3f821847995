"""q, k and v of each head stand side by side in one Linear: head 0's q, k, v, then head 1's, ..."""
import torch
import torch.nn as nn


def attention(q, k, v, mask=None):
    scale = q.shape[-1] ** -0.5
    logits = torch.matmul(q * scale, k.mT)
    if mask is not None:
        logits.masked_fill_(torch.eq(mask, 0), -torch.inf)  # logits are mine, in place is ok
    p = logits.softmax(-1)
    return torch.matmul(p, v), p


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.H = config.n_head
        self.D = config.n_embd // config.n_head
        if self.H * self.D != config.n_embd:
            raise ValueError("n_embd = n_head * something, please")
        self.query_key_value = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.dense = nn.Linear(config.n_embd, config.n_embd)
        self.attention_dropout = nn.Dropout(config.attn_pdrop)
        self.dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        B, T, C = x.shape
        qkv = self.query_key_value(x).reshape(B, T, self.H, 3, self.D).permute(3, 0, 2, 1, 4)  # (3, B, H, T, D)
        q, k, v = qkv.unbind(0)
        p = attention(q, k, v, attention_mask)[1]
        y = (self.attention_dropout(p) @ v).transpose(1, 2).flatten(2)
        return self.dropout(self.dense(y))
