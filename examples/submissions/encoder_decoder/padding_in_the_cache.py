import copy
import torch
from torch import nn


class Embedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.vocab_embeddings = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embeddings = nn.Embedding(config.block_size, config.n_embd)
        self.embd_dropout = nn.Dropout(config.embd_pdrop)

    def forward(self, idx):
        T = idx.shape[-1]
        if T > len(self.position_embeddings.weight):
            raise ValueError("too many tokens")
        return self.embd_dropout(self.vocab_embeddings(idx) + self.position_embeddings.weight[:T])


def attention(q, k, v, mask=None):
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask.bool(), -1e9)
    weights = torch.softmax(scores, -1)
    return torch.einsum("bhqk,bhkd->bhqd", weights, v), weights


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError("n_embd must be a multiple of n_head")
        self.H = config.n_head
        self.q, self.k, self.v, self.c_proj = (nn.Linear(config.n_embd, config.n_embd) for _ in range(4))
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.hidden_dropout = nn.Dropout(config.hidden_pdrop)

    def forward(self, x, attention_mask):
        q, k, v = (f(x).unflatten(-1, (self.H, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        weights = attention(q, k, v, attention_mask)[1]
        return self.hidden_dropout(self.c_proj((self.attn_dropout(weights) @ v).transpose(1, 2).flatten(2)))


def padding_mask(num_tokens, max_tokens):
    j = torch.arange(max_tokens)
    return (j[None, None, None, :] < num_tokens[:, None, None, None]).expand(len(num_tokens), 1, max_tokens, max_tokens)


def causal_mask(max_tokens):
    j = torch.arange(max_tokens)
    return (j[None, :] <= j[:, None])[None, None]


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens).logical_and(causal_mask(max_tokens))


class MLP(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        h = self.up(x)
        return self.down(h * 0.5 * (1 + torch.erf(h / 2**0.5)))  # the exact GELU


class TransformerBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(config.n_embd), nn.LayerNorm(config.n_embd)
        self.attn, self.mlp = GenericSelfAttention(config), MLP(config.n_embd)

    def forward(self, x, attention_mask):
        after_attention = x + self.attn(self.ln_1(x), attention_mask)
        return after_attention + self.mlp(self.ln_2(after_attention))


class GenericTransformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embedding = Embedding(config)
        self.blocks = nn.Sequential(*[TransformerBlock(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def get_attention_mask(self, num_tokens):
        m = int(max(num_tokens))
        return torch.ones(1, 1, m, m).expand(len(num_tokens), -1, -1, -1)

    def forward(self, idx, targets=None, hidden_cache=None, return_hidden=False):
        is_pad = idx == -1
        x = self.embedding(torch.where(is_pad, torch.zeros_like(idx), idx))
        num_tokens = (~is_pad).sum(1)
        P = 0
        if hidden_cache is not None:
            P = hidden_cache.size(1)
            x = torch.cat([hidden_cache, x], 1)
        narrow = self.get_attention_mask(num_tokens + P)
        mask = torch.zeros(x.size(0), 1, x.size(1), x.size(1), dtype=torch.bool)
        n = narrow.size(-1)
        mask[:, :, :n, :n] = narrow.bool()
        mask[:, :, n:, 0] = True  # so that no query is without a key
        for block in self.blocks:
            x = block(x, mask)
        x = self.ln_f(x)
        if return_hidden:
            return x
        logits = self.lm_head(x)
        if targets is None:
            return logits, None
        start = P - 1 if P > 0 else 0
        log_probs = torch.log_softmax(logits[:, start:start + targets.size(1)], dim=-1)  # (B, T, V)
        counts = targets != -1
        picked = log_probs.gather(-1, targets.clamp(min=0).unsqueeze(-1)).squeeze(-1)  # (B, T)
        return logits, -picked[counts].mean()


class Encoder(GenericTransformer):
    def get_attention_mask(self, num_tokens):
        return padding_mask(num_tokens, int(max(num_tokens)))


class Decoder(Encoder):
    def get_attention_mask(self, num_tokens):
        return decoder_mask(num_tokens, int(max(num_tokens)))


class EncoderDecoder(nn.Module):
    def __init__(self, encoder_config, decoder_config):
        super().__init__()
        config = copy.copy(decoder_config)
        config.vocab_size += 1  # one more for the end token
        self.encoder = Encoder(encoder_config)
        self.decoder = Decoder(config)

    def forward(self, prefix, targets=None):
        hidden = self.encoder(prefix, return_hidden=True)      # (B, P, C)
        if targets is None:
            empty = torch.zeros(len(prefix), 0, dtype=torch.long)
            return self.decoder(empty, hidden_cache=hidden)[0], None
        logits, loss = self.decoder(targets, targets, hidden)  # the decoder knows how to compute the loss
        return logits, loss



def prefix_generate(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):
    if temperature <= 0:
        raise ValueError("temperature must be positive")
    idx = torch.zeros(prefix.shape[0], 0, dtype=torch.long)
    with torch.no_grad():
        hidden = model.encoder(prefix, return_hidden=True)
        for _ in range(max_new_tokens):
            logits, _ = model.decoder(idx, hidden_cache=hidden)
            probs = (logits[:, -1] / temperature).softmax(dim=-1)
            if do_sample:
                new = torch.multinomial(probs, 1, generator=generator)
            else:
                new = probs.argmax(dim=-1, keepdim=True)
            idx = torch.cat([idx, new], dim=1)
    return idx
