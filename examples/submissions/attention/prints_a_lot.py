import torch
import torch.nn as nn
import math
import sys
import warnings

torch.set_printoptions(threshold=100000)
warnings.warn("debug version!!")
print("=" * 80)
print("ATTENTION HOMEWORK")
print("=" * 80)

DEBUG = True

def dbg(*args):
    if DEBUG:
        text = " ".join(str(a) for a in args)
        for i in range(50):
            print("[DEBUG]", i, text)
        print("[ERR]", text, file=sys.stderr)

def attention(q, k, v, mask=None):
    dbg("q", q.shape, q)
    dbg("k", k.shape, k)
    dbg("v", v.shape, v)
    scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(q.shape[-1])
    dbg("scores", scores)
    if mask is not None:
        dbg("mask", mask)
        scores = scores.masked_fill(mask == 0, -1e9)
    weights = torch.softmax(scores, dim=-1)
    dbg("weights!!!", weights, "sum", weights.sum(-1))
    return torch.matmul(weights, v), weights

class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        print("creating layer with", config)
        if config.n_embd % config.n_head != 0:
            raise ValueError(f"{config.n_embd=} {config.n_head=}")
        self.config = config
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        B, T, C = x.shape
        H = self.config.n_head
        print("forward!", "\x1b[31mB, T, C =", B, T, C, "\x1b[0m")
        q = self.q(x).view(B, T, H, C // H).transpose(1, 2)
        k = self.k(x).view(B, T, H, C // H).transpose(1, 2)
        v = self.v(x).view(B, T, H, C // H).transpose(1, 2)
        _, w = attention(q, k, v, attention_mask)
        y = torch.matmul(self.attn_dropout(w), v).transpose(1, 2).reshape(B, T, C)
        return self.hidden_dropout(self.c_proj(y))
