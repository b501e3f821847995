# %% [markdown]
# # Data for a language model
#
# A language model learns one thing: what comes next. No person has to label anything for that, because a text holds the
# answers itself: the label of each token is the token behind it. In this assignment you turn texts into batches.
#
# Letters: `B` items in the batch, `T` tokens of the longest of them, `n` ids in a text. `block_size` is the largest
# number of tokens that the model reads at once.

# %%
"""From texts to batches: what a language model reads, and what it has to predict."""

from collections.abc import Callable, Sequence

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

# %% [markdown]
# ## A worked example: a Dataset and its DataLoader
#
# A `Dataset` answers two questions: how many items are there, and which one is number `index`? A `DataLoader` asks
# them, and hands a list of items to its `collate_fn`, which makes a batch of the list. These items are numbers and
# their squares, and have nothing to do with text.


# %%
class Squares(Dataset):
    """The numbers 0, 1, 2, ... and their squares."""

    def __init__(self, count: int) -> None:
        self.numbers = list(range(count))

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.tensor(self.numbers[index])  # () int64
        return x, x**2


def stack(batch: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers (B,) and the squares (B,) of a list of items.

    >>> for x, y in torch.utils.data.DataLoader(Squares(5), batch_size=2, collate_fn=stack):
    ...     print(x.tolist(), y.tolist())
    [0, 1] [0, 1]
    [2, 3] [4, 9]
    [4] [16]
    """
    xs, ys = zip(*batch, strict=True)
    return torch.stack(xs), torch.stack(ys)  # these items all have one shape: nothing is to be padded


# %% [markdown]
# ## Task 1: how much is there to learn from a text?
#
# Each id that has another one in front of it can be predicted. Take a text of four ids and count.


# %%
def count_training_examples(ids: Sequence[int]) -> int:
    """Return how many next-token predictions a text with these ids gives.

    >>> count_training_examples([7, 7, 3, 9])
    3
    """
    # BEGIN SOLUTION Task 1: count the predictions
    return max(len(ids) - 1, 0)  # the first id has nothing in front of it, and an empty list has no first id
    # END SOLUTION


# %% [markdown]
# ## Task 2: the dataset
#
# One item is `x`, what the model reads, and `y`, what it should say at each place of `x`: the id that comes next.


# %%
class LanguageModelingDataset(Dataset):
    """Texts as pairs of what to read and what to predict."""

    def __init__(self, texts: Sequence[str], encode: Callable[[str], list[int]], block_size: int) -> None:
        """Encode the texts, and see to it that no item is longer than block_size.

        encode: turns a text into the list of its ids, which may be empty.

        A text of block_size + 1 ids gives one item with block_size predictions. A longer one may be cropped to that, or
        cut into several items that together hold all of its predictions. A text of one id or none gives no item.
        """
        # BEGIN SOLUTION Task 2: encode the texts, and cut them into pieces
        self.pieces = []
        for text in texts:
            ids = encode(text)
            for start in range(0, len(ids) - 1, block_size):  # no start at all when there is nothing to predict
                self.pieces.append(ids[start : start + block_size + 1])  # x and the one id that follows it
        # END SOLUTION

    def __len__(self) -> int:
        """Return the number of items."""
        # BEGIN SOLUTION Task 2: the number of items
        return len(self.pieces)
        # END SOLUTION

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return x and y, both (T,) int64, with T at most block_size.

        >>> dataset = LanguageModelingDataset(["bad", "", "a"], lambda text: [ord(c) - 97 for c in text], block_size=8)
        >>> dataset[0]
        (tensor([1, 0]), tensor([0, 3]))
        """
        # BEGIN SOLUTION Task 2: one item
        ids = torch.tensor(self.pieces[index])  # (T + 1,)
        return ids[:-1], ids[1:]  # (T,) each: y[t] comes right behind x[t]
        # END SOLUTION


# %% [markdown]
# ## Task 3: the batch
#
# Items have different lengths and a batch is a rectangle, so the short ones are filled up at their end. What `x` holds
# there matters to nobody. What `y` holds there must not be learned: the loss leaves out targets that are
# `ignore_index`, and counts all others.


# %%
def lm_collate_fn(
    batch: Sequence[tuple[torch.Tensor, torch.Tensor]], pad_id: int = 0, ignore_index: int = -1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x and y of the items, both (B, T) int64: shorter items are padded on the right.

    pad_id: what x is padded with. ignore_index: what y is padded with.

    >>> items = [(torch.tensor([4, 2, 6]), torch.tensor([2, 6, 5])), (torch.tensor([3]), torch.tensor([8]))]
    >>> x, y = lm_collate_fn(items)
    >>> x
    tensor([[4, 2, 6],
            [3, 0, 0]])
    >>> y
    tensor([[ 2,  6,  5],
            [ 8, -1, -1]])
    """
    # BEGIN SOLUTION Task 3: pad x and y
    xs, ys = zip(*batch, strict=True)  # B tensors each, (T_b,)
    x = pad_sequence(xs, batch_first=True, padding_value=pad_id)  # (B, T)
    y = pad_sequence(ys, batch_first=True, padding_value=ignore_index)  # (B, T)
    return x, y
    # END SOLUTION
