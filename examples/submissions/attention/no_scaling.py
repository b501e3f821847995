import torch
import torch.nn as nn
import torch.nn.functional as F

def attention(q, k, v, mask=None):
    # Step 1: similarity of every query with every key
    sim = torch.matmul(q, k.transpose(-2, -1))
    # Step 2: mask
    if mask is not None:
        sim = sim.masked_fill(mask == 0, -1e9)
    # Step 3: softmax
    w = F.softmax(sim, dim=-1)
    # Step 4: weighted sum
    out = torch.matmul(w, v)
    return out, w

class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head != 0:
            raise ValueError("n_embd not divisible by n_head")
        self.n_head = config.n_head
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        B, T, C = x.size()
        q = self.q(x).view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        k = self.k(x).view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        v = self.v(x).view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        out, w = attention(q, k, v, attention_mask)
        w = self.attn_dropout(w)
        out = torch.matmul(w, v)
        out = out.transpose(1, 2).contiguous().view(B, T, C)
        return self.hidden_dropout(self.c_proj(out))
