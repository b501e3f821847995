"""The rest of how the sentiment assignment is graded: other texts and sizes, and what one example cannot show."""

from types import SimpleNamespace

import pytest
import torch
from public_checks import HPARAMS, REVIEWS, SIZES, VOCAB, example, rectangle, vocabulary

from grader.checks import check, close, equal, gradients, lend, same, sizes, twins


def padded(B, T, V, pad=0):
    """Return ids (B, T) of a vocabulary of V words, and lengths (B,) in any order, of which the longest is T."""
    length = torch.randint(1, max(T, 2), (B,))  # (B,)
    length[torch.randint(B, ())] = T  # all others are shorter
    ids = torch.randint(2, V, (B, T))  # (B, T)
    return ids.masked_fill(torch.arange(T) >= length[:, None], pad), length


# --- from words to numbers


@check(points=0.5, hint="To delete a character leaves nothing where it stood, not even a blank. When is a word a word?")
def test_vocab_punctuation(student, reference):
    """Punctuation is deleted, wherever it stands, before stop words are looked for."""
    reviews = [
        "It's a well-made film... (and the plot?)",
        "It's -- `the` film's well-made",
        "wow\tthe\nplot <br /> so_so",
    ]
    words, expected = (set(vocabulary(side, reviews, 1)) for side in (student, reference))
    equal(words, expected, "the set of the vocabulary's words")


@check(
    points=0.5, partial=True, hint="How often a word occurs is counted over all texts, and min_freq is often enough."
)
@pytest.mark.parametrize("min_freq", [1, 3, 4], ids="min_freq={}".format)
def test_vocab_min_freq(student, reference, min_freq):
    """min_freq decides which words get an id."""
    words, expected = (set(vocabulary(side, REVIEWS, min_freq)) for side in (student, reference))
    equal(words, expected, f"the set of the vocabulary's words for min_freq={min_freq}")


@check(points=0.5, hint="The second call gets other texts. Where could anything of the first call's still be?")
def test_vocab_fresh(student, reference):
    """A vocabulary knows nothing of the texts of an earlier one."""
    vocabulary(student, REVIEWS, 1)
    words, expected = (set(vocabulary(side, ["New film, new words"], 1)) for side in (student, reference))
    equal(words, expected, "the set of the second vocabulary's words")
    vocabulary(student, ["once"], 2)
    again = set(vocabulary(student, ["once"], 2))
    equal(again, {"<pad>", "<unk>"}, "the set of words that occur twice in a text of one word")


@check(points=0.5, hint="hparams says how the two special entries are called.")
def test_vocab_special_names(student):
    """The special entries have the names that hparams gives them."""
    hparams = SimpleNamespace(PAD_TOKEN="[PAD]", PAD_INDEX=0, UNK_TOKEN="[UNK]", UNK_INDEX=1, STOP_WORDS=["film"])
    vocab = vocabulary(student, ["plot film plot film"] * 2, 2, hparams)
    equal(set(vocab), {"[PAD]", "[UNK]", "plot"}, "the set of the vocabulary's words")


@check(
    points=0.5,
    hint="To a vocabulary without stop words they are unknown words. Where hparams is given you may leave them out: "
    "all of them, or none.",
)
def test_stop_words(student, reference):
    """A stop word is an unknown word, or with hparams it is left out."""
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


@check(points=1, partial=True, hint="Texts are cut into words exactly as they were for the vocabulary.")
@pytest.mark.parametrize(
    "text",
    ["Good-film, 'bad' plot's", "  good \t film\n\nbad ", "film - ... plot", ""],
    ids=["punctuation inside words", "white space", "punctuation alone", "no words"],
)
def test_other_texts(student, reference, text):
    """Any text is read as the vocabulary's texts were."""
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
    """The label is 1 for positive and 0 for negative, whatever the other labels are."""
    dataset = student.IMDB(["film"] * len(y), y, VOCAB)
    equal(
        [example(dataset, i)["label"] for i in range(len(y))],
        [int(word == "positive") for word in y],
        f"the list of labels of {y}",
    )


@check(
    points=0.5, hint="Where max_length is not given it is 256: not less, and not what it takes for the longest review."
)
@pytest.mark.parametrize("n", [255, 300], ids="{} words".format)
def test_default_max_length(student, reference, n):
    """Without max_length a review has at most 256 ids."""
    vocab = {"<pad>": 0, "<unk>": 1, **{f"word{i}": i for i in range(2, 302)}}
    x, y = [" ".join(f"word{i}" for i in range(2, n + 2))], ["positive"]
    theirs, ours = example(student.IMDB(x, y, vocab), 0), example(reference.IMDB(x, y, vocab), 0)
    equal(theirs["length"], ours["length"], f"the length of a review of {n} words")
    equal(theirs["ids"], ours["ids"], f"the list of ids of a review of {n} words")


@check(
    points=0.5, hint="A DataLoader asks for examples in any order, and in every epoch again. tokenize reads each text."
)
def test_any_order(student, reference):
    """Examples are read as tokenize reads them, in whatever order they are asked for, and again."""
    x, y = ["Good FILM!", "Bad music, film: bad plot", "plot"], ["positive", "negative", "positive"]
    theirs, ours = student.IMDB(x, y, VOCAB, 3), reference.IMDB(x, y, VOCAB, 3)
    student.IMDB(["bad"], ["negative"], VOCAB, 1)  # another dataset has nothing to do with it
    for i in (2, 1, 1, 0, 2):
        found, expected = example(theirs, i), example(ours, i)
        equal(found["ids"], expected["ids"], f"the list of ids of example {i}")
        equal(found["length"], expected["length"], f"the length of example {i}")


@check(points=0.5, hint="Who tells collate which id padding has?")
def test_collate_pad_index(student, reference):
    """The rows are filled up with pad_index, whatever it is."""
    rows = [[5, 0, 2], [3]]
    equal(rectangle(student, rows, 7)["ids"], rectangle(reference, rows, 7)["ids"], "the tensor of ids for pad_index=7")


@check(
    points=1,
    partial=True,
    hint="B is the number of examples, T that of the longest one's ids. Both are read off the batch.",
)
@pytest.mark.parametrize("lengths", [(1,), (4,), (3, 3), (1, 2, 3, 4, 5, 6)], ids="lengths {}".format)
def test_collate_sizes(student, reference, lengths):
    """A batch may hold one example, or many, or rows of one length."""
    rows = [torch.randint(2, 50, (n,)).tolist() for n in lengths]
    close(rectangle(student, rows, 0), rectangle(reference, rows, 0), "the batch")


# --- the LSTM


@check(
    points=1.5,
    partial=True,
    hint="Whose state is read: which layer's, after which step? With two directions the second one starts at a row's "
    "last real token and is done at the first.",
)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one direction", "two directions"])
def test_any_size(student, reference, bidirectional):
    """The LSTM is right for any sizes, any number of layers, one direction and two."""
    ranges = {"B": (1, 4), "T": (1, 6), "V": (5, 9), "E": (1, 7), "H": (1, 5), "C": (1, 4), "n_layers": (1, 3)}
    for B, T, V, E, H, C, n_layers in sizes(**ranges):
        ids, length = padded(B, T, V)
        made = (V, E, H, C, n_layers, 0.5, 0, bidirectional)
        theirs, ours = twins(student.LSTM, reference.LSTM, *made, probe=(ids, length))
        # what else is dropped in training mode than states between the layers is the student's choice
        same(theirs, ours, ids, length, what="the tensor of scores", off=("dropout",), shares={"gradients": 4})


@check(
    points=0.5,
    hint="The same module gives the same answer twice once .eval() was called. Who tells the dropout that it was?",
)
def test_dropout_off(student, ids2, length2):
    """In eval mode nothing is dropped."""
    model = student.LSTM(**{**SIZES, "n_layers": 2, "dropout_rate": 0.5}).eval()
    close(model(ids2, length2), model(ids2, length2), "the second answer to the same question")


@check(points=0.5, hint="dropout_rate has to reach the layers, and a rate of 0 drops nothing.")
def test_dropout_on(student, ids2, length2):
    """In training mode states are dropped between the layers, with the rate that was asked for."""
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
    """The pad row of the embedding table gets no gradient, the others do."""
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
    """weight_init_fn is applied to all layers once they are made."""
    visited = []
    visit = lend(student, visited.append).forward  # a function: a module would become a part of a model that keeps it
    model = student.LSTM(**SIZES, weight_init_fn=visit)
    assert visited, "weight_init_fn is never called"
    during = len(visited)
    model.apply(visit)
    equal(during, len(visited) - during, "the number of modules that weight_init_fn was called with")
