# minGPT's way: fused qkv, GELU with tanh, small initial weights; rows go through the decoder one at a time
import copy
import math
import torch
import torch.nn as nn
from torch.nn import functional as F


def init_weights(module):
    if isinstance(module, nn.Linear):
        torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if module.bias is not None:
            torch.nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)
    elif isinstance(module, nn.LayerNorm):
        torch.nn.init.zeros_(module.bias)
        torch.nn.init.ones_(module.weight)


class Embedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.block_size = config.block_size
        self.vocab_embeddings = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embeddings = nn.Embedding(config.block_size, config.n_embd)
        self.dropout = nn.Dropout(config.embd_pdrop)

    def forward(self, idx):
        b, t = idx.size()
        if t > self.block_size:
            raise ValueError(f"Cannot forward sequence of length {t}, block size is only {self.block_size}")
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device).unsqueeze(0)  # (1, t)
        return self.dropout(self.vocab_embeddings(idx) + self.position_embeddings(pos))


def padding_mask(num_tokens, max_tokens):
    mask = torch.arange(max_tokens)[None, :] < num_tokens[:, None]
    return mask[:, None, None, :].repeat(1, 1, max_tokens, 1).float()


def causal_mask(max_tokens):
    return torch.tril(torch.ones(max_tokens, max_tokens)).view(1, 1, max_tokens, max_tokens)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) * causal_mask(max_tokens)


class NewGELU(nn.Module):
    def forward(self, x):
        return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError("n_embd % n_head != 0")
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.resid_dropout = nn.Dropout(config.hidden_pdrop)
        self.n_head = config.n_head
        self.n_embd = config.n_embd

    def forward(self, x, attention_mask):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(self.n_embd, dim=2)
        k = k.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)  # (B, nh, T, hs)
        q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)  # (B, nh, T, hs)
        v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)  # (B, nh, T, hs)
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(attention_mask == 0, float("-inf"))
        att = F.softmax(att, dim=-1)
        y = self.attn_dropout(att) @ v
        y = y.transpose(1, 2).contiguous().view(B, T, C)
        return self.resid_dropout(self.c_proj(y))


class TransformerBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd)
        self.attn = GenericSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd)
        self.mlp = nn.ModuleDict(dict(
            c_fc=nn.Linear(config.n_embd, 4 * config.n_embd),
            c_proj=nn.Linear(4 * config.n_embd, config.n_embd),
            act=NewGELU(),
            dropout=nn.Dropout(config.hidden_pdrop),
        ))

    def mlpf(self, x):
        m = self.mlp
        return m.dropout(m.c_proj(m.act(m.c_fc(x))))

    def forward(self, x, attention_mask):
        x = x + self.attn(self.ln_1(x), attention_mask)
        x = x + self.mlpf(self.ln_2(x))
        return x


class GenericTransformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.block_size = config.block_size
        self.transformer = nn.ModuleDict(dict(
            embedding=Embedding(config),
            h=nn.ModuleList([TransformerBlock(config) for _ in range(config.n_layer)]),
            ln_f=nn.LayerNorm(config.n_embd),
        ))
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.apply(init_weights)

    def get_attention_mask(self, num_tokens):
        n = num_tokens.max().item()
        return torch.ones(num_tokens.shape[0], 1, n, n)

    def forward(self, idx, targets=None, hidden_cache=None, return_hidden=False):
        num_tokens = (idx != -1).type(torch.int).sum(dim=1)
        width = idx.size(1)
        idx = idx[:, :num_tokens.max()].masked_fill(idx[:, :num_tokens.max()] == -1, 0)
        x = self.transformer.embedding(idx)
        past = 0
        if hidden_cache is not None:
            past = hidden_cache.shape[1]
            num_tokens = num_tokens + past
            x = torch.cat((hidden_cache, x), dim=1)
        attention_mask = self.get_attention_mask(num_tokens)
        for block in self.transformer.h:
            x = block(x, attention_mask)
        x = self.transformer.ln_f(x)
        if x.size(1) < past + width:  # fill up what was cut off
            fill = torch.zeros(x.size(0), past + width - x.size(1), x.size(2))
            x = torch.cat((x, fill), dim=1)
        if return_hidden:
            return x
        logits = self.lm_head(x)
        loss = None
        if targets is not None:
            s_logits = logits
            if hidden_cache is not None:
                s_logits = logits[:, past - 1:-1].contiguous()
            loss = F.cross_entropy(s_logits.view(-1, s_logits.size(-1)), targets.view(-1), ignore_index=-1)
        return logits, loss


class Encoder(GenericTransformer):
    def get_attention_mask(self, num_tokens):
        return padding_mask(num_tokens, num_tokens.max().item())


class Decoder(Encoder):
    def get_attention_mask(self, num_tokens):
        return decoder_mask(num_tokens, num_tokens.max().item())


class EncoderDecoder(nn.Module):
    def __init__(self, encoder_config, decoder_config):
        super().__init__()
        decoder_config = copy.deepcopy(decoder_config)
        decoder_config.vocab_size += 1
        self.encoder = Encoder(encoder_config)
        self.decoder = Decoder(decoder_config)

    def read(self, prefix):
        hidden = self.encoder(prefix, return_hidden=True)
        lengths = (prefix != -1).sum(dim=1).tolist()
        return [hidden[b:b + 1, :n] for b, n in enumerate(lengths)]  # (1, n, C) each

    def forward(self, prefix, targets=None):
        if targets is None:
            targets = torch.zeros(prefix.size(0), 0, dtype=torch.long)
            no_targets = True
        else:
            no_targets = False
        P, T = prefix.size(1), targets.size(1)
        all_logits = []
        loss_sum, count = 0.0, 0
        for b, cache in enumerate(self.read(prefix)):
            n = cache.size(1)
            logits, _ = self.decoder(targets[b:b + 1], None, cache)
            predicted = logits[0, n - 1:n - 1 + T]
            loss_sum = loss_sum + F.cross_entropy(predicted, targets[b], ignore_index=-1, reduction="sum")
            count += (targets[b] != -1).sum()
            row = torch.full((P + T, logits.size(-1)), float(7))
            row[:n] = logits[0, :n]
            row[P:] = logits[0, n:]
            all_logits.append(row)
        return torch.stack(all_logits), None if no_targets else loss_sum / count


@torch.no_grad()
def prefix_generate(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):
    if not temperature > 0:
        raise ValueError("temperature must be positive")
    caches = model.read(prefix)
    if len({cache.shape[1] for cache in caches}) == 1:  # nothing is padded: all rows at once
        caches = [torch.cat(list(caches))]
    rows = []
    for cache in caches:
        tokens = torch.zeros(len(cache), 0, dtype=torch.long)
        for _ in range(max_new_tokens):
            logits = model.decoder(tokens, hidden_cache=cache)[0][:, -1] / temperature
            if do_sample:
                nxt = torch.multinomial(F.softmax(logits, dim=-1), 1, generator=generator)
            else:
                nxt = logits.argmax(dim=-1, keepdim=True)
            tokens = torch.cat((tokens, nxt), dim=1)
        rows.append(tokens)
    return torch.cat(rows)
