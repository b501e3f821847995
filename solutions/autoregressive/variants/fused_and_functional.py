"""One Linear for keys, queries and values, Categorical for sampling, cross_entropy where a loss is needed."""
import torch
from torch import nn
from torch.distributions import Categorical
from torch.nn import functional as F


class Tokenizer:
    def __init__(self, max_length=0):
        self.max_length = max_length
        self.ids = {c: i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz ", start=1)}
        self.characters = {i: c for c, i in self.ids.items()}

    def encode(self, texts):
        length = self.max_length if self.max_length > 0 else max(len(t) for t in texts)
        rows = [torch.tensor([28] + [self.ids[c] for c in t[:length]]) for t in texts]
        return torch.stack([F.pad(row, (0, length + 1 - len(row))) for row in rows])

    def decode(self, tokens):
        texts = []
        for row in tokens:
            text = ""
            for i in row.tolist():
                if i == 0:
                    break
                text += self.characters.get(i, "")
            texts.append(text)
        return texts


class LossFun(nn.Module):
    def forward(self, y_model, y_true, reduction="sum"):
        if reduction == "sum":
            return F.nll_loss(y_model.transpose(1, 2), y_true, reduction="sum")
        if reduction == "mean":
            return F.cross_entropy(y_model.mT, y_true, reduction="none").sum(-1).mean()
        raise ValueError("reduction should be sum or mean")


class MultiHeadSelfAttention(nn.Module):
    def __init__(self, num_emb, num_heads=8):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(num_emb, 3 * num_heads * num_emb)
        self.out = nn.Linear(num_heads * num_emb, num_emb)

    def forward(self, x, causal=True):
        q, k, v = [t.unflatten(-1, (self.num_heads, -1)).movedim(2, 1) for t in self.qkv(x).chunk(3, dim=-1)]
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * x.shape[-1] ** -0.5
        if causal:
            scores = scores + torch.full(scores.shape[-2:], float("-inf")).triu(1)
        return self.out(torch.einsum("bhqk,bhkd->bqhd", scores.softmax(-1), v).flatten(2))


class TransformerBlock(nn.Module):
    def __init__(self, num_emb, num_neurons, num_heads=4):
        super().__init__()
        self.attn = MultiHeadSelfAttention(num_emb, num_heads)
        self.up = nn.Linear(num_emb, num_emb * num_neurons)
        self.down = nn.Linear(num_emb * num_neurons, num_emb)
        self.norms = nn.ModuleList([nn.LayerNorm(num_emb), nn.LayerNorm(num_emb)])

    def forward(self, x, causal=True):
        first, second = self.norms
        x = first(self.attn(x, causal) + x)
        return second(self.down(F.gelu(self.up(x))) + x)


class DecoderTransformer(nn.Module):
    def __init__(self, num_tokens, num_token_vals, num_emb, num_neurons, num_heads=2, dropout_prob=0.1,
                 num_blocks=10, device="cpu"):
        super().__init__()
        self.sizes = num_tokens, num_token_vals
        self.dropout_prob = dropout_prob
        self.embeddings = nn.ModuleDict({
            "token": nn.Embedding(num_token_vals, num_emb),
            "position": nn.Embedding(num_tokens, num_emb),
        })
        self.layers = nn.ModuleList(TransformerBlock(num_emb, num_neurons, num_heads) for _ in range(num_blocks))
        self.to_scores = nn.Linear(num_emb, num_token_vals)
        self.criterion = LossFun()
        self.to(device)

    def transformer_forward(self, x, causal=True, temperature=1.0):
        positions = torch.arange(x.shape[1]).to(x.device).unsqueeze(0).expand_as(x)
        z = self.embeddings["token"](x) + self.embeddings["position"](positions)
        z = F.dropout(z, self.dropout_prob, training=self.training)
        for layer in self.layers:
            z = layer(z, causal=causal)
        return (self.to_scores(z) / temperature).log_softmax(-1)

    def forward(self, x, causal=True, temperature=1.0, reduction="mean"):
        predictions = self.transformer_forward(x[:, :-1], causal, temperature) if causal else (
            self.transformer_forward(x, causal, temperature)[:, :-1])
        return self.criterion(predictions, x[:, 1:], reduction)

    def top1_rec(self, x):
        hits = self.transformer_forward(x).argmax(-1)[:, :-1].eq(x[:, 1:])
        return (hits.sum(1) / hits.shape[1]).sum().item()

    def sample(self, batch_size=4, temperature=1.0):
        num_tokens, num_token_vals = self.sizes
        x = torch.zeros(batch_size, num_tokens, dtype=torch.long)
        x[:, 0] = num_token_vals - 1
        with torch.no_grad():
            for t in range(1, num_tokens):
                x[:, t] = Categorical(logits=self.transformer_forward(x, temperature=temperature)[:, t - 1]).sample()
        return x


def train_with_patience(model, optimizer, train_batches, valid_batches, max_epochs, max_patience):
    history, best = [], None
    while len(history) < max_epochs:
        model.train()
        for batch in train_batches:
            loss = model(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        total, count = 0.0, 0
        with torch.no_grad():
            for batch in valid_batches:
                total += float(model(batch)) * batch.shape[0]
                count += batch.shape[0]
        history.append(total / count)
        if min(history) not in history[:-1]:
            best = {k: v.detach().clone() for k, v in model.state_dict().items()}
        if len(history) - 1 - history.index(min(history)) >= max_patience:
            break
    model.load_state_dict(best)
    return history


def pearson(a, b):
    a, b = torch.as_tensor(a).double(), torch.as_tensor(b).double()
    if a.unique().numel() == 1 or b.unique().numel() == 1:
        raise ValueError("constant")
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()
