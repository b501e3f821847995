# own names; rows with equally long prefixes together; a decoder that is told what to skip by a plain argument
import copy
from collections import defaultdict

import torch
import torch.nn as nn


def mask_for(lengths, width, causal):
    keys = torch.arange(width)
    mask = (keys < torch.as_tensor(lengths)[:, None])[:, None, :].repeat(1, width, 1)
    return mask.tril() if causal else mask


class Transformer(nn.Module):
    causal = False

    def __init__(self, config):
        super().__init__()
        c = config.n_embd
        self.words, self.places = nn.Embedding(config.vocab_size, c), nn.Embedding(config.block_size, c)
        self.attention = nn.ModuleList(nn.Linear(c, 3 * c) for _ in range(config.n_layer))
        self.project = nn.ModuleList(nn.Linear(c, c) for _ in range(config.n_layer))
        self.wide = nn.ModuleList(nn.Linear(c, 4 * c) for _ in range(config.n_layer))
        self.narrow = nn.ModuleList(nn.Linear(4 * c, c) for _ in range(config.n_layer))
        self.norm_a = nn.ModuleList(nn.LayerNorm(c) for _ in range(config.n_layer))
        self.norm_b = nn.ModuleList(nn.LayerNorm(c) for _ in range(config.n_layer))
        self.last_norm = nn.LayerNorm(c)
        self.heads = config.n_head
        self.width = c

    def run(self, tokens, before=None):
        lengths = (tokens != -1).sum(1)
        x = self.words(tokens.relu()) + self.places(torch.arange(tokens.shape[1]))
        if before is not None:
            x, lengths = torch.cat((before, x), 1), lengths + before.shape[1]
        mask = mask_for(lengths, x.shape[1], self.causal)
        d = self.width // self.heads
        for i in range(len(self.wide)):
            q, k, v = self.attention[i](self.norm_a[i](x)).split(self.width, -1)
            seen = []
            for h in range(self.heads):
                part = slice(h * d, (h + 1) * d)
                scores = torch.bmm(q[..., part], k[..., part].transpose(1, 2)) * d**-0.5
                seen.append(torch.bmm(scores.masked_fill(~mask, -1e9).softmax(2), v[..., part]))
            x = x + self.project[i](torch.cat(seen, 2))
            x = x + self.narrow[i](nn.functional.gelu(self.wide[i](self.norm_b[i](x))))
        return self.last_norm(x)


class Writer(Transformer):
    causal = True

    def __init__(self, config):
        super().__init__(config)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)


class EncoderDecoder(nn.Module):
    def __init__(self, encoder_config, decoder_config):
        super().__init__()
        bigger = copy.copy(decoder_config)
        bigger.vocab_size = bigger.vocab_size + 1
        self.reader, self.writer = Transformer(encoder_config), Writer(bigger)

    def groups(self, prefix):
        found = defaultdict(list)
        for row, n in enumerate((prefix >= 0).sum(1).tolist()):
            found[n].append(row)
        return [(rows, self.reader.run(prefix[rows, :n])) for n, rows in found.items()]

    def forward(self, prefix, targets=None):
        written = prefix[:, :0] if targets is None else targets
        size = (prefix.shape[0], prefix.shape[1] + written.shape[1], self.writer.head.out_features)
        logits = torch.zeros(size)
        guesses, wanted = [], []
        for rows, states in self.groups(prefix):
            n = states.shape[1]
            found = self.writer.head(self.writer.run(written[rows], states))
            index = torch.tensor(rows)
            logits[index, :n] = found[:, :n]
            logits[index, prefix.shape[1] :] = found[:, n:]
            guesses.append(found[:, n - 1 : n - 1 + written.shape[1]].flatten(0, 1))
            wanted.append(written[rows].flatten())
        if targets is None:
            return logits, None
        return logits, nn.CrossEntropyLoss(ignore_index=-1)(torch.cat(guesses), torch.cat(wanted))


def prefix_generate(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):
    if temperature <= 0.0:
        raise ValueError(f"cannot sample at temperature {temperature}")
    out = torch.zeros(prefix.shape[0], max_new_tokens, dtype=torch.int64)
    for rows, states in model.groups(prefix):
        for t in range(max_new_tokens):
            logits = model.writer.head(model.writer.run(out[rows, :t], states)[:, -1]).detach()
            if not do_sample:
                out[rows, t] = logits.argmax(1)
            elif generator is None:
                out[rows, t] = torch.distributions.Categorical(logits=logits / temperature).sample()
            else:  # a race: the smallest of exponential numbers
                noise = torch.empty(logits.shape).exponential_(generator=generator)
                out[rows, t] = (noise / (logits / temperature).softmax(1)).argmin(1)
    return out
