"""Weights with a dimension for the heads, small initial weights, match and takewhile, torch's names avoided."""
import copy
import statistics
from itertools import takewhile

import torch
from torch import Tensor, nn


class Tokenizer:
    PAD, SPACE, CLS = 0, 27, 28

    def __init__(self, max_length: int = 0):
        self.max_length = max_length
        self.table = {" ": self.SPACE} | {chr(97 + i): i + 1 for i in range(26)}
        self.back = {v: k for k, v in self.table.items()}

    def encode(self, texts: list[str]) -> Tensor:
        width = 1 + (self.max_length if self.max_length else max([len(t) for t in texts]))
        out = torch.zeros((len(texts), width), dtype=torch.int64)
        out[:, 0] = self.CLS
        for n, text in enumerate(texts):
            ids = torch.tensor([self.table[c] for c in text], dtype=torch.int64)[: width - 1]
            out[n, 1 : 1 + ids.numel()] = ids
        return out

    def decode(self, tokens: Tensor) -> list[str]:
        return ["".join(self.back[i] for i in takewhile(bool, row[1:])) for row in tokens.tolist()]


class LossFun(nn.Module):
    def forward(self, y_model: Tensor, y_true: Tensor, reduction: str = "sum") -> Tensor:
        picked = torch.take_along_dim(y_model, y_true.unsqueeze(-1), dim=-1).squeeze(-1)
        match reduction:
            case "sum":
                return -picked.sum()
            case "mean":
                return -picked.sum(dim=1).mean(dim=0)
        raise ValueError(f"unknown reduction {reduction}")


class PerHead(nn.Module):
    """Something for each head: (B, T, D) to (B, H, T, D)."""

    def __init__(self, d: int, h: int):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(h, d, d))
        self.bias = nn.Parameter(torch.zeros(h, 1, d))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("btd,hde->bhte", x, self.weight) + self.bias


class MultiHeadSelfAttention(nn.Module):
    def __init__(self, num_emb: int, num_heads: int = 8):
        super().__init__()
        self.to_keys = PerHead(num_emb, num_heads)
        self.to_queries = PerHead(num_emb, num_heads)
        self.to_values = PerHead(num_emb, num_heads)
        self.combine = nn.Linear(num_emb * num_heads, num_emb)

    def forward(self, x: Tensor, causal: bool = True) -> Tensor:
        k, q, v = self.to_keys(x), self.to_queries(x), self.to_values(x)
        scores = torch.einsum("bhid,bhjd->bijh", q, k).div(x.shape[-1] ** 0.5)  # heads last
        if causal:
            i = torch.arange(x.shape[1])
            scores = scores.masked_fill((i[None, :] > i[:, None])[None, :, :, None], -torch.inf)
        return self.combine(torch.einsum("bijh,bhjd->bihd", scores.softmax(dim=2), v).flatten(2))


class TransformerBlock(nn.Module):
    def __init__(self, num_emb: int, num_neurons: int, num_heads: int = 4):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(num_emb), nn.LayerNorm(num_emb)
        self.attend = MultiHeadSelfAttention(num_emb, num_heads)
        self.think = nn.Sequential()
        self.think.append(nn.Linear(num_emb, num_emb * num_neurons))
        self.think.append(nn.GELU())
        self.think.append(nn.Linear(num_emb * num_neurons, num_emb))

    def forward(self, x: Tensor, causal: bool = True) -> Tensor:
        for norm, act in ((self.norm1, lambda y: self.attend(y, causal)), (self.norm2, self.think)):
            x = norm(x + act(x))
        return x


class DecoderTransformer(nn.Module):
    def __init__(self, num_tokens, num_token_vals, num_emb, num_neurons, num_heads=2, dropout_prob=0.1, num_blocks=10, device="cpu"):
        super().__init__()
        self.position = nn.Parameter(0.02 * torch.randn(1, num_tokens, num_emb, device=device))
        self.embed = nn.Embedding(num_token_vals, num_emb, device=device)
        self.blocks = nn.ModuleList([TransformerBlock(num_emb, num_neurons, num_heads).to(device) for _ in range(num_blocks)])
        self.drop = nn.Dropout(dropout_prob)
        self.classify = nn.Linear(num_emb, num_token_vals, device=device)
        self.apply(self.initialise)

    @staticmethod
    def initialise(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def transformer_forward(self, x, causal=True, temperature=1.0):
        h = self.drop(self.embed(x) + self.position[:, : x.shape[1]])
        for block in self.blocks:
            h = block(h, causal)
        return torch.log_softmax(self.drop(self.classify(h)) / temperature, dim=2)

    def forward(self, x, causal=True, temperature=1.0, reduction="mean"):
        predicted = self.transformer_forward(x, causal, temperature).narrow(1, 0, x.shape[1] - 1)
        return LossFun()(predicted, x.narrow(1, 1, x.shape[1] - 1), reduction)

    @torch.no_grad()
    def top1_rec(self, x):
        total = torch.zeros(())
        for row in x:
            guess = self.transformer_forward(row[None])[0, :-1].topk(1).indices[:, 0]
            total += (guess == row[1:]).double().mean()
        return total

    @torch.no_grad()
    def sample(self, batch_size=4, temperature=1.0):
        columns = [torch.full((batch_size,), self.embed.num_embeddings - 1)]
        for _ in range(1, self.position.shape[1]):
            p = self.transformer_forward(torch.stack(columns, dim=1), temperature=temperature)[:, -1].exp()
            u = torch.rand(batch_size, 1)
            columns.append((p.cumsum(1) < u).sum(1).clamp(max=p.shape[1] - 1))
        return torch.stack(columns, dim=1)


def train_with_patience(model, optimizer, train_batches, valid_batches, max_epochs, max_patience):
    def epochs():
        for _ in range(max_epochs):
            model.train()
            for x in train_batches:
                optimizer.zero_grad()
                model(x).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                sums = [(model(x).item() * len(x), len(x)) for x in valid_batches]
            yield sum(s for s, _ in sums) / sum(n for _, n in sums)

    losses, best_epoch, best = [], -1, None
    for epoch, loss in enumerate(epochs()):
        losses.append(loss)
        if best is None or loss < losses[best_epoch]:
            best_epoch, best = epoch, copy.deepcopy(model.state_dict())
        if epoch - best_epoch >= max_patience:
            break
    model.load_state_dict(best)
    return losses


def pearson(a, b):
    a, b = list(map(float, a)), list(map(float, b))
    if min(a) == max(a) or min(b) == max(b):
        raise ValueError("no correlation with a constant")
    return statistics.correlation(a, b)
