"""No earlier part is used: one Stack for both models, and a mask that hides the padding of the cache."""
import dataclasses

import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.c_proj = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, allowed):
        y = self.ln_1(x)
        q, k, v = (f(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~allowed[:, None], -1e9)
        x = x + self.c_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return x + self.down(nn.functional.gelu(self.up(self.ln_2(x))))


class Stack(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.vocab_embeddings = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embeddings = nn.Embedding(config.block_size, config.n_embd)
        self.blocks = nn.ModuleList(Layer(config.n_embd, config.n_head) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd)

    def embed(self, idx):
        return self.vocab_embeddings(idx.clamp(min=0)) + self.position_embeddings.weight[: idx.shape[1]]

    def forward(self, x, allowed):
        for block in self.blocks:
            x = block(x, allowed)
        return self.ln_f(x)


class EncoderDecoder(nn.Module):
    def __init__(self, encoder_config, decoder_config):
        super().__init__()
        self.encoder = Stack(encoder_config)
        self.decoder = Stack(dataclasses.replace(decoder_config, vocab_size=decoder_config.vocab_size + 1))
        self.lm_head = nn.Linear(decoder_config.n_embd, decoder_config.vocab_size + 1, bias=False)

    def encode(self, prefix):
        real = prefix >= 0  # (B, P)
        return self.encoder(self.encoder.embed(prefix), real[:, None, :]), real

    def decode(self, hidden, real, targets):
        x = torch.cat([hidden, self.decoder.embed(targets)], 1)  # (B, P + T, C)
        B, N, _ = x.shape
        keys = torch.cat([real, targets >= 0], 1)  # (B, P + T)
        allowed = keys[:, None, :] & torch.ones(N, N, dtype=torch.bool).tril()
        return self.lm_head(self.decoder(x, allowed))

    def forward(self, prefix, targets=None):
        hidden, real = self.encode(prefix)
        if targets is None:
            return self.decode(hidden, real, prefix[:, :0]), None
        logits = self.decode(hidden, real, targets)
        P = prefix.shape[1]
        where = torch.arange(P - 1, P - 1 + targets.shape[1]).repeat(len(prefix), 1)  # (B, T)
        where[:, 0] = real.sum(1) - 1
        log_probs = logits.gather(1, where[..., None].expand(-1, -1, logits.shape[-1])).log_softmax(-1)
        counts = targets >= 0
        picked = log_probs.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
        return logits, -(picked * counts).sum() / counts.sum()


def prefix_generate(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):
    if temperature <= 0:
        raise ValueError("temperature")
    with torch.inference_mode():
        hidden, real = model.encode(prefix)
        written = torch.empty(len(prefix), 0, dtype=torch.int64)
        for t in range(max_new_tokens):
            logits = model.decode(hidden, real, written)
            last = logits[:, -1] if t else logits[torch.arange(len(prefix)), real.sum(1) - 1]
            last = last / temperature
            if do_sample:  # the largest of logits with Gumbel noise
                u = torch.rand(last.shape, generator=generator).clamp(min=1e-12)
                last = last - torch.log(-torch.log(u))
            written = torch.cat([written, last.argmax(-1, keepdim=True)], 1)
    return written.clone()
