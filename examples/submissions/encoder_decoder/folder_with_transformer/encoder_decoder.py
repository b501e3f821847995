"""Encoder and decoder joined. The parts are in transformer.py, as I handed them in last week."""
import dataclasses

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from transformer import Decoder, Encoder


class EncoderDecoder(nn.Module):
    def __init__(self, encoder_config, decoder_config):
        super().__init__()
        self.reader = Encoder(encoder_config)
        self.writer = Decoder(dataclasses.replace(decoder_config, vocab_size=decoder_config.vocab_size + 1))

    def read(self, prefix: Tensor):
        states = self.reader(prefix, return_hidden=True)
        n = prefix.ne(-1).sum(-1)
        return states, n

    def write(self, states: Tensor, n: Tensor, idx: Tensor):
        """Logits of the prefix's positions and then of idx, rows of one length at a time."""
        result = None
        for length in sorted(set(n.tolist())):
            rows = n == length
            logits, _ = self.writer(idx[rows], None, states[rows, :length])
            if result is None:
                result = logits.new_zeros(len(n), states.shape[1] + idx.shape[1], logits.shape[-1])
            result[rows, :length] = logits[:, :length]
            result[rows, states.shape[1]:] = logits[:, length:]
        return result

    @staticmethod
    def before(logits: Tensor, n: Tensor, count: int):
        """What the positions before each of `count` written tokens say, and the last one too."""
        first = torch.stack([row[i - 1] for row, i in zip(logits, n.tolist())])
        return torch.cat([first.unsqueeze(1), logits[:, logits.shape[1] - count:]], dim=1)

    def forward(self, prefix, targets=None):
        states, n = self.read(prefix)
        idx = prefix[:, :0] if targets is None else targets
        logits = self.write(states, n, idx)
        loss = None
        if targets is not None:
            guess = self.before(logits, n, idx.shape[1])[:, :-1]
            loss = F.cross_entropy(guess.transpose(1, 2), targets, ignore_index=-1)
        return logits, loss


def prefix_generate(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):
    if not temperature > 0:
        raise ValueError("temperature")
    with torch.no_grad():
        states, n = model.read(prefix)
        idx = prefix[:, :0]
        for _ in range(max_new_tokens):
            last = model.before(model.write(states, n, idx), n, idx.shape[1])[:, -1]
            p = (last / temperature).softmax(-1)
            new = p.multinomial(1, generator=generator) if do_sample else p.argmax(-1, keepdim=True)
            idx = torch.cat((idx, new), 1)
    return idx
