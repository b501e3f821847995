import torch
import torch.nn as nn
import torch.nn.functional as F

# I followed the naming of the paper (W_Q, W_K, W_V, W_O) instead of the template, hope that is ok


def attention(Q, K, V, mask=None):
    d_k = Q.shape[-1]
    scores = torch.matmul(Q, K.transpose(-1, -2))
    scores = scores / torch.sqrt(torch.tensor(d_k, dtype=scores.dtype))
    if mask is not None:
        scores = torch.where(mask.bool(), scores, torch.full_like(scores, -float("inf")))
    P = F.softmax(scores, dim=-1)
    return torch.matmul(P, V), P


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super(GenericSelfAttention, self).__init__()
        self.d_model = config.n_embd
        self.h = config.n_head
        if self.d_model % self.h != 0:
            raise ValueError("d_model has to be a multiple of h")
        self.W_O = nn.Linear(self.d_model, self.d_model)
        self.W_Q = nn.Linear(self.d_model, self.d_model)
        self.W_K = nn.Linear(self.d_model, self.d_model)
        self.W_V = nn.Linear(self.d_model, self.d_model)
        self.drop_p = nn.Dropout(config.attn_pdrop)
        self.drop_y = nn.Dropout(config.hidden_pdrop)

    def forward(self, X, mask):
        n, t, _ = X.shape
        d_k = self.d_model // self.h
        Q = self.W_Q(X).reshape(n, t, self.h, d_k).permute(0, 2, 1, 3)
        K = self.W_K(X).reshape(n, t, self.h, d_k).permute(0, 2, 1, 3)
        V = self.W_V(X).reshape(n, t, self.h, d_k).permute(0, 2, 1, 3)
        _, P = attention(Q, K, V, mask)
        Y = torch.matmul(self.drop_p(P), V).permute(0, 2, 1, 3).reshape(n, t, self.d_model)
        return self.drop_y(self.W_O(Y))
