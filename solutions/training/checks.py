"""Hidden checks of the training assignment: students read their titles and hints, never what they compare."""

import pytest
import torch
from public_checks import SHORT, _fit, account, answers  # noqa: F401 - a fixture is used by its name

from grader.checks import check, curve, equal, leaves_unchanged, lend, tiers

LEVELS = (0.6, 0.7, 0.8, 0.9)
# Pairs that differ by one thing only. The targets are no numbers for Python: they begin with 0, or hold other signs.
ALIKE = [
    *(("kona", "007"), ("kóna", "07"), ("kôna", "70")),
    *(("Kona", "a b"), ("KONA", "A:b"), ("ko na", "-7")),
    *(("кона", "ж"), ("", "0")),
]


def weights(student, model):
    """All the parameters of the model, one behind the other."""
    return student.torch.nn.utils.parameters_to_vector(model.parameters())


# --- the tokenizer


@check(
    points=1,
    seconds=20,
    hint="Which characters occur is for the pairs to say, not for a list of yours: accents, capitals, blanks, and "
    "other alphabets, in sources and in targets. Turn a pair into ids and back, and compare.",
)
def test_any_characters(fit):
    """Every character of the pairs counts, in sources and in targets."""
    sources, targets = [source for source, _ in ALIKE], [target for _, target in ALIKE]
    found = answers(fit(ALIKE, steps=150), sources)
    right = sum(map(str.__eq__, found, targets))
    assert right >= len(ALIKE) - 1, f"{right} of {len(ALIKE)} answers are right: {account(found, targets)}"


# --- train


@check(
    points=1,
    partial=True,
    hint="`train` is given a config. Is there a place in it where a number stands, or where get_config is asked again?",
)
@pytest.mark.parametrize(("key", "other"), [("steps", 5), ("learning_rate", 0.0)])
def test_config_counts(student, fit, key, other):
    """The steps and the learning rate are those of the config that train is given."""
    usual, changed = (weights(student, fit(SHORT[:20], **change)) for change in ({}, {key: other}))
    assert not changed.equal(usual), f"with another number of {key!r} in config training ends in the same weights"


@check(
    points=1,
    hint="Weights, batches and dropout are drawn from random numbers. Each generator you use has to start at the seed.",
)
def test_same_seed(student, fit):
    """The same seed gives the same model."""
    one, two = (weights(student, fit(SHORT, seed=5)) for _ in range(2))
    equal(two, one, "the tensor of all weights after a second training")


@check(points=0.5, hint="The seed is an argument. Follow it: where does it go?")
def test_other_seed(student, fit):
    """Another seed gives another model."""
    same = weights(student, fit(SHORT, seed=6)).equal(weights(student, fit(SHORT, seed=5)))
    assert not same, "seeds 5 and 6 give the very same weights"


@check(
    points=1,
    hint="`shuffle`, `sort`, `pop` and `update` change the object itself, and it is the caller's. Make a copy first.",
)
def test_unchanged(student):
    """train leaves the pairs and the config as they were."""
    train = student.train
    leaves_unchanged(train, SHORT[:20], {**student.get_config(), "steps": 3}, 1)


# --- predict


@check(
    points=1,
    seconds=20,
    hint="In a batch the short sources are filled up. Who reads the filling: the reader's last state, attention?",
)
def test_alone(reference, fit):
    """A source gets the same answer alone as beside longer ones."""
    sources = [source for source, _ in reference.Language(1).pairs(12, 1)]
    model = fit(reference.Language(1).pairs(40, 2), steps=30)
    together = answers(model, [*sources, sources[-1] * 3])[:-1]
    alone = [answers(model, [source])[0] for source in sources]
    same = sum(map(str.__eq__, together, alone))
    # One may differ: where two characters are equally likely, rounding decides.
    assert same >= 11, f"{12 - same} of 12 sources get another answer when a longer one stands in the same list"


@check(points=0.5, hint="Dropout is for training. What switches it off, and has it happened before the first answer?")
def test_asked_twice(fit):
    """Asked twice, the model answers the same."""
    sources = [source for source, _ in SHORT]
    model = fit(SHORT, steps=10)
    equal(answers(model, sources), answers(model, sources), "the list of answers, asked a second time,")


@check(
    points=1,
    partial=True,
    hint="Nobody asks for a right answer here, only for one: a string for each source. Which line cannot do without a "
    "character, an id or a row?",
)
@pytest.mark.parametrize(
    "sources",
    [[], [""], ["§ ŵ 漢 \n"], ["oúba" * 60], ["", "oúba", "§"]],
    ids=["no source", "an empty one", "unknown characters", "a very long one", "all together"],
)
def test_odd_sources(fit, sources):
    """predict has an answer to sources unlike those of the training, too."""
    answers(fit(SHORT[:20], steps=1), sources)


@check(points=0.5, hint="What a model needs to answer belongs to the model. Is something kept in a global name?")
def test_two_models(fit):
    """A second training leaves the first model as it was."""
    sources = [source for source, _ in SHORT[:30]]
    model = fit(SHORT[:30])
    before = answers(model, sources)
    fit([(source[::-1].upper(), target + "#") for source, target in SHORT[30:]])
    equal(answers(model, sources), before, "the list of the first model's answers, after a second training,")


# --- the whole


@check(
    points=8,
    partial=True,
    hidden=False,
    seconds=40,
    hint="Does the loss fall, and is it still falling at the end? Try learning rates ten times apart, then three. When "
    "the training pairs are all right and new ones are not, look at the data: are all of the pairs used, in any order?",
)
def test_held_out(student, reference, secret):
    """Task 5: trained on 2000 pairs of a language it has not met, the model reads new numbers."""
    language = reference.Language(int(secret) + int(torch.randint(1 << 40, ())))
    pairs = language.pairs(2000, int(torch.randint(1 << 40, ())))
    told = lend(student, lambda step, loss: curve("training loss", float(step), float(loss)))
    model = student.train(pairs, {**student.get_config(), "report": told}, int(torch.randint(1 << 30, ())))
    new = language.pairs(400, int(torch.randint(1 << 40, ())), pairs)
    targets = [target for _, target in new]
    found = answers(model, [source for source, _ in new])
    right = sum(map(str.__eq__, found, targets))
    tiers(right / 400, LEVELS, f"the share of right answers to new numbers ({account(found, targets)})")
