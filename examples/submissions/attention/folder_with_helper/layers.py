"""Things we will need again in homework 4."""
import torch.nn as nn


class Heads(nn.Module):
    """(B, T, C) <-> (B, H, T, D)"""

    def __init__(self, n_embd: int, n_head: int):
        super().__init__()
        if n_embd % n_head != 0:
            raise ValueError(f"{n_embd} features do not split into {n_head} heads")
        self.n_head = n_head

    def split(self, x):
        return x.unflatten(-1, (self.n_head, -1)).transpose(-2, -3)

    def merge(self, x):
        return x.transpose(-2, -3).flatten(-2)
