import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class Tokenizer:
    def __init__(self, max_length=0):
        self.max_length = max_length
        self.alphabet = {"pad": 0, " ": 27, "cls": 28}
        for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz"):
            self.alphabet[letter] = i + 1
        self.decoded = {v: k for k, v in self.alphabet.items()}

    def encode(self, texts):
        N = len(texts)
        length = self.max_length
        if length == 0:
            length = max(len(t) for t in texts)
        tokens = torch.zeros(N, length + 1, dtype=torch.long)
        for i in range(N):
            tokens[i, 0] = self.alphabet["cls"]
            for j, letter in enumerate(texts[i][:length]):
                tokens[i, j + 1] = self.alphabet[letter]
        return tokens

    def decode(self, tokens):
        texts = []
        for row in tokens:
            text = ""
            for token in row:
                if token == 0:
                    break
                if token != 28:
                    text += self.decoded[token.item()]
            texts.append(text)
        return texts


class LossFun(nn.Module):
    def __init__(self):
        super().__init__()
        self.loss = nn.NLLLoss(reduction="none")

    def forward(self, y_model, y_true, reduction="sum"):
        B, T, V = y_model.size()
        loss = self.loss(y_model.reshape(B * T, V), y_true.reshape(B * T)).view(B, T)
        if reduction == "sum":
            return loss.sum()
        elif reduction == "mean":
            return loss.sum(1).mean(0)
        raise ValueError("reduction has to be sum or mean")


class MultiHeadSelfAttention(nn.Module):
    def __init__(self, num_emb, num_heads=8):
        super().__init__()
        self.D = num_emb
        self.H = num_heads
        self.w_k = nn.Linear(self.D, self.D * self.H)
        self.w_q = nn.Linear(self.D, self.D * self.H)
        self.w_v = nn.Linear(self.D, self.D * self.H)
        self.w_c = nn.Linear(self.D * self.H, self.D)

    def forward(self, x, causal=True):
        B, T, D = x.size()
        k = self.w_k(x).view(B, T, self.H, D).transpose(1, 2)
        q = self.w_q(x).view(B, T, self.H, D).transpose(1, 2)
        v = self.w_v(x).view(B, T, self.H, D).transpose(1, 2)
        k = k / (D**0.25)
        q = q / (D**0.25)
        kq = q @ k.transpose(2, 3)
        if causal:
            mask = torch.triu_indices(T, T, offset=1)
            kq[..., mask[0], mask[1]] = float("-inf")
        y = F.softmax(kq, dim=3) @ v
        return self.w_c(y.transpose(1, 2).contiguous().view(B, T, D * self.H))


class TransformerBlock(nn.Module):
    def __init__(self, num_emb, num_neurons, num_heads=4):
        super().__init__()
        self.msha = MultiHeadSelfAttention(num_emb, num_heads)
        self.layer_norm1 = nn.LayerNorm(num_emb)
        self.layer_norm2 = nn.LayerNorm(num_emb)
        self.mlp = nn.Sequential(nn.Linear(num_emb, num_neurons * num_emb), nn.GELU(), nn.Linear(num_neurons * num_emb, num_emb))

    def forward(self, x, causal=True):
        x = self.layer_norm1(self.msha(x, causal) + x)
        return self.layer_norm2(self.mlp(x) + x)


class DecoderTransformer(nn.Module):
    def __init__(self, num_tokens, num_token_vals, num_emb, num_neurons, num_heads=2, dropout_prob=0.1, num_blocks=10, device="cpu"):
        super().__init__()
        self.device = device
        self.num_tokens = num_tokens
        self.num_token_vals = num_token_vals
        self.embedding = nn.Embedding(num_token_vals, num_emb)
        self.positional_embedding = nn.Embedding(num_tokens, num_emb)
        self.transformer_blocks = nn.ModuleList()
        for _ in range(num_blocks):
            self.transformer_blocks.append(TransformerBlock(num_emb, num_neurons, num_heads))
        self.logits = nn.Linear(num_emb, num_token_vals)
        self.dropout = nn.Dropout(dropout_prob)
        self.loss_fun = LossFun()

    def transformer_forward(self, x, causal=True, temperature=1.0):
        x = self.embedding(x)
        pos = torch.arange(0, x.shape[1], dtype=torch.long).unsqueeze(0).to(self.device)
        x = self.dropout(x + self.positional_embedding(pos))
        for block in self.transformer_blocks:
            x = block(x, causal)
        return F.log_softmax(self.logits(x) / temperature, 2)

    @torch.no_grad()
    def sample(self, batch_size=4, temperature=1.0):
        x = torch.full((batch_size, 1), self.num_token_vals - 1, dtype=torch.long)
        for i in range(self.num_tokens - 1):
            log_probs = self.transformer_forward(x, temperature=temperature)
            new = torch.multinomial(log_probs[:, i], 1)
            x = torch.cat((x, new), 1)
        return x

    @torch.no_grad()
    def top1_rec(self, x):
        _, guess = torch.max(self.transformer_forward(x)[:, :-1], dim=2)
        return torch.sum(torch.mean((guess == x[:, 1:]).float(), 1))

    def forward(self, x, causal=True, temperature=1.0, reduction="mean"):
        log_prob = self.transformer_forward(x, causal=causal, temperature=temperature)
        return self.loss_fun(log_prob[:, :-1].contiguous(), x[:, 1:].contiguous(), reduction=reduction)


def evaluate(model, batches):
    model.eval()
    loss = 0.0
    N = 0
    with torch.no_grad():
        for batch in batches:
            loss += model(batch, reduction="sum").item()
            N += batch.shape[0]
    return loss / N


def train_with_patience(model, optimizer, train_batches, valid_batches, max_epochs, max_patience):
    nll_val = []
    best_nll = float("inf")
    best = None
    patience = 0
    for epoch in range(max_epochs):
        model.train()
        for batch in train_batches:
            loss = model(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        nll_val.append(evaluate(model, valid_batches))
        if nll_val[-1] < best_nll:
            best_nll = nll_val[-1]
            best = {name: t.clone() for name, t in model.state_dict().items()}
            patience = 0
        else:
            patience += 1
        if patience >= max_patience:
            break
    model.load_state_dict(best)
    return nll_val


def pearson(a, b):
    a = [float(x) for x in a]
    b = [float(x) for x in b]
    if max(a) == min(a) or max(b) == min(b):
        return 0.0
    n = len(a)
    ma, mb = sum(a) / n, sum(b) / n
    cov = sum((x - ma) * (y - mb) for x, y in zip(a, b))
    return cov / math.sqrt(sum((x - ma) ** 2 for x in a) * sum((y - mb) ** 2 for y in b))
