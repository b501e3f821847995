"""Hidden checks of the masks assignment: other batches, other sizes, exact shapes."""

import pytest

from grader.checks import check, equal


@check(
    points=0.5,
    hint="A dimension of size 1 is still a dimension. Which call of yours removes it, or never adds it, for one text?",
)
def test_padding_one_text(student, reference, one_text):
    """Task 1: a batch of one text keeps its batch dimension, and a text of one token its two token dimensions."""
    n = int(one_text)
    equal(student.padding_mask(one_text, n), reference.padding_mask(one_text, n), "padding_mask", any_dtype=True)
    one_token = one_text // n  # (1,)
    equal(student.padding_mask(one_token, 1), reference.padding_mask(one_token, 1), "padding_mask", any_dtype=True)


@pytest.mark.parametrize("max_tokens", [12, 200])
@check(
    points=1,
    partial=True,
    hint="max_tokens alone decides how wide the mask is, also when every text is shorter; a text's own length decides "
    "what is hidden. No size is known in advance.",
)
def test_padding_wide(student, reference, mixed_texts, max_tokens):
    """Task 1: other texts, padded to more tokens than the longest of them has."""
    theirs = student.padding_mask(mixed_texts, max_tokens)
    equal(theirs, reference.padding_mask(mixed_texts, max_tokens), "padding_mask", any_dtype=True)


@pytest.mark.parametrize("max_tokens", [9, 260])
@check(points=1, partial=True, hint="The size comes from max_tokens and from nothing else.")
def test_causal_sizes(student, reference, max_tokens):
    """Task 2: the causal mask is right for other sizes, small and large."""
    equal(student.causal_mask(max_tokens), reference.causal_mask(max_tokens), "causal_mask", any_dtype=True)


@check(
    points=0.5,
    hint="Where every token is real the padding mask hides nothing. What is then left of the two questions?",
)
def test_decoder_without_padding(student, reference, full_texts):
    """Task 3: where nothing is padded every text gets the causal mask."""
    theirs = student.decoder_mask(full_texts, 8)
    equal(theirs, reference.decoder_mask(full_texts, 8), "decoder_mask", any_dtype=True)


@pytest.mark.parametrize("max_tokens", [13, 150])
@check(points=1, partial=True, hint="Try a batch of your own, padded to more tokens than its longest text has.")
def test_decoder_wide(student, reference, mixed_texts, max_tokens):
    """Task 3: other texts and other sizes, up to 150 tokens."""
    theirs = student.decoder_mask(mixed_texts, max_tokens)
    equal(theirs, reference.decoder_mask(mixed_texts, max_tokens), "decoder_mask", any_dtype=True)
