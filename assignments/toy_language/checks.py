"""What students may see of how the toy language is graded. Letters are the handout's."""

import random
import runpy
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import torch

from grader.checks import check, close, drawn_from, equal, kind, send, several, shaped, tiers

given = runpy.run_path(str(Path(__file__).with_name("rules.py")))
RULES, WORD_MAP = given["RULES"], given["WORD_MAP"]
DRAWS = 600
# How often right code fails one of the thirteen tests of a distribution; together less than once in a million files.
RARELY = 5e-8
STEPS, SECONDS, TEXTS = 300, 40, 300  # of one training, and how many texts it is judged by


# --- the grammar, read backwards: from a sentence to how likely it is


def likelihood(sentence, rules, word_map, max_depth=3):
    """How likely the grammar is to make this very sentence: 0.0 for one that it cannot make."""

    def ends(symbol, start, depth):
        """Where what `symbol` became may end when it begins at `start`, and how likely that is."""
        if symbol not in rules:
            fits = start < len(sentence) and sentence[start] in word_map[symbol]
            return {start + 1: 1 / len(word_map[symbol])} if fits else {}
        found = Counter()
        expansions = rules[symbol] if depth < max_depth or len(rules[symbol]) == 1 else rules[symbol][:-1]
        for expansion in expansions:
            reached = {start: 1 / len(expansions)}
            for part in expansion:
                further = Counter()
                for middle, chance in reached.items():
                    for end, share in ends(part, middle, depth + 1).items():
                        further[end] += chance * share
                reached = further
            found.update(reached)
        return found

    return ends("S", 0, 0).get(len(sentence), 0.0)


PARTS = {word: part for part, words in WORD_MAP.items() for word in words}


@cache
def makes(parts):
    """Whether the rules of the toy language make these parts of speech at any depth."""
    return likelihood(parts, RULES, {part: [part] for part in WORD_MAP}, max_depth=len(parts)) > 0


def grammatical(sentence):
    """Whether the rules of the toy language make this sentence at any depth."""
    parts = tuple(map(PARTS.get, sentence))
    return len(parts) < 100 and None not in parts and makes(parts)


# --- what the student's functions give


def words_of(word_map):
    """Return all words, part of speech by part of speech."""
    return [word for part in word_map.values() for word in part]


def draw(generate_sentence, rules, word_map, count, seed, settings):
    """Run beside the student's function: `count` sentences in a row, from one random.Random, or from none.

    Return the different ones among them, and which of these each was (count,): so all cross quickly.
    """
    import random  # noqa: PLC0415 - it runs elsewhere, where nothing of this file is known

    rng = None if seed is None else random.Random(seed)
    drawn = [generate_sentence(rules, word_map, rng=rng, **settings) for _ in range(count)]
    different = {repr(sentence): sentence for sentence in drawn}
    places = {words: place for place, words in enumerate(different)}
    return list(different.values()), torch.tensor([places[repr(sentence)] for sentence in drawn])


def sentences(side, rules, word_map, count=DRAWS, seed=None, **settings):
    """Return `count` sentences, each a tuple of words."""
    drawn = send(side, draw)(side.generate_sentence, rules, word_map, count, seed, settings)
    different, places = several(drawn, "the sentences", "their places")
    places = shaped(places, (count,), "the tensor of places", dtype=torch.int64).tolist()
    for sentence in different if isinstance(different, list) else [different]:
        well = isinstance(sentence, list) and all(isinstance(word, str) for word in sentence)
        assert well, f"a sentence should be a list of words; yours is {kind(sentence)}"
    assert set(places) == set(range(len(different))), "the places are not those of the sentences"
    different = list(map(tuple, different))
    return [different[place] for place in places]


def any_seed():
    """Another one for each check: no seed decides a grade."""
    return random.getrandbits(32)


def follows(found, chances, what):
    """Pass when the sentences may well have been drawn with these chances, {sentence: chance}."""
    for sentence in found:
        assert sentence in chances, f"{' '.join(sentence)!r} came out, and the rules of this check do not make that"
    outcomes = list(chances)
    numbers = torch.tensor([outcomes.index(sentence) for sentence in found])  # (N,)
    legend = ", ".join(f"{i} is {' '.join(sentence)!r}" for i, sentence in enumerate(outcomes))
    drawn_from(numbers, torch.tensor(list(chances.values())), f"{what} (outcome {legend})", false_alarm=RARELY)


def dictionary_of(side, word_map):
    """Return the dictionary of these words, in which each of them has a number."""
    dictionary = side.build_dictionary(word_map)
    assert isinstance(dictionary, dict), f"build_dictionary should return a dict, not {kind(dictionary)}"
    for entry in [*words_of(word_map), *dictionary]:
        assert type(dictionary.get(entry)) is int, f"build_dictionary gives {entry!r} no id that is a whole number"
    return dictionary


def ids_of(answer):
    """Return what encode gave: a list of whole numbers."""
    listed = answer.tolist() if isinstance(answer, torch.Tensor) else answer
    well = isinstance(listed, (list, tuple)) and all(type(number) is int for number in listed)
    assert well, f"encode should return a list of whole numbers, not {kind(answer)}"
    return list(listed)


def no_words(dictionary, word_map):
    """Return the two entries of the dictionary that are no words."""
    others = sorted(dictionary.keys() - set(words_of(word_map)), key=str)
    assert len(others) == 2, f"beside the words the dictionary should have two entries; it has {len(others)}"
    return others


def batch_of(side, batch_size, max_len):
    """Return a batch (B, T) of whole numbers, T at most max_len."""
    batch = side.batch_sampler(batch_size, max_len)
    flat = isinstance(batch, torch.Tensor) and batch.dim() == 2
    assert flat, f"a batch should be a tensor of shape (B, T); yours is {kind(batch)}"
    assert 1 <= batch.size(1) <= max_len, f"the batch has {batch.size(1)} columns, and max_len is {max_len}"
    return shaped(batch, (batch_size, batch.size(1)), "the batch", dtype=torch.int64)


def read(batch, dictionary, word_map=WORD_MAP):
    """Return the rows' sentences, and the ids of the end token and of padding.

    Each row has to be words, the end token, and then nothing but padding.
    """
    first, second = (dictionary[entry] for entry in no_words(dictionary, word_map))
    entries = {number: entry for entry, number in dictionary.items()}
    found, end = [], None
    for row in batch.tolist():
        words = next((t for t, number in enumerate(row) if number in (first, second)), len(row))
        assert words < len(row), f"no end token stands behind the {len(row)} tokens of a row"
        end = row[words] if end is None else end
        assert row[words] == end, "one row's sentence is followed by the end token, another's by padding"
        padding = first + second - end
        behind = f"behind a sentence stand {row[words : words + 9]}; there should be the end token once, then padding"
        assert all(number == padding for number in row[words + 1 :]), behind
        unknown = [number for number in row[:words] if number not in entries]
        assert not unknown, f"the id {unknown[:1]} is not in the dictionary"
        found.append(tuple(entries[number] for number in row[:words]))
    return found, end, padding


def tokens_of(side):
    """Return the dictionary of the toy language, and the ids of its end token and of padding, as batches use them."""
    dictionary = dictionary_of(side, WORD_MAP)
    assert min(dictionary.values()) >= 0, "an id is less than 0, and no logit belongs to it"
    return dictionary, *read(batch_of(side, 40, 24), dictionary)[1:]


# --- Task 1: a sentence


@check(
    points=0.5,
    hint="Go on until no symbol with rules is left. Then each part of speech becomes one of its words: a list of "
    "strings.",
)
def test_sentence_form(student):
    """Task 1: a sentence is a list of words, and the rules can make it."""
    for sentence in sentences(student, RULES, WORD_MAP, count=100, seed=any_seed()):
        assert grammatical(sentence), f"{' '.join(sentence)!r} is not what the rules make"


@check(
    points=1,
    hint="Every expansion of a symbol is as likely as the others, and so is every word of a part of speech. Each place"
    " in the sentence draws its own word.",
)
def test_choices(student):
    """Task 1: expansions and words are chosen uniformly, each choice for itself."""
    rules = {"S": [["X"], ["X", "Y"], ["Y", "Y"]]}
    word_map = {"Y": ["left", "right"], "X": ["go"]}
    chances = {("go",): 1 / 3, ("go", "left"): 1 / 6, ("go", "right"): 1 / 6}
    chances |= {(first, second): 1 / 12 for first in word_map["Y"] for second in word_map["Y"]}
    follows(sentences(student, rules, word_map, seed=any_seed()), chances, "the sentences")


@check(
    points=1,
    hint="S stands at depth 0, what it became at depth 1. At depth max_depth and below the last expansion is not "
    "chosen.",
)
def test_depth(student):
    """Task 1: a symbol's last expansion is chosen above max_depth, and not any more at max_depth."""
    rules, word_map = {"S": [["A"]], "A": [["X"], ["Y"]]}, {"X": ["near"], "Y": ["far"]}  # A stands at depth 1
    itself = {"S": [["W"], ["S", "W"]]}
    counts = {0: 40, 1: 40, 2: 120}  # where nothing far may come out, one that does is enough
    drawn = {n: sentences(student, rules, word_map, count, any_seed(), max_depth=n) for n, count in counts.items()}
    laughs = sentences(student, itself, {"W": ["ha"]}, count=300, seed=any_seed(), max_depth=1)
    for max_depth, far in ((0, 0.0), (1, 0.0), (2, 0.5)):
        chances = {("near",): 1 - far, ("far",): far}
        follows(drawn[max_depth], chances, f"the sentences with max_depth={max_depth}")
    follows(laughs, {("ha",): 0.5, ("ha", "ha"): 0.5}, "the sentences with max_depth=1")


@check(
    points=0.75,
    hint="With an rng every choice is made by it: expansions and words. Nobody seeds it again, or it starts anew each "
    "time.",
)
def test_rng(student):
    """Task 1: the state of rng decides the sentence, and nothing else does."""
    seed = any_seed()
    first, again = (sentences(student, RULES, WORD_MAP, count=40, seed=seed) for _ in range(2))
    assert first == again, "two random.Random with the same seed give different sentences"
    assert len(set(first)) > 1, "one rng gives the same sentence 40 times: it does not move on, or is not asked"
    assert sentences(student, RULES, WORD_MAP, count=40, seed=seed + 1) != first, (
        "another seed gives the same sentences"
    )


# --- Tasks 2 and 3: words and numbers


@check(points=1, hint="37 words and two more entries make 39. The first id is 0, and no two entries share one.")
def test_dictionary(student):
    """Task 2: the dictionary has the 37 words and two more entries, with the ids 0 to 38."""
    dictionary = dictionary_of(student, WORD_MAP)
    no_words(dictionary, WORD_MAP)
    equal(sorted(dictionary.values()), list(range(39)), "the sorted list of ids")


@check(points=1, hint="One id for each word, looked up in the dictionary that was given. The end token comes later.")
def test_encode(student, numbering):
    """Task 3: encode gives the ids of the words, and adds nothing."""
    words = words_of(WORD_MAP)
    dictionary = {word: int(number) for word, number in zip(words, numbering, strict=False)}
    sentence = ["the", "wise", "fox", "hears", "that", "a", "robot", "sings"]
    equal(ids_of(student.encode(sentence, dictionary)), [dictionary[word] for word in sentence], "the list of ids")


@check(
    points=1, hint="Two entries of the dictionary are no words. What stands before the first of them is the sentence."
)
@pytest.mark.parametrize("which", [0, 1])
def test_decode(student, which):
    """Task 3: decode gives the words that stand before the end token, or before padding."""
    dictionary = dictionary_of(student, WORD_MAP)
    stop = dictionary[no_words(dictionary, WORD_MAP)[which]]
    sentence = ["the", "shy", "penguin", "whistles"]
    ids = [dictionary[word] for word in sentence]
    equal(student.decode(ids, dictionary), sentence, "the list of words")
    equal(student.decode([*ids, stop, stop], dictionary), sentence, "the list of words before the end")


# --- Task 4: batches


@check(points=1, hint="One int64 tensor: a row for each sentence, as wide as the longest of them and at most max_len.")
def test_batch_form(student):
    """Task 4: a batch is an int64 tensor (B, T) of ids, T at most max_len."""
    dictionary = dictionary_of(student, WORD_MAP)
    for B, max_len in ((1, 12), (50, 9), (3, 30)):
        strange = set(batch_of(student, B, max_len).unique().tolist()) - set(dictionary.values())
        assert not strange, f"the batch holds {min(strange)}, and the dictionary has no such id"


@check(
    points=1.5,
    hint="A row is one whole sentence, its end token, and padding up to the width of the batch. A sentence without "
    "room for its end token does not fit: draw another one, cut nothing off.",
)
@pytest.mark.parametrize("max_len", [9, 24])
def test_rows(student, max_len):
    """Task 4: each row is one whole sentence, then the end token, then padding."""
    dictionary = dictionary_of(student, WORD_MAP)
    for sentence in read(batch_of(student, 60, max_len), dictionary)[0]:
        assert grammatical(sentence), (
            f"a row holds {' '.join(sentence)!r}, which is not a whole sentence of the language"
        )


# --- Task 5: a model


def trained(student, seed, steps, dictionary=None):
    """Train a model. Return a function from tokens (B, T) to the logits (B, V) of the token after the last of them.

    V is the 39 that are asked for, or as many as the student's dictionary needs.
    """
    V = 1 + max(dictionary.values()) if dictionary else 39
    model = student.train(seed, steps)
    assert hasattr(model, "block_size"), f"train should return a model with a block_size, not {kind(model)}"
    size = model.eval().block_size
    well = type(size) is int and size > 0
    assert well, f"model.block_size should be a whole number above 0; yours is {kind(size)}"

    def after(idx):
        idx = idx[:, -size:]
        logits, _ = several(model(idx), "the logits", "the loss")
        return shaped(logits, (*idx.shape, V), "the tensor of logits")[:, -1]

    return after


@check(points=0.5, hint="Each token of each row gets 39 logits, however many rows and tokens there are.")
def test_model(student):
    """Task 5: the model gives logits (B, T, 39), for any number of rows and of tokens."""
    after = trained(student, 5, 2)
    for B, T in ((1, 1), (3, 2), (2, 12)):
        after(torch.randint(37, (B, T)))


@check(
    points=1,
    hint="Chance plays a part in two places: the first weights and the sentences. Both have to start from the seed. "
    "And the loop takes as many steps as it is told.",
)
def test_seed(student):
    """Task 5: seed and steps decide the model: the same ones give the same, others another."""
    idx = torch.arange(12).view(2, 6)
    first, again, other, longer = (trained(student, *what)(idx) for what in ((1, 2), (1, 2), (2, 2), (1, 4)))
    close(again, first, "the tensor of logits, after a second training with the same seed,")
    assert not other.allclose(first), "another seed gives the same model"
    assert not longer.allclose(first), "four steps give the same model as two"


def written(after, end, idx, longest=30):
    """Let the model go on from tokens (B, 1). Return the rows of ids that come to an end, without their end token."""
    rows = []
    while len(idx) and idx.size(1) < longest:
        idx = torch.cat([idx, torch.multinomial(after(idx).softmax(dim=-1), 1)], dim=1)  # (B, T + 1)
        over = idx[:, -1] == end
        rows += idx[over, :-1].tolist()
        idx = idx[~over]
    return rows


@check(
    points=1.5,
    partial=True,
    seconds=SECONDS,
    hint="Print some of what your model writes. Sentences that never end, words in a wrong order and padding between "
    "words have different causes: the batches, what the logits are compared with, and how long and how fast it "
    "learns.",
)
def test_writes_grammar(student):
    """Task 5: what the model writes, starting from an article, are sentences of the language."""
    dictionary, end, _ = tokens_of(student)
    after = trained(student, 3, STEPS, dictionary)
    articles = torch.tensor([dictionary[word] for word in WORD_MAP["Article"]]).repeat(TEXTS // 2)
    entries = {number: entry for entry, number in dictionary.items()}
    texts = [[entries.get(number, "") for number in row] for row in written(after, end, articles[:, None])]
    tiers(sum(map(grammatical, texts)) / TEXTS, (0.3, 0.5, 0.65, 0.8), "the share of sentences that the rules can make")
