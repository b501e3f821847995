"""All ids in one tensor, with the places where items start and end; masks say where the batch is padded."""
import torch


def count_training_examples(ids):
    return len(list(zip(ids, ids[1:])))


class LanguageModelingDataset(torch.utils.data.Dataset):
    def __init__(self, texts, encode, block_size):
        flat, self.spans = [], []
        for text in texts:
            first = len(flat)
            flat += encode(text)
            last = len(flat) - 1  # of this text; it is a target only
            while first < last:
                stop = min(first + block_size, last)
                self.spans.append((first, stop))
                first = stop
        self.flat = torch.tensor(flat, dtype=torch.long)

    def __len__(self):
        return len(self.spans)

    def __getitem__(self, i):
        start, stop = self.spans[i]
        x = self.flat[start:stop]
        y = self.flat[start + 1 : stop + 1]
        return x, y


def lm_collate_fn(batch, pad_id=0, ignore_index=-1):
    lengths = torch.tensor([x.shape[0] for x, _ in batch])
    real = torch.arange(lengths.max()) < lengths[:, None]  # (B, T)
    x = torch.full(real.shape, pad_id)
    y = torch.full(real.shape, ignore_index)
    x[real] = torch.cat([pair[0] for pair in batch])
    y[real] = torch.cat([pair[1] for pair in batch])
    return x, y
