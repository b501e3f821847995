"""Known mistakes of the toy language, as replacements of the solution's names."""

import random

import torch
from rules import RULES, WORD_MAP
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from toy_language import (
    BLOCK_SIZE,
    END,
    PADDING,
    WordModel,
    batch_sampler,
    build_dictionary,
    decode,
    encode,
    generate_sentence,
    train,
)

from grader.checks import mistake

# --- Task 1: a sentence


def above(expansions, depth, max_depth):
    """The expansions that may be chosen at this depth, by the rule that is asked for."""
    return expansions if depth < max_depth or len(expansions) == 1 else expansions[:-1]


def expanded(rules, rng, allowed):
    """The parts of speech of a sentence: at each depth one of allowed(expansions, depth) is chosen."""
    choice = (rng or random).choice
    symbols, depth = ["S"], 0
    while any(symbol in rules for symbol in symbols):
        symbols = [
            part
            for symbol in symbols
            for part in (choice(allowed(rules[symbol], depth)) if symbol in rules else [symbol])
        ]
        depth += 1
    return symbols


def spoken(symbols, word_map, rng):
    """A word for each part of speech."""
    return [(rng or random).choice(word_map[symbol]) for symbol in symbols]


LIMIT = ("depth", "recursion", "levels", "at_the_limit", "growing")
DRAWN = ("choices", *LIMIT)
EVERY_SENTENCE = ("sentence_form", "rng", "without_rng", *DRAWN)
ROWS = ("rows", "which_sentences", "tight")
EVERY_BATCH = ("batch_form", *ROWS)


@mistake(
    replaces="generate_sentence",
    title="max_depth is not looked at, and nothing ends the recursion",
    hint="A symbol may become itself again and again. Where does your code ask how deep it is?",
    caught_by=LIMIT,
)
def unbounded_recursion(rules, word_map, max_depth=3, rng=None):  # noqa: ARG001 - the mistake
    def grow(symbol):
        if symbol not in rules:
            return [symbol]
        return [part for inner in (rng or random).choice(rules[symbol]) for part in grow(inner)]

    return spoken(grow("S"), word_map, rng)


@mistake(
    replaces="generate_sentence",
    title="The last expansion is still chosen at depth max_depth itself",
    hint="At max_depth, and not only below it, the last expansion is no longer chosen.",
    caught_by=LIMIT,
)
def limit_one_too_deep(rules, word_map, max_depth=3, rng=None):
    return spoken(expanded(rules, rng, lambda e, depth: above(e, depth, max_depth + 1)), word_map, rng)


@mistake(
    replaces="generate_sentence",
    title="The depth is counted from 1, so that the limit comes a level too early",
    hint="S itself is a level: which number does it have?",
    caught_by=("depth", "recursion", "levels", "growing"),
)
def depth_from_one(rules, word_map, max_depth=3, rng=None):
    return spoken(expanded(rules, rng, lambda e, depth: above(e, depth + 1, max_depth)), word_map, rng)


@mistake(
    replaces="generate_sentence",
    title="The depth grows with each symbol that is expanded, not with each level",
    hint="Two symbols that stand side by side have one depth. When does yours count up?",
    caught_by=("recursion", "levels", "growing"),
)
def depth_counts_expansions(rules, word_map, max_depth=3, rng=None):
    symbols, depth = ["S"], 0
    while any(symbol in rules for symbol in symbols):
        level = []
        for symbol in symbols:
            if symbol in rules:
                level += (rng or random).choice(above(rules[symbol], depth, max_depth))
                depth += 1
            else:
                level.append(symbol)
        symbols = level
    return spoken(symbols, word_map, rng)


@mistake(
    replaces="generate_sentence",
    title="At max_depth the first expansion is always taken",
    hint="Only the last one is not chosen any more. What about those in between?",
    caught_by=("at_the_limit",),
)
def first_at_the_limit(rules, word_map, max_depth=3, rng=None):
    return spoken(expanded(rules, rng, lambda e, depth: e if depth < max_depth else e[:1]), word_map, rng)


@mistake(
    replaces="generate_sentence",
    title="At max_depth those expansions are left out that hold the symbol itself, and not the last one",
    hint="The rule is about the place in the list, not about what the expansion holds.",
    caught_by=("depth",),
)
def recursive_ones_left_out(rules, word_map, max_depth=3, rng=None):
    def allowed(expansions, depth):
        symbol = next(symbol for symbol in rules if rules[symbol] is expansions)
        return expansions if depth < max_depth else [e for e in expansions if symbol not in e]

    return spoken(expanded(rules, rng, allowed), word_map, rng)


@mistake(
    replaces="generate_sentence",
    title="At max_depth a symbol with one expansion has none left",
    hint="Without its last, a list of one is empty. What should such a symbol become?",
    caught_by=("depth", "recursion", "at_the_limit"),
)
def only_one_taken_away(rules, word_map, max_depth=3, rng=None):
    return spoken(expanded(rules, rng, lambda e, depth: e if depth < max_depth else e[:-1]), word_map, rng)


@mistake(
    replaces="generate_sentence",
    title="The limit takes the last expansion out of the rules for good",
    hint="pop and del change the caller's lists. What do the rules look like after the first sentence?",
    caught_by=("depth", "recursion", "levels", "at_the_limit", "growing", "which_sentences"),
)
def rules_changed(rules, word_map, max_depth=3, rng=None):
    def allowed(expansions, depth):
        if depth >= max_depth and len(expansions) > 1:
            expansions.pop()
        return expansions

    return spoken(expanded(rules, rng, allowed), word_map, rng)


@mistake(
    replaces="generate_sentence",
    title="A part of speech gets one word for the whole sentence",
    hint="Two nouns of a sentence need not be the same one. How often is a word drawn?",
    caught_by=("choices",),
)
def one_word_per_part(rules, word_map, max_depth=3, rng=None):
    words = {part: (rng or random).choice(choices) for part, choices in word_map.items()}
    return [words[symbol] for symbol in expanded(rules, rng, lambda e, depth: above(e, depth, max_depth))]


@mistake(
    replaces="generate_sentence",
    title="The first word of each part of speech is always taken",
    hint="Print ten sentences. Which of the words do you never see?",
    caught_by=("choices", "which_sentences"),
)
def first_word(rules, word_map, max_depth=3, rng=None):
    return [word_map[symbol][0] for symbol in expanded(rules, rng, lambda e, depth: above(e, depth, max_depth))]


@mistake(
    replaces="generate_sentence",
    title="The first expansion is always taken",
    hint="Print ten sentences. What do all of them have in common?",
    caught_by=("choices", "depth", "recursion", "levels", "at_the_limit", "growing", "which_sentences", "tight"),
)
def first_expansion(rules, word_map, max_depth=3, rng=None):  # noqa: ARG001 - the mistake
    return spoken(expanded(rules, rng, lambda e, _: e[:1]), word_map, rng)


@mistake(
    replaces="generate_sentence",
    title="Short expansions are chosen more often than long ones",
    hint="Each expansion is as likely as the others, whatever it holds.",
    caught_by=("choices", "depth", "recursion", "levels", "growing", "which_sentences"),
)
def short_ones_preferred(rules, word_map, max_depth=3, rng=None):
    def allowed(expansions, depth):
        left = above(expansions, depth, max_depth)
        shortest = [e for e in left if len(e) == min(map(len, left))]
        return left + 3 * shortest if len(left) > 1 else left

    return spoken(expanded(rules, rng, allowed), word_map, rng)


@mistake(
    replaces="generate_sentence",
    title="rng is not used: Python's own random makes the choices",
    hint="random.choice asks the module's own generator. Which object should be asked when there is an rng?",
    caught_by=("rng", "seed"),
)
def rng_ignored(rules, word_map, max_depth=3, rng=None):  # noqa: ARG001 - the mistake
    return generate_sentence(rules, word_map, max_depth)


@mistake(
    replaces="generate_sentence",
    title="rng chooses the expansions, but not the words",
    hint="There are two places at which something is chosen.",
    caught_by=("rng", "seed"),
)
def rng_for_expansions_only(rules, word_map, max_depth=3, rng=None):
    return spoken(expanded(rules, rng, lambda e, depth: above(e, depth, max_depth)), word_map, None)


@mistake(
    replaces="generate_sentence",
    title="Without an rng the function makes one with a seed of its own",
    hint="random.Random(0) starts at the same place in each call.",
    caught_by=("without_rng",),
)
def own_seed(rules, word_map, max_depth=3, rng=None):
    return generate_sentence(
        rules, word_map, max_depth, rng or random.Random(2)
    )  # a seed that makes a short one: others never fit into a batch


@mistake(
    replaces="generate_sentence",
    title="The words are joined into one string",
    hint="A list of words is asked for; joining them is for printing.",
    caught_by=(*EVERY_SENTENCE, *EVERY_BATCH, "model", "seed"),
)
def one_string(*args, **settings):
    return " ".join(generate_sentence(*args, **settings))


@mistake(
    replaces="generate_sentence",
    title="The parts of speech are returned in place of words",
    hint="One step is missing: what does word_map say about each of them?",
    caught_by=("sentence_form", *DRAWN, "which_sentences", "tight", "batch_form", "rows", "model", "seed"),
)
def parts_of_speech(rules, word_map, max_depth=3, rng=None):  # noqa: ARG001 - the mistake
    return expanded(rules, rng, lambda e, depth: above(e, depth, max_depth))


@mistake(
    replaces="generate_sentence",
    title="The provided rules and words are used, whatever is passed in",
    hint="RULES and WORD_MAP are one pair of arguments. The function should work with any other.",
    caught_by=DRAWN,
)
def own_grammar(rules, word_map, max_depth=3, rng=None):  # noqa: ARG001 - the mistake
    return generate_sentence(RULES, WORD_MAP, max_depth, rng)


@mistake(
    replaces="generate_sentence",
    title="The sentence starts from the first symbol of the rules instead of S",
    hint="A dict may list its keys in any order. Where does every sentence start?",
    caught_by=("recursion", "levels"),
)
def starts_anywhere(rules, word_map, max_depth=3, rng=None):
    start = next(iter(rules))
    return generate_sentence({**rules, "S": [[start]]} if start != "S" else rules, word_map, max_depth, rng)


# --- Task 2: the dictionary


def words_of(word_map):
    return [word for part in word_map.values() for word in part]


def entries_of(word_map):
    return [*words_of(word_map), END, PADDING]


@mistake(
    replaces="build_dictionary",
    title="The ids start at 1",
    hint="A model with 39 outputs knows the ids 0 to 38.",
    caught_by=("dictionary", "other_words", "model", "seed"),
)
def ids_from_one(word_map):
    return {entry: number for number, entry in enumerate(entries_of(word_map), start=1)}


@mistake(
    replaces="build_dictionary",
    title="The ids follow the order of a set, which depends on the hash seed",
    hint="Start Python twice, and print list(set(words)) each time.",
    caught_by=("order",),
)
def order_of_a_set(word_map):
    words = list(set(words_of(word_map)))
    return {entry: number for number, entry in enumerate([*words, END, PADDING])}


@mistake(
    replaces="build_dictionary",
    title="Padding has the id of a word",
    hint="How many different ids are there? When the model reads this number, what does it stand for?",
    caught_by=("dictionary", "other_words", *ROWS),
)
def padding_inside_the_vocabulary(word_map):
    return {**{entry: number for number, entry in enumerate(entries_of(word_map)[:-1])}, PADDING: 0}


@mistake(
    replaces="build_dictionary",
    title="The end token and padding share one id",
    hint="The end of a sentence is something to be learned, padding is not. How is the model to tell them apart?",
    caught_by=("dictionary", "other_words"),
)
def end_is_padding(word_map):
    dictionary = build_dictionary(word_map)
    return {**dictionary, PADDING: dictionary[END]}


@mistake(
    replaces="build_dictionary",
    title="There is no end token",
    hint="How does a model say that a sentence is over? Count the entries of your dictionary.",
    caught_by=(
        "dictionary",
        "other_words",
        "decode",
        "decode_stops",
        "other_dictionary",
        *EVERY_BATCH,
        "model",
        "seed",
    ),
)
def no_end_in_the_dictionary(word_map):
    return {entry: number for number, entry in enumerate([*entries_of(word_map)[:-2], PADDING])}


@mistake(
    replaces="build_dictionary",
    title="The dictionary has an entry for unknown words",
    hint="In this language all words are known. How many entries are asked for?",
    caught_by=("dictionary", "other_words", "decode", "decode_stops", "other_dictionary", *ROWS, "model", "seed"),
)
def an_unknown_word(word_map):
    return {entry: number for number, entry in enumerate([*entries_of(word_map), "<unk>"])}


@mistake(
    replaces="build_dictionary",
    title="The provided words are used, whatever is passed in",
    hint="WORD_MAP is one argument among many possible ones.",
    caught_by=("other_words", "order", "other_dictionary"),
)
def own_words(word_map):  # noqa: ARG001 - the mistake
    return build_dictionary(WORD_MAP)


kept = {}


@mistake(
    replaces="build_dictionary",
    title="Words of an earlier call are still in the dictionary",
    hint="A dict that is made outside of the function is there for all calls. Make it inside.",
    caught_by=("other_words", "order", "decode_stops", "other_dictionary", "which_sentences", "tight"),
)
def remembers_words(word_map):
    for entry in [END, PADDING, *words_of(word_map)]:
        kept.setdefault(entry, len(kept))
    return dict(kept)


# --- Task 3: encode and decode


@mistake(
    replaces="encode",
    title="encode adds the end token",
    hint="In this assignment the end token is added where the rows of a batch are made.",
    caught_by=("encode", "other_dictionary"),
)
def encode_adds_the_end(words, dictionary):
    return [*encode(words, dictionary), dictionary.get(END, 37)]


@mistake(
    replaces="encode",
    title="encode looks the words up in a dictionary of its own",
    hint="There is an argument called dictionary.",
    caught_by=("encode", "other_dictionary"),
)
def encode_with_own_dictionary(words, dictionary):  # noqa: ARG001 - the mistake
    own = build_dictionary(WORD_MAP)
    return [own.get(word, 0) for word in words]


def words_until(ids, dictionary, stops):
    entries = {number: entry for entry, number in dictionary.items()}
    words = []
    for number in ids:
        if entries[number] in stops:
            break
        words.append(entries[number])
    return words


@mistake(
    replaces="decode",
    title="decode stops at the end token only, and reads padding as a word",
    hint="A piece of a sentence may be followed by padding, without an end token between them.",
    caught_by=("decode", "decode_stops", "other_dictionary"),
)
def stops_at_the_end_only(ids, dictionary):
    return words_until(ids, dictionary, (END,))


@mistake(
    replaces="decode",
    title="decode stops at padding only, and reads the end token as a word",
    hint="Decode the ids of a whole row of your batch. Is the last word one?",
    caught_by=("decode", "decode_stops"),
)
def stops_at_padding_only(ids, dictionary):
    return words_until(ids, dictionary, (PADDING,))


@mistake(
    replaces="decode",
    title="decode translates everything, the end token and padding, too",
    hint="Only words are asked for, and only those of the sentence.",
    caught_by=("decode", "decode_stops", "other_dictionary"),
)
def never_stops(ids, dictionary):
    return words_until(ids, dictionary, ())


@mistake(
    replaces="decode",
    title="decode leaves the end token and padding out, and reads on behind them",
    hint="What stands behind the end is no part of the sentence: stop there.",
    caught_by=("decode_stops",),
)
def reads_on(ids, dictionary):
    return [word for word in words_until(ids, dictionary, ()) if word not in (END, PADDING)]


@mistake(
    replaces="decode",
    title="decode returns the end token with the words",
    hint="It stops before the end, not behind it.",
    caught_by=("decode", "decode_stops", "other_dictionary"),
)
def end_included(ids, dictionary):
    words = decode(ids, dictionary)
    entries = {number: entry for entry, number in dictionary.items()}
    return words + [entries[number] for number in ids[len(words) : len(words) + 1]]


@mistake(
    replaces="decode",
    title="decode looks the ids up in a dictionary of its own",
    hint="There is an argument called dictionary.",
    caught_by=("other_dictionary",),
)
def decode_with_own_dictionary(ids, dictionary):  # noqa: ARG001 - the mistake
    return decode(ids, build_dictionary(WORD_MAP))


@mistake(
    replaces="decode",
    title="decode returns a string",
    hint="encode takes a list of words, and decode gives one back.",
    caught_by=("decode", "decode_stops", "other_dictionary"),
)
def decode_to_a_string(ids, dictionary):
    return " ".join(decode(ids, dictionary))


# --- Task 4: batches


def whole(max_len, rng):
    """The ids of a sentence that fits, with its end token; and the two ids that are no words."""
    dictionary = build_dictionary(WORD_MAP)
    while True:
        ids = encode(generate_sentence(RULES, WORD_MAP, rng=rng), dictionary)
        if len(ids) < max_len:
            return ids, dictionary[END], dictionary[PADDING]


def padded(rows, padding):
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=padding)


@mistake(
    replaces="batch_sampler",
    title="The rows have no end token",
    hint="Without it the model never learns where a sentence stops, and writes on and on.",
    caught_by=(*ROWS, "held_out_loss"),
)
def no_end_token(batch_size, max_len, rng=None):
    rows = [whole(max_len, rng) for _ in range(batch_size)]
    return padded([ids for ids, _, _ in rows], rows[0][2])


@mistake(
    replaces="batch_sampler",
    title="Long sentences are cut, and their end token is cut off with the rest",
    hint="Look at the last column of a batch with a small max_len. Is each row in it finished?",
    caught_by=ROWS,
)
def cut_with_the_end(batch_size, max_len, rng=None):
    rows = [whole(100, rng) for _ in range(batch_size)]
    return padded([[*ids, end][:max_len] for ids, end, _ in rows], rows[0][2])


@mistake(
    replaces="batch_sampler",
    title="Long sentences are cut, and get an end token where there is no end",
    hint="The model learns that a sentence may stop anywhere. What is asked for instead of cutting?",
    caught_by=ROWS,
)
def cut_before_the_end(batch_size, max_len, rng=None):
    rows = [whole(100, rng) for _ in range(batch_size)]
    return padded([[*ids[: max_len - 1], end] for ids, end, _ in rows], rows[0][2])


@mistake(
    replaces="batch_sampler",
    title="The end token is added after the length was looked at, and the batch grows wider than max_len",
    hint="How many tokens does a sentence of n words take in its row?",
    caught_by=("batch_form", *ROWS),
)
def end_not_counted(batch_size, max_len, rng=None):
    rows = [whole(max_len + 1, rng) for _ in range(batch_size)]
    return padded([[*ids, end] for ids, end, _ in rows], rows[0][2])


@mistake(
    replaces="batch_sampler",
    title="A sentence that just fits is left out",
    hint="Four words and their end token are five. What does your comparison say when max_len is 5?",
    caught_by=("which_sentences", "tight"),
)
def one_too_strict(batch_size, max_len, rng=None):
    return batch_sampler(batch_size, max_len - 1, rng)


@mistake(
    replaces="batch_sampler",
    title="The rows are filled up with zeros, and 0 is a word",
    hint="Which id does your dictionary give to padding?",
    caught_by=ROWS,
)
def padded_with_zeros(batch_size, max_len, rng=None):
    return padded([[*ids, end] for ids, end, _ in (whole(max_len, rng) for _ in range(batch_size))], 0)


@mistake(
    replaces="batch_sampler",
    title="The padding stands before the sentence",
    hint="The model reads from the left, and its positions count from there. Padding comes last.",
    caught_by=ROWS,
)
def padding_in_front(batch_size, max_len, rng=None):
    rows = [whole(max_len, rng) for _ in range(batch_size)]
    T = 1 + max(len(ids) for ids, _, _ in rows)
    return torch.tensor([[padding] * (T - 1 - len(ids)) + [*ids, end] for ids, end, padding in rows])


@mistake(
    replaces="batch_sampler",
    title="The rows are filled up with end tokens",
    hint="There is one end to a sentence. The dictionary has an entry for what comes after it.",
    caught_by=ROWS,
)
def filled_with_ends(batch_size, max_len, rng=None):
    rows = [whole(max_len, rng) for _ in range(batch_size)]
    return padded([[*ids, end] for ids, end, _ in rows], rows[0][1])


@mistake(
    replaces="batch_sampler",
    title="A row goes on with the next sentence where there is room",
    hint="One sentence a row. The rest is padding.",
    caught_by=("rows",),
)
def several_in_a_row(batch_size, max_len, rng=None):
    rows = []
    for _ in range(batch_size):
        ids, end, padding = whole(max_len, rng)
        row = [*ids, end]
        while len(row) + 4 <= max_len:
            ids, end, padding = whole(max_len - len(row), rng)
            row += [*ids, end]
        rows.append(row)
    return padded(rows, padding)


@mistake(
    replaces="batch_sampler",
    title="All rows hold the same sentence",
    hint="[row] * B is one row, B times. Where does the loop begin, and where is the sentence drawn?",
    caught_by=("which_sentences", "tight"),
)
def one_sentence_for_all(batch_size, max_len, rng=None):
    return batch_sampler(1, max_len, rng).repeat(batch_size, 1)


@mistake(
    replaces="batch_sampler",
    title="The ids are not int64",
    hint="torch.zeros and torch.Tensor make floating numbers. Which dtype does an embedding look ids up with?",
    caught_by=(*EVERY_BATCH, "model", "seed"),
)
def floating_ids(batch_size, max_len, rng=None):
    return batch_sampler(batch_size, max_len, rng).float()


@mistake(
    replaces="batch_sampler",
    title="The dimensions are (T, B) instead of (B, T)",
    hint="One row for each sentence. pad_sequence has an argument for that.",
    caught_by=EVERY_BATCH,
)
def time_first(batch_size, max_len, rng=None):
    return batch_sampler(batch_size, max_len, rng).T


# --- Task 5: a model


def next_tokens(logits, batch, padding):
    return F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), ignore_index=padding)


def next_batch(rng):
    return batch_sampler(32, BLOCK_SIZE, rng)


def trained(seed, steps, loss_of=next_tokens, draw=next_batch, model=None, rate=0.01):
    """The solution's training with another loss_of(logits, batch, padding), draw(rng), model or rate."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    dictionary = build_dictionary(WORD_MAP)
    model = model or WordModel(len(dictionary))
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(steps):
        batch = draw(rng)
        loss = loss_of(model(batch[:, :-1])[0], batch, dictionary[PADDING])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@mistake(
    replaces="train",
    title="The loss counts padding, and the model learns to write it",
    hint="After the end token nothing is to be predicted. cross_entropy can leave out one id.",
    caught_by=("padding_not_learned",),
)
def loss_counts_padding(seed, steps):
    return trained(seed, steps, lambda logits, batch, _: next_tokens(logits, batch, -1))


@mistake(
    replaces="train",
    title="Each token is compared with itself, not with the next one",
    hint="The logits at position t are about token t + 1. Which part of the batch goes in, and which is compared?",
    caught_by=("writes_grammar",),
)
def targets_not_shifted(seed, steps):
    def loss_of(logits, batch, padding):
        return F.cross_entropy(logits.flatten(0, 1), batch[:, :-1].flatten(), ignore_index=padding)

    return trained(seed, steps, loss_of)


@mistake(
    replaces="train",
    title="The model that is returned was never trained",
    hint="Which parameters did the optimizer get? Does the loss fall from step to step?",
    caught_by=("seed", "held_out_loss"),
)
def another_model_trained(seed, steps):
    train(seed, steps)
    torch.manual_seed(seed)
    return WordModel(39).eval()


@mistake(
    replaces="train",
    title="The learning rate is far too small",
    hint="Print the loss every 50 steps. How far does it get in 300?",
    caught_by=("held_out_loss",),
)
def learning_rate_too_small(seed, steps):
    return trained(seed, steps, rate=1e-4)


@mistake(
    replaces="train",
    title="The model is trained on one batch again and again",
    hint="It learns these sentences by heart. Where is a new batch drawn: before the loop or inside it?",
    caught_by=("held_out_loss",),
)
def one_batch(seed, steps):
    batch = next_batch(random.Random(seed))
    return trained(seed, steps, draw=lambda _: batch)


class BothWays(WordModel):
    """Reads from the right, too."""

    def __init__(self):
        super().__init__(39)
        self.gru = nn.GRU(32, 32, batch_first=True, bidirectional=True)


@mistake(
    replaces="train",
    title="The model sees the token that it is to predict",
    hint="A loss far below 2 is too good: nobody can know the next word so well. What does each position see in "
    "training?",
    caught_by=("writes_grammar", "held_out_loss", "seed"),
)
def sees_the_future(seed, steps):
    return trained(seed, steps, model=BothWays())


@mistake(
    replaces="train",
    title="The seed does not decide the sentences",
    hint="Draw a batch twice after the same seed. Which generator do its sentences come from?",
    caught_by=("seed",),
)
def seed_for_weights_only(seed, steps):
    return trained(seed, steps, draw=lambda _: next_batch(None))


@mistake(
    replaces="train",
    title="The seed does not decide the first weights",
    hint="torch draws them when the model is made. What was said about the seed before that?",
    caught_by=("seed",),
)
def seed_for_sentences_only(seed, steps):
    return trained(seed, steps, model=WordModel(39))


@mistake(
    replaces="train",
    title="The number of steps is fixed",
    hint="How long does your loop run when it is told to take three steps?",
    caught_by=("seed",),
)
def steps_ignored(seed, steps):  # noqa: ARG001 - the mistake
    return train(seed, 4)
