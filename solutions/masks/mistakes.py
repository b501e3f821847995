"""Known mistakes of the masks assignment, as replacements of the solution's names."""

import torch
from masks import causal_mask, padding_mask

from grader.checks import mistake

# Task 1: the padding mask


@mistake(
    replaces="padding_mask",
    title="Padded queries are hidden as well, not only padded keys",
    hint="The mask depends on the key j alone. A query that may look at nothing turns into NaN in the softmax.",
    caught_by=("padding_every_query", "padding_wide"),
)
def queries_hidden_too(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    real = torch.arange(max_tokens) < num_tokens[:, None]  # (B, T)
    return (real[:, :, None] & real[:, None, :])[:, None]  # (B, 1, T, T)


@mistake(
    replaces="padding_mask",
    title="One key too many is seen: the first padded one",
    hint="Keys are counted from 0. Which number does the last of three real tokens carry?",
    caught_by=("padding_values", "padding_wide"),
)
def one_key_too_many(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    seen = torch.arange(max_tokens) <= num_tokens[:, None]  # (B, T)
    return seen[:, None, None, :].expand(-1, -1, max_tokens, -1)


@mistake(
    replaces="padding_mask",
    title="One key too few is seen: the last real one is hidden",
    hint="Keys are counted from 0. Which number does the last of three real tokens carry?",
    caught_by=("padding_values", "padding_every_query", "padding_one_text", "padding_wide"),
)
def one_key_too_few(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    seen = torch.arange(max_tokens) < num_tokens[:, None] - 1  # (B, T)
    return seen[:, None, None, :].expand(-1, -1, max_tokens, -1)


@mistake(
    replaces="padding_mask",
    title="Queries and keys are swapped: rows of the table are hidden instead of columns",
    hint="The key is the last dimension. Print the mask of one text and compare it with the example in the docstring.",
    caught_by=("padding_values", "padding_every_query", "padding_wide"),
)
def padding_transposed(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    return padding_mask(num_tokens, max_tokens).transpose(-1, -2)


@mistake(
    replaces="padding_mask",
    title="The longest text's length is used for every text",
    hint="num_tokens has one length per text. Where do you keep them apart, where do you take their maximum?",
    caught_by=("padding_values", "padding_wide"),
)
def longest_for_all(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    return padding_mask(num_tokens.max().expand_as(num_tokens), max_tokens)


@mistake(
    replaces="padding_mask",
    title="The first text's length is used for every text",
    hint="num_tokens has one length per text; a mask of one text cannot be repeated for the others.",
    caught_by=("padding_values", "padding_wide"),
)
def first_for_all(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    return padding_mask(num_tokens[:1].expand_as(num_tokens), max_tokens)


@mistake(
    replaces="padding_mask",
    title="The mask has no query dimension: (B, 1, 1, T) instead of (B, 1, T, T)",
    hint="It would broadcast inside attention, but the task asks for the whole table: repeat the keys for each query.",
    caught_by=("padding_shape", "padding_one_text", "padding_wide"),
)
def no_query_dimension(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    return padding_mask(num_tokens, max_tokens)[:, :, :1]  # (B, 1, 1, T)


@mistake(
    replaces="padding_mask",
    title="The mask has no head dimension: (B, T, T) instead of (B, 1, T, T)",
    hint="Broadcasting lines shapes up from the right, so B would be taken for the heads. Dimension 1 keeps its place.",
    caught_by=(
        "padding_shape",
        "padding_values",
        "padding_every_query",
        "padding_one_text",
        "padding_wide",
        "decoder_without_padding",
    ),
)
def no_head_dimension(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    return padding_mask(num_tokens, max_tokens)[:, 0]  # (B, T, T)


@mistake(
    replaces="padding_mask",
    title="The batch dimension is dropped when there is one text",
    hint="squeeze() removes every dimension of size 1, also the batch's. Name the dimension, or do not squeeze at all.",
    caught_by=("padding_one_text",),
)
def batch_dropped(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    mask = padding_mask(num_tokens, max_tokens)
    return mask if len(num_tokens) > 1 else mask[0]


@mistake(
    replaces="padding_mask",
    title="The mask is as wide as the longest text, not max_tokens wide",
    hint="max_tokens is an argument because the rectangle may be wider than its longest text.",
    caught_by=("padding_every_query", "padding_wide", "decoder_values", "decoder_wide"),
)
def as_wide_as_the_longest(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:  # noqa: ARG001 - the mistake
    return padding_mask(num_tokens, int(num_tokens.max()))


@mistake(
    replaces="padding_mask",
    title="The mask has a fixed width, whatever max_tokens is",
    hint="No size is known when the function is written. Build the table from max_tokens.",
    caught_by=(
        "padding_shape",
        "padding_values",
        "padding_every_query",
        "padding_one_text",
        "padding_wide",
        "decoder_shape",
        "decoder_values",
        "decoder_without_padding",
        "decoder_wide",
    ),
)
def padding_fixed_width(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:  # noqa: ARG001 - the mistake
    return padding_mask(num_tokens, 128)


@mistake(
    replaces="padding_mask",
    title="The mask is inverted: 1 stands where padding is",
    hint="Here 1 means 'may attend'. Some library classes take the opposite, a mask of what is to be ignored.",
    caught_by=("padding_values", "padding_every_query", "padding_one_text", "padding_wide", "decoder_without_padding"),
)
def padding_inverted(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    return ~padding_mask(num_tokens, max_tokens)


@mistake(
    replaces="padding_mask",
    title="The mask is made for adding to scores: 0 and -inf instead of 1 and 0",
    hint="A mask says yes or no. Turning a no into -inf is the attention layer's own work.",
    caught_by=("padding_values", "padding_every_query", "padding_one_text", "padding_wide", "decoder_without_padding"),
)
def padding_additive(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    mask = padding_mask(num_tokens, max_tokens)
    return torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))


@mistake(
    replaces="padding_mask",
    title="The padding is expected in front of the text, not behind it",
    hint="The real tokens come first: row b has them at 0, 1, ..., num_tokens[b] - 1.",
    caught_by=("padding_values", "padding_every_query", "padding_wide"),
)
def padding_in_front(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    return padding_mask(num_tokens, max_tokens).flip(-1)


# Task 2: the causal mask


@mistake(
    replaces="causal_mask",
    title="A token does not see itself",
    hint="'No later than' includes the token's own position. Without it the first token sees nothing: NaN.",
    caught_by=("causal_diagonal", "causal_sizes"),
)
def strict_triangle(max_tokens: int) -> torch.Tensor:
    return torch.ones(1, 1, max_tokens, max_tokens, dtype=torch.bool).tril(-1)


@mistake(
    replaces="causal_mask",
    title="The triangle is transposed: a token sees itself and what comes after it",
    hint="Queries are rows, keys are columns. The first row belongs to the first token, which sees only itself.",
    caught_by=("causal_values", "causal_sizes"),
)
def causal_transposed(max_tokens: int) -> torch.Tensor:
    return causal_mask(max_tokens).transpose(-1, -2)


@mistake(
    replaces="causal_mask",
    title="The mask is inverted: the upper triangle, 1 where a token must not look",
    hint="Here 1 means 'may attend'. Some library classes take the opposite, a mask of what is to be ignored.",
    caught_by=("causal_values", "causal_sizes"),
)
def upper_triangle(max_tokens: int) -> torch.Tensor:
    return ~causal_mask(max_tokens)


@mistake(
    replaces="causal_mask",
    title="A token sees the next one",
    hint="The very token that is to be predicted is in sight. Look at the second argument of tril, or at your <=.",
    caught_by=("causal_values", "causal_sizes"),
)
def next_token_seen(max_tokens: int) -> torch.Tensor:
    return torch.ones(1, 1, max_tokens, max_tokens, dtype=torch.bool).tril(1)


@mistake(
    replaces="causal_mask",
    title="A token sees nothing but itself",
    hint="Earlier tokens are in sight too: the last token sees all of them.",
    caught_by=("causal_values", "causal_sizes"),
)
def only_itself(max_tokens: int) -> torch.Tensor:
    return torch.eye(max_tokens, dtype=torch.bool)[None, None]


@mistake(
    replaces="causal_mask",
    title="The mask is (T, T), without the batch and head dimensions",
    hint="Both have size 1 and make room for broadcasting: (1, 1, T, T).",
    caught_by=("causal_shape", "causal_sizes"),
)
def bare_table(max_tokens: int) -> torch.Tensor:
    return causal_mask(max_tokens)[0, 0]  # (T, T)


@mistake(
    replaces="causal_mask",
    title="The mask is cut from a table of fixed size, so longer texts get too small a mask",
    hint="No size is known when the function is written. Build the table from max_tokens.",
    caught_by=("causal_sizes", "decoder_wide"),
)
def causal_fixed_size(max_tokens: int) -> torch.Tensor:
    return causal_mask(128)[:, :, :max_tokens, :max_tokens]


@mistake(
    replaces="causal_mask",
    title="The mask is made for adding to scores: 0 and -inf instead of 1 and 0",
    hint="A mask says yes or no. Turning a no into -inf is the attention layer's own work.",
    caught_by=("causal_values", "causal_sizes"),
)
def causal_additive(max_tokens: int) -> torch.Tensor:
    return torch.full((1, 1, max_tokens, max_tokens), float("-inf")).triu(1)


# Task 3: the decoder mask


@mistake(
    replaces="decoder_mask",
    title="A key is seen when it passes either mask, not only when it passes both",
    hint="'Real and no later' are two conditions on the same key. Which operator is true only if both are?",
    caught_by=("decoder_values", "decoder_without_padding", "decoder_wide"),
)
def either_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    return padding_mask(num_tokens, max_tokens) | causal_mask(max_tokens)


@mistake(
    replaces="decoder_mask",
    title="The two masks are added, which gives 2 where both say yes",
    hint="A mask holds 0 and 1. 1 + 0 is 1 although one of the two masks said no; which operation gives 0 there?",
    caught_by=("decoder_values", "decoder_without_padding", "decoder_wide"),
)
def masks_added(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    return padding_mask(num_tokens, max_tokens).int() + causal_mask(max_tokens).int()


@mistake(
    replaces="decoder_mask",
    title="The padding is forgotten: only later tokens are hidden",
    hint="A padded query still has earlier padded keys in sight. num_tokens has to enter the result.",
    caught_by=("decoder_values", "decoder_wide"),
)
def padding_forgotten(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    return causal_mask(max_tokens).expand(len(num_tokens), 1, max_tokens, max_tokens)


@mistake(
    replaces="decoder_mask",
    title="The order is forgotten: only padding is hidden",
    hint="A decoder must not see the token it is to predict. The causal mask has to enter the result.",
    caught_by=("decoder_values", "decoder_without_padding", "decoder_wide"),
)
def order_forgotten(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    return padding_mask(num_tokens, max_tokens)


@mistake(
    replaces="decoder_mask",
    title="Only the longest text's padding is hidden, the same for all texts",
    hint="num_tokens has one length per text, and so has the decoder mask a table per text.",
    caught_by=("decoder_shape", "decoder_values", "decoder_without_padding", "decoder_wide"),
)
def decoder_one_table_for_all(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    return padding_mask(num_tokens.max()[None], max_tokens) & causal_mask(max_tokens)  # (1, 1, T, T)


@mistake(
    replaces="decoder_mask",
    title="Padded queries see nothing in the decoder mask",
    hint="Hiding padded queries gives rows without a single allowed key, and their softmax is NaN. Hide keys only.",
    caught_by=("decoder_values", "decoder_wide"),
)
def decoder_queries_hidden_too(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    both = padding_mask(num_tokens, max_tokens) & causal_mask(max_tokens)
    return both & padding_mask(num_tokens, max_tokens).transpose(-1, -2)


@mistake(
    replaces="decoder_mask",
    title="The decoder mask is as wide as the longest text, not max_tokens wide",
    hint="max_tokens is an argument because the rectangle may be wider than its longest text.",
    caught_by=("decoder_values", "decoder_wide"),
)
def decoder_as_wide_as_the_longest(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:  # noqa: ARG001 - the mistake
    longest = int(num_tokens.max())
    return padding_mask(num_tokens, longest) & causal_mask(longest)
