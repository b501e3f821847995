# One head after the other, then glue them together.
import torch
from torch import nn


def attention(q, k, v, mask=None):
    outputs = []
    all_weights = []
    if mask is not None:
        mask = mask.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2]) > 0
    for h in range(q.shape[1]):
        s = torch.matmul(q[:, h], k[:, h].permute(0, 2, 1))
        s = s * (q.shape[3] ** -0.5)
        if mask is not None:
            s = torch.where(mask[:, h], s, torch.tensor(float("-inf"), dtype=s.dtype))
        w = nn.functional.softmax(s, dim=2)
        all_weights.append(w)
        outputs.append(torch.matmul(w, v[:, h]))
    return torch.stack(outputs, dim=1), torch.stack(all_weights, dim=1)


class GenericSelfAttention(nn.Module):

    def __init__(self, config):
        super().__init__()
        self.head_size, rest = divmod(config.n_embd, config.n_head)
        if rest != 0:
            raise ValueError(f"{config.n_embd} % {config.n_head} = {rest}, should be 0")
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(p=config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(p=config.hidden_pdrop)

    def forward(self, x, attention_mask):
        results = []
        triples = zip(
            self.q(x).split(self.head_size, dim=-1),
            self.k(x).split(self.head_size, dim=-1),
            self.v(x).split(self.head_size, dim=-1),
        )
        for q, k, v in triples:  # each (B, T, D)
            _, w = attention(q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1), attention_mask)
            results.append(self.attn_dropout(w.squeeze(1)) @ v)
        return self.hidden_dropout(self.c_proj(torch.cat(results, dim=-1)))
