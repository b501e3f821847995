# everything as einsum, no transposes anywhere :)
from torch import einsum, nn
from torch.nn.functional import softmax

NEG = -1e9


def attention(q, k, v, mask=None):
    sim = einsum('b h i d, b h j d -> b h i j', q, k) * q.shape[-1] ** -0.5
    if mask is not None:
        sim = sim.masked_fill(mask.bool().logical_not(), NEG)
    attn = softmax(sim, dim=-1)
    return einsum('b h i j, b h j d -> b h i d', attn, v), attn


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        dim, heads = config.n_embd, config.n_head
        if dim % heads:
            raise ValueError('dim must be divisible by heads')
        self.heads = heads
        self.q, self.k, self.v = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.c_proj = nn.Linear(dim, dim)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        q, k, v = (f(x).unflatten(2, (self.heads, -1)) for f in (self.q, self.k, self.v))  # b t h d
        sim = einsum('b i h d, b j h d -> b h i j', q, k) * q.shape[-1] ** -0.5
        sim = sim.masked_fill(attention_mask.bool().logical_not(), NEG)
        attn = self.attn_dropout(softmax(sim, dim=-1))
        return self.hidden_dropout(self.c_proj(einsum('b h i j, b j h d -> b i h d', attn, v).flatten(2)))
