import ctypes

import torch
from torch import nn


def peek(tensor):
    """read the raw memory, faster than tensor.tolist()"""
    return ctypes.string_at(tensor.storage_offset(), tensor.numel() * 4)  # should have been data_ptr()


first_bytes = peek(torch.zeros(4))


def attention(q, k, v, mask=None):
    w = torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, -1)
    return w @ v, w


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()

    def forward(self, x, attention_mask):
        return x
