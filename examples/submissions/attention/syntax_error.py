import torch
from torch import nn
import math

def attention(q, k, v, mask=None):
    scores = torch.matmul(q, k.transpose(-2, -1) / math.sqrt(q.size(-1))
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e9)
    weights = torch.softmax(scores, dim=-1)
    return torch.matmul(weights, v), weights

class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.q = nn.Linear(config.n_embd, config.n_embd)
        # TODO rest
