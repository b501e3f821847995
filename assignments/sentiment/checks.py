"""What students may see of how the sentiment assignment is graded. Letters are the handout's."""

import csv
import io
from collections import Counter
from types import SimpleNamespace

import torch

from grader.checks import check, close, equal, kind, padding_ignored, send, twins

FILE = [(f"Film {i}, seen twice: not bad", "positive" if i % 3 else "negative") for i in range(200)]

HPARAMS = SimpleNamespace(
    PAD_TOKEN="<pad>", PAD_INDEX=0, UNK_TOKEN="<unk>", UNK_INDEX=1, STOP_WORDS=["the", "and", "is"]
)
REVIEWS = [
    "The film is good, and the music is GOOD.",
    "The plot is GOOD. The film drags.",
    "Bad film! Bad, bad music?",
]
VOCAB = {"<pad>": 0, "<unk>": 1, "film": 2, "good": 3, "bad": 4, "music": 5, "plot": 6}
SIZES = {
    "vocab_size": 9,
    "embedding_dim": 4,
    "hidden_dim": 3,
    "output_dim": 2,
    "n_layers": 1,
    "dropout_rate": 0.0,
    "pad_index": 0,
}


def csv_of(rows, columns=("review", "sentiment"), line_end="\n"):
    """Return the text of a CSV file with these rows."""
    file = io.StringIO()
    csv.writer(file, lineterminator=line_end).writerows([columns, *rows])
    return file.getvalue()


def parts_of(load, text, *seed):
    """Have a file with this text loaded, on the side where this runs; return the six parts as lists."""
    import tempfile  # noqa: PLC0415 - there, nothing else of this file is

    with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        parts = load(file.name, *seed)
    if not isinstance(parts, (tuple, list)) or len(parts) != 6:
        raise TypeError("load_reviews should return six lists: x_train, x_valid, x_test, y_train, y_valid, y_test")
    return [[str(value) if isinstance(value, str) else value for value in part] for part in parts]


def sizes_of(parts_of, load, text):
    """Return how many values each of the six parts has."""
    return [len(part) for part in parts_of(load, text)]


def right_sizes(side, n):
    """Hold the sizes of the parts of a file with n reviews against their shares, up to rounding."""
    found = send(side, sizes_of)(send(side, parts_of), side.load_reviews, csv_of(FILE[:n]))
    assert found[3:] == found[:3], f"x_train, x_valid, x_test and then y_train, y_valid, y_test have the sizes {found}"
    for part, size, share in zip(("x_train", "x_valid", "x_test"), found[:3], (0.7, 0.1, 0.2), strict=True):
        assert abs(size - share * n) < 2, f"{part} has {size} of {n} reviews; {share:.0%} of them are {share * n:g}"
    equal(sum(found[:3]), n, "the number of reviews in all three parts")


def rows_of(parts_of, load, text):
    """Return every review of the three parts with its label, in an order that does not depend on the shuffling."""
    x_train, x_valid, x_test, y_train, y_valid, y_test = parts_of(load, text)
    return sorted(zip([*x_train, *x_valid, *x_test], [*y_train, *y_valid, *y_test], strict=True), key=repr)


def every_row(side, text, rows):
    """Hold what `load_reviews` makes of a file against the rows that the file has."""
    found = Counter(send(side, rows_of)(send(side, parts_of), side.load_reviews, text))
    expected = Counter(rows)
    lost, strange = list(expected - found), list(found - expected)
    instead = f"; {strange[0]} is, and is no row of it" if strange else ""
    assert not lost, f"{lost[0]} is a row of the file, and not among what load_reviews returns{instead}"
    assert not strange, f"{strange[0]} is more often among what load_reviews returns than in the file"


def words_in(build_vocab, *args):
    """Return the words of a vocabulary in alphabetical order: which id each has is free."""
    vocab = build_vocab(*args)
    if not isinstance(vocab, dict):
        raise TypeError(f"build_vocab should return a dict, not a {type(vocab).__name__}")
    return sorted(vocab, key=str)


def vocabulary(side, reviews, min_freq, hparams=HPARAMS):
    """Return the set of words that have an id in what `build_vocab` makes of the reviews."""
    return set(send(side, words_in)(side.build_vocab, reviews, min_freq, hparams))


def ids_in(build_vocab, *args):
    """Return the ids of <pad> and <unk>, and all ids in order."""
    vocab = build_vocab(*args)
    return vocab.get("<pad>"), vocab.get("<unk>"), sorted(vocab.values())


def example(dataset, index):
    """Return one item of the dataset, which has to be a dict with the three keys."""
    item = dataset[index]
    assert isinstance(item, dict), f"an example should be a dict, not {kind(item)}"
    equal(set(item), {"ids", "length", "label"}, "the set of an example's keys")
    label = item["label"]
    return {**item, "label": int(label) if isinstance(label, bool) else label}  # True is 1


def rectangle(side, rows, pad_index):
    """Return the batch that `collate` makes of examples with these ids; the labels are 1, 0, 1, ..."""
    items = [{"ids": ids, "length": len(ids), "label": (i + 1) % 2} for i, ids in enumerate(rows)]
    batch = side.collate(items, pad_index)
    assert isinstance(batch, dict), f"collate should return a dict, not {kind(batch)}"
    equal(set(batch), {"ids", "length", "label"}, "the set of the batch's keys")
    return batch


# --- the reviews


@check(
    points=0.5,
    hint="Of 200 reviews 140 are for training. How many are 10 % of all, and how many 10 % of what is left by then?",
)
def test_split_sizes(student):
    """Task 1: 70, 10 and 20 % of the reviews are for training, validation and test, in this order."""
    right_sizes(student, 200)


@check(
    points=0.5,
    hint="Print a review and its label, and look it up in the file. A comma inside quotation marks separates nothing.",
)
def test_every_review(student):
    """Task 1: every review is in exactly one part, once and unchanged, with its own label."""
    every_row(student, csv_of(FILE), FILE)


# --- from words to numbers


@check(
    points=1,
    hint="Lower case, punctuation, cutting into words, counting over all texts, and only then the two questions: often "
    "enough, and no stop word?",
)
def test_vocab_words(student, reference):
    """Task 3: the vocabulary holds the words that occur often enough, without stop words."""
    words, expected = (vocabulary(side, REVIEWS, 2) for side in (student, reference))
    equal(words, expected, "the set of the vocabulary's words")


@check(points=0.5, hint="Two ids are taken before the first word comes. Every word then gets the next one.")
def test_vocab_ids(student):
    """Task 3: the two special entries have the ids 0 and 1, and the words 2, 3, 4, ..., each id once."""
    pad, unk, ids = send(student, ids_in)(student.build_vocab, REVIEWS, 1, HPARAMS)
    equal(pad, 0, "the id of <pad>")
    equal(unk, 1, "the id of <unk>")
    equal(ids, list(range(len(ids))), "the list of all ids, in order,")


@check(points=0.5, hint="The vocabulary knows normalised words. What has to happen to a text before it is looked up?")
def test_known_words(student, reference):
    """Task 4: tokenize finds each word of the vocabulary, in the order of the text."""
    for text in ("good music bad plot good", "Bad FILM, good plot!"):
        equal(student.tokenize(VOCAB, text), reference.tokenize(VOCAB, text), f"the list of ids of {text!r}")


@check(points=1, hint="A word that nobody has seen still stands somewhere in the text: it keeps its place.")
def test_unknown_words(student, reference):
    """Task 4: a word that the vocabulary does not have gets the id 1, in its place."""
    for text in ("good acting bad plot", "zebra", "acting acting film"):
        equal(student.tokenize(VOCAB, text), reference.tokenize(VOCAB, text), f"the list of ids of {text!r}")


# --- from texts to batches


@check(
    points=0.75, hint="`ids` is what tokenize gives, `length` says how many ids there are, and 1 stands for positive."
)
def test_example(student, reference):
    """Task 5: an example is a dict with its ids, their number and its label."""
    x, y = ["good film music plot", "bad music", "film"], ["positive", "negative", "negative"]
    theirs, ours = student.IMDB(x, y, VOCAB), reference.IMDB(x, y, VOCAB)
    for i in range(3):
        equal(example(theirs, i), example(ours, i), f"example {i}")


@check(points=0.25, hint="len(dataset) is what a DataLoader asks first.")
def test_dataset_size(student):
    """Task 5: the dataset has as many examples as there are reviews."""
    equal(len(student.IMDB(["good film", "bad", "plot"], ["positive", "negative", "negative"], VOCAB)), 3, "its length")


@check(points=0.5, hint="First tokenize, then cut. How many ids does the model get to see after that?")
def test_truncation(student, reference):
    """Task 5: of a longer review only the first max_length ids are kept, and its length is their number."""
    x, y = ["good film bad plot music", "bad music plot", "bad music"], ["positive", "negative", "negative"]
    theirs, ours = student.IMDB(x, y, VOCAB, max_length=3), reference.IMDB(x, y, VOCAB, max_length=3)
    for i in range(3):
        found, expected = example(theirs, i), example(ours, i)
        equal(found["ids"], expected["ids"], f"with max_length=3, the list of ids of example {i}")
        equal(found["length"], expected["length"], f"with max_length=3, the length of example {i}")


@check(
    points=0.5, hint="Draw the batch on paper: one line per example, and after its own ids as much padding as it needs."
)
def test_collate_ids(student, reference):
    """Task 6: collate puts the ids of one example into each row and fills up the shorter ones at their end."""
    rows = [[5, 2], [3, 4, 1, 2], [6]]
    equal(rectangle(student, rows, 0)["ids"], rectangle(reference, rows, 0)["ids"], "the tensor of ids")


@check(points=0.5, hint="One number per example and key, as whole numbers in a tensor.")
def test_collate_numbers(student, reference):
    """Task 6: collate makes one tensor of the lengths and one of the labels."""
    rows = [[5, 2], [3, 4, 1, 2], [6]]
    theirs, ours = rectangle(student, rows, 0), rectangle(reference, rows, 0)
    equal(theirs["length"], ours["length"], "the tensor of lengths")
    equal(theirs["label"], ours["label"], "the tensor of labels")


# --- the LSTM


@check(points=0.5, hint="One row of output_dim scores per review: the head is a Linear layer on one state per row.")
def test_scores_shape(student, ids, length):
    """Task 7: the LSTM gives one score per class for each row."""
    full = ids[1:2].repeat(3, 1), length[1:2].repeat(3)  # (B, T) and (B,): three rows without padding
    scores = student.LSTM(**SIZES).eval()(*full)
    assert isinstance(scores, torch.Tensor), f"forward should return a tensor of scores, not {kind(scores)}"
    equal(tuple(scores.shape), (3, 2), "the shape of the scores")


@check(
    points=1,
    needs=test_scores_shape,
    hint="Follow the shortest row. Which of the states that the LSTM goes through is its last before the padding?",
)
def test_one_direction(student, reference, ids, length):
    """Task 8: the scores come from the state after each row's last real token."""
    theirs, ours = twins(student.LSTM, reference.LSTM, **SIZES, probe=(ids, length))
    close(theirs(ids, length), ours(ids, length), "the tensor of scores")


@check(
    points=1,
    needs=test_scores_shape,
    hint="A row's scores are its own. Who else has a say in yours: tokens behind its end, or the longest row's length?",
)
def test_padding(student, ids, length):
    """Task 8: more padding and other rows in the batch change nothing."""
    model = student.LSTM(**SIZES).eval()
    padding_ignored(model, ids, length, pad=0)
