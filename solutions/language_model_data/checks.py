"""The rest of how the assignment is graded: texts of all lengths, other arguments, and a DataLoader at work."""

import pytest
import torch
from public_checks import MANY, dataset_of, pairs, text

from grader.checks import check, equal, kind, leaves_unchanged, send, several, shaped, sizes

# --- Task 1: counting


@check(points=0.5, hint="How many ids have another one in front of them when there is one id, or none at all?")
def test_count_nothing(student):
    """Task 1: one id gives no prediction, and neither does an empty list."""
    equal(student.count_training_examples([17]), 0, "the count for one id")
    equal(student.count_training_examples([]), 0, "the count for no id")


@check(points=0.25, hint="An id that comes twice is predicted twice. A 0 is an id like any other.")
def test_count_repeated(student):
    """Task 1: ids that come again are counted again."""
    equal(student.count_training_examples([5, 5, 5, 0, 0, 5]), 5, "the count for [5, 5, 5, 0, 0, 5]")
    equal(student.count_training_examples([0] * 300), 299, "the count for 300 times the id 0")


# --- Task 2: the dataset


def judge(found, ids, block_size):
    """Say what is wrong with the x that were found in the items of a text with these ids, no id twice."""
    n, where, held = len(ids), {token: place for place, token in enumerate(ids)}, set()
    text = f"a text of {n} ids, with block_size = {block_size},"
    assert found, f"{text} gives no item"
    for x in found:
        start = where.get(x[0], n) if x else n
        places = range(start, start + len(x))  # of x in the text
        words = f"of the text {ids} an item holds x = {x}"
        assert x == ids[start : places.stop], f"{words}, which is no piece of the text"
        assert places.stop < n, f"{words}, and nothing follows its last id"
        assert len(x) <= block_size, f"{words}; block_size is {block_size}"
        held |= {*places}
    if len(found) == 1:
        full = min(block_size, n - 1)
        assert held == {*range(full)}, f"{text} gives one item, x = {found[0]}; its first {full} ids are expected"
        return
    left = [f"{ids[t]} to {ids[t + 1]}" for t in range(n - 1) if t not in held]
    assert not left, f"{text} gives {len(found)} items, and in none of them is the step from {', from '.join(left[:3])}"


def look_at_empty(dataset):
    """Say what is wrong with the form of the items that are empty, if there are any."""
    for number in range(min(len(dataset), MANY)):
        for name, part in zip("xy", several(dataset[number], "x", "y"), strict=True):
            if isinstance(part, torch.Tensor) and part.numel() == 0:
                shaped(part, (0,), f"{name} of the empty item {number}", dtype=torch.int64)


@check(
    points=0.5, hint="A text that does not fit is cropped to what does, or cut so that no two neighbours are parted."
)
def test_long(student, long):
    """Task 2: a text that is too long is cropped to block_size + 1 ids, or cut so that no prediction is lost."""
    for n in (23, 22, 21, 16, 7):  # with block_size = 5: pieces of all lengths are left over
        dataset = dataset_of(student, [text(long[:n])], 5)
        judge([x for x, _ in pairs(dataset)], long[:n].tolist(), 5)
        look_at_empty(dataset)


@check(
    points=0.75,
    partial=True,
    hint="Give your class a text of one id, and go through your lines: what is there to predict, and what is returned?",
)
@pytest.mark.parametrize("short", ["", "41"], ids=["an empty text", "a text of one id"])
def test_short(student, five, short):
    """Task 2: an empty text and a text of one id give no item, or an empty one, and no error."""
    for texts in ([short, text(five), short], [short]):
        dataset = dataset_of(student, texts, 8)
        equal(len(pairs(dataset)), texts.count(text(five)), "the number of items that are not empty")
        look_at_empty(dataset)


def spelled(text):
    """The ids of a text, letter by letter: a doubled one for each capital. It is sent to the other side."""
    return [ord(letter) for letter in text for _ in range(1 + letter.isupper())]


@check(points=0.25, hint="How many ids a text has is known once it is encoded. And what a text is, encode decides.")
def test_whole_texts(student, reference):
    """Task 2: encode gets each text as it is, and block_size counts ids."""
    texts = [" Oh no ", "NO\n", "naïve", "A"]
    theirs, ours = (pairs(s.LanguageModelingDataset(texts, send(s, spelled), 9)) for s in (student, reference))
    equal([x for x, _ in theirs], [x for x, _ in ours], "the list of all x")


@check(points=0.5, hint="Try block_size = 1 on paper: what is x, what is y, and how many ids do they take together?")
def test_other_sizes(student):
    """Task 2: texts of any length and any block_size give the right items."""
    for block_size, n, m in sizes(block_size=(1, 9), n=(2, 12), m=(2, 6)):
        lengths = [n, 0, block_size + 1, 1, m, block_size, block_size + m, 2 * block_size + 2]
        ids = [(100 * k + torch.randperm(90)[:length]) for k, length in enumerate(lengths)]
        found = pairs(dataset_of(student, [text(some) for some in ids], block_size))
        for k, length in enumerate(lengths):
            own = [item for item in found if item[0] and item[0][0] // 100 == k]
            if length < 2:
                equal(own, [], f"the list of items of a text of {length} ids, but for empty ones,")
                continue
            judge([x for x, _ in own], ids[k].tolist(), block_size)
            follows = dict(zip(ids[k].tolist(), ids[k][1:].tolist(), strict=False))
            for x, y in own:
                equal(y, [follows[token] for token in x], f"y of the item with x = {x}")


# --- Task 3: the batch


@pytest.fixture
def others(five, long, four):
    """Items of the lengths 4, 22 and 3, x and y (T_b,) each."""
    return [(ids[:-1], ids[1:]) for ids in (five, long, four)]


@check(points=0.5, hint="0 and -1 are what is meant when nothing is said. Where do pad_id and ignore_index go?")
def test_batch_arguments(student, reference, others, five):
    """Task 3: pad_id and ignore_index can be chosen."""
    for x_pad, y_pad in ((95, -100), (int(five[2]), 0)):  # an id that is in a text, too
        theirs, ours = (side.lm_collate_fn(others, x_pad, ignore_index=y_pad) for side in (student, reference))
        for name, found, expected in zip("xy", several(theirs, "x", "y"), ours, strict=True):
            equal(found, expected, f"{name}, with pad_id={x_pad} and ignore_index={y_pad},", any_dtype=True)


@check(points=0.25, hint="A batch of one item is still a batch: (1, T). Where nothing is short, nothing is padded.")
def test_batch_of_one(student, reference, others):
    """Task 3: a batch may have one item, or items of one length."""
    for batch in (others[:1], [others[2], others[2]]):
        theirs, ours = (several(side.lm_collate_fn(batch), "x", "y") for side in (student, reference))
        for name, found, expected in zip("xy", theirs, ours, strict=True):
            equal(found, expected, name, any_dtype=True)


@check(points=0.25, hint="An item of length 0 is a row like any other: all of it is padding.")
def test_batch_with_nothing(student, reference, others):
    """Task 3: an empty item becomes a row of padding."""
    nothing = torch.zeros(0, dtype=torch.int64)
    batch = [(nothing, nothing), others[0], (nothing, nothing)]
    (x, y), (expected, _) = (several(side.lm_collate_fn(batch), "x", "y") for side in (student, reference))
    equal(x, expected, "x", any_dtype=True)
    assert isinstance(y, torch.Tensor), f"y should be a tensor; yours is {kind(y)}"
    equal(tuple(y.shape), (3, 4), "the shape of y")


@check(points=0.25, hint="The dataset may hand out the same item again in the next epoch. Make new tensors.")
def test_items_unchanged(student, others):
    """Task 3: the items are left as they were."""
    leaves_unchanged(student.lm_collate_fn, others)


def loaded(dataset, collate):
    """The batches of two that a DataLoader makes. It is sent to the other side."""
    from torch.utils.data import DataLoader  # noqa: PLC0415 - over there nothing of this file is imported

    return list(DataLoader(dataset, batch_size=2, collate_fn=collate))


@check(
    points=0.25, hint="A DataLoader asks for len(dataset), then for items, and calls collate_fn with a list of them."
)
def test_loader(student, five, long, four):
    """Tasks 2 and 3: a DataLoader makes batches of the dataset."""
    dataset = dataset_of(student, [text(five), text(four), text(long[:3])], 8)
    items = [tuple(several(dataset[number], "x", "y")) for number in range(min(len(dataset), MANY))]
    batches = send(student, loaded)(dataset, student.lm_collate_fn)
    assert isinstance(batches, list), f"the DataLoader's batches should be a list; they are {kind(batches)}"
    equal(len(batches), (len(items) + 1) // 2, "the number of batches of two")
    for number, batch in enumerate(batches):
        expected = student.lm_collate_fn(items[2 * number : 2 * number + 2])  # right or wrong: that was seen above
        for name, part, own in zip("xy", several(batch, "x", "y"), several(expected, "x", "y"), strict=True):
            words = f"{name} of batch {number} is {kind(part)}; lm_collate_fn gives {kind(own)} for the same items"
            both = isinstance(part, torch.Tensor) and isinstance(own, torch.Tensor)
            assert both, words
            assert part.shape == own.shape, words
            assert (part == own).all(), f"{words}, and with other ids"
