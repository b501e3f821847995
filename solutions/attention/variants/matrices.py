"""No nn.Linear at all: matrices and biases as parameters, written as in the paper, x W."""
import torch
from torch import nn


def attention(q, k, v, mask=None):
    scores = torch.matmul(q, k.transpose(2, 3)).mul(k.size(3) ** -0.5)
    if mask is not None:
        scores = scores.masked_fill(mask.bool().bitwise_not(), float("-inf"))
    log_weights = scores - torch.logsumexp(scores, dim=-1, keepdim=True)
    weights = log_weights.exp()
    return torch.matmul(weights, v), weights


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        if C % config.n_head:
            raise ValueError(f"n_embd={C}, n_head={config.n_head}")
        self.n_head = config.n_head
        self.W_Q = nn.Parameter(torch.randn(C, C) / C ** 0.5)  # (in, out)
        self.W_K = nn.Parameter(torch.randn(C, C) / C ** 0.5)
        self.W_V = nn.Parameter(torch.randn(C, C) / C ** 0.5)
        self.W_O = nn.Parameter(torch.randn(C, C) / C ** 0.5)
        self.b_Q = nn.Parameter(torch.zeros(C))
        self.b_K = nn.Parameter(torch.zeros(C))
        self.b_V = nn.Parameter(torch.zeros(C))
        self.b_O = nn.Parameter(torch.zeros(C))
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        B, T, C = x.shape
        def heads(y):
            return y.view(B, T, self.n_head, -1).transpose(1, 2)
        q = heads(x @ self.W_Q + self.b_Q)
        k = heads(x @ self.W_K + self.b_K)
        v = heads(x @ self.W_V + self.b_V)
        _, weights = attention(q, k, v, attention_mask)
        y = (self.attn_dropout(weights) @ v).transpose(1, 2).reshape(B, T, C)
        return self.hidden_dropout(y @ self.W_O + self.b_O)
