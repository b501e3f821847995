"""Public checks of the masks assignment. `num_tokens` holds 3, 5, 1 and 4; `short_texts` holds 2, 4 and 1."""

import torch

from grader.checks import check, equal, kind


def tensor_of(result: object, name: str) -> torch.Tensor:
    """Return `result`, which has to be a tensor."""
    assert isinstance(result, torch.Tensor), (
        f"{name} returned no tensor but {kind(result)}; is there a return, and is the mask a torch.Tensor?"
    )
    return result


def table_of(result: object, name: str, rows: int, tokens: int) -> torch.Tensor:
    """Return the mask as (B, T, T) of False and True, spread along the dimensions it leaves to broadcasting."""
    mask = tensor_of(result, name)
    assert not mask.is_complex(), f"{name} returned complex numbers; a mask holds 0 and 1, or False and True"
    other = mask[(mask != 0) & (mask != 1)]
    assert other.numel() == 0, (
        f"{name} also holds {other[0].item():g}; a mask answers each question with 0 or 1, or False or True"
    )
    wanted = (rows, 1, tokens, tokens)
    pairs = zip(reversed(mask.shape), reversed(wanted), strict=False)
    fits = mask.ndim <= 4 and all(size in (1, full) for size, full in pairs)
    assert fits, f"{name} has shape {tuple(mask.shape)}, which no broadcasting turns into {wanted}"
    return (mask == 1).expand(wanted)[:, 0]  # (B, T, T)


@check(points=0.5, hint="Every text has its own table of T queries by T keys, and the heads, dimension 1, share it.")
def test_padding_shape(student, num_tokens):
    """Task 1: the padding mask has shape (B, 1, T, T)."""
    shape = tuple(tensor_of(student.padding_mask(num_tokens, 5), "padding_mask").shape)
    assert shape == (4, 1, 5, 5), f"4 texts padded to 5 tokens need shape (4, 1, 5, 5); yours is {shape}"


@check(
    points=1,
    hint="Number the keys 0, 1, 2, ... along the last dimension. With 3 real tokens, which of these numbers are real? "
    "Each text has its own number of tokens.",
)
def test_padding_values(student, reference, num_tokens):
    """Task 1: a real token sees the real tokens of its own text, and no padding."""
    theirs = table_of(student.padding_mask(num_tokens, 5), "padding_mask", 4, 5)
    ours = table_of(reference.padding_mask(num_tokens, 5), "padding_mask", 4, 5)
    for b, n in enumerate(num_tokens.tolist()):
        equal(theirs[b, :n], ours[b, :n], f"padding_mask[{b}, 0, :{n}] (a text of {n} tokens)")  # (n, T)


@check(
    points=1,
    hint="Softmax over a row without a single allowed key is 0 / 0, and one NaN spoils the whole loss. The mask hides "
    "keys, so it depends on j only; what a padded query computes is thrown away later anyway.",
)
def test_padding_every_query(student, short_texts):
    """Task 1: a padded query sees the same keys as a real one."""
    mask = table_of(student.padding_mask(short_texts, 7), "padding_mask", 3, 7)
    scores = torch.randn(3, 7, 7).masked_fill(~mask, float("-inf"))  # (B, T, T)
    for b, n in enumerate(short_texts.tolist()):
        assert not mask[b, :, -1].any(), f"in a text of {n} of 7 tokens some query sees the last key, which is padding"
        nan = scores[b].softmax(dim=-1).isnan().any(dim=-1).nonzero()  # (queries with NaN, 1)
        assert nan.numel() == 0, f"in a text of {n} of 7 tokens query {int(nan[0])} sees no key: its softmax is NaN"
        equal(mask[b, n:], mask[b, :1].expand(7 - n, 7), f"padding_mask[{b}, 0, {n}:] (padded queries)")


@check(points=0.5, hint="One table does for all texts and heads. Both are still dimensions, of size 1, even for T = 1.")
def test_causal_shape(student):
    """Task 2: the causal mask has shape (1, 1, T, T)."""
    for tokens in (5, 1):
        shape = tuple(tensor_of(student.causal_mask(tokens), "causal_mask").shape)
        assert shape == (1, 1, tokens, tokens), f"for T = {tokens} the shape is {shape}, not (1, 1, {tokens}, {tokens})"


@check(
    points=1,
    hint="Queries are rows, keys are columns. Draw the table for T = 3: the first query knows nothing of the tokens "
    "after it, the last query knows all that came before it.",
)
def test_causal_values(student, reference):
    """Task 2: a token sees every earlier token and no later one."""
    theirs = table_of(student.causal_mask(6), "causal_mask", 1, 6)
    ours = table_of(reference.causal_mask(6), "causal_mask", 1, 6)
    others = ~torch.eye(6, dtype=torch.bool)  # the next check looks at the diagonal
    equal(theirs & others, ours & others, "causal_mask without its diagonal")  # (1, T, T)


@check(points=0.5, needs=test_causal_values, hint="Which keys are left for the first token, if it may not see itself?")
def test_causal_diagonal(student):
    """Task 2: a token sees itself."""
    sees_itself = table_of(student.causal_mask(6), "causal_mask", 1, 6)[0].diagonal()  # (T,)
    equal(sees_itself, torch.ones(6, dtype=torch.bool), "the diagonal of causal_mask")


@check(
    points=0.5, hint="One of the two masks has a table per text, the other a single table: what do they broadcast to?"
)
def test_decoder_shape(student, reference, num_tokens):
    """Task 3: the decoder mask has shape (B, 1, T, T)."""
    shape = tuple(tensor_of(student.decoder_mask(num_tokens, 5), "decoder_mask").shape)
    wanted = tuple(reference.decoder_mask(num_tokens, 5).shape)
    assert shape == wanted, f"4 texts padded to 5 tokens need shape {wanted}; yours is {shape}"


@check(
    points=1,
    hint="A key must pass both questions: is it real, and is it no later than the query? Compare your result with the "
    "example drawn in the docstring.",
)
def test_decoder_values(student, reference, num_tokens):
    """Task 3: a token sees what is real and not later than itself."""
    theirs = table_of(student.decoder_mask(num_tokens, 6), "decoder_mask", 4, 6)
    ours = table_of(reference.decoder_mask(num_tokens, 6), "decoder_mask", 4, 6)
    equal(theirs, ours, "decoder_mask[:, 0]")  # (B, T, T)
