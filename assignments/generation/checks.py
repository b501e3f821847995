"""What students may see of how the generation assignment is graded. Shapes and letters are the handout's."""

import pytest
import torch

from grader.checks import check, close, drawn_from, equal, kind, lend, raises, rows_sum_to_one, several, shaped

ROWS = 4000  # of one batch with one prompt: as many samples in one call
# How often a right answer fails one of the six tests of a distribution. Together that is less than once in a million
# submissions.
RARELY = 1e-7
PAIRS = torch.tensor([[0, 3], [1, 0], [2, 4], [3, 1], [4, 2]])  # (B, T), a prompt for each last token


def follows(side, table, block_size=8):
    """A language model whose logits depend on the last token only: after token t they are row t of `table` (V, V)."""
    return lend(side, lambda idx: (table[idx], None), block_size=block_size)  # (B, T) -> (B, T, V)


def after(reference, table, *text):
    """How likely each token is behind the text (V,)."""
    return reference.next_token_distribution(table[torch.tensor([text])], 1.0)[0]


def added(idx, prompt, count):
    """The first `count` tokens (B, count) behind the prompt. One more, or no prompt: that is for test_length to say."""
    assert isinstance(idx, torch.Tensor), f"the text should be a tensor, not {kind(idx)}"
    B, T = prompt.shape
    rows = idx.dim() == 2 and len(idx) == B
    assert rows, f"the text has shape {tuple(idx.shape)}, and it should have one row for each of the {B} prompts"
    if idx[:, :T].equal(prompt):
        idx = idx[:, T:]
    assert idx.size(1) >= count, f"there are {idx.size(1)} new tokens where {count} or more are expected"
    return idx[:, :count]


# --- Task 1: the distribution


@check(points=0.5, hint="A softmax over the right dimension gives each row a sum of one, and no step comes after it.")
def test_distribution_form(student, logits):
    """The distribution has a probability for each token: none is negative, and each row sums to one."""
    probs = student.next_token_distribution(logits, 2.0)
    shaped(probs, logits.shape, "the distribution")
    rows_sum_to_one(probs, what="the probabilities")


@check(points=0.5, hint="Of logits (B, T, V) only those after the last token are about a token that is still to come.")
def test_last_position(student, text_logits):
    """Of logits (B, T, V) the last position counts, and nothing before it."""
    expected = student.next_token_distribution(text_logits[:, -1], 1.0)
    close(student.next_token_distribution(text_logits, 1.0), expected, "the distribution")


@check(points=1, hint="The logits are divided, before the softmax. Work the handout's example through by hand.")
@pytest.mark.parametrize("temperature", [1.0, 2.0, 0.5])
def test_temperature(student, reference, logits, temperature):
    """The temperature divides the logits."""
    expected = reference.next_token_distribution(logits, temperature)
    close(student.next_token_distribution(logits, temperature), expected, "the distribution")


@check(
    points=1, hint="What must a logit be, for the softmax to give it nothing and to share out all of it to the others?"
)
@pytest.mark.parametrize("top_k", [2, 3])
def test_top_k(student, reference, logits, top_k):
    """With top_k the k likeliest tokens share out all of the probability."""
    expected = reference.next_token_distribution(logits, 1.0, top_k)
    close(student.next_token_distribution(logits, 1.0, top_k), expected, "the distribution")


# --- Task 3: generate


@check(points=0.75, hint="Count: each turn of the loop appends one token, and the text starts as the prompt.")
def test_length(student, table):
    """generate returns the prompt with max_new_tokens tokens behind it."""
    prompt = torch.tensor([[2, 0, 1], [4, 4, 3]])  # (B, T)
    idx = student.generate(follows(student, table, block_size=4), prompt, 5)
    shaped(idx, (2, 3 + 5), "the text", dtype=torch.int64)
    equal(idx[:, :3], prompt, "the prompt at the start of the text")
    assert ((idx >= 0) & (idx < 5)).all(), "there are tokens that are not in the vocabulary"


@check(points=1, hint="The token with the largest probability; then the model is asked again, about the longer text.")
def test_argmax(student, reference, table):
    """Without do_sample each new token is the likeliest one after the token before it."""
    prompt = torch.tensor([[2], [4], [1]])
    expected = reference.generate(follows(reference, table), prompt, 4, do_sample=False)
    idx = student.generate(follows(student, table), prompt, 5, do_sample=False)
    equal(added(idx, prompt, 4), expected[:, 1:], "the text behind the prompt")


@check(points=1, hint="Each row draws its own token, and each step draws anew, from the distribution of that step.")
def test_samples(student, reference, table):
    """Tokens are drawn with the probabilities that the model gives them."""
    prompt = torch.tensor([[1, 2]]).repeat(ROWS, 1)
    first, second = added(student.generate(follows(student, table), prompt, 3), prompt, 2).unbind(dim=1)
    distribution = after(reference, table, 1, 2)  # (V,)
    drawn_from(first, distribution, "the first tokens drawn", false_alarm=RARELY)
    likely = int(distribution.argmax())
    drawn_from(
        second[first == likely],
        after(reference, table, 1, 2, likely),
        f"the tokens drawn after a {likely}",
        false_alarm=RARELY,
    )


@check(points=0.5, hint="Look at the temperature before anything else. An assert raises an AssertionError.")
def test_temperature_refused(student, table):
    """A temperature of zero or less is refused with a ValueError."""
    model, prompt = follows(student, table), torch.tensor([[2]])
    student.generate(model, prompt, 2, temperature=0.1)  # this one is fine
    for temperature in (0.0, -1.0):
        with raises(ValueError, f"a temperature of {temperature}"):
            student.generate(model, prompt, 2, temperature=temperature)


# --- Task 4: probabilities


@check(points=0.5, hint="One probability for each token of the text. Nobody chose the prompt: its tokens are certain.")
def test_probabilities_form(student, table):
    """generate_with_probabilities returns the text and a probability for each token, 1.0 in the prompt."""
    prompt = torch.tensor([[2, 0, 1], [4, 4, 3]])
    answer = student.generate_with_probabilities(follows(student, table), prompt, 4)
    idx, probs = several(answer, "the text", "the probabilities")
    shaped(idx, (2, 3 + 4), "the text", dtype=torch.int64)
    shaped(probs, (2, 3 + 4), "the tensor of probabilities")
    close(probs[:, :3], torch.ones(2, 3), "the part of the probabilities that belongs to the prompt")


@check(points=1.5, hint="A step has V probabilities. Which of them belongs to the token that you appended?")
def test_chosen(student, reference, table):
    """Each probability is the one with which that token was drawn."""
    prompt = PAIRS.repeat(4, 1)  # (B, T)
    answer = student.generate_with_probabilities(follows(student, table), prompt, 1)
    idx, probs = several(answer, "the text", "the probabilities")
    distribution = reference.next_token_distribution(table[prompt], 1.0)  # (B, V)
    close(probs[:, -1:], distribution.gather(1, idx[:, -1:]), "the column of the new tokens' probabilities")


# --- Task 5: alternatives


@check(points=0.5, hint="A row of k for each new token, and none for the prompt: nothing else could have stood there.")
def test_alternatives_form(student, table):
    """generate_with_alternatives returns the text, and k tokens and probabilities for each new token."""
    prompt = torch.tensor([[2, 0, 1], [4, 4, 3]])
    answer = student.generate_with_alternatives(follows(student, table), prompt, 4, k=2)
    idx, ids, probs = several(answer, "the text", "the alternatives", "their probabilities")
    shaped(idx, (2, 3 + 4), "the text", dtype=torch.int64)
    shaped(ids, (2, 4, 2), "the tensor of alternatives", dtype=torch.int64)
    shaped(probs, (2, 4, 2), "the tensor of their probabilities")


@check(points=1.5, hint="They come from the distribution that this very token was drawn from, before the text grows.")
def test_alternatives(student, reference, table):
    """The alternatives are the k likeliest tokens, the likeliest first, each with its probability."""
    answer = student.generate_with_alternatives(follows(student, table), PAIRS, 1, k=3)
    _, ids, probs = several(answer, "the text", "the alternatives", "their probabilities")
    likeliest = reference.next_token_distribution(table[PAIRS], 1.0)[:, None].sort(dim=-1, descending=True)  # (B, 1, V)
    close(probs[:, -1:], likeliest.values[..., :3], "the tensor of the alternatives' probabilities")
    equal(ids[:, -1:], likeliest.indices[..., :3], "the tensor of alternatives")
