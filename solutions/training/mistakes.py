"""Known mistakes of the training assignment, as replacements of the solution's names."""

import random
import unicodedata

import torch
from torch import nn
from torch.nn import functional as F
from training import END, PAD, START, Reader, Tokenizer, get_config, loss_of, pace, train

from grader.checks import mistake

FULL = ("held_out",)
QUICK = ("by_heart", "any_characters")  # a few pairs are not learned either
FEW_ANSWERS = (
    "answers",
    "by_heart",
    "any_characters",
    "same_seed",
    "alone",
    "asked_twice",
    "odd_sources",
    "two_models",
)

# --- the settings


@mistake(
    replaces="get_config",
    title="The learning rate is far too large",
    hint="The loss jumps about and never falls. Divide the learning rate by ten until it does.",
    caught_by=FULL,
)
def rate_too_large():
    return {**get_config(), "learning_rate": 1.0}


@mistake(
    replaces="get_config",
    title="The learning rate is far too small",
    hint="The loss falls, and so slowly that the steps are over before anything is learned. Try ten times as much.",
    caught_by=QUICK,
)
def rate_too_small():
    return {**get_config(), "learning_rate": 1e-5}


@mistake(
    replaces="get_config",
    title="The training stops long before the loss does",
    hint="Look at the end of the curve: a loss that is still falling has more to give.",
    caught_by=FULL,
)
def too_few_steps():
    return {**get_config(), "steps": 60}


@mistake(
    replaces="get_config",
    title="The model is larger than the budget allows",
    hint="Double the width, and a layer has four times as many parameters. Is it width that is missing?",
    caught_by=("budget",),
)
def too_wide():
    return {**get_config(), "width": 256}


@mistake(
    replaces="get_config",
    title='The number of steps has another name than "steps"',
    hint="The grader trains for a few steps where that is enough: it has to find the number.",
    caught_by=("config", "held_out"),
)
def steps_renamed():
    config = get_config()
    return {"updates": config.pop("steps"), **config}


# --- the tokenizer


@mistake(
    replaces="Tokenizer",
    title="Accents are taken off the letters",
    hint="In this language an accent alone may tell two digits apart, as in `ka` and `kà`.",
    caught_by=("any_characters",),
)
class AccentsDropped(Tokenizer):
    def encode(self, text):
        return super().encode("".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)))


@mistake(
    replaces="Tokenizer",
    title="Capitals become small letters",
    hint="Lower case is for tasks where a capital means nothing. Who says so here?",
    caught_by=("any_characters",),
)
class LowerCase(Tokenizer):
    def __init__(self, texts):
        super().__init__([text.lower() for text in texts])

    def encode(self, text):
        return super().encode(text.lower())


@mistake(
    replaces="Tokenizer",
    title="Characters that occur only once are left out of the vocabulary",
    hint="What is rare among all characters may still decide about a word. Which pairs can no longer be told apart?",
    caught_by=("any_characters",),
)
class RareDropped(Tokenizer):
    def __init__(self, texts):
        text = "".join(texts)
        super().__init__([character for character in text if text.count(character) > 1])


@mistake(
    replaces="Tokenizer",
    title="An id that was never seen in training raises an error",
    hint="A held-out source may hold a character that no training source has. Which id is there for it?",
    caught_by=("odd_sources",),
)
class UnknownRaises(Tokenizer):
    def encode(self, text):
        return [self.ids[character] for character in text] + [END]


# --- the loss


@mistake(
    replaces="loss_of",
    title="The writer is given the very id that it has to predict",
    hint="The loss falls to zero at once, because copying is all there is to learn. Which id may be known at place t?",
    caught_by=QUICK,
)
def not_shifted(model, sources, targets):
    return F.cross_entropy(model(sources, targets).transpose(1, 2), targets, ignore_index=PAD)


@mistake(
    replaces="loss_of",
    title="The end of the target is not part of the loss",
    hint="An end that costs nothing is never learned. Which ids are ignored?",
    caught_by=QUICK,
)
def end_ignored(model, sources, targets):
    written = F.pad(targets[:, :-1], (1, 0), value=START)
    wanted = targets.masked_fill(targets == END, PAD)
    return F.cross_entropy(model(sources, written).transpose(1, 2), wanted, ignore_index=PAD)


@mistake(
    replaces="loss_of",
    title="Padding counts in the loss",
    hint="Most places of a padded batch are padding. A loss that counts them falls by learning to predict padding.",
    caught_by=(*FULL, "any_characters"),
)
def padding_counted(model, sources, targets):
    targets = F.pad(targets, (0, 60 - targets.size(1)), value=PAD)  # all targets padded to one length
    written = F.pad(targets[:, :-1], (1, 0), value=START)
    return F.cross_entropy(model(sources, written).transpose(1, 2), targets)


# --- the loop


def trained(train_pairs, config, seed, batches, zero=True):
    """The solution's loop, with other batches: lists of places for each step."""
    torch.manual_seed(seed)
    sources, targets = zip(*train_pairs, strict=True)
    reading, writing = Tokenizer(sources), Tokenizer(targets)
    model = Reader(reading, writing, max(map(len, targets)) + 1, config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config["learning_rate"])
    for step in range(config["steps"]):
        optimizer.param_groups[0]["lr"] = config["learning_rate"] * pace(step, config["steps"])
        rows = [i % len(train_pairs) for i in batches(step, config["batch_size"])]
        if zero:
            optimizer.zero_grad()
        loss_of(model, reading.batch([sources[i] for i in rows]), writing.batch([targets[i] for i in rows])).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model


def drawn(step, size):  # noqa: ARG001 - a batch is drawn anew at each step
    return torch.randint(1 << 40, (size,)).tolist()


@mistake(
    replaces="train",
    title="The pairs are not shuffled: the small numbers always come first, the large ones last",
    hint="At the end the model remembers what it saw last. Print the first three batches.",
    caught_by=FULL,
)
def not_shuffled(train_pairs, config, seed):
    return trained(train_pairs, config, seed, lambda step, size: range(step * size, (step + 1) * size))


@mistake(
    replaces="train",
    title="Gradients are never set to zero, so that each step adds to the ones before",
    hint="`backward` adds to what is in `.grad`. What has to happen before it?",
    caught_by=FULL,
)
def gradients_add_up(train_pairs, config, seed):
    return trained(train_pairs, config, seed, drawn, zero=False)


@mistake(
    replaces="train",
    title="Only a part of the pairs is trained on",
    hint="The pairs come in order, the small numbers first. Which numbers are missing in a slice of them?",
    caught_by=FULL,
)
def part_of_the_pairs(train_pairs, config, seed):
    return train(train_pairs[: max(len(train_pairs) // 2, 40)], config, seed)


@mistake(
    replaces="train",
    title="The same batch is used at every step",
    hint="Where is the batch drawn: inside the loop, or once before it?",
    caught_by=FULL,
)
def one_batch(train_pairs, config, seed):
    return train(random.Random(seed).sample(train_pairs, min(len(train_pairs), config["batch_size"])), config, seed)


@mistake(
    replaces="train",
    title="The seed is not used",
    hint="What do the first weights depend on? Run the training twice and compare the first losses.",
    caught_by=("same_seed",),
)
def seed_not_used(train_pairs, config, seed):  # noqa: ARG001 - the mistake
    return train(train_pairs, config, random.getrandbits(40))


@mistake(
    replaces="train",
    title="A fixed seed takes the place of the one that is given",
    hint="`seed` is an argument. Which number does your generator start at?",
    caught_by=("other_seed",),
)
def fixed_seed(train_pairs, config, seed):  # noqa: ARG001 - the mistake
    return train(train_pairs, config, 42)


@mistake(
    replaces="train",
    title="The number of steps is a number in the code",
    hint="The argument `config` is there to be used. Whoever calls may want more steps, or fewer.",
    caught_by=("config_counts", *QUICK),
)
def steps_in_the_code(train_pairs, config, seed):
    return train(train_pairs, {**config, "steps": 12}, seed)


@mistake(
    replaces="train",
    title="The learning rate is a number in the code",
    hint="Look for numbers in your loop. Which of them stand in `config`?",
    caught_by=("config_counts",),
)
def rate_in_the_code(train_pairs, config, seed):
    return train(train_pairs, {**config, "learning_rate": 0.02}, seed)


@mistake(
    replaces="train",
    title="The pairs are shuffled in place",
    hint="`random.shuffle` changes the caller's list. `random.sample`, or shuffled places, leave it alone.",
    caught_by=("unchanged",),
)
def shuffled_in_place(train_pairs, config, seed):
    random.Random(seed).shuffle(train_pairs)
    return train(train_pairs, config, seed)


@mistake(
    replaces="train",
    title="Settings are taken out of the caller's config",
    hint="`pop` removes the key for everybody. `config[key]` only reads it.",
    caught_by=("unchanged",),
)
def config_popped(train_pairs, config, seed):
    model = train(train_pairs, config, seed)
    config.pop("steps")
    return model


@mistake(
    replaces="train",
    title="train returns the model together with something else",
    hint="One thing is asked for. Keep the losses in the model, or send them to `report`.",
    caught_by=("budget", "config_counts", "same_seed", "other_seed", *FEW_ANSWERS),
)
def model_and_losses(train_pairs, config, seed):
    return train(train_pairs, config, seed), [0.0]


# --- the layers


@mistake(
    replaces="Reader",
    title="The writer looks at padding, too",
    hint="What weight does a padded place get after the softmax? It should be none.",
    caught_by=("alone",),
)
class PaddingSeen(Reader):
    def look_back(self, states, memory, real):
        return super().look_back(states, memory, torch.ones_like(real))


@mistake(
    replaces="Reader",
    title="The writer starts from the state after the padding",
    hint="The last column belongs to the longest source of the batch. Where do the others end?",
    caught_by=("alone",),
)
class LastColumn(Reader):
    def read(self, sources):
        states, real, _ = super().read(sources)
        return states, real, states[:, -1]


@mistake(
    replaces="Reader",
    title="The writer does not look back at the source",
    hint="One vector has to hold the whole source. Task 2 lets the writer look at all the states.",
    caught_by=FULL,
)
class NoLookingBack(Reader):
    def look_back(self, states, memory, real):  # noqa: ARG002 - the mistake
        return torch.zeros_like(states)


@mistake(
    replaces="Reader",
    title="The vocabulary is a global one, and the next training overwrites it",
    hint="A model that answers needs the vocabulary it was trained with. Keep it in the model.",
    caught_by=("two_models",),
)
class GlobalVocabulary(Reader):
    newest = None

    def __init__(self, sources, targets, longest, config):
        super().__init__(sources, targets, longest, config)
        GlobalVocabulary.newest = targets

    def predict(self, sources):
        self.targets = GlobalVocabulary.newest
        return super().predict(sources)


# --- from the model to answers


@mistake(
    replaces="Reader",
    title="The model answers in training mode, with dropout",
    hint="Dropout goes on until somebody switches it off. Who does?",
    caught_by=("asked_twice", "alone", "two_models"),
)
class DropoutOn(Reader):
    def eval(self):
        return self


@mistake(
    replaces="Reader",
    title="The answer stops one character early",
    hint="Count the turns of your loop. How many characters does the longest target have?",
    caught_by=QUICK,
)
class OneShort(Reader):
    def predict(self, sources):
        self.longest -= 2
        try:
            return super().predict(sources)
        finally:
            self.longest += 2


@mistake(
    replaces="Reader",
    title="The last character of each answer is cut off",
    hint="The end token is not among the characters any more when you cut. What is at place -1?",
    caught_by=QUICK,
)
class LastCut(Reader):
    def predict(self, sources):
        return [answer[:-1] for answer in super().predict(sources)]


@mistake(
    replaces="Reader",
    title="The answers come in the order of the sources' lengths",
    hint="Sorting is fine inside. Each answer has to go back to the place of its source.",
    caught_by=(*QUICK, "alone"),
)
class Sorted(Reader):
    def predict(self, sources):
        return super().predict(sorted(sources, key=len))


@mistake(
    replaces="Reader",
    title="Answers are numbers, not strings",
    hint="A leading zero is lost, and nothing but digits can be written. Which line makes a number of an answer?",
    caught_by=("answers", "by_heart", "any_characters", "alone", "asked_twice", "odd_sources", "two_models"),
)
class Numbers(Reader):
    def predict(self, sources):
        return [int(answer or 0) for answer in super().predict(sources)]


@mistake(
    replaces="Reader",
    title="An empty list of sources raises an error",
    hint="A batch of no rows has no longest one. What should come back for no source?",
    caught_by=("odd_sources",),
)
class EmptyRaises(Reader):
    def predict(self, sources):
        longest = max(map(len, sources))
        return super().predict([source.ljust(longest, "\0").rstrip("\0") for source in sources])


@mistake(
    replaces="Reader",
    title="Sources that are longer than those of the training raise an error",
    hint="A table or a buffer has a last row. What happens to what lies behind it?",
    caught_by=("odd_sources", "alone"),
)
class LengthFixed(Reader):
    def read(self, sources):
        return super().read(sources + torch.zeros(40, dtype=torch.int64)[: sources.size(1)])
