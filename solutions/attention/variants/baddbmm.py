# Rows and heads flattened into one batch of matrices; log-softmax by hand.
import torch as th


def attention(q, k, v, mask=None):
    b, h, n, d = q.shape
    m = k.shape[2]
    q3, k3, v3 = q.reshape(b * h, n, d), k.reshape(b * h, m, d), v.reshape(b * h, m, d)
    bias = q.new_zeros(b, h, n, m)
    if mask is not None:
        bias = bias.masked_fill(mask.to(th.bool).logical_not(), float("-inf"))
    scores = th.baddbmm(bias.reshape(b * h, n, m), q3, k3.transpose(1, 2), alpha=d ** -0.5)
    w = th.exp(scores - th.logsumexp(scores, dim=2, keepdim=True))
    return th.bmm(w, v3).reshape(b, h, n, d), w.reshape(b, h, n, m)


class GenericSelfAttention(th.nn.Module):
    def __init__(self, cfg):
        super().__init__()
        if cfg.n_embd % cfg.n_head:
            raise ValueError(f"cannot cut {cfg.n_embd} into {cfg.n_head} equal parts")
        self.h = cfg.n_head
        for name in ["q", "k", "v", "c_proj"]:
            setattr(self, name, th.nn.Linear(cfg.n_embd, cfg.n_embd))
        self.attn_pdrop, self.hidden_pdrop = cfg.attn_pdrop, cfg.hidden_pdrop

    def forward(self, x, attention_mask):
        b, t, c = x.shape
        q, k, v = [f(x).view(b, t, self.h, -1).transpose(1, 2) for f in (self.q, self.k, self.v)]
        _, w = attention(q, k, v, attention_mask)
        w = th.nn.functional.dropout(w, self.attn_pdrop, self.training)
        y = self.c_proj((w @ v).transpose(1, 2).reshape(b, t, c))
        return th.nn.functional.dropout(y, self.hidden_pdrop, self.training)
