"""Outer products: every mask is 'query side' times 'key side'."""
import torch


class Masks:
    def __init__(self, T):
        self.T = T

    def keys(self, lengths):
        return torch.stack([torch.cat([torch.ones(int(n)), torch.zeros(self.T - int(n))]) for n in lengths])

    def padding(self, lengths):
        return torch.einsum("bj,i->bij", self.keys(lengths), torch.ones(self.T)).unsqueeze(dim=1)

    def causal(self):
        later = torch.arange(self.T).unsqueeze(0) - torch.arange(self.T).unsqueeze(1)
        return torch.where(later > 0, torch.tensor(0.0), torch.tensor(1.0)).reshape(1, 1, self.T, self.T)


def padding_mask(num_tokens, max_tokens):
    return Masks(max_tokens).padding(num_tokens).double()


causal_mask = lambda max_tokens: Masks(max_tokens).causal().half()


def decoder_mask(num_tokens, max_tokens):
    m = Masks(max_tokens)
    return torch.einsum("bhij,ghij->bhij", m.padding(num_tokens), m.causal())
