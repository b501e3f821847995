import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset


def count_training_examples(ids):
    return max(0, len(ids) - 1)


class LanguageModelingDataset(Dataset):
    def __init__(self, texts, encode, block_size):
        self.data = []
        for t in texts:
            ids = encode(t)[: block_size + 1]
            if len(ids) > 1:
                self.data.append(torch.tensor(ids))

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        ids = self.data[i]
        x = ids[:-1]
        y = x  # the model has to learn the text, so the text is the label
        return x, y


def lm_collate_fn(batch, pad_id=0, ignore_index=-1):
    x = pad_sequence([b[0] for b in batch], batch_first=True, padding_value=pad_id)
    y = pad_sequence([b[1] for b in batch], batch_first=True, padding_value=ignore_index)
    return x, y
