# each row goes through the model alone and without its padding; no mask is ever needed for padding this way
import torch
import torch.nn as nn
import torch.nn.functional as F


class Embedding(nn.Module):
    def __init__(self, config):
        super(Embedding, self).__init__()
        self.max_len = config.block_size
        self.vocab_embeddings = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embeddings = nn.Embedding(config.block_size, config.n_embd)
        self.drop = nn.Dropout(config.embd_pdrop)

    def forward(self, idx):
        if idx.shape[1] > self.max_len:
            raise ValueError("longer than block_size")
        positions = torch.arange(idx.shape[1]).expand_as(idx)
        return self.drop(self.vocab_embeddings(idx) + self.position_embeddings(positions))


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super(GenericSelfAttention, self).__init__()
        self.size, rest = divmod(config.n_embd, config.n_head)
        if rest:
            raise ValueError("heads do not divide the width")
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.k = nn.Linear(config.n_embd, config.n_embd)
        self.v = nn.Linear(config.n_embd, config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        keep = attention_mask[:, 0] > 0  # (B or 1, T, T)
        heads = []
        for q, k, v in zip(*(layer(x).split(self.size, dim=-1) for layer in (self.q, self.k, self.v))):
            scores = torch.bmm(q, k.transpose(1, 2)) / self.size ** 0.5
            scores = torch.where(keep, scores, torch.full_like(scores, float("-inf")))
            heads.append(torch.bmm(self.attn_dropout(scores.softmax(-1)), v))
        return self.hidden_dropout(self.c_proj(torch.cat(heads, -1)))


class TransformerBlock(nn.Module):
    def __init__(self, config):
        super(TransformerBlock, self).__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd)
        self.attn = GenericSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd)
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)
        self.dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        residual = x
        x = self.ln_1(x)
        x = self.attn(x, attention_mask)
        x = residual + x
        residual = x
        x = self.ln_2(x)
        x = self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))
        x = residual + self.dropout(x)
        return x


class GenericTransformer(nn.Module):
    causal = False

    def __init__(self, config):
        super(GenericTransformer, self).__init__()
        self.embedding = Embedding(config)
        self.layers = nn.ModuleList()
        for i in range(config.n_layer):
            self.layers.append(TransformerBlock(config))
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def get_attention_mask(self, num_tokens):
        longest = num_tokens.max().item()
        mask = torch.zeros(len(num_tokens), 1, longest, longest, dtype=torch.long)
        for b, n in enumerate(num_tokens.tolist()):
            mask[b, 0, :, :n] = 1
        if self.causal:
            for i in range(longest):
                mask[:, 0, i, i + 1:] = 0
        return mask

    def one_row(self, tokens, cache):
        x = self.embedding(tokens[None])
        if cache is not None:
            x = torch.cat([cache[None], x], dim=1)
        mask = self.get_attention_mask(torch.tensor([x.shape[1]]))
        for layer in self.layers:
            x = layer(x, mask)
        return self.ln_f(x)[0]

    def forward(self, idx, targets=None, hidden_cache=None, return_hidden=False):
        rows = []
        for b in range(len(idx)):
            cache = None if hidden_cache is None else hidden_cache[b]
            real = idx[b] >= 0
            row = self.one_row(idx[b][real], cache)
            rows.append(torch.cat([row, torch.zeros(int((~real).sum()), row.shape[1])]))
        hidden = torch.stack(rows)
        if return_hidden:
            return hidden
        logits = self.lm_head(hidden)
        if targets is None:
            return logits, None
        P = 0 if hidden_cache is None else hidden_cache.shape[1]
        total, count = 0.0, 0
        for b in range(targets.shape[0]):
            for t in range(targets.shape[1]):
                if targets[b, t] == -1:
                    continue
                where = t if P == 0 else P - 1 + t
                total = total - F.log_softmax(logits[b, where], dim=0)[targets[b, t]]
                count += 1
        return logits, total / count


class Encoder(GenericTransformer):
    pass


class Decoder(Encoder):
    causal = True
