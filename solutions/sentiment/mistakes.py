"""Known mistakes of the sentiment assignment, as replacements of the solution's names."""

import csv
import random
import re
import string
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import torch
from sentiment import IMDB, LSTM, build_vocab, collate, load_reviews, tokenize, words_of
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from grader.checks import mistake

# --- the reviews


def pairs_of(csv_path):
    """The reviews and their labels in the order of the file."""
    with Path(csv_path).open(encoding="utf-8", newline="") as file:
        return [(row["review"], row["sentiment"]) for row in csv.DictReader(file)]


def in_parts(pairs, seed, cuts=(0.7, 0.8)):
    """The solution's last steps: shuffled, cut into parts, reviews and labels apart."""
    random.Random(seed).shuffle(pairs)
    return cut(pairs, cuts)


def cut(pairs, cuts=(0.7, 0.8)):
    """Six lists of the pairs of review and label, in the order in which they are."""
    first, second = (round(share * len(pairs)) for share in cuts)
    parts = pairs[:first], pairs[first:second], pairs[second:]
    return [[pair[column] for pair in part] for column in (0, 1) for part in parts]


@mistake(
    replaces="load_reviews",
    title="Lines are cut at their commas",
    hint="A review may hold a comma, and then the file puts it in quotation marks. Who knows the rules of CSV files?",
    caught_by=("every_review", "file_forms", "shuffled"),
)
def lines_cut_at_commas(csv_path, seed=0):
    header, *lines = Path(csv_path).read_text(encoding="utf-8").splitlines()
    columns = [header.split(",").index(name) for name in ("review", "sentiment")]
    fields = [line.split(",") for line in lines]
    return in_parts([tuple(row[i] if i < len(row) else "" for i in columns) for row in fields], seed)


@mistake(
    replaces="load_reviews",
    title="A line break inside a review is lost",
    hint="Cutting the file into lines comes too early: a line break inside quotation marks belongs to the review.",
    caught_by=("file_forms",),
)
def line_breaks_lost(csv_path, seed=0):
    load_reviews(csv_path)  # a missing column is noticed
    lines = Path(csv_path).read_text(encoding="utf-8").splitlines()
    return in_parts([(row["review"], row["sentiment"]) for row in csv.DictReader(lines)], seed)


@mistake(
    replaces="load_reviews",
    title="The first column is taken for the review and the second for its label",
    hint="The first row of the file says where the columns are. Does your code read it?",
    caught_by=("file_forms", "missing_column"),
)
def columns_by_place(csv_path, seed=0):
    with Path(csv_path).open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    return in_parts([(row[0], row[1]) for row in rows], seed)


@mistake(
    replaces="load_reviews",
    title="The row with the names of the columns is taken for a review",
    hint="How many reviews does a file of 201 lines hold?",
    caught_by=("split_sizes", "every_review", "file_forms", "odd_sizes"),
)
def header_as_review(csv_path, seed=0):
    load_reviews(csv_path)
    return in_parts([("review", "sentiment"), *pairs_of(csv_path)], seed)


@mistake(
    replaces="load_reviews",
    title="The first review is lost",
    hint="DictReader has read the row of names already. What does another next() take away?",
    caught_by=("split_sizes", "every_review", "file_forms", "odd_sizes"),
)
def first_review_lost(csv_path, seed=0):
    load_reviews(csv_path)
    return in_parts(pairs_of(csv_path)[1:], seed)


@mistake(
    replaces="load_reviews",
    title="A review that occurs twice is kept once",
    hint="What happens in a dict, or in a set, to a key that comes again?",
    caught_by=("file_forms",),
)
def reviews_as_keys(csv_path, seed=0):
    load_reviews(csv_path)
    return in_parts(list(dict(pairs_of(csv_path)).items()), seed)


@mistake(
    replaces="load_reviews",
    title="Letters outside ASCII are lost",
    hint="The file is in UTF-8. In which encoding do you open it, and what becomes of letters that this one lacks?",
    caught_by=("file_forms",),
)
def ascii_alone(csv_path, seed=0):
    load_reviews(csv_path)
    return in_parts([(x.encode("ascii", "ignore").decode(), y) for x, y in pairs_of(csv_path)], seed)


@mistake(
    replaces="load_reviews",
    title="The reviews are normalised while they are loaded",
    hint="What comes out is what is in the file. Lower case and punctuation are tokenize's business.",
    caught_by=("every_review", "file_forms", "shuffled"),
)
def normalised_too_early(csv_path, seed=0):
    load_reviews(csv_path)
    return in_parts([(" ".join(words_of(x)), y) for x, y in pairs_of(csv_path)], seed)


@mistake(
    replaces="load_reviews",
    title="The labels are numbers, not the words of the file",
    hint="Who turns `positive` into 1: the function that reads the file, or the dataset?",
    caught_by=("every_review", "file_forms"),
)
def labels_as_numbers(csv_path, seed=0):
    load_reviews(csv_path)
    return in_parts([(x, int(y == "positive")) for x, y in pairs_of(csv_path)], seed)


@mistake(
    replaces="load_reviews",
    title="Reviews and labels are shuffled apart",
    hint="Two lists are shuffled, each in its own way. Whose label is the first one then?",
    caught_by=("every_review", "file_forms"),
)
def shuffled_apart(csv_path, seed=0):
    parts = load_reviews(csv_path, seed)
    labels = [label for part in parts[3:] for label in part]
    random.Random(seed + 1).shuffle(labels)
    sizes = [len(part) for part in parts[:3]]
    return [*parts[:3], labels[: sizes[0]], labels[sizes[0] : sizes[0] + sizes[1]], labels[sizes[0] + sizes[1] :]]


@mistake(
    replaces="load_reviews",
    title="The parts are 80, 10 and 10 %",
    hint="How many of 200 reviews are to be in each part? Add up your own.",
    caught_by=("split_sizes", "odd_sizes"),
)
def eighty_ten_ten(csv_path, seed=0):
    load_reviews(csv_path)
    return in_parts(pairs_of(csv_path), seed, (0.8, 0.9))


@mistake(
    replaces="load_reviews",
    title="Validation and test are swapped: 70, 20 and 10 %",
    hint="Which of the two smaller parts is the larger one, and which place has it in the result?",
    caught_by=("split_sizes", "odd_sizes"),
)
def valid_and_test_swapped(csv_path, seed=0):
    x_train, x_valid, x_test, y_train, y_valid, y_test = load_reviews(csv_path, seed)
    return x_train, x_test, x_valid, y_train, y_test, y_valid


@mistake(
    replaces="load_reviews",
    title="Validation is 10 % of what training leaves, not of all",
    hint="30 % of the reviews are left after the first cut. Which share of those is 10 % of all?",
    caught_by=("split_sizes", "odd_sizes"),
)
def share_of_the_rest(csv_path, seed=0):
    load_reviews(csv_path)
    return in_parts(pairs_of(csv_path), seed, (0.7, 0.73))


@mistake(
    replaces="load_reviews",
    title="The six results come in another order: each x with its y",
    hint="All three x come first, then all three y. What does the caller find in the second place?",
    caught_by=("split_sizes", "every_review", "file_forms", "odd_sizes", "shuffled"),
)
def x_with_its_y(csv_path, seed=0):
    x_train, x_valid, x_test, y_train, y_valid, y_test = load_reviews(csv_path, seed)
    return x_train, y_train, x_valid, y_valid, x_test, y_test


@mistake(
    replaces="load_reviews",
    title="What is left over by rounding is in no part",
    hint="Three rounded sizes need not add up. Which end can a part have that is not computed at all?",
    caught_by=("file_forms", "odd_sizes"),
)
def rest_lost(csv_path, seed=0):
    parts = load_reviews(csv_path, seed)
    return [
        part[: int(sum(map(len, parts[:3])) * share)] for part, share in zip(parts, (0.7, 0.1, 0.2) * 2, strict=True)
    ]


@mistake(
    replaces="load_reviews",
    title="Test reviews are drawn from all, those for training among them",
    hint="May a review that was trained on say how good the model is?",
    caught_by=("every_review", "file_forms"),
)
def parts_overlap(csv_path, seed=0):
    x_train, x_valid, x_test, y_train, y_valid, y_test = load_reviews(csv_path, seed)
    return x_train, x_valid, x_train[: len(x_test)], y_train, y_valid, y_train[: len(y_test)]


@mistake(
    replaces="load_reviews",
    title="Nothing is shuffled",
    hint="In some files all the good reviews come first. What are the test reviews then?",
    caught_by=("shuffled", "seed"),
)
def not_shuffled(csv_path, seed=0):  # noqa: ARG001 - the mistake
    load_reviews(csv_path)
    return cut(pairs_of(csv_path))


@mistake(
    replaces="load_reviews",
    title="Each part is shuffled, but what is in it is decided by the order of the file",
    hint="Which comes first: to shuffle, or to cut?",
    caught_by=("shuffled", "seed"),
)
def shuffled_after_the_cut(csv_path, seed=0):
    load_reviews(csv_path)
    parts = cut(pairs_of(csv_path))
    for part in parts:
        random.Random(seed).shuffle(part)  # the same way for reviews and labels
    return parts


@mistake(
    replaces="load_reviews",
    title="The shuffling has no seed: every call gives other parts",
    hint="Where do your random numbers start? Call it twice and compare.",
    caught_by=("seed",),
)
def without_a_seed(csv_path, seed=0):  # noqa: ARG001 - the mistake
    return load_reviews(csv_path, random.randrange(1 << 30))


@mistake(
    replaces="load_reviews",
    title="The seed is fixed in the code",
    hint="What is different in your code when it is called with seed=3 and with seed=4?",
    caught_by=("seed",),
)
def seed_ignored(csv_path, seed=0):  # noqa: ARG001 - the mistake
    return load_reviews(csv_path, 42)


@mistake(
    replaces="load_reviews",
    title="A missing column raises a KeyError from inside",
    hint="KeyError says what your code stumbled over, ValueError what is wrong with the file. Read its header first.",
    caught_by=("missing_column",),
)
def missing_column_stumbled_over(csv_path, seed=0):
    return in_parts(pairs_of(csv_path), seed)


@mistake(
    replaces="load_reviews",
    title="The error does not say which column is missing",
    hint="Whoever reads the message wants to mend the file. Which column do they have to look for?",
    caught_by=("missing_column",),
)
def missing_column_not_named(csv_path, seed=0):
    try:
        return load_reviews(csv_path, seed)
    except ValueError:
        raise ValueError(f"{csv_path} is not the file that is expected") from None


# --- the words of a text: one function of the solution, so that vocabulary and texts go wrong together


@mistake(
    replaces="words_of",
    title="Punctuation is replaced by a blank instead of deleted",
    hint='What becomes of "don\'t", and what should?',
    caught_by=("vocab_punctuation", "other_texts"),
)
def punctuation_to_blanks(text):
    return text.lower().translate(str.maketrans(string.punctuation, " " * len(string.punctuation))).split()


@mistake(
    replaces="words_of",
    title="Punctuation is only removed at the ends of a word",
    hint='Which characters of "well-made" are in string.punctuation?',
    caught_by=("vocab_punctuation", "other_texts"),
)
def punctuation_stripped(text):
    words = (word.strip(string.punctuation) for word in text.lower().split())
    return [word for word in words if word]


@mistake(
    replaces="words_of",
    title="Punctuation stays in the words",
    hint='Is "film!" another word than "film"?',
    caught_by=("vocab_words", "known_words", "vocab_punctuation", "vocab_min_freq", "vocab_fresh", "other_texts"),
)
def punctuation_kept(text):
    return text.lower().split()


@mistake(
    replaces="words_of",
    title="Upper and lower case make different words",
    hint='How often does "good" occur in "Good film, GOOD plot"?',
    caught_by=("vocab_words", "known_words", "vocab_punctuation", "vocab_min_freq", "vocab_fresh", "other_texts"),
)
def case_kept(text):
    return text.translate(str.maketrans("", "", string.punctuation)).split()


@mistake(
    replaces="words_of",
    title="Texts are cut at single blanks, which makes empty words",
    hint='Print what split(" ") makes of two blanks in a row, and what split() does.',
    caught_by=("vocab_punctuation", "other_texts"),
)
def cut_at_single_blanks(text):
    return text.lower().translate(str.maketrans("", "", string.punctuation)).split(" ")


@mistake(
    replaces="words_of",
    title="The underscore stays in the words",
    hint="Which characters does \\w stand for in a regular expression? Compare them with string.punctuation.",
    caught_by=("vocab_punctuation",),
)
def underscore_kept(text):
    return re.sub(r"[^\w\s]", "", text.lower()).split()


# --- the vocabulary


def numbered(words, hparams):
    """The solution's last step: ids from 2 on."""
    vocab = {hparams.PAD_TOKEN: hparams.PAD_INDEX, hparams.UNK_TOKEN: hparams.UNK_INDEX}
    return vocab | {word: number for number, word in enumerate(words, start=2)}


def without_stop_words(hparams):
    """The same settings with no stop words at all."""
    return SimpleNamespace(**{**vars(hparams), "STOP_WORDS": []})


@mistake(
    replaces="build_vocab",
    title="Stop words are in the vocabulary",
    hint="hparams brings a list of words that get no id.",
    caught_by=("vocab_words", "vocab_punctuation", "vocab_min_freq", "vocab_special_names"),
)
def stop_words_kept(x_train, min_freq, hparams):
    return build_vocab(x_train, min_freq, without_stop_words(hparams))


@mistake(
    replaces="build_vocab",
    title="Stop words are looked for before punctuation is deleted",
    hint='Is "(and" a stop word at the moment when you ask?',
    caught_by=("vocab_punctuation",),
)
def stop_words_before_punctuation(x_train, min_freq, hparams):
    kept = [" ".join(w for w in text.lower().split() if w not in hparams.STOP_WORDS) for text in x_train]
    return build_vocab(kept, min_freq, without_stop_words(hparams))


@mistake(
    replaces="build_vocab",
    title="A word has to occur more than min_freq times",
    hint="Does a word that occurs exactly min_freq times occur often enough?",
    caught_by=("vocab_words", "vocab_punctuation", "vocab_min_freq", "vocab_fresh"),
)
def more_than_min_freq(x_train, min_freq, hparams):
    return build_vocab(x_train, min_freq + 1, hparams)


@mistake(
    replaces="build_vocab",
    title="min_freq is not used: every word gets an id",
    hint="Rare words are what the unknown word is for.",
    caught_by=("vocab_words", "vocab_min_freq", "vocab_fresh"),
)
def min_freq_ignored(x_train, min_freq, hparams):  # noqa: ARG001 - the mistake
    return build_vocab(x_train, 1, hparams)


@mistake(
    replaces="build_vocab",
    title="The texts in which a word occurs are counted, not its occurrences",
    hint='How often does "bad" occur in "bad, bad music"?',
    caught_by=("vocab_words", "vocab_min_freq"),
)
def texts_counted(x_train, min_freq, hparams):
    return build_vocab([" ".join(dict.fromkeys(words_of(text))) for text in x_train], min_freq, hparams)


@mistake(
    replaces="build_vocab",
    title="The first words have the ids of padding and of the unknown word",
    hint="Which ids are taken before the first word comes?",
    caught_by=("vocab_ids",),
)
def ids_from_zero(x_train, min_freq, hparams):
    return {w: i if i < 2 else i - 2 for w, i in build_vocab(x_train, min_freq, hparams).items()}


@mistake(
    replaces="build_vocab",
    title="Ids are given before rare words and stop words are left out, so there are gaps",
    hint="The table of the embedding has one row per id. Is each of your ids below len(vocab)?",
    caught_by=("vocab_ids",),
)
def ids_with_gaps(x_train, min_freq, hparams):
    frequency = Counter(word for text in x_train for word in words_of(text))
    everything = numbered(frequency, hparams)
    return {w: i for w, i in everything.items() if i < 2 or (frequency[w] >= min_freq and w not in hparams.STOP_WORDS)}


@mistake(
    replaces="build_vocab",
    title="The vocabulary has no entries for padding and for the unknown word",
    hint="Two entries are in the vocabulary though no text holds them.",
    caught_by=("vocab_words", "vocab_ids", "vocab_punctuation", "vocab_min_freq", "vocab_fresh", "vocab_special_names"),
)
def special_entries_missing(x_train, min_freq, hparams):
    return {w: i for w, i in build_vocab(x_train, min_freq, hparams).items() if i >= 2}


@mistake(
    replaces="build_vocab",
    title="The unknown word has the id 0 and padding 1",
    hint="hparams says which of the two ids is whose.",
    caught_by=("vocab_ids",),
)
def special_ids_swapped(x_train, min_freq, hparams):
    return {w: 1 - i if i < 2 else i for w, i in build_vocab(x_train, min_freq, hparams).items()}


@mistake(
    replaces="build_vocab",
    title="The names of the special entries are fixed in the code",
    hint="hparams says how the two entries are called.",
    caught_by=("vocab_special_names",),
)
def special_names_fixed(x_train, min_freq, hparams):
    fixed = SimpleNamespace(**{**vars(hparams), "PAD_TOKEN": "<pad>", "UNK_TOKEN": "<unk>"})
    return build_vocab(x_train, min_freq, fixed)


def remembering():
    """A vocabulary whose counts live as long as the program."""
    frequency: Counter[str] = Counter()

    @mistake(
        replaces="build_vocab",
        title="The vocabulary remembers the texts of earlier calls",
        hint="Where is the counter made, and how often?",
        caught_by=("vocab_min_freq", "vocab_fresh", "vocab_punctuation", "vocab_special_names"),
    )
    def remembers_other_texts(x_train, min_freq, hparams):
        frequency.update(word for text in x_train for word in words_of(text))
        return numbered([w for w, n in frequency.items() if n >= min_freq and w not in hparams.STOP_WORDS], hparams)

    return remembers_other_texts


remembers_other_texts = remembering()


# --- the ids of a text


@mistake(
    replaces="tokenize",
    title="Unknown words are dropped",
    hint='"not" might be unknown. Should "not good" become "good"?',
    caught_by=("unknown_words", "stop_words"),
)
def unknown_words_dropped(vocab, example, hparams=None):  # noqa: ARG001 - the mistake
    return [vocab[word] for word in words_of(example) if word in vocab]


@mistake(
    replaces="tokenize",
    title="Unknown words get the id of padding",
    hint="A model skips padding. Is there something at the place of a word that it does not know?",
    caught_by=("unknown_words", "stop_words"),
)
def unknown_words_as_padding(vocab, example, hparams=None):  # noqa: ARG001 - the mistake
    return [vocab.get(word, 0) for word in words_of(example)]


@mistake(
    replaces="tokenize",
    title="An unknown word raises a KeyError",
    hint="vocab[word] needs the word to be there. Which way of looking up has an answer for the other case?",
    caught_by=("unknown_words", "stop_words"),
)
def unknown_words_raise(vocab, example, hparams=None):  # noqa: ARG001 - the mistake
    return [vocab[word] for word in words_of(example)]


@mistake(
    replaces="tokenize",
    title="The text is not normalised before its words are looked up",
    hint='The vocabulary has "film". Does it have "Film,"?',
    caught_by=("known_words", "other_texts"),
)
def text_not_normalised(vocab, example, hparams=None):  # noqa: ARG001 - the mistake
    return [vocab.get(word, 1) for word in example.split()]


@mistake(
    replaces="tokenize",
    title="Every word has its id once, however often it occurs",
    hint='Are "bad" and "bad, bad, bad" the same review?',
    caught_by=("known_words", "unknown_words", "stop_words"),
)
def repetitions_dropped(vocab, example, hparams=None):  # noqa: ARG001 - the mistake
    return list(dict.fromkeys(tokenize(vocab, example)))


@mistake(
    replaces="tokenize",
    title="The words are returned, not their ids",
    hint="An embedding table is asked with numbers.",
    caught_by=("known_words", "unknown_words", "stop_words", "other_texts"),
)
def words_returned(vocab, example, hparams=None):  # noqa: ARG001 - the mistake
    return [word if word in vocab else "<unk>" for word in words_of(example)]


@mistake(
    replaces="tokenize",
    title="Some stop words are left out without hparams being given",
    hint="Without hparams nobody has said which words are stop words.",
    caught_by=("stop_words",),
)
def own_stop_words(vocab, example, hparams=None):  # noqa: ARG001 - the mistake
    return tokenize(vocab, " ".join(word for word in words_of(example) if word not in ("the", "and", "is", "of")))


# --- the dataset


def changed(item, **values):
    """An example with other values."""
    return {**item, **values}


@mistake(
    replaces="IMDB",
    title="The length is counted before the ids are cut",
    hint="How many ids does the model get, and how many does `length` promise?",
    caught_by=("truncation", "default_max_length", "any_order"),
)
class LengthBeforeTruncation(IMDB):
    def __getitem__(self, index):
        return changed(super().__getitem__(index), length=len(tokenize(self.vocab, self.x[index])))


@mistake(
    replaces="IMDB",
    title="Nothing is cut: max_length is not used",
    hint="A review of 2,000 words makes every row of its batch that long.",
    caught_by=("truncation", "default_max_length", "any_order"),
)
class NotTruncated(IMDB):
    def __init__(self, x, y, vocab, max_length=256):  # noqa: ARG002 - the mistake
        super().__init__(x, y, vocab, 10**6)


@mistake(
    replaces="IMDB",
    title="The last max_length ids are kept instead of the first",
    hint="Write down what ids[:3] and ids[-3:] are of a list of five.",
    caught_by=("truncation", "default_max_length", "any_order"),
)
class LastIdsKept(IMDB):
    def __getitem__(self, index):
        ids = tokenize(self.vocab, self.x[index])[-self.max_length :]
        return changed(super().__getitem__(index), ids=ids)


@mistake(
    replaces="IMDB",
    title="The text is cut by characters, before it is tokenised",
    hint="Of what are there to be at most max_length: characters, or ids?",
    caught_by=("truncation", "default_max_length", "any_order"),
)
class CharactersCut(IMDB):
    def __getitem__(self, index):
        ids = tokenize(self.vocab, self.x[index][: self.max_length])
        return changed(super().__getitem__(index), ids=ids, length=len(ids))


@mistake(
    replaces="IMDB",
    title="One id too few is kept",
    hint="How many elements does ids[:n] have, and how many ids[: n - 1]?",
    caught_by=("truncation", "default_max_length", "any_order"),
)
class OneIdTooFew(IMDB):
    def __init__(self, x, y, vocab, max_length=256):
        super().__init__(x, y, vocab, max_length - 1)


@mistake(
    replaces="IMDB",
    title="max_length has another default than 256",
    hint="Compare your signature with the handout's.",
    caught_by=("default_max_length",),
)
class OtherDefault(IMDB):
    def __init__(self, x, y, vocab, max_length=128):
        super().__init__(x, y, vocab, max_length)


@mistake(
    replaces="IMDB",
    title="Short reviews are already filled up in the dataset",
    hint="How much padding a row needs is only known when its batch is.",
    caught_by=("example", "truncation", "any_order", "default_max_length"),
)
class PaddedToMaxLength(IMDB):
    def __getitem__(self, index):
        item = super().__getitem__(index)
        return changed(item, ids=item["ids"] + [0] * (self.max_length - item["length"]))


@mistake(
    replaces="IMDB",
    title="The label is inverted: 1 for negative",
    hint="Which of the two words is the 1?",
    caught_by=("example", "labels"),
)
class LabelInverted(IMDB):
    def __getitem__(self, index):
        item = super().__getitem__(index)
        return changed(item, label=1 - item["label"])


@mistake(
    replaces="IMDB",
    title="Labels are numbered in the order in which they first occur",
    hint="What would the labels be if the first review were another one?",
    caught_by=("example", "labels"),
)
class LabelsByOccurrence(IMDB):
    def __getitem__(self, index):
        numbers = {word: number for number, word in enumerate(dict.fromkeys(self.y))}
        return changed(super().__getitem__(index), label=numbers[self.y[index]])


@mistake(
    replaces="IMDB",
    title="Labels are numbered in alphabetical order of those that occur",
    hint="What are the labels of a dataset of positive reviews alone?",
    caught_by=("labels",),
)
class LabelsByAlphabet(IMDB):
    def __getitem__(self, index):
        return changed(super().__getitem__(index), label=sorted(set(self.y)).index(self.y[index]))


@mistake(
    replaces="IMDB",
    title="The label is the word, not 1 or 0",
    hint="The loss compares with numbers.",
    caught_by=("example", "labels"),
)
class LabelIsWord(IMDB):
    def __getitem__(self, index):
        return changed(super().__getitem__(index), label=self.y[index])


@mistake(
    replaces="IMDB",
    title="The size of the dataset is that of the vocabulary",
    hint="What does a DataLoader count its way through?",
    caught_by=("dataset_size",),
)
class SizeOfVocabulary(IMDB):
    def __len__(self):
        return len(self.vocab)


@mistake(
    replaces="IMDB",
    title="The dataset cuts texts into words in its own way",
    hint="There is a function that reads a text as the vocabulary's texts were read.",
    caught_by=("any_order",),
)
class OwnWords(IMDB):
    def __getitem__(self, index):
        ids = [self.vocab.get(word, 1) for word in self.x[index].lower().split()][: self.max_length]
        return changed(super().__getitem__(index), ids=ids, length=len(ids))


# --- the batch


def with_ids(batch, ids):
    """The solution's batch with other ids."""
    return {**collate(batch, 0), "ids": ids}


def rows_of(batch):
    """The ids of each example as a tensor."""
    return [torch.tensor(example["ids"], dtype=torch.int64) for example in batch]


@mistake(
    replaces="collate",
    title="The padding stands before the ids",
    hint="`length` counts a row's real tokens from its beginning.",
    caught_by=("collate_ids", "collate_pad_index", "collate_sizes"),
)
def padded_on_the_left(batch, pad_index):
    T = max(len(row) for row in rows_of(batch))
    return with_ids(batch, torch.stack([F.pad(row, (T - len(row), 0), value=pad_index) for row in rows_of(batch)]))


@mistake(
    replaces="collate",
    title="The batch lies on its side: (T, B) instead of (B, T)",
    hint="Print the shape. What does batch_first say?",
    caught_by=("collate_ids", "collate_pad_index", "collate_sizes"),
)
def time_first(batch, pad_index):
    return with_ids(batch, pad_sequence(rows_of(batch), padding_value=pad_index))


@mistake(
    replaces="collate",
    title="pad_index is not used: the padding is always 0",
    hint="What stands behind a short row when pad_index is 7?",
    caught_by=("collate_pad_index",),
)
def padding_always_zero(batch, pad_index):  # noqa: ARG001 - the mistake
    return collate(batch, 0)


@mistake(
    replaces="collate",
    title="Longer rows are cut to the shortest",
    hint="No word of a review may be lost to its neighbours.",
    caught_by=("collate_ids", "collate_pad_index", "collate_sizes"),
)
def cut_to_the_shortest(batch, pad_index):  # noqa: ARG001 - the mistake
    T = min(len(row) for row in rows_of(batch))
    return with_ids(batch, torch.stack([row[:T] for row in rows_of(batch)]))


@mistake(
    replaces="collate",
    title="Every batch is as wide as the longest review may be",
    hint="How much padding does a batch of three short reviews need?",
    caught_by=("collate_ids", "collate_pad_index", "collate_sizes"),
)
def fixed_width(batch, pad_index):
    return with_ids(batch, torch.stack([F.pad(row, (0, 256 - len(row)), value=pad_index) for row in rows_of(batch)]))


@mistake(
    replaces="collate",
    title="Every length is the width of the batch",
    hint="A row's length says where its padding begins.",
    caught_by=("collate_numbers", "collate_sizes"),
)
def lengths_after_padding(batch, pad_index):
    found = collate(batch, pad_index)
    return {**found, "length": torch.full_like(found["length"], found["ids"].size(1))}


@mistake(
    replaces="collate",
    title="Lengths and labels are lists, not tensors",
    hint="A loss takes tensors.",
    caught_by=("collate_numbers", "collate_sizes"),
)
def plain_lists(batch, pad_index):
    return {key: value if key == "ids" else value.tolist() for key, value in collate(batch, pad_index).items()}


@mistake(
    replaces="collate",
    title="The labels are floats",
    hint="Cross entropy takes the number of the right class, a whole number.",
    caught_by=("collate_numbers", "collate_sizes"),
)
def labels_as_floats(batch, pad_index):
    found = collate(batch, pad_index)
    return {**found, "label": found["label"].float()}


@mistake(
    replaces="collate",
    title="The rows are sorted by length, the labels are not",
    hint="Who is row 0 of the ids, and whose label is label 0?",
    caught_by=("collate_ids", "collate_numbers", "collate_sizes"),
)
def rows_sorted(batch, pad_index):
    longest_first = sorted(batch, key=lambda example: -example["length"])
    return {**collate(longest_first, pad_index), "label": collate(batch, pad_index)["label"]}


# --- the LSTM


class Taken(LSTM):
    """The solution with another choice of the state that the scores come from."""

    def forward(self, ids, length):
        packed = pack_padded_sequence(self.embedding(ids), length, batch_first=True, enforce_sorted=False)
        output, state = self.lstm(packed)
        output, _ = pad_packed_sequence(output, batch_first=True)  # (B, T, H * directions), zeros behind a row's end
        return self.head(self.taken(output, state, length))

    def both(self, hidden):
        """The last layer's states, side by side."""
        return torch.cat([hidden[-2], hidden[-1]], dim=-1) if self.lstm.bidirectional else hidden[-1]


@mistake(
    replaces="LSTM",
    title="The padding is read as well, and the state comes from behind it",
    hint="The shortest row of a batch is followed by padding. After which step is its state taken?",
    caught_by=("one_direction", "padding", "any_size", "trained"),
)
class PaddingRead(Taken):
    def forward(self, ids, length):  # noqa: ARG002 - the mistake
        _, (hidden, _) = self.lstm(self.embedding(ids))
        return self.head(self.both(hidden))


@mistake(
    replaces="LSTM",
    title="The last column of the output is read after unpacking: zeros, where a row is shorter",
    hint="Print the output of a short row after unpacking. Where does it end?",
    caught_by=("one_direction", "padding", "any_size", "trained"),
)
class LastColumn(Taken):
    def taken(self, output, state, length):  # noqa: ARG002 - the mistake
        return output[:, -1]


@mistake(
    replaces="LSTM",
    title="With two directions the backward state is taken at the last token, where it has read one word",
    hint="Where does the direction that reads backwards begin, and where does it end?",
    caught_by=("any_size",),
)
class BackwardAtLastToken(Taken):
    def taken(self, output, state, length):  # noqa: ARG002 - the mistake
        return output[torch.arange(len(length)), length - 1]


@mistake(
    replaces="LSTM",
    title="The state is that of the token before the last",
    hint="The last of n tokens has the index n - 1.",
    caught_by=("one_direction", "any_size", "trained"),
)
class OneTokenEarly(Taken):
    def taken(self, output, state, length):
        H = self.lstm.hidden_size
        last = output[torch.arange(len(length)), (length - 2).clamp_min(0)][:, :H]
        return torch.cat([last, self.both(state[0])[:, H:]], dim=-1)


@mistake(
    replaces="LSTM",
    title="The mean over all tokens is used instead of the last state",
    hint="Which state has read the whole review?",
    caught_by=("one_direction", "any_size"),
)
class MeanOfStates(Taken):
    def taken(self, output, state, length):  # noqa: ARG002 - the mistake
        return output.sum(dim=1) / length[:, None]


@mistake(
    replaces="LSTM",
    title="The cell state is used instead of the hidden state",
    hint="An LSTM returns output, (h_n, c_n). Which of the two states is the hidden one?",
    caught_by=("one_direction", "any_size"),
)
class CellState(Taken):
    def taken(self, output, state, length):  # noqa: ARG002 - the mistake
        return self.both(state[1])


@mistake(
    replaces="LSTM",
    title="The first layer's state is used instead of the last layer's",
    hint="h_n begins with the first layer. Where is the last one?",
    caught_by=("any_size", "dropout_on"),
)
class FirstLayer(Taken):
    def taken(self, output, state, length):  # noqa: ARG002 - the mistake
        hidden = state[0]
        return torch.cat([hidden[0], hidden[1]], dim=-1) if self.lstm.bidirectional else hidden[0]


@mistake(
    replaces="LSTM",
    title="With two directions the states are regrouped by view, which mixes the rows of the batch",
    hint="h_n is (directions, B, H). Which row of the batch do the first 2 H numbers of it belong to?",
    caught_by=("any_size",),
)
class ViewedStates(Taken):
    def taken(self, output, state, length):  # noqa: ARG002 - the mistake
        directions = 2 if self.lstm.bidirectional else 1
        return state[0][-directions:].reshape(len(length), -1)


@mistake(
    replaces="LSTM",
    title="The head is as wide as one direction",
    hint="How many numbers per row come out of two directions side by side?",
    caught_by=("any_size",),
)
class HeadOfOneDirection(LSTM):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim, *args, **kwargs):
        super().__init__(vocab_size, embedding_dim, hidden_dim, output_dim, *args, **kwargs)
        self.head = nn.Linear(hidden_dim, output_dim)


@mistake(
    replaces="LSTM",
    title="The two directions are added instead of put side by side",
    hint="How wide is what the head reads when both directions are kept?",
    caught_by=("any_size",),
)
class DirectionsAdded(HeadOfOneDirection, Taken):
    def taken(self, output, state, length):  # noqa: ARG002 - the mistake
        return state[0][-2] + state[0][-1] if self.lstm.bidirectional else state[0][-1]


class Remade(LSTM):
    """The solution with an LSTM of other settings."""

    def __init__(
        self,
        vocab_size,
        embedding_dim,
        hidden_dim,
        output_dim,
        n_layers,
        dropout_rate,
        pad_index,
        bidirectional=False,
        **kwargs,
    ):
        super().__init__(
            vocab_size,
            embedding_dim,
            hidden_dim,
            output_dim,
            n_layers,
            dropout_rate,
            pad_index,
            bidirectional,
            **kwargs,
        )
        self.remake(n_layers, dropout_rate)


@mistake(
    replaces="LSTM",
    title="n_layers is not used: there is one layer",
    hint="Which argument of nn.LSTM says how many layers there are?",
    caught_by=("any_size", "dropout_on"),
)
class OneLayer(Remade):
    def remake(self, n_layers, dropout_rate):  # noqa: ARG002 - the mistake
        old = self.lstm
        self.lstm = nn.LSTM(old.input_size, old.hidden_size, batch_first=True, bidirectional=old.bidirectional)


@mistake(
    replaces="LSTM",
    title="bidirectional is not used: there is one direction",
    hint="Which argument of nn.LSTM adds the second direction?",
    caught_by=("any_size",),
)
class OneDirection(LSTM):
    def __init__(
        self,
        vocab_size,
        embedding_dim,
        hidden_dim,
        output_dim,
        n_layers,
        dropout_rate,
        pad_index,
        bidirectional=False,  # noqa: ARG002 - the mistake
        **kwargs,
    ):
        super().__init__(
            vocab_size, embedding_dim, hidden_dim, output_dim, n_layers, dropout_rate, pad_index, False, **kwargs
        )


@mistake(
    replaces="LSTM",
    title="dropout_rate does not reach the layers: nothing is dropped in training",
    hint="Which argument of nn.LSTM drops states between its layers?",
    caught_by=("dropout_on",),
)
class NoDropout(Remade):
    def remake(self, n_layers, dropout_rate):  # noqa: ARG002 - the mistake
        self.lstm.dropout = 0.0


@mistake(
    replaces="LSTM",
    title="The dropout rate is fixed in the code",
    hint="What is dropped when dropout_rate is 0?",
    caught_by=("dropout_on",),
)
class FixedDropout(Remade):
    def remake(self, n_layers, dropout_rate):  # noqa: ARG002 - the mistake
        self.lstm.dropout = 0.5


@mistake(
    replaces="LSTM",
    title="Something is dropped in eval mode, too",
    hint="F.dropout drops whenever it is called, unless it is told in which mode the module is.",
    caught_by=("dropout_off", "any_size"),
)
class DropoutInEval(Remade):
    def remake(self, n_layers, dropout_rate):  # noqa: ARG002 - the mistake
        self.rate = dropout_rate

    def forward(self, ids, length):
        vectors = F.dropout(self.embedding(ids), self.rate)
        packed = pack_padded_sequence(vectors, length, batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(packed)
        return self.head(Taken.both(self, hidden))


@mistake(
    replaces="LSTM",
    title="The pad row of the embedding table is trained",
    hint="nn.Embedding can be told which row belongs to padding.",
    caught_by=("pad_row",),
)
class PadRowTrained(LSTM):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.embedding.padding_idx = None


@mistake(
    replaces="LSTM",
    title="The padding's row is always row 0, whatever pad_index is",
    hint="Which argument says what id padding has?",
    caught_by=("pad_row",),
)
class PadRowZero(LSTM):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.embedding.padding_idx = 0


@mistake(
    replaces="LSTM",
    title="The rows come back in order of their length",
    hint="Whoever sorts a batch has to put it back in order. Whose scores are in row 0?",
    caught_by=("one_direction", "any_size", "trained"),
)
class RowsSorted(LSTM):
    def forward(self, ids, length):
        sorted_length, order = length.sort(descending=True)
        return super().forward(ids[order], sorted_length)


@mistake(
    replaces="LSTM",
    title="The batch must be sorted by length",
    hint="Read what the error says about enforce_sorted.",
    caught_by=("one_direction", "padding", "any_size", "trained"),
)
class SortedBatchesOnly(Taken):
    def forward(self, ids, length):
        _, (hidden, _) = self.lstm(pack_padded_sequence(self.embedding(ids), length, batch_first=True))
        return self.head(self.both(hidden))


@mistake(
    replaces="LSTM",
    title="The rows are read as columns: batch and time are swapped",
    hint="Which of the two dimensions does nn.LSTM step through, if nobody says otherwise?",
    caught_by=("scores_shape", "any_size", "pad_row", "trained"),
)
class BatchNotFirst(Remade):
    def remake(self, n_layers, dropout_rate):  # noqa: ARG002 - the mistake
        self.lstm.batch_first = False

    def forward(self, ids, length):  # noqa: ARG002 - the mistake
        _, (hidden, _) = self.lstm(self.embedding(ids))
        return self.head(Taken.both(self, hidden))


@mistake(
    replaces="LSTM",
    title="The state of the batch before is carried into the next one",
    hint="Two batches are different reviews. With which state does each begin?",
    caught_by=("one_direction", "padding", "any_size", "dropout_off", "dropout_on"),
)
class StateKept(Taken):
    state = None

    def forward(self, ids, length):
        packed = pack_padded_sequence(self.embedding(ids), length, batch_first=True, enforce_sorted=False)
        fits = self.state is not None and self.state[0].size(1) == len(ids)
        _, self.state = self.lstm(packed, tuple(s.detach() for s in self.state) if fits else None)
        return self.head(self.both(self.state[0]))


@mistake(
    replaces="LSTM",
    title="A softmax comes after the head",
    hint="The cross entropy has a softmax inside. What does it want to be given?",
    caught_by=("one_direction", "any_size"),
)
class Softmaxed(LSTM):
    def forward(self, ids, length):
        return super().forward(ids, length).softmax(dim=-1)


@mistake(
    replaces="LSTM",
    title="Dimensions of size 1 are squeezed away",
    hint="What is the shape of your scores for a batch of one review?",
    caught_by=("padding", "any_size"),
)
class Squeezed(LSTM):
    def forward(self, ids, length):
        return super().forward(ids, length).squeeze()


@mistake(
    replaces="LSTM",
    title="The lengths are changed in the caller's tensor",
    hint="`length -= 1` changes the tensor that the caller still has.",
    caught_by=("any_size",),
)
class LengthsChanged(Taken):
    def taken(self, output, state, length):
        length -= 1  # to an index
        last = output[torch.arange(len(length)), length][:, : self.lstm.hidden_size]
        return torch.cat([last, self.both(state[0])[:, self.lstm.hidden_size :]], dim=-1)


@mistake(
    replaces="LSTM",
    title="The state is detached: neither the LSTM nor the embedding learns",
    hint="detach() and .data cut the graph. Who is left to be trained?",
    caught_by=("any_size", "pad_row", "trained"),
)
class StateDetached(Taken):
    def taken(self, output, state, length):  # noqa: ARG002 - the mistake
        return self.both(state[0]).detach()


@mistake(
    replaces="LSTM",
    title="Every call sets the seed of the whole program",
    hint="Who else draws random numbers after your model was called? Dropout, for one.",
    caught_by=("any_size", "dropout_on"),
)
class SeedSet(LSTM):
    def forward(self, ids, length):
        torch.default_generator.manual_seed(0)
        return super().forward(ids, length)


@mistake(
    replaces="LSTM",
    title="weight_init_fn is not used",
    hint="What is in kwargs, and who should be called with what?",
    caught_by=("weight_init",),
)
class InitIgnored(LSTM):
    def __init__(self, *args, weight_init_fn=None, **kwargs):  # noqa: ARG002 - the mistake
        super().__init__(*args, **kwargs)


@mistake(
    replaces="LSTM",
    title="weight_init_fn is applied before all layers are there",
    hint="Which layers does the module have on the line where you call apply?",
    caught_by=("weight_init",),
)
class InitTooEarly(LSTM):
    def __init__(self, *args, weight_init_fn=None, **kwargs):
        super().__init__(*args, **kwargs)
        if weight_init_fn is not None:
            head = self.head
            del self.head
            self.apply(weight_init_fn)
            self.head = head


@mistake(
    replaces="LSTM",
    title="weight_init_fn must always be given",
    hint="It is an option: what does kwargs[...] do when it is not there?",
    caught_by=("scores_shape", "any_size", "dropout_off", "dropout_on", "pad_row", "trained"),
)
class InitRequired(LSTM):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "weight_init_fn": kwargs["weight_init_fn"]})
