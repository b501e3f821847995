"""What students may see of how the training assignment is graded."""

import pytest

from grader.checks import check, equal, kind

BUDGET = 200_000  # parameters
# A language of one letter for each digit, for the checks that need no good model: short words make short trainings.
LETTERS = str.maketrans("0123456789", "oaáeéiíuúb")
SHORT = [(str(n * n).translate(LETTERS), str(n * n)) for n in range(1, 61)]  # 1 to 4 letters, the small numbers first


@pytest.fixture(name="fit")
def _fit(student):
    """Trains with the student's own settings, but for a few steps only: enough for a quick look."""
    config = student.get_config()
    return lambda pairs, seed=1, **changes: student.train(pairs, {**config, "steps": 3, **changes}, seed)


def answers(model, sources):
    """What the model answers, which has to be one string for each source."""
    found = model.predict(sources)
    assert isinstance(found, list | tuple), f"predict should return a list of strings, not {kind(found)}"
    equal(len(found), len(sources), f"the number of answers to {len(sources)} sources")
    for answer in found:
        assert isinstance(answer, str), f"each answer should be a string, and one of yours is {kind(answer)}"
    return list(found)


def account(found, wanted):
    """In words how the answers differ from the right ones: an example, and what most of the wrong ones are like."""
    wrong = [(answer, right) for answer, right in zip(found, wanted, strict=True) if answer != right]
    if not wrong:
        return "all of them"
    answer, right = wrong[len(wrong) // 2]
    example, most = f"for example {answer[:40]!r} where {right!r} is right", 0.7 * len(wrong)
    if len(set(found)) == 1:
        return f"all answers are {answer[:40]!r}"
    if sum(answer.startswith(right) for answer, right in wrong) > most:
        return f"{example}; most wrong answers begin with the right one, and do not end there"
    if sum(right.startswith(answer) for answer, right in wrong) > most:
        return f"{example}; most wrong answers are the beginning of the right one, and end too early"
    return example


@check(points=1, hint="A dict with at least these two keys, and whatever else your `train` reads from it.")
def test_config(student):
    """Task 1: get_config returns a dict with "steps" and "learning_rate"."""
    config = student.get_config()
    assert isinstance(config, dict), f"get_config should return a dict, not {kind(config)}"
    steps, rate = config.get("steps"), config.get("learning_rate")
    well = type(steps) is int and steps > 0
    assert well, f'"steps" should be a whole number above zero; yours is {kind(steps)}'
    well = type(rate) in (int, float) and rate > 0
    assert well, f'"learning_rate" should be a number above zero; yours is {kind(rate)}'


@check(points=1, hint="`train` returns the model and nothing else, and the model has a method `predict`.")
def test_answers(fit):
    """Task 4: predict returns a string for each source."""
    answers(fit(SHORT[:30]), [source for source, _ in SHORT[:5]])


@check(
    points=1.5,
    seconds=20,
    hint="A model that cannot learn eight pairs will not learn a language. Print what goes into the loss: the ids that "
    "the writer is given, and beside them the ids that it has to predict.",
)
def test_by_heart(fit, reference, few):
    """Tasks 3 and 4: after 150 steps the model knows eight pairs by heart."""
    language = reference.Language(1)
    sources, targets = [language.spell(number) for number in few.tolist()], [str(number) for number in few.tolist()]
    found = answers(fit(list(zip(sources, targets, strict=True)), steps=150), sources)
    right = sum(map(str.__eq__, found, targets))
    assert right >= 7, f"{right} of 8 answers are right: {account(found, targets)}"


@check(points=1, hint="Everything in `model.parameters()` counts. Half the width makes a quarter of a layer.")
def test_budget(fit, student, reference):
    """With your settings the model has at most 200,000 parameters."""
    model = fit(reference.Language(1).pairs(300, 1), steps=1)
    count = student.torch.nn.utils.parameters_to_vector(model.parameters()).numel()
    assert count <= BUDGET, f"the model has {count:,} parameters; {BUDGET:,} are allowed"
