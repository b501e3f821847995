"""x and y are made of the whole text and split side by side; the batch is stacked from rows that F.pad filled up."""
import torch
import torch.nn.functional as F
from torch.utils.data import Dataset


def count_training_examples(ids):
    if not ids:
        return 0
    return len(ids) - 1


class LanguageModelingDataset(Dataset):
    def __init__(self, texts, encode, block_size):
        self.examples = []
        for text in texts:
            ids = torch.tensor(list(encode(text)), dtype=torch.int64)
            if ids.numel() < 2:
                continue
            x, y = ids[:-1], ids[1:]
            self.examples.extend(zip(x.split(block_size), y.split(block_size)))

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, i):
        return self.examples[i]


def lm_collate_fn(batch, pad_id=0, ignore_index=-1):
    width = max(x.numel() for x, _ in batch)
    x = torch.stack([F.pad(x, (0, width - x.numel()), value=pad_id) for x, _ in batch])
    y = torch.stack([F.pad(y, (0, width - y.numel()), value=ignore_index) for _, y in batch])
    return x, y
