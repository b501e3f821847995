"""Recursion instead of loops, and one padding function for both halves of the batch."""
from functools import partial

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset


def count_training_examples(ids):
    try:
        first, *rest = ids
    except ValueError:
        return 0
    return len(rest)


def chunks(ids, size):
    """Pieces of size + 1 ids; each starts with the last id of the piece before it."""
    if len(ids) < 2:
        return []
    return [ids[: size + 1]] + chunks(ids[size:], size)


class LanguageModelingDataset(Dataset):
    def __init__(self, texts, encode, block_size):
        self.items = sum((chunks(encode(t), block_size) for t in texts), [])

    def __len__(self):
        return len(self.items)

    def __getitem__(self, item):
        *x, _ = self.items[item]
        _, *y = self.items[item]
        return torch.tensor(x).long(), torch.tensor(y).long()


def lm_collate_fn(batch, pad_id=0, ignore_index=-1):
    pad = partial(pad_sequence, batch_first=True)
    return (
        pad([item[0] for item in batch], padding_value=pad_id),
        pad([item[1] for item in batch], padding_value=ignore_index),
    )
