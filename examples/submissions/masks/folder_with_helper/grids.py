import torch


def keys(size):
    """(1, 1, 1, size): the number of each column"""
    return torch.arange(size).view(1, 1, 1, size)


def queries(size):
    """(1, 1, size, 1): the number of each row"""
    return torch.arange(size).view(1, 1, size, 1)
