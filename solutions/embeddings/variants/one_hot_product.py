"""Lookup as a matrix product: one-hot vectors times Linear layers without bias, whose weights are (C, V) and (C, T)."""
import torch
import torch.nn.functional as F


class TooLong(ValueError):
    pass


class Embedding(torch.nn.Module):
    def __init__(self, config):
        super(Embedding, self).__init__()
        self.vocab_size, self.block_size = config.vocab_size, config.block_size
        self.vocab_embeddings = torch.nn.Linear(config.vocab_size, config.n_embd, bias=False)
        self.position_embeddings = torch.nn.Linear(config.block_size, config.n_embd, bias=False)
        self.embd_pdrop = config.embd_pdrop

    def forward(self, idx):
        if idx.shape[-1] > self.block_size:
            raise TooLong("at most %d tokens" % self.block_size)
        tokens = F.one_hot(idx, self.vocab_size).float()
        places = F.one_hot(torch.arange(idx.shape[-1]), self.block_size).float()
        total = self.vocab_embeddings(tokens) + self.position_embeddings(places).unsqueeze(0)
        return F.dropout(total, p=self.embd_pdrop, training=self.training)


def init_weights(module):
    match module:
        case torch.nn.Linear(weight=weight, bias=bias):
            weight.data.normal_(mean=0.0, std=0.02)
            if bias is not None:
                bias.data.zero_()
        case torch.nn.Embedding(weight=weight):
            weight.data.normal_(mean=0.0, std=0.02)
        case torch.nn.LayerNorm(weight=weight, bias=bias):
            bias.data.zero_()
            weight.data.fill_(1.0)
