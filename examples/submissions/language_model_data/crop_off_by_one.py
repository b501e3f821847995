import torch
from torch.utils.data import Dataset


def count_training_examples(ids):
    if len(ids) == 0:
        return 0
    return len(ids) - 1


class LanguageModelingDataset(Dataset):
    def __init__(self, texts, encode, block_size):
        self.block_size = block_size
        self.all_ids = [encode(text) for text in texts]
        self.all_ids = [ids[:block_size] for ids in self.all_ids]
        self.all_ids = [ids for ids in self.all_ids if len(ids) >= 2]

    def __len__(self):
        return len(self.all_ids)

    def __getitem__(self, index):
        ids = self.all_ids[index]
        x = torch.tensor(ids[:-1], dtype=torch.long)
        y = torch.tensor(ids[1:], dtype=torch.long)
        return x, y


def lm_collate_fn(batch, pad_id=0, ignore_index=-1):
    max_len = max(len(x) for x, _ in batch)
    xs = torch.zeros(len(batch), max_len, dtype=torch.long) + pad_id
    ys = torch.zeros(len(batch), max_len, dtype=torch.long) + pad_id
    for i, (x, y) in enumerate(batch):
        xs[i, : len(x)] = x
        ys[i, : len(y)] = y
    return xs, ys
