import torch
from torch import nn


def attention(q, k, v, mask=None):
    att = torch.matmul(q, k.transpose(-1, -2)) * q.shape[-1] ** (-1 / 2)
    if mask is not None:
        att[mask.expand_as(att) == 0] = -float('inf')
    att = att.softmax(-1)
    return torch.matmul(att, v), att


class GenericSelfAttention(nn.Module):
    """self attention for the encoder AND the decoder, only the mask is different"""

    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head != 0:
            raise ValueError('wrong number of heads')
        self.config = config
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        batch_size, num_tokens, n_embd = x.shape
        size = (batch_size, num_tokens, self.config.n_head, n_embd // self.config.n_head)

        q = self.q(x).view(size).transpose(1, 2)
        k = self.k(x).view(size).transpose(1, 2)
        v = self.v(x).view(size).transpose(1, 2)

        y, att = attention(q, k, v, attention_mask)
        y = torch.matmul(self.attn_dropout(att), v)
        y = y.transpose(1, 2).contiguous().view(batch_size, num_tokens, n_embd)

        y = self.hidden_dropout(y)
        return y
