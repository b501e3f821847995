import torch
from torch.nn.utils.rnn import pad_sequence


def count_training_examples(ids):
    return len(ids) - 1


class LanguageModelingDataset(torch.utils.data.Dataset):
    def __init__(self, texts, encode, block_size):
        n = block_size + 1
        self.chunks = []
        for text in texts:
            ids = encode(text)
            # split every text into chunks of block_size + 1 tokens
            self.chunks.extend(ids[i : i + n] for i in range(0, len(ids), n))
        self.chunks = [c for c in self.chunks if len(c) > 1]

    def __len__(self):
        return len(self.chunks)

    def __getitem__(self, i):
        c = torch.tensor(self.chunks[i])
        return c[:-1], c[1:]


def lm_collate_fn(batch, pad_id=0, ignore_index=-1):
    x, y = zip(*batch)
    return pad_sequence(x, True, pad_id), pad_sequence(y, True, ignore_index)
