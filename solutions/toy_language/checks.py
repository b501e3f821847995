"""The rest of how the toy language is graded: other grammars, other words, and how good the model is."""

import string

import pytest
import torch
from public_checks import (
    PARTS,
    RARELY,
    RULES,
    SECONDS,
    STEPS,
    TEXTS,
    WORD_MAP,
    any_seed,
    batch_of,
    dictionary_of,
    follows,
    ids_of,
    likelihood,
    no_words,
    read,
    sentences,
    tokens_of,
    trained,
    words_of,
)

from grader.checks import check, curve, drawn_from, equal, tiers

# --- Task 1: a sentence


@check(points=0.25, hint="Without an rng Python's own random does: without a seed, or it says the same each time.")
def test_without_rng(student):
    """Task 1: without an rng each sentence is a new one."""
    first, second = (sentences(student, RULES, WORD_MAP, count=40) for _ in range(2))
    assert len(set(first)) > 1, "40 calls in a row give the same sentence"
    assert first != second, "40 sentences drawn later are the same 40 sentences again"


@check(
    points=0.5,
    hint="Follow a symbol that becomes itself: on which level is the last one that may do so, and how long can a "
    "sentence get?",
)
@pytest.mark.parametrize("settings", [{}, {"max_depth": 5}], ids=["nothing said", "max_depth=5"])
def test_recursion(student, settings):
    """Task 1: a symbol may become itself until max_depth, which is 3 when nothing is said."""
    rules, word_map = {"W": [["word"]], "S": [["W"], ["W", "S"]]}, {"word": ["ha"]}
    longest = settings.get("max_depth", 3) + 1
    chances = {("ha",) * n: 0.5**n for n in range(1, longest)} | {("ha",) * longest: 0.5 ** (longest - 1)}
    follows(sentences(student, rules, word_map, seed=any_seed(), **settings), chances, "the sentences")


@check(
    points=0.5,
    hint="Depth counts levels: all symbols of one level have the same. What one symbol became does not change the "
    "depth of its neighbour.",
)
def test_levels(student):
    """Task 1: the symbols of one level have one depth, and keep their order."""
    rules = {"B": [["Y"], ["Y", "B"]], "A": [["X"], ["X", "A"]], "S": [["A", "B"]]}
    lengths = {1: 0.5, 2: 0.25, 3: 0.25}  # of what A or B, at depth 1, became
    chances = {("la",) * m + ("di",) * n: p * q for m, p in lengths.items() for n, q in lengths.items()}
    drawn = sentences(student, rules, {"X": ["la"], "Y": ["di"]}, seed=any_seed(), max_depth=3)
    follows(drawn, chances, "the sentences")


@check(points=0.25, hint="What is left of a list of one when its last is gone? And of a list of three?")
@pytest.mark.parametrize(
    "rules",
    [{"S": [["A"]], "A": [["B"]], "B": [["X", "Y"]]}, {"S": [["X"], ["Y"], ["S", "S"]]}],
    ids=["one expansion", "three expansions"],
)
def test_at_the_limit(student, rules):
    """Task 1: at max_depth all expansions but the last are as likely as before, and an only one is always chosen."""
    count, chances = (60, {("on", "off"): 1.0}) if "A" in rules else (300, {("on",): 0.5, ("off",): 0.5})
    drawn = sentences(student, rules, {"X": ["on"], "Y": ["off"]}, count, any_seed(), max_depth=0)
    follows(drawn, chances, "the sentences")


@check(points=0.25, hint="Here each symbol becomes more than one of its own kind. What makes that come to an end?")
def test_growing(student):
    """Task 1: the depth limit ends what would grow for ever."""
    rules, word_map = {"S": [["X"], ["S", "S", "S"]]}, {"X": ["ho"]}
    chances = {("ho",): 1 / 2, ("ho",) * 3: 1 / 16, ("ho",) * 5: 3 / 16, ("ho",) * 7: 3 / 16, ("ho",) * 9: 1 / 16}
    drawn = sentences(student, rules, word_map, count=500, seed=any_seed(), max_depth=2)
    follows(drawn, chances, "the sentences")


# --- Tasks 2 and 3: words and numbers


def word_maps(mixing, *prefixes):
    """A map of 15 words for each prefix: of one length, and in the same order, by alphabet too."""
    letters = [string.ascii_lowercase[number] for number in mixing]
    return [{"P": [p + x for x in letters[:4]], "Q": [p + x for x in letters[4:]]} for p in prefixes]


@check(points=1, hint="The words come from the argument, and what an earlier call was about has no part in this one.")
def test_other_words(student, mixing):
    """Task 2: the dictionary is made of the words that are given, whatever was asked before."""
    first = dictionary_of(student, WORD_MAP)
    for word_map in (*word_maps(mixing, "ka"), {"IV": ["waits"]}):
        dictionary = dictionary_of(student, word_map)
        no_words(dictionary, word_map)
        equal(sorted(dictionary.values()), list(range(len(dictionary))), "the sorted list of ids")
    equal(dictionary_of(student, WORD_MAP), first, "the dictionary of the 37 words, made once more,")


@check(
    points=1,
    hint="Start Python twice and print your dictionary. A set lists its members in an order that differs from run to "
    "run.",
)
def test_order(student, mixing):
    """Task 2: the order in which words are written down decides their ids, and no hash does."""
    orders = []
    for word_map in word_maps(mixing, "kra", "krb", "krc"):  # the same words but for one letter
        dictionary = dictionary_of(student, word_map)
        orders.append([dictionary[word] for word in words_of(word_map)])
    for order in orders[1:]:
        equal(order, orders[0], "the list of ids, after one letter was changed in all words alike,")


@check(points=0.5, partial=True, hint="The first entry that is no word ends the sentence. What may stand behind it?")
@pytest.mark.parametrize("which", [0, 1])
def test_decode_stops(student, which):
    """Task 3: decode stops at the first end or padding, whatever follows, and also when that comes first."""
    dictionary = dictionary_of(student, WORD_MAP)
    stop, other = (dictionary[entry] for entry in no_words(dictionary, WORD_MAP)[:: 1 - 2 * which])
    the, fox = dictionary["the"], dictionary["fox"]
    equal(student.decode([the, stop, fox, other, fox], dictionary), ["the"], "the list of words")
    equal(student.decode([stop, the, fox], dictionary), [], "the list of words where the first token ends it")


@check(points=0.5, partial=True, hint="Both functions get the dictionary as an argument. Which one do yours look into?")
@pytest.mark.parametrize("function", ["encode", "decode"])
def test_other_dictionary(student, mixing, function):
    """Task 3: encode and decode use the dictionary they are given."""
    (word_map,) = word_maps(mixing, "ko")
    dictionary = dictionary_of(student, word_map)
    words = word_map["Q"][::-1]
    ids = [dictionary[word] for word in words]
    if function == "encode":
        equal(ids_of(student.encode(words, dictionary)), ids, "the list of ids")
    else:
        stop, other = (dictionary[entry] for entry in no_words(dictionary, word_map))
        equal(student.decode([*ids, other, stop], dictionary), words, "the list of words")


# --- Task 4: batches


def parts(sentence):
    """Return the parts of speech that a sentence is made of."""
    return tuple(PARTS[word] for word in sentence)


@check(
    points=1,
    hint="What does not fit is left, and another sentence drawn, for each row anew. Then those that do fit are as "
    "likely, among themselves, as before.",
)
def test_which_sentences(student):
    """Task 4: rows are drawn by the grammar, among the sentences that fit."""
    found, _, _ = read(batch_of(student, 500, 7), dictionary_of(student, WORD_MAP))
    short, long = ["Article N", "Article Adj N"], ["Article Adj Adj N", "Article N Conj IV"]
    chances = {f"{np} IV": 1 / 12 for np in short + long} | {"Article N TV Article N": 1 / 48}
    chances |= {"Article N TV Article Adj N": 1 / 48, "Article Adj N TV Article N": 1 / 48}
    follows([parts(sentence) for sentence in found], {tuple(s.split()): p for s, p in chances.items()}, "the rows")
    nouns = torch.tensor([WORD_MAP["N"].index(word) for s in found for word in s[:4] if word in WORD_MAP["N"]])
    drawn_from(nouns, torch.ones(10), "the nouns", false_alarm=RARELY)


@check(points=0.5, hint="Four words and the end token are five. Does a sentence fit that leaves no room at all?")
def test_tight(student):
    """Task 4: a sentence fits when it fills the row to the last column with its end token."""
    batch = batch_of(student, 50, 5)
    found, _, _ = read(batch, dictionary_of(student, WORD_MAP))
    fitting = {("Article", "N", "IV"), ("Article", "Adj", "N", "IV")}
    equal(set(map(parts, found)), fitting, "the set of sorts of sentences that fit into five tokens")


# --- Task 5: a model


def padded(texts, dictionary, end):
    """Return the texts as ids (B, T), each with the end token, and -1 behind it."""
    rows = [torch.tensor([*(dictionary[word] for word in text), end]) for text in texts]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)


@check(
    points=1.5,
    partial=True,
    seconds=SECONDS,
    hint="Watch the loss of your training: it should fall to about 2. If it stays above, try another learning rate. If"
    " it falls further, the model sees what it is to predict.",
)
def test_held_out_loss(student, reference):
    """Task 5: on new sentences the loss is near the best that is possible."""
    dictionary, end, _ = tokens_of(student)
    after = trained(student, 4, STEPS, dictionary)
    texts = sentences(reference, RULES, WORD_MAP, count=TEXTS, seed=any_seed())
    idx = padded(texts, dictionary, end)
    total, count = 0.0, 0
    for t in range(1, idx.size(1)):
        there = idx[:, t] >= 0
        losses = torch.nn.functional.cross_entropy(after(idx[there, :t]), idx[there, t], reduction="none")
        curve("held-out loss, by the token's place in the sentence", t, float(losses.mean()))
        total, count = total + float(losses.sum()), count + len(losses)
    # The first token, an article, is given. Of what follows nobody can know more than how likely the grammar makes it.
    best = -sum(torch.tensor(2 * likelihood(text, RULES, WORD_MAP)).log().item() for text in texts) / count
    what = f"on new sentences the loss per token is {total / count:.3f}, the best possible {best:.3f}; the difference"
    tiers(total / count - best, (0.3, 0.15, 0.1, 0.05), what, below=True)


@check(
    points=0.5,
    seconds=SECONDS,
    hint="Padding is no part of the language: nothing should be learned from it. Which targets does your loss look at?",
)
def test_padding_not_learned(student, reference):
    """Task 5: the model has not learned to write padding after the end."""
    dictionary, end, padding = tokens_of(student)
    after = trained(student, 6, STEPS // 3, dictionary)
    idx = padded(sentences(reference, RULES, WORD_MAP, count=60, seed=any_seed()), dictionary, end)
    chances = torch.cat([after(row[row >= 0][None]).softmax(dim=-1)[:, padding] for row in idx])  # (B,)
    share = float(chances.mean())
    assert share < 0.3, f"after the end token the model gives padding a probability of {share:.2f}"
