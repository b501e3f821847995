"""Nothing is cut before an item is asked for; short texts are empty items. The batch is written row by row."""
import torch
from torch.utils.data import Dataset


def count_training_examples(ids):
    count = 0
    for _ in ids[1:]:
        count += 1
    return count


class LanguageModelingDataset(Dataset):
    def __init__(self, texts, encode, block_size):
        self.texts = texts
        self.encode = encode
        self.block_size = block_size

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, idx):
        tokens = self.encode(self.texts[idx])
        tokens = torch.LongTensor(tokens[: self.block_size + 1])
        return tokens[:-1], tokens[1:]


def lm_collate_fn(batch, pad_id=0, ignore_index=-1):
    longest = max([len(x) for x, _ in batch])
    x_batch = torch.full((len(batch), longest), pad_id, dtype=torch.long)
    y_batch = torch.full((len(batch), longest), ignore_index, dtype=torch.long)
    for row, (x, y) in enumerate(batch):
        x_batch[row, : len(x)] = x
        y_batch[row, : len(y)] = y
    return x_batch, y_batch
