"""The rest of how the generation assignment is graded: other settings, and what the prompt does not show."""

import pytest
import torch
from public_checks import RARELY, ROWS, added, follows

from grader.checks import check, close, drawn_from, equal, lend, no_gradient, same, several, shaped, sizes

ALL = ["generate", "generate_with_probabilities", "generate_with_alternatives"]


def text_of(answer):
    """The text, which is the only result of generate and the first one of the other two."""
    return answer[0] if isinstance(answer, (tuple, list)) and answer else answer


def drawn_with(reference, table, idx, new, temperature=1.0, top_k=None):
    """What each of the last `new` tokens of the texts idx (B, T) is chosen from, given all before it: (B, new, V)."""
    T = idx.size(1)
    logits = [table[idx[:, :t]] for t in range(T - new, T)]  # (B, t, V) each
    return torch.stack([reference.next_token_distribution(x, temperature, top_k) for x in logits], dim=1)


# --- Task 1: the distribution


@check(points=1, partial=True, hint="Neither B nor V is fixed, and `x /= 2` changes the tensor that was passed in.")
def test_other_sizes(student, reference):
    """The distribution is right for other sizes too, row by row, and the logits stay as they were."""
    for B, T, V in sizes(B=(1, 4), T=(1, 5), V=(3, 9)):
        logits = 0.7 * torch.rand(B, T, V).argsort(dim=-1) - 1.5  # (B, T, V), 0.7 apart: rounding decides nothing
        same(student.next_token_distribution, reference.next_token_distribution, logits, 0.6, 3, off=("gradients",))


@check(points=0.5, hint="How many tokens are there to keep when top_k is V, or more? And when it is one?")
def test_top_k_edges(student, reference, logits):
    """top_k may be one, and it may be as large as the vocabulary or larger."""
    for top_k in (1, 5, 20):
        expected = reference.next_token_distribution(logits, 1.0, top_k)
        close(student.next_token_distribution(logits, 1.0, top_k), expected, f"the distribution with top_k={top_k}")


@check(points=0.5, hint="e to the power of 100 is more than a float32 can hold. How does a stable softmax avoid it?")
def test_large_logits(student, reference, logits):
    """Large logits do not overflow."""
    expected = reference.next_token_distribution(100.0 * logits, 1.0)
    close(student.next_token_distribution(100.0 * logits, 1.0), expected, "the distribution")


# --- Task 3: generate


@check(points=1, partial=True, hint="The model is shown the end of the text: all that fits into block_size tokens.")
@pytest.mark.parametrize(("T", "new"), [(2, 4), (6, 6)], ids=["a text that fits", "a longer text"])
def test_whole_text(student, reference, T, new):
    """The model is shown the whole text so far, or as much of its end as it can read."""
    shown = []

    def logits_after(idx):
        """Sure of one token, which depends on every token shown and on its place."""
        shown.append(idx.size(1))
        place = torch.arange(1, idx.size(1) + 1)
        token = ((idx * place).cumsum(dim=1) + 1) % 7  # (B, T)
        return 50.0 * torch.nn.functional.one_hot(token, 7), None

    prompt = torch.randint(7, (3, T))
    idx = student.generate(lend(student, logits_after, block_size=7), prompt, new + 1, do_sample=False)
    assert max(shown, default=0) <= 7, f"the model can read 7 tokens, and it was shown {max(shown)}"
    expected = reference.generate(lend(reference, logits_after, block_size=7), prompt, new, do_sample=False)
    equal(added(idx, prompt, new), expected[:, T:], "the text behind the prompt")


@check(points=0.5, partial=True, hint="Tokens are drawn from the distribution of task 1, with all that was asked for.")
@pytest.mark.parametrize("settings", [{"temperature": 2.0}, {"top_k": 3}], ids=["temperature", "top_k"])
def test_settings(student, reference, table, settings):
    """Temperature and top_k change what generate draws."""
    prompt = torch.tensor([[4, 2]]).repeat(ROWS, 1)
    (first,) = added(student.generate(follows(student, table), prompt, 2, **settings), prompt, 1).unbind(dim=1)
    drawn_from(
        first,
        reference.next_token_distribution(table[prompt], **{"temperature": 1.0, **settings})[0],
        false_alarm=RARELY,
    )


@check(points=0.5, hint="model.train() and model.eval() change the caller's model. model.training says what it was.")
def test_mode(student, table):
    """The model is in the same mode afterwards."""
    model = follows(student, table)
    for training in (True, False):
        model.train(training)
        student.generate(model, torch.tensor([[2]]), 2)
        equal(model.training, training, "model.training, after the call,")


# --- Tasks 3 to 5: what all three have in common


@check(points=0.75, partial=True, hint="A loop that never runs: what do your results start as?")
@pytest.mark.parametrize("name", ALL)
def test_nothing_to_add(student, table, name):
    """With max_new_tokens=0 the prompt comes back."""
    prompt = torch.tensor([[2, 0], [4, 4], [1, 3]])
    answer = getattr(student, name)(follows(student, table), prompt, 0)
    equal(text_of(answer), prompt, "the text")
    if name == "generate_with_probabilities":
        close(several(answer, "the text", "the probabilities")[1], torch.ones(3, 2), "the tensor of probabilities")
    if name == "generate_with_alternatives":
        _, ids, probs = several(answer, "the text", "the alternatives", "their probabilities")
        shaped(ids, (3, 0, 6), "the tensor of alternatives", dtype=torch.int64)
        shaped(probs, (3, 0, 6), "the tensor of their probabilities")


@check(points=1.5, partial=True, hint="Every random number comes from the generator, none from a seed of your own.")
@pytest.mark.parametrize("name", ALL)
def test_generator(student, name):
    """The generator's state decides the tokens; without a generator they differ from call to call."""
    logits = torch.zeros(4, 16, 50)  # (B, T, V), all tokens are equally likely
    model = lend(student, lambda idx: (logits[: len(idx), : idx.size(1)], None), block_size=16)
    prompt = torch.zeros(4, 1, dtype=torch.int64)
    generator = student.torch.Generator()

    def draw(**settings):
        return added(text_of(getattr(student, name)(model, prompt, 5, **settings)), prompt, 4)

    generator.manual_seed(3)
    first, second = draw(generator=generator), draw(generator=generator)
    generator.manual_seed(3)
    equal(draw(generator=generator), first, "the text, from the same state of the generator,")
    assert not second.equal(first), "the second text is the first one: the generator has not moved on"
    assert not first.eq(first[:, :1]).all(), "each step draws the same: the generator is set back"
    assert not draw().equal(draw()), "without a generator two texts are the same, too"


@check(points=1, partial=True, hint="The same loop with the same arguments; only what is noted down is different.")
@pytest.mark.parametrize("name", ALL[1:])
def test_same_text(student, reference, table, name):
    """The text is the one that generate returns."""
    prompt = torch.tensor([[2, 0], [4, 4], [1, 3]])
    settings = {"max_new_tokens": 5, "do_sample": False}
    extra = {"k": 2} if name == "generate_with_alternatives" else {}
    idx = text_of(getattr(student, name)(follows(student, table, block_size=4), prompt, **settings, **extra))
    expected = reference.generate(follows(reference, table, block_size=4), prompt, **settings)
    if isinstance(idx, torch.Tensor) and not idx.equal(expected):  # what is wrong in generate, too, was paid for there
        expected = student.generate(follows(student, table, block_size=4), prompt, **settings)
    equal(idx, expected, "the text")


@check(points=0.5, partial=True, hint="Nobody calls backward on a text. Which block keeps torch from taking notes?")
@pytest.mark.parametrize("name", ALL[1:])
def test_no_history(student, table, name):
    """The probabilities carry no gradient history."""
    extra = {"k": 2} if name == "generate_with_alternatives" else {}
    no_gradient(getattr(student, name), follows(student, table), torch.tensor([[2], [4]]), 3, **extra)


# --- Task 4: probabilities


@check(
    points=0.5, hint="The distribution is there before the choice, however it is made. Does it give 1.0 to any token?"
)
def test_argmax_probabilities(student, reference, table):
    """Without do_sample, too, a probability is the one the token had before it was chosen."""
    prompt = torch.tensor([[1, 2], [0, 4], [3, 1], [2, 0]])
    answer = student.generate_with_probabilities(follows(student, table), prompt, 5, do_sample=False)
    idx, probs = several(answer, "the text", "the probabilities")
    distributions = drawn_with(reference, table, idx, 4)  # (B, 4, V)
    expected = distributions.gather(2, idx[:, -4:, None])[..., 0]
    close(probs[:, -4:], expected, "the tensor of the last four probabilities")


@check(points=0.5, hint="Tokens and probabilities come from one distribution: after temperature and top_k.")
def test_probabilities_settings(student, reference, table2):
    """Temperature and top_k change tokens and probabilities together."""
    prompt = torch.tensor([[1, 5]]).repeat(ROWS, 1)
    answer = student.generate_with_probabilities(follows(student, table2), prompt, 1, temperature=1.7, top_k=4)
    idx, probs = several(answer, "the text", "the probabilities")
    distribution = drawn_with(reference, table2, idx, 1, 1.7, 4)[:, 0]  # (B, V)
    close(probs[:, -1:], distribution.gather(1, idx[:, -1:]), "the column of the new tokens' probabilities")
    drawn_from(idx[:, -1], distribution[0], false_alarm=RARELY)


# --- Task 5: alternatives


def agrees_with(distributions, ids, probs, k):
    """Alternatives (B, new, k) of distributions (B, new, V). Those of equal probability may stand in any order."""
    likeliest = distributions.sort(dim=-1, descending=True).values[..., :k]
    close(probs, likeliest, f"the tensor of {k} alternatives' probabilities")
    close(distributions.gather(2, ids), likeliest, f"the tensor that says how likely your {k} alternatives are")


@check(points=0.5, hint="Any k up to V can be asked for; six is only what is meant when nothing is said.")
def test_how_many(student, reference, table2):
    """There are k alternatives, six when nothing is said, and V at most."""
    prompt = torch.tensor([[0, 2], [5, 4], [3, 1], [1, 6]])
    for settings, k in (({}, 6), ({"k": 1}, 1), ({"k": 7}, 7)):
        answer = student.generate_with_alternatives(follows(student, table2), prompt, 3, **settings)
        idx, ids, probs = several(answer, "the text", "the alternatives", "their probabilities")
        agrees_with(drawn_with(reference, table2, idx, 3), ids[:, -3:], probs[:, -3:], k)


@check(
    points=0.5, hint="top_k says which tokens may be drawn, k how many are shown. With k > top_k the last ones get 0."
)
def test_alternatives_settings(student, reference, table):
    """Temperature and top_k change tokens and alternatives together."""
    prompt = torch.tensor([[1, 2]]).repeat(ROWS, 1)
    answer = student.generate_with_alternatives(follows(student, table), prompt, 1, temperature=1.6, top_k=4, k=5)
    idx, ids, probs = several(answer, "the text", "the alternatives", "their probabilities")
    distributions = drawn_with(reference, table, idx, 1, 1.6, 4)  # (B, 1, V), one token is forbidden
    agrees_with(distributions, ids[:, -1:], probs[:, -1:], 5)
    drawn_from(idx[:, -1], distributions[0, 0], false_alarm=RARELY)
