import torch
from torch.utils.data import Dataset


def count_training_examples(ids):
    pairs = [(ids[i], ids[i + 1]) for i in range(len(ids) - 1)]
    return len(pairs)


class LanguageModelingDataset(Dataset):
    def __init__(self, texts, encode, block_size):
        self.samples = []
        for text in texts:
            ids = encode(text)[: block_size + 1]
            last = ids.pop()
            self.samples.append((torch.LongTensor(ids), torch.LongTensor(ids[1:] + [last])))

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def lm_collate_fn(batch, pad_id=0, ignore_index=-1):
    # all sequences must have the same length
    n = min(len(x) for x, _ in batch)
    x = torch.stack([x[:n] for x, _ in batch])
    y = torch.stack([y[:n] for _, y in batch])
    return x, y
