"""What students may see of how the assignment is graded. Letters are the handout's.

The texts are written numbers, and `encode` reads them: "4 1 7" has the ids 4, 1 and 7.
"""

import pytest
import torch

from grader.checks import check, equal, kind, send, several, shaped

MANY = 500  # no dataset here has so many items, and no item so many ids


def encode(text):
    """The ids of a text of written numbers. It is sent to the other side."""
    return [int(number) for number in text.split()]


def text(ids):
    """The text with these ids."""
    return " ".join(map(str, ids.tolist()))


def dataset_of(side, texts, block_size):
    """The dataset that this side makes of the texts."""
    return side.LanguageModelingDataset(texts, send(side, encode), block_size)


def pair(item, number=0):
    """x and y of an item as lists, whatever holds their ids: that is for test_item_form to say."""
    x, y = several(item, f"x of item {number}", f"y of item {number}")
    rows = [isinstance(part, torch.Tensor) and part.dim() == 1 and len(part) < MANY for part in (x, y)]
    x, y = (part.tolist() if row else part for part, row in zip((x, y), rows, strict=True))
    for name, part in (("x", x), ("y", y)):
        row = isinstance(part, list) and all(isinstance(token, (int, float)) for token in part)
        assert row, f"{name} of item {number} should be a row of ids; yours is {kind(part)}"
    return x, y


def pairs(dataset):
    """x and y of all items that are not empty, as lists."""
    found = [pair(dataset[number], number) for number in range(min(len(dataset), MANY))]
    return [(x, y) for x, y in found if x or y]


# --- Task 1: counting


@check(points=0.75, hint="Write down a text of four ids. Which of them has another one in front of it?")
def test_count(student, reference, three, six, two):
    """Task 1: n ids give n - 1 predictions."""
    for ids in (six.tolist(), three.tolist(), two.tolist()):
        equal(student.count_training_examples(ids), reference.count_training_examples(ids), f"the count for {ids}")


# --- Task 2: the dataset


@check(
    points=0.5, hint="torch.tensor of a list of whole numbers is int64. Return the two tensors side by side: `x, y`."
)
def test_item_form(student, three, six):
    """Task 2: an item is a pair of int64 tensors of one length."""
    dataset = dataset_of(student, [text(three), text(six)], 8)
    for number, length in enumerate((2, 5)):
        x, y = several(dataset[number], "x", "y")
        for name, tensor in (("x", x), ("y", y)):
            shaped(tensor, (length,), f"{name} of item {number}", dtype=torch.int64)


@check(points=0.5, hint="The model reads every id that has another one behind it. Which one does it not read?")
def test_x(student, reference, three, six, two):
    """Task 2: x holds the ids of the text but for the last one."""
    theirs, ours = (dataset_of(side, [text(three), text(six), text(two)], 8) for side in (student, reference))
    for number in range(3):
        equal(pair(theirs[number], number)[0], pair(ours[number])[0], f"x of item {number}")


@check(
    points=1, hint="Write x on one line and y below it. Under each id of x stands the one that comes right after it."
)
def test_y(student, reference, three, six, two):
    """Task 2: y holds what comes next at each place of x."""
    theirs, ours = (dataset_of(side, [text(three), text(six), text(two)], 8) for side in (student, reference))
    for number in range(3):
        equal(pair(theirs[number], number)[1], pair(ours[number])[1], f"y of item {number}")


@check(points=0.5, hint="len(dataset) is what a DataLoader asks first. Count items, not ids.")
def test_number_of_items(student, three, six, two):
    """Task 2: there is one item for each text that is not too long."""
    equal(len(dataset_of(student, [text(three), text(six), text(two), text(three)], 8)), 4, "len(dataset)")


@check(
    points=0.5,
    hint="x and y share all ids but two. How many ids does it take to fill an x of block_size ids and its y?",
)
def test_exact_length(student, six):
    """Task 2: a text of block_size + 1 ids gives one item with block_size predictions."""
    found = pairs(dataset_of(student, [text(six)], 5))
    equal([len(x) for x, _ in found], [5], "the list of the lengths of all x")


# --- Task 3: the batch


@pytest.fixture
def items(three, six, two):
    """Three items as task 2 gives them, (T_b,) each: of the lengths 2, 5 and 1."""
    return [(ids[:-1], ids[1:]) for ids in (three, six, two)]


@check(points=0.5, hint="One row for each item, and as many columns as the longest one has ids.")
def test_batch_form(student, items):
    """Task 3: a batch is two int64 tensors of shape (B, T), T the length of the longest item."""
    x, y = several(student.lm_collate_fn(items), "x", "y")
    shaped(x, (3, 5), "x", dtype=torch.int64)
    shaped(y, (3, 5), "y", dtype=torch.int64)


@check(points=0.75, hint="Draw the batch on paper: one line for each item, its ids first, then as many 0 as it needs.")
def test_batch_x(student, reference, items):
    """Task 3: x has the ids of one item in each row, then padding with pad_id."""
    (x, _), (expected, _) = (several(side.lm_collate_fn(items), "x", "y") for side in (student, reference))
    equal(x, expected, "x", any_dtype=True)


@check(
    points=0.75, hint="What would the model learn if a padded place had a target? Which target does the loss leave out?"
)
def test_batch_y(student, reference, items):
    """Task 3: y has the targets of one item in each row, then ignore_index."""
    (_, y), (_, expected) = (several(side.lm_collate_fn(items), "x", "y") for side in (student, reference))
    equal(y, expected, "y", any_dtype=True)
