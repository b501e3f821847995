"""A window of block_size ids slides over a long text, one step at a time. Padding by transposing lists."""
from itertools import pairwise, zip_longest

import torch


def count_training_examples(ids):
    return sum(1 for _ in pairwise(ids))


class LanguageModelingDataset(torch.utils.data.Dataset):
    def __init__(self, texts, encode, block_size):
        super().__init__()
        self.data = [torch.tensor(ids) for ids in map(encode, texts) if ids]
        self.index = []
        for i, ids in enumerate(self.data):
            width = min(block_size, len(ids) - 1)
            if width:
                self.index.extend((i, start, start + width) for start in range(len(ids) - width))

    def __len__(self):
        return len(self.index)

    def __getitem__(self, n):
        i, start, stop = self.index[n]
        return [self.data[i][start:stop], self.data[i][start + 1 : stop + 1]]


def lm_collate_fn(batch, pad_id=0, ignore_index=-1):
    def rectangle(rows, value):
        columns = list(zip_longest(*(row.tolist() for row in rows), fillvalue=value))
        return torch.tensor(columns, dtype=torch.int64).reshape(len(columns), len(rows)).t()

    return rectangle([x for x, _ in batch], pad_id), rectangle([y for _, y in batch], ignore_index)
