"""A Linear for each head, heads in a loop, Gumbel noise, plain Python where it goes; a model is kept by deepcopy."""
import copy
import math
import string

import torch
import torch.nn as nn

ALPHABET = "\0" + string.ascii_lowercase + " "


class Tokenizer(object):
    def __init__(self, max_length=0):
        self.L = max_length

    def encode(self, texts):
        L = self.L
        if L == 0:
            for text in texts:
                L = max(L, len(text))
        result = []
        for text in texts:
            row = [28]
            for j in range(L):
                row.append(ALPHABET.index(text[j]) if j < len(text) else 0)
            result.append(row)
        return torch.LongTensor(result)

    def decode(self, tokens):
        return ["".join(ALPHABET[i] for i in row[1:]).split("\0")[0] for row in tokens.tolist()]


class LossFun(nn.Module):
    def __init__(self):
        super().__init__()
        self.nll = nn.NLLLoss(reduction="none")

    def forward(self, y_model, y_true, reduction="sum"):
        B, T, V = y_model.size()
        losses = self.nll(y_model.contiguous().view(B * T, V), y_true.contiguous().view(B * T))
        if reduction == "sum":
            return torch.sum(losses)
        elif reduction == "mean":
            return torch.sum(losses) / B
        else:
            raise ValueError("Reduction could be either `sum` or `mean`.")


class Head(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.key = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x, causal):
        k, q, v = self.key(x), self.query(x), self.value(x)
        scores = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(x.size(2))
        if causal:
            rows, columns = torch.triu_indices(x.size(1), x.size(1), offset=1)
            scores[:, rows, columns] = float("-inf")
        return torch.bmm(torch.softmax(scores, dim=2), v)


class MultiHeadSelfAttention(nn.Module):
    def __init__(self, num_emb, num_heads=8):
        super().__init__()
        self.heads = nn.ModuleList([Head(num_emb) for _ in range(num_heads)])
        self.w_c = nn.Linear(num_emb * num_heads, num_emb)

    def forward(self, x, causal=True):
        return self.w_c(torch.cat([head(x, causal) for head in self.heads], dim=2))


class MLP(nn.Sequential):
    def __init__(self, inside, outside):
        super().__init__(nn.Linear(outside, inside), nn.GELU(approximate="tanh"), nn.Linear(inside, outside))


class TransformerBlock(nn.Module):
    def __init__(self, num_emb, num_neurons, num_heads=4):
        super().__init__()
        self.ln2 = nn.LayerNorm(num_emb)
        self.ln1 = nn.LayerNorm(num_emb)
        self.mlp = MLP(num_neurons * num_emb, num_emb)
        self.msa = MultiHeadSelfAttention(num_emb, num_heads)

    def forward(self, x, causal=True):
        y = self.ln1(self.msa(x, causal) + x)
        return self.ln2(self.mlp(y) + y)


class DecoderTransformer(nn.Module):
    def __init__(self, num_tokens, num_token_vals, num_emb, num_neurons, num_heads=2, dropout_prob=0.1, num_blocks=10,
                 device="cpu"):
        super().__init__()
        self.device = torch.device(device)
        self.num_tokens, self.V = num_tokens, num_token_vals
        self.tok = nn.Embedding(num_token_vals, num_emb)
        self.pos = nn.Embedding(num_tokens, num_emb)
        for i in range(num_blocks):
            self.add_module("block%d" % i, TransformerBlock(num_emb, num_neurons, num_heads))
        self.num_blocks = num_blocks
        self.drop = nn.Dropout(dropout_prob)
        self.out = nn.Linear(num_emb, num_token_vals)
        self.loss = LossFun()

    def transformer_forward(self, x, causal=True, temperature=1.0):
        h = torch.stack([self.tok(x[:, t]) + self.pos.weight[t] for t in range(x.size(1))], dim=1)
        h = self.drop(h)
        for i in range(self.num_blocks):
            h = self.drop(getattr(self, "block%d" % i)(h, causal))
        scores = self.out(h) / temperature
        return scores - scores.logsumexp(dim=2, keepdim=True)

    def forward(self, x, causal=True, temperature=1.0, reduction="mean"):
        lp = self.transformer_forward(x, causal, temperature)
        return self.loss(lp[:, :-1, :], x[:, 1:], reduction=reduction)

    def top1_rec(self, x):
        with torch.no_grad():
            _, best = torch.max(self.transformer_forward(x)[:, :-1, :], dim=2)
            return torch.sum(torch.mean((best.float() == x[:, 1:].float()).float(), 1).float())

    @torch.no_grad()
    def sample(self, batch_size=4, temperature=1.0):
        rows = torch.tensor([[self.V - 1]] * batch_size)
        for t in range(self.num_tokens - 1):
            lp = self.transformer_forward(rows, temperature=temperature)[:, t]
            gumbel = -torch.log(torch.empty_like(lp).exponential_())
            rows = torch.hstack([rows, (lp + gumbel).argmax(dim=1).view(-1, 1)])
        return rows


def evaluate(model, batches):
    model.eval()
    loss, n = 0.0, 0.0
    with torch.no_grad():
        for batch in batches:
            loss = loss + model.forward(batch, reduction="sum").item()
            n = n + batch.shape[0]
    return loss / n


def train_with_patience(model, optimizer, train_batches, valid_batches, max_epochs, max_patience):
    nll_val = []
    best_nll = math.inf
    best = None
    patience = 0
    for e in range(max_epochs):
        model.train()
        for batch in train_batches:
            loss = model.forward(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        nll_val.append(evaluate(model, valid_batches))
        if e == 0 or nll_val[-1] < best_nll:
            best_nll, best, patience = nll_val[-1], copy.deepcopy(model), 0
        else:
            patience += 1
        if patience >= max_patience:
            break
    with torch.no_grad():
        for parameter, kept in zip(model.parameters(), best.parameters()):
            parameter.copy_(kept)
    return nll_val


def pearson(a, b):
    a, b = [float(x) for x in a], [float(x) for x in b]
    if len(set(a)) == 1 or len(set(b)) == 1:
        raise ValueError("Pearson's correlation of a constant")
    ma, mb = sum(a) / len(a), sum(b) / len(b)
    sab = sum((x - ma) * (y - mb) for x, y in zip(a, b))
    return sab / math.sqrt(sum((x - ma) ** 2 for x in a) * sum((y - mb) ** 2 for y in b))
