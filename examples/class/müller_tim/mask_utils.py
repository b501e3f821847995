import torch


def column_index(n):
    return torch.arange(n).repeat(n, 1)


def row_index(n):
    return column_index(n).T


def both(a, b):
    return torch.logical_and(a, b)
