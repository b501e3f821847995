import torch
import torch.nn as nn
import torch.nn.functional as F


class SelfAttentionConfig:
    """my own config, only what I need"""

    def __init__(self, n_embd, n_head, attn_pdrop=0.0, hidden_pdrop=0.0):
        self.n_embd, self.n_head = n_embd, n_head
        self.attn_pdrop, self.hidden_pdrop = attn_pdrop, hidden_pdrop


def attention(query, key, value, attn_mask=None):
    d_k = query.size(-1)
    scores = torch.matmul(query / d_k ** 0.5, key.transpose(2, 3))
    if attn_mask is not None:
        scores = scores.masked_fill(attn_mask == 0, torch.finfo(scores.dtype).min)
    p_attn = F.softmax(scores, dim=-1)
    return torch.matmul(p_attn, value), p_attn


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super(GenericSelfAttention, self).__init__()
        assert config.n_head > 0
        if config.n_embd // config.n_head * config.n_head != config.n_embd:
            raise ValueError("hidden size is not a multiple of the number of attention heads")
        self.num_heads = config.n_head
        self.head_dim = config.n_embd // config.n_head

        self.query = nn.Linear(config.n_embd, config.n_embd)
        self.key = nn.Linear(config.n_embd, config.n_embd)
        self.value = nn.Linear(config.n_embd, config.n_embd)
        self.out = nn.Linear(config.n_embd, config.n_embd)
        self.drop_probs = nn.Dropout(config.attn_pdrop)
        self.drop_out = nn.Dropout(config.hidden_pdrop)

    def _shape(self, t, bsz, seq_len):
        return t.view(bsz, seq_len, self.num_heads, self.head_dim).permute(0, 2, 1, 3).contiguous()

    def forward(self, hidden_states, mask):
        bsz, seq_len, _ = hidden_states.size()
        q = self._shape(self.query(hidden_states), bsz, seq_len)
        k = self._shape(self.key(hidden_states), bsz, seq_len)
        v = self._shape(self.value(hidden_states), bsz, seq_len)
        probs = attention(q, k, v, mask)[1]
        context = torch.matmul(self.drop_probs(probs), v)
        context = context.permute(0, 2, 1, 3).contiguous().view(bsz, seq_len, -1)
        return self.drop_out(self.out(context))
