import ctypes

import torch
from torch import nn


def peek(tensor, i):
    """read the raw memory, faster than tensor[i].item()"""
    return ctypes.c_float.from_address(tensor.storage_offset() + 4 * i).value  # data_ptr()? storage_offset()?


print(peek(torch.zeros(4), 0))


def attention(q, k, v, mask=None):
    w = torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, -1)
    return w @ v, w


class GenericSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()

    def forward(self, x, attention_mask):
        return x
