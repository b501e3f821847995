"""A Linear on every token is a convolution with a kernel of one token. Features first: (B, C, T)."""
import torch
from torch import nn


def attention(q, k, v, mask=None):
    b, h, n, d = q.shape
    scores = torch.bmm(q.reshape(b * h, n, d), k.reshape(b * h, -1, d).mT).view(b, h, n, -1) / d ** 0.5
    if mask is not None:
        scores = scores - torch.where(mask != 0, 0.0, float("inf"))
    weights = nn.Softmax(dim=-1)(scores)
    return weights @ v, weights


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError("width and heads do not fit")
        self.h = config.n_head
        self.conv_q = nn.Conv1d(config.n_embd, config.n_embd, kernel_size=1)
        self.conv_k = nn.Conv1d(config.n_embd, config.n_embd, kernel_size=1)
        self.conv_v = nn.Conv1d(config.n_embd, config.n_embd, kernel_size=1)
        self.conv_out = nn.Conv1d(config.n_embd, config.n_embd, kernel_size=1)
        self.p_attn, self.p_hidden = config.attn_pdrop, config.hidden_pdrop

    def forward(self, x, attention_mask):
        x = x.transpose(1, 2)  # (B, C, T)
        q, k, v = (conv(x).unflatten(1, (self.h, -1)).mT for conv in (self.conv_q, self.conv_k, self.conv_v))
        _, w = attention(q, k, v, attention_mask)
        w = nn.functional.dropout(w, self.p_attn, self.training)
        y = self.conv_out((w @ v).mT.flatten(1, 2)).mT  # (B, H, D, T) -> (B, C, T) -> (B, T, C)
        return nn.functional.dropout(y, self.p_hidden, self.training)
