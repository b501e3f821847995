from torch import nn, sqrt, tensor, inf

def attention(q, k, v, mask = None) :
    score = q.matmul(k.transpose(2, 3)) / sqrt(tensor(q.size(3)))
    if mask is not None :
        score = score.masked_fill(mask.logical_not(), -inf)
    # rows are the queries, so normalise the rows -> dim 2
    weight = score.softmax(dim = 2)
    weight = weight.nan_to_num(0.)   # got nan sometimes, this fixed it
    return weight.matmul(v), weight

class GenericSelfAttention(nn.Module) :
    def __init__(self, config) :
        super().__init__()
        self.C, self.H = config.n_embd, config.n_head
        if self.C % self.H :
            raise ValueError('C % H')
        self.q = nn.Linear(self.C, self.C)
        self.k = nn.Linear(self.C, self.C)
        self.v = nn.Linear(self.C, self.C)
        self.c_proj = nn.Linear(self.C, self.C)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def heads(self, t) :
        return t.view(t.size(0), t.size(1), self.H, self.C // self.H).transpose(1, 2)

    def forward(self, x, attention_mask) :
        q, k, v = self.heads(self.q(x)), self.heads(self.k(x)), self.heads(self.v(x))
        weight = self.attn_dropout(attention(q, k, v, attention_mask)[1])
        y = weight.matmul(v).transpose(1, 2).reshape(x.shape)
        return self.hidden_dropout(self.c_proj(y))
