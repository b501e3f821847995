"""The rest of how the sentiment assignment is graded: other texts and sizes, and what one example cannot show."""

from types import SimpleNamespace

import pytest
import torch
from public_checks import (
    FILE,
    HPARAMS,
    REVIEWS,
    SIZES,
    VOCAB,
    csv_of,
    every_row,
    example,
    parts_of,
    rectangle,
    right_sizes,
    vocabulary,
)
from torch.nn import functional as F

from grader.checks import check, close, curve, equal, gradients, lend, same, send, shaped, sizes, tiers, twins


def padded(B, T, V, pad=0):
    """Return ids (B, T) of a vocabulary of V words, and lengths (B,) in any order, of which the longest is T."""
    length = torch.randint(1, max(T, 2), (B,))  # (B,)
    length[torch.randint(B, ())] = T  # all others are shorter
    ids = torch.randint(2, V, (B, T))  # (B, T)
    return ids.masked_fill(torch.arange(T) >= length[:, None], pad), length


def refusal(parts_of, load, text):
    """Return what the ValueError says that a file leads to, None where it leads to none."""
    try:
        parts_of(load, text)
    except ValueError as error:
        return str(error)
    return None


def fit(model, ids, length, label, order, told):
    """Train a model on its side: a step on the cross entropy for each row (B,) of `order`, the numbers of reviews."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model.train()
    for step, rows in enumerate(order):
        T = int(length[rows].max())
        loss = torch.nn.functional.cross_entropy(model(ids[rows, :T], length[rows]), label[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 5 == 0:
            told(step, loss.item())


# --- the reviews


QUOTED = [('"Great," she said, and left', "positive"), ('Two, three "words"', "negative"), ('""', "positive")]
BROKEN = [("One line\nand another\n\nand a last one", "negative"), ("\nStarts late", "positive")]
ABROAD = [("Größe, für 3 € à Kraków", "positive"), ("とても良い 🙂", "positive"), ("Nu e\u0301 buono", "negative")]
TWICE = [("Again", "positive")] * 3 + [("And both", "positive"), ("And both", "negative")]
SOME = FILE[:17]
FORMS = {
    "commas and quotation marks": (csv_of(SOME + QUOTED), SOME + QUOTED),
    "line breaks in a review": (csv_of(SOME + BROKEN), SOME + BROKEN),
    "lines that end as on Windows": (csv_of(SOME, line_end="\r\n"), SOME),
    "letters of other languages": (csv_of(SOME + ABROAD), SOME + ABROAD),
    "the same review several times": (csv_of(SOME + TWICE), SOME + TWICE),
    "columns in another order, and more of them": (
        csv_of([(i, y, 7.5, x) for i, (x, y) in enumerate(SOME)], ("", "sentiment", "stars", "review")),
        SOME,
    ),
}


@check(
    points=0.5,
    partial=True,
    hint="A CSV file may look in many ways and mean the same. The first row says where which column is; for the rest "
    "there is a reader in Python's standard library that knows the rules.",
)
@pytest.mark.parametrize("form", FORMS)
def test_file_forms(student, form):
    """Task 1: quotation marks, line breaks, other columns: what is in the file is what comes out."""
    every_row(student, *FORMS[form])


@check(points=0.25, hint="70 % of 23 reviews are 16.1. Rounded or cut off, each review has to go somewhere.")
@pytest.mark.parametrize("n", [23, 38], ids="{} reviews".format)
def test_odd_sizes(student, n):
    """Task 1: where the shares are no whole numbers they are rounded, and nothing is lost."""
    right_sizes(student, n)


@check(points=0.25, hint="In some files all the good reviews come first. What would the test reviews be then?")
def test_shuffled(student):
    """Task 1: who is in which part does not depend on where a review stands in the file."""
    found = send(student, parts_of)(student.load_reviews, csv_of(FILE))
    place = {review: number for number, (review, _) in enumerate(FILE)}
    for part, reviews in zip(("x_train", "x_valid", "x_test"), found[:3], strict=True):
        places = [place.get(review, -1) for review in reviews]
        stretch = max(places, default=0) - min(places, default=0) + 1
        assert stretch > len(places), f"the reviews of {part} stand one after the other in the file"


@check(
    points=0.5,
    hint="Random numbers that start at the same seed are the same. Where do yours start, and what is `seed` used for?",
)
def test_seed(student):
    """Task 1: the same seed gives the same parts, and another one gives others."""
    load, text = send(student, parts_of), csv_of(FILE)
    first, again, other = (load(student.load_reviews, text, seed) for seed in (3, 3, 4))
    assert first == again, "two calls with seed=3 give different parts"
    assert set(first[2]) != set(other[2]), "seed=3 and seed=4 give the same x_test"
    assert load(student.load_reviews, text) == load(student.load_reviews, text, 0), "without a seed it should be 0"


@check(
    points=0.5, hint="What does your code do with a file in which the column is called otherwise? Look before you read."
)
@pytest.mark.parametrize("column", ["review", "sentiment"])
def test_missing_column(student, column):
    """Task 1: a file without one of the two columns raises ValueError, with the column's name."""
    columns = ["other" if name == column else name for name in ("review", "sentiment")]
    said = send(student, refusal)(send(student, parts_of), student.load_reviews, csv_of(SOME, columns))
    what = f"a file without the column `{column}`"
    assert isinstance(said, str), f"{what} should raise ValueError, but nothing was raised"
    assert column in said, f"{what} raises a ValueError that does not name the column"


# --- from words to numbers


@check(
    points=0.5, partial=True, hint="How often a word occurs is counted over all texts, and min_freq is often enough."
)
@pytest.mark.parametrize("min_freq", [1, 3, 4], ids="min_freq={}".format)
def test_vocab_min_freq(student, reference, min_freq):
    """Task 3: min_freq decides which words get an id."""
    words, expected = (vocabulary(side, REVIEWS, min_freq) for side in (student, reference))
    equal(words, expected, f"the set of the vocabulary's words for min_freq={min_freq}")


@check(points=0.25, hint="The second call gets other texts. Where could anything of the first call's still be?")
def test_vocab_fresh(student, reference):
    """Task 3: a vocabulary knows nothing of the texts of an earlier one."""
    vocabulary(student, REVIEWS, 1)
    words, expected = (vocabulary(side, ["New film, new words"], 1) for side in (student, reference))
    equal(words, expected, "the set of the second vocabulary's words")
    vocabulary(student, ["once"], 2)
    again = vocabulary(student, ["once"], 2)
    equal(again, {"<pad>", "<unk>"}, "the set of words that occur twice in a text of one word")


@check(points=0.5, hint="To delete a character leaves nothing where it stood, not even a blank. When is a word a word?")
def test_vocab_punctuation(student, reference):
    """Task 3: punctuation is deleted, wherever it stands, before stop words are looked for."""
    reviews = [
        "It's a well-made film... (and the plot?)",
        "It's -- `the` film's well-made",
        "wow\tthe\nplot <br /> so_so",
    ]
    words, expected = (vocabulary(side, reviews, 1) for side in (student, reference))
    equal(words, expected, "the set of the vocabulary's words")


@check(points=0.25, hint="hparams says how the two special entries are called.")
def test_vocab_special_names(student):
    """Task 3: the special entries have the names that hparams gives them."""
    hparams = SimpleNamespace(PAD_TOKEN="[PAD]", PAD_INDEX=0, UNK_TOKEN="[UNK]", UNK_INDEX=1, STOP_WORDS=["film"])
    vocab = vocabulary(student, ["plot film plot film"] * 2, 2, hparams)
    equal(vocab, {"[PAD]", "[UNK]", "plot"}, "the set of the vocabulary's words")


@check(
    points=0.5,
    hint="To a vocabulary without stop words they are unknown words. Where hparams is given you may leave them out: "
    "all of them, or none.",
)
def test_stop_words(student, reference):
    """Task 4: a stop word is an unknown word, or with hparams it is left out."""
    texts = ["the film is good", "and the music and the plot", "bad"]
    unknown = [reference.tokenize(VOCAB, text) for text in texts]
    left_out = [[i for i in ids if i != 1] for ids in unknown]  # no other word of the texts is unknown
    equal(
        [student.tokenize(VOCAB, text) for text in texts],
        unknown,
        "the lists of ids of texts with stop words, without hparams,",
    )
    found = [student.tokenize(VOCAB, text, HPARAMS) for text in texts]
    equal(found, left_out if found == left_out else unknown, "the lists of ids of texts with stop words, with hparams,")


@check(points=0.5, partial=True, hint="Texts are cut into words exactly as they were for the vocabulary.")
@pytest.mark.parametrize(
    "text",
    ["Good-film, 'bad' plot's", "  good \t film\n\nbad ", "film - ... plot", ""],
    ids=["punctuation inside words", "white space", "punctuation alone", "no words"],
)
def test_other_texts(student, reference, text):
    """Task 4: any text is read as the vocabulary's texts were."""
    vocab = {**VOCAB, "goodfilm": 7, "plots": 8}
    equal(student.tokenize(vocab, text), reference.tokenize(vocab, text), f"the list of ids of {text!r}")


# --- from texts to batches


@check(points=0.5, hint="What a label means does not depend on the other labels, nor on which of them comes first.")
@pytest.mark.parametrize(
    "y",
    [["negative", "positive", "negative"], ["positive"] * 2, ["negative"] * 2],
    ids=["both labels", "positive alone", "negative alone"],
)
def test_labels(student, y):
    """Task 5: the label is 1 for positive and 0 for negative, whatever the other labels are."""
    dataset = student.IMDB(["film"] * len(y), y, VOCAB)
    equal(
        [example(dataset, i)["label"] for i in range(len(y))],
        [int(word == "positive") for word in y],
        f"the list of labels of {y}",
    )


@check(
    points=0.25, hint="Where max_length is not given it is 256: not less, and not what it takes for the longest review."
)
@pytest.mark.parametrize("n", [255, 300], ids="{} words".format)
def test_default_max_length(student, reference, n):
    """Task 5: without max_length a review has at most 256 ids."""
    vocab = {"<pad>": 0, "<unk>": 1, **{f"word{i}": i for i in range(2, 302)}}
    x, y = [" ".join(f"word{i}" for i in range(2, n + 2))], ["positive"]
    theirs, ours = example(student.IMDB(x, y, vocab), 0), example(reference.IMDB(x, y, vocab), 0)
    equal(theirs["length"], ours["length"], f"the length of a review of {n} words")
    equal(theirs["ids"], ours["ids"], f"the list of ids of a review of {n} words")


@check(
    points=0.25, hint="A DataLoader asks for examples in any order, and in every epoch again. tokenize reads each text."
)
def test_any_order(student, reference):
    """Task 5: examples are read as tokenize reads them, in whatever order they are asked for, and again."""
    x, y = ["Good FILM!", "Bad music, film: bad plot", "plot"], ["positive", "negative", "positive"]
    theirs, ours = student.IMDB(x, y, VOCAB, 3), reference.IMDB(x, y, VOCAB, 3)
    student.IMDB(["bad"], ["negative"], VOCAB, 1)  # another dataset has nothing to do with it
    for i in (2, 1, 1, 0, 2):
        found, expected = example(theirs, i), example(ours, i)
        equal(found["ids"], expected["ids"], f"the list of ids of example {i}")
        equal(found["length"], expected["length"], f"the length of example {i}")


@check(points=0.5, hint="Who tells collate which id padding has?")
def test_collate_pad_index(student, reference):
    """Task 6: the rows are filled up with pad_index, whatever it is."""
    rows = [[5, 0, 2], [3]]
    equal(rectangle(student, rows, 7)["ids"], rectangle(reference, rows, 7)["ids"], "the tensor of ids for pad_index=7")


@check(
    points=0.5,
    partial=True,
    hint="B is the number of examples, T that of the longest one's ids. Both are read off the batch.",
)
@pytest.mark.parametrize("lengths", [(1,), (4,), (3, 3), (1, 2, 3, 4, 5, 6)], ids="lengths {}".format)
def test_collate_sizes(student, reference, lengths):
    """Task 6: a batch may hold one example, or many, or rows of one length."""
    rows = [torch.randint(2, 50, (n,)).tolist() for n in lengths]
    close(rectangle(student, rows, 0), rectangle(reference, rows, 0), "the batch")


# --- the LSTM


@check(
    points=1,
    partial=True,
    hint="Whose state is read: which layer's, after which step? With two directions the second one starts at a row's "
    "last real token and is done at the first.",
)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one direction", "two directions"])
def test_any_size(student, reference, bidirectional):
    """Task 8: the LSTM is right for any sizes, any number of layers, one direction and two."""
    ranges = {"B": (2, 5), "T": (1, 6), "V": (5, 12), "E": (1, 8), "H": (1, 7), "C": (1, 4)}
    layers = (2, 1) if bidirectional else (3, 1)
    for n_layers, (B, T, V, E, H, C) in zip(layers, sizes(2, **ranges), strict=True):
        ids, length = padded(B, T, V)
        made = (V, E, H, C, n_layers, 0.5, 0, bidirectional)
        theirs, ours = twins(student.LSTM, reference.LSTM, *made, probe=(ids, length))
        # what else is dropped in training mode than states between the layers is the student's choice
        same(theirs, ours, ids, length, what="the tensor of scores", off=("dropout",), shares={"gradients": 4})


@check(
    points=0.25,
    hint="The same module gives the same answer twice once .eval() was called. Who tells the dropout that it was?",
)
def test_dropout_off(student, ids2, length2):
    """Task 7: in eval mode nothing is dropped."""
    model = student.LSTM(**{**SIZES, "n_layers": 2, "dropout_rate": 0.5}).eval()
    close(model(ids2, length2), model(ids2, length2), "the second answer to the same question")


@check(points=0.25, hint="dropout_rate has to reach the layers, and a rate of 0 drops nothing.")
def test_dropout_on(student, ids2, length2):
    """Task 7: in training mode states are dropped between the layers, with the rate that was asked for."""
    model = student.LSTM(**{**SIZES, "hidden_dim": 8, "n_layers": 2, "dropout_rate": 0.5}).train()
    first, second = model(ids2, length2), model(ids2, length2)
    assert not torch.equal(first, second), "in training mode nothing is dropped with dropout_rate=0.5"
    model = student.LSTM(**{**SIZES, "n_layers": 2})
    close(
        model.train()(ids2, length2),
        model.eval()(ids2, length2),
        "the tensor of scores in training mode, with dropout_rate=0,",
    )


@check(
    points=0.5, hint="Padding has a row in the table like any other id. Who tells the table that it is never trained?"
)
def test_pad_row(student, reference, ids2, length2, cotangent2):
    """Task 7: the pad row of the embedding table gets no gradient, the others do."""
    words = ids2.clamp_max(7)  # (B, T): the id 8 is padding's alone
    theirs, _ = twins(student.LSTM, reference.LSTM, **{**SIZES, "pad_index": 8}, probe=(words, length2))
    words[:, ::3] = 8  # padding between the words, where the LSTM reads it
    table = gradients(theirs, words, length2, wrt=(), cotangent=cotangent2).parameters["embedding.weight"]  # (V, E)
    assert table is not None, "no gradient reaches the embedding table"
    close(table[8], torch.zeros(4), "the gradient of the pad row")
    assert table.any(), "the gradient of the whole table is zero"


@check(
    points=0.5,
    hint="Module.apply visits every layer that is there when it is called, and the module itself at the end.",
)
def test_weight_init(student):
    """Task 7: weight_init_fn is applied to all layers once they are made."""
    visited = []
    visit = lend(student, visited.append).forward  # a function: a module would become a part of a model that keeps it
    model = student.LSTM(**SIZES, weight_init_fn=visit)
    assert visited, "weight_init_fn is never called"
    during = len(visited)
    model.apply(visit)
    equal(during, len(visited) - during, "the number of modules that weight_init_fn was called with")


@check(
    points=2,
    partial=True,
    hidden=False,
    seconds=30,
    hint="Half of the answers are right by chance alone. Where the loss does not fall, look for what the scores cannot "
    "see, or for what is not trained. Where it falls and new reviews go wrong all the same: these come with more "
    "padding than the ones the model was trained on.",
)
def test_trained(student, trained_ids, trained_length, trained_label, held_out_ids, held_out_length, held_out_label):
    """Tasks 7 and 8: trained on reviews.csv, the LSTM tells what new reviews say."""
    model = student.LSTM(int(trained_ids.max()) + 1, 32, 32, 2, 1, 0.1, 0)
    told = lend(student, lambda step, loss: curve("training loss", step, loss))
    order = torch.stack([torch.randperm(len(trained_ids))[:48] for _ in range(200)])  # (steps, B)
    send(student, fit)(model, trained_ids.long(), trained_length.long(), trained_label.long(), order, told)
    new = torch.randperm(len(held_out_ids))[:1000]  # drawn now, and sent now
    ids = F.pad(held_out_ids[new].long(), (0, 20))  # (N, T + 20)
    scores = shaped(model.eval()(ids, held_out_length[new].long()), (1000, 2), "the tensor of scores")
    right = (scores.argmax(dim=-1) == held_out_label[new]).float().mean().item()
    tiers(right, (0.6, 0.7, 0.8, 0.9), "the share of right answers on 1000 new reviews")
