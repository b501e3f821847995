"""Known mistakes of the generation assignment, as replacements of the solution's names."""

import torch
from generation import (
    generate,
    generate_with_alternatives,
    generate_with_probabilities,
    next_token,
    next_token_distribution,
)

from grader.checks import mistake

# --- the distribution: temperature and softmax

TASK_1 = ("distribution_form", "temperature", "top_k", "other_sizes", "top_k_edges", "large_logits")


def last(logits):
    """The logits (B, V) that count."""
    return logits[:, -1] if logits.dim() == 3 else logits


def kept(logits, top_k):
    """The solution's top-k, on logits (B, V)."""
    if top_k is not None and top_k < logits.size(-1):
        logits = logits.masked_fill(logits < logits.topk(top_k).values[:, -1:], float("-inf"))
    return logits


@mistake(
    replaces="next_token_distribution",
    title="The logits are multiplied by the temperature",
    hint="A low temperature should make the model surer of itself. Do your likeliest tokens become likelier?",
    caught_by=("temperature", "other_sizes"),
)
def temperature_multiplied(logits, temperature, top_k=None):
    return kept(last(logits) * temperature, top_k).softmax(dim=-1)


@mistake(
    replaces="next_token_distribution",
    title="The temperature is not used",
    hint="Find the line in which the temperature changes a number.",
    caught_by=("temperature", "other_sizes"),
)
def temperature_ignored(logits, temperature, top_k=None):  # noqa: ARG001 - the mistake
    return kept(last(logits), top_k).softmax(dim=-1)


@mistake(
    replaces="next_token_distribution",
    title="The probabilities are divided by the temperature instead of the logits",
    hint="Sum a row of your distribution at a temperature of 2.",
    caught_by=("distribution_form", "temperature", "other_sizes"),
)
def probabilities_divided(logits, temperature, top_k=None):
    return kept(last(logits), top_k).softmax(dim=-1) / temperature


@mistake(
    replaces="next_token_distribution",
    title="The softmax is over the rows of the batch",
    hint="Sum your distribution along each dimension. Which of the sums is one, and which should be?",
    caught_by=(
        *TASK_1,
        "settings",
    ),
)
def softmax_over_batch(logits, temperature, top_k=None):
    return kept(last(logits) / temperature, top_k).softmax(dim=0).nan_to_num()


@mistake(
    replaces="next_token_distribution",
    title="The softmax is over the positions of the text",
    hint="(B, T, V): which of the three dimensions lists the tokens that may come next?",
    caught_by=("last_position", "other_sizes"),
)
def softmax_over_time(logits, temperature, top_k=None):
    if logits.dim() == 2:
        return next_token_distribution(logits, temperature, top_k)
    scaled = logits / temperature
    if top_k is not None:
        scaled = scaled.masked_fill(scaled < scaled.topk(min(top_k, scaled.size(-1))).values[..., -1:], -1e9)
    return scaled.softmax(dim=1)[:, -1]


@mistake(
    replaces="next_token_distribution",
    title="The logits of the first position count instead of those of the last",
    hint="The logits at position t are about token t + 1. Which token is it that you want?",
    caught_by=("last_position", "other_sizes"),
)
def first_position(logits, temperature, top_k=None):
    return next_token_distribution(logits[:, 0] if logits.dim() == 3 else logits, temperature, top_k)


BREAKS = (  # from what is no distribution torch.multinomial does not draw, and nothing that samples works
    "length",
    "samples",
    "temperature_refused",
    "settings",
    "mode",
    "generator",
    "probabilities_form",
    "chosen",
    "probabilities_settings",
    "alternatives_form",
    "alternatives",
    "how_many",
    "alternatives_settings",
    "no_history",
)


@mistake(
    replaces="next_token_distribution",
    title="Logits are returned where probabilities are asked for",
    hint="Can a probability be negative?",
    caught_by=(*TASK_1, *BREAKS),
)
def logits_returned(logits, temperature, top_k=None):
    return kept(last(logits) / temperature, top_k)


@mistake(
    replaces="next_token_distribution",
    title="The probabilities of all rows together sum to one",
    hint="Each row of the batch is a text of its own. Along which dimension does your sum go?",
    caught_by=TASK_1,
)
def normalised_over_everything(logits, temperature, top_k=None):
    logits = kept(last(logits) / temperature, top_k)
    e = (logits - logits.max()).exp()
    return e / e.sum()


@mistake(
    replaces="next_token_distribution",
    title="The softmax overflows when logits are large",
    hint="A softmax stays the same when one number is taken from all logits. Which number keeps e^x small?",
    caught_by=("large_logits",),
)
def softmax_overflows(logits, temperature, top_k=None):
    e = kept(last(logits) / temperature, top_k).exp()
    return e / e.sum(dim=-1, keepdim=True)


@mistake(
    replaces="next_token_distribution",
    title="The logits are divided in place, so the caller's tensor changes",
    hint="`x /= 2` changes the tensor that was passed in, and so does `x[:, -1] /= 2`; `x = x / 2` makes a new one.",
    caught_by=("other_sizes",),
)
def logits_changed(logits, temperature, top_k=None):
    logits = last(logits)
    logits /= temperature
    return kept(logits, top_k).softmax(dim=-1)


# --- the distribution: top-k


@mistake(
    replaces="next_token_distribution",
    title="top_k is not used",
    hint="How many probabilities are above zero, and how many should be?",
    caught_by=("top_k", "other_sizes", "top_k_edges"),
)
def top_k_ignored(logits, temperature, top_k=None):  # noqa: ARG001 - the mistake
    return (last(logits) / temperature).softmax(dim=-1)


@mistake(
    replaces="next_token_distribution",
    title="Top-k keeps the k least likely tokens",
    hint="Which tokens are left: those above the line, or those below it?",
    caught_by=("top_k", "other_sizes", "top_k_edges"),
)
def top_k_smallest(logits, temperature, top_k=None):
    logits = last(logits) / temperature
    if top_k is not None and top_k < logits.size(-1):
        limit = logits.topk(top_k, largest=False).values[:, -1:]
        logits = logits.masked_fill(logits > limit, float("-inf"))
    return logits.softmax(dim=-1)


@mistake(
    replaces="next_token_distribution",
    title="After top-k the probabilities are not renormalised",
    hint="The softmax has already given something to the tokens you drop. Who gets it once they are gone?",
    caught_by=("top_k", "other_sizes", "top_k_edges"),
)
def top_k_not_renormalised(logits, temperature, top_k=None):
    probs = (last(logits) / temperature).softmax(dim=-1)
    if top_k is not None and top_k < probs.size(-1):
        probs = probs * (probs >= probs.topk(top_k).values[:, -1:])
    return probs


@mistake(
    replaces="next_token_distribution",
    title="The logits of dropped tokens are set to 0",
    hint="e^0 is not 0. Which logit does the softmax turn into no probability?",
    caught_by=("top_k", "other_sizes", "top_k_edges"),
)
def top_k_filled_with_zero(logits, temperature, top_k=None):
    logits = last(logits) / temperature
    if top_k is not None and top_k < logits.size(-1):
        logits = logits * (logits >= logits.topk(top_k).values[:, -1:])
    return logits.softmax(dim=-1)


@mistake(
    replaces="next_token_distribution",
    title="The top k are sought among all rows of the batch together",
    hint="Each row has its own k likeliest tokens. How many does your top-k leave in each row?",
    caught_by=("top_k", "other_sizes", "top_k_edges"),
)
def top_k_of_the_batch(logits, temperature, top_k=None):
    logits = last(logits) / temperature
    if top_k is not None and top_k < logits.size(-1):
        limit = logits.flatten().topk(top_k).values[-1]
        logits = logits.masked_fill(logits < limit, -1e9)
    return logits.softmax(dim=-1)


@mistake(
    replaces="next_token_distribution",
    title="Top-k keeps one token too few",
    hint="Is the k-th likeliest token kept? Look at what you compare: < or <=.",
    caught_by=("top_k", "other_sizes", "top_k_edges"),
)
def top_k_one_too_few(logits, temperature, top_k=None):
    logits = last(logits) / temperature
    if top_k is not None and top_k < logits.size(-1):
        logits = logits.masked_fill(logits <= logits.topk(top_k).values[:, -1:], -1e9)
    return logits.softmax(dim=-1)


@mistake(
    replaces="next_token_distribution",
    title="Top-k keeps one token too many",
    hint="Sorted from the largest, the k-th value has the index k - 1.",
    caught_by=("top_k", "other_sizes", "top_k_edges"),
)
def top_k_one_too_many(logits, temperature, top_k=None):
    return next_token_distribution(logits, temperature, None if top_k is None else top_k + 1)


@mistake(
    replaces="next_token_distribution",
    title="Top-k returns k probabilities, and which tokens they belong to is lost",
    hint="The distribution has V probabilities, whatever top_k says. topk also returns indices.",
    caught_by=("top_k", "other_sizes", "top_k_edges", "alternatives_settings"),
)
def top_k_compressed(logits, temperature, top_k=None):
    logits = last(logits) / temperature
    if top_k is not None:
        logits = logits.topk(min(top_k, logits.size(-1))).values
    return logits.softmax(dim=-1)


@mistake(
    replaces="next_token_distribution",
    title="A top_k larger than the vocabulary is an error",
    hint="There are only V tokens to keep: what is the smaller of the two numbers?",
    caught_by=("top_k_edges",),
)
def top_k_too_large(logits, temperature, top_k=None):
    logits = last(logits) / temperature
    if top_k is not None:
        logits = logits.masked_fill(logits < logits.topk(top_k).values[:, -1:], float("-inf"))
    return logits.softmax(dim=-1)


# --- one step: what the model is shown


def checked(temperature):
    if temperature <= 0:
        raise ValueError(temperature)
    return temperature


def chosen_from(distribution, do_sample, generator):
    """The rest of the solution's step, from the distribution (B, V) on."""
    if do_sample:
        return torch.multinomial(distribution, 1, generator=generator), distribution
    return distribution.argmax(dim=-1, keepdim=True), distribution


@mistake(
    replaces="next_token",
    title="The text is not cropped to block_size",
    hint="A text grows with each token. How much of it can the model read at once?",
    caught_by=("whole_text",),
)
def not_cropped(model, idx, temperature, do_sample, top_k, generator):
    with torch.no_grad():
        logits, _ = model(idx)
    return chosen_from(next_token_distribution(logits, checked(temperature), top_k), do_sample, generator)


@mistake(
    replaces="next_token",
    title="The text is cropped to its first tokens instead of its last",
    hint="Once the text is longer than block_size: does the model still see what it has just written?",
    caught_by=("whole_text",),
)
def cropped_to_the_start(model, idx, temperature, do_sample, top_k, generator):
    return next_token(model, idx[:, : model.block_size], temperature, do_sample, top_k, generator)


@mistake(
    replaces="next_token",
    title="The text is cropped to one token less than the model can read",
    hint="How many tokens does x[:, -3:] hold? And x[:, -3 + 1:]?",
    caught_by=("whole_text",),
)
def cropped_too_short(model, idx, temperature, do_sample, top_k, generator):
    return next_token(model, idx[:, -model.block_size + 1 :], temperature, do_sample, top_k, generator)


@mistake(
    replaces="next_token",
    title="The model is shown the last token only",
    hint="What comes after “of” depends on what stood before it. What do you pass to the model?",
    caught_by=("whole_text",),
)
def last_token_only(model, idx, temperature, do_sample, top_k, generator):
    return next_token(model, idx[:, -1:], temperature, do_sample, top_k, generator)


# --- one step: how the token is chosen

SAMPLED = ("samples", "settings", "probabilities_settings", "alternatives_settings")


@mistake(
    replaces="next_token",
    title="The likeliest token is always taken, with do_sample=True as well",
    hint="Call it twice with the same prompt. Should the two texts be the same?",
    caught_by=(*SAMPLED, "generator"),
)
def always_argmax(model, idx, temperature, do_sample, top_k, generator):  # noqa: ARG001 - the mistake
    return next_token(model, idx, temperature, False, top_k, generator)


@mistake(
    replaces="next_token",
    title="Tokens are always drawn, with do_sample=False as well",
    hint="Call it twice with do_sample=False. Should the two texts differ?",
    caught_by=("argmax", "same_text"),
)
def always_sampling(model, idx, temperature, do_sample, top_k, generator):  # noqa: ARG001 - the mistake
    return next_token(model, idx, temperature, True, top_k, generator)


@mistake(
    replaces="next_token",
    title="Tokens are drawn from the softmax of the raw logits",
    hint="You have computed the distribution with temperature and top_k. Is it the one you draw from?",
    caught_by=("settings", "probabilities_settings", "alternatives_settings"),
)
def drawn_from_raw_logits(model, idx, temperature, do_sample, top_k, generator):
    _, distribution = next_token(model, idx, temperature, False, top_k, None)
    token, _ = next_token(model, idx, 1.0, do_sample, None, generator)
    return token, distribution


@mistake(
    replaces="next_token",
    title="All tokens are drawn with equal chances",
    hint="The distribution says how likely each token is. Where does it enter when you draw?",
    caught_by=SAMPLED,
)
def drawn_uniformly(model, idx, temperature, do_sample, top_k, generator):
    token, distribution = next_token(model, idx, temperature, do_sample, top_k, generator)
    return chosen_from((distribution > 0).float(), True, generator)[0] if do_sample else token, distribution


@mistake(
    replaces="next_token",
    title="One random number decides for all rows of the batch",
    hint="Two rows with the same prompt may go on in different ways. How many random numbers do you draw?",
    caught_by=SAMPLED,
)
def one_draw_for_all_rows(model, idx, temperature, do_sample, top_k, generator):
    token, distribution = next_token(model, idx, temperature, do_sample, top_k, generator)
    if do_sample:
        number = torch.rand(1, generator=generator)
        token = (distribution.cumsum(dim=-1) < number).sum(dim=-1, keepdim=True).clamp_max(distribution.size(-1) - 1)
    return token, distribution


@mistake(
    replaces="next_token",
    title="The generator is not used",
    hint="Which call is it that draws, and does it know of your generator?",
    caught_by=("generator",),
)
def generator_ignored(model, idx, temperature, do_sample, top_k, generator):  # noqa: ARG001 - the mistake
    return next_token(model, idx, temperature, do_sample, top_k, None)


@mistake(
    replaces="next_token",
    title="The generator is set back to its seed before each token",
    hint="A generator moves on with each number it gives. What happens when each step starts it anew?",
    caught_by=("generator",),
)
def generator_set_back(model, idx, temperature, do_sample, top_k, generator):
    if generator is not None:
        generator.manual_seed(generator.initial_seed())
    return next_token(model, idx, temperature, do_sample, top_k, generator)


@mistake(
    replaces="next_token",
    title="A temperature of zero or less is not refused",
    hint="What is a logit divided by 0, and what by -1? Say no before it comes to that.",
    caught_by=("temperature_refused",),
)
def any_temperature_accepted(model, idx, temperature, do_sample, top_k, generator):
    return next_token(model, idx, abs(temperature) or 1e-6, do_sample, top_k, generator)


@mistake(
    replaces="next_token",
    title="A temperature of zero is refused, one below zero is not",
    hint="At a temperature of -1 the least likely token would be the likeliest. Which comparison refuses both?",
    caught_by=("temperature_refused",),
)
def negative_temperature_accepted(model, idx, temperature, do_sample, top_k, generator):
    return next_token(model, idx, abs(temperature), do_sample, top_k, generator)


@mistake(
    replaces="next_token",
    title="A wrong temperature ends in an AssertionError instead of a ValueError",
    hint="assert is for what cannot be. An argument that is not accepted has an exception of its own.",
    caught_by=("temperature_refused",),
)
def temperature_asserted(model, idx, temperature, do_sample, top_k, generator):
    assert temperature > 0, temperature
    return next_token(model, idx, temperature, do_sample, top_k, generator)


@mistake(
    replaces="next_token",
    title="The model's gradient history is kept",
    hint="Print probs.requires_grad. Each step keeps all that the model computed, for a backward that never comes.",
    caught_by=("no_history",),
)
def history_kept(model, idx, temperature, do_sample, top_k, generator):
    logits, _ = model(idx[:, -model.block_size :])
    return chosen_from(next_token_distribution(logits, checked(temperature), top_k), do_sample, generator)


@mistake(
    replaces="next_token",
    title="The model is left in evaluation mode",
    hint="Who calls you in the middle of training gets back a model that no longer drops anything.",
    caught_by=("mode",),
)
def left_in_evaluation_mode(model, *arguments):
    model.eval()
    return next_token(model, *arguments)


@mistake(
    replaces="next_token",
    title="The model is put in training mode at the end, whatever it was before",
    hint="Note model.training at the start. What do you know about it at the end?",
    caught_by=("mode",),
)
def left_in_training_mode(model, *arguments):
    model.eval()
    results = next_token(model, *arguments)
    model.train()
    return results


# --- generate


@mistake(
    replaces="generate",
    title="The model is asked about the prompt again and again, and never about what was added",
    hint="Print what you pass to the model in the second step.",
    caught_by=("argmax", "samples", "whole_text"),
)
def no_feedback(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    tokens = [next_token(model, idx, temperature, do_sample, top_k, generator)[0] for _ in range(max_new_tokens)]
    return torch.cat([idx, *tokens], dim=1)


@mistake(
    replaces="generate",
    title="One token too many is generated",
    hint="Ask for one new token and count. How often does your loop run?",
    caught_by=("length", "nothing_to_add"),
)
def one_too_many(model, idx, max_new_tokens, *args, **settings):
    return generate(model, idx, max_new_tokens + 1, *args, **settings)


@mistake(
    replaces="generate",
    title="One token too few is generated",
    hint="Ask for one new token and count. How often does your loop run?",
    caught_by=("length",),
)
def one_too_few(model, idx, max_new_tokens, *args, **settings):
    return generate(model, idx, max_new_tokens - 1, *args, **settings)


@mistake(
    replaces="generate",
    title="max_new_tokens counts the prompt, too",
    hint="Five new tokens after a prompt of three make a text of eight.",
    caught_by=("length", "samples", "whole_text", "settings"),
)
def total_length_counted(model, idx, max_new_tokens, *args, **settings):
    return generate(model, idx, max(0, max_new_tokens - idx.size(1)), *args, **settings)


@mistake(
    replaces="generate",
    title="The prompt is missing from the result",
    hint="The text that comes back starts with the prompt.",
    caught_by=("length", "nothing_to_add"),
)
def prompt_missing(model, idx, *args, **settings):
    return generate(model, idx, *args, **settings)[:, idx.size(1) :]


@mistake(
    replaces="generate",
    title="The text itself is cropped to block_size, and its beginning is lost",
    hint="Only what the model is shown has to be short. Is it the same variable as the text you return?",
    caught_by=("length", "whole_text"),
)
def result_cropped(model, idx, max_new_tokens, *args, **settings):
    for _ in range(max_new_tokens):
        idx = generate(model, idx[:, -model.block_size :], 1, *args, **settings)
    return idx


@mistake(
    replaces="generate",
    title="generate draws with a temperature of 1, whatever is asked for",
    hint="Follow the temperature from the arguments of generate to the line that uses it.",
    caught_by=("settings", "temperature_refused"),
)
def temperature_not_passed_on(model, idx, max_new_tokens, temperature=1.0, **settings):  # noqa: ARG001 - the mistake
    return generate(model, idx, max_new_tokens, 1.0, **settings)


@mistake(
    replaces="generate",
    title="generate sets a seed of its own, and draws the same text each time",
    hint="A fixed seed is good for comparing two runs. Whose decision is that: the function's, or its caller's?",
    caught_by=("generator",),
)
def own_seed(*args, **settings):
    torch.default_generator.manual_seed(1337)
    return generate(*args, **settings)


# --- the probabilities


@mistake(
    replaces="generate_with_probabilities",
    title="Under argmax each token gets a probability of 1.0",
    hint="The choice was certain, the model was not. What did it say before the choice?",
    caught_by=("argmax_probabilities",),
)
def certain_under_argmax(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    text, probs = generate_with_probabilities(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)
    return text, probs if do_sample else torch.ones_like(probs)


@mistake(
    replaces="generate_with_probabilities",
    title="The tokens of the prompt get a probability of 0",
    hint="The prompt was given, so its tokens are certain. Which number says that?",
    caught_by=("probabilities_form", "nothing_to_add"),
)
def prompt_impossible(model, idx, *args, **settings):
    text, probs = generate_with_probabilities(model, idx, *args, **settings)
    probs[:, : idx.size(1)] = 0.0
    return text, probs


@mistake(
    replaces="generate_with_probabilities",
    title="There are no probabilities for the prompt",
    hint="Text and probabilities have the same shape.",
    caught_by=("probabilities_form", "nothing_to_add"),
)
def prompt_without_probabilities(model, idx, *args, **settings):
    text, probs = generate_with_probabilities(model, idx, *args, **settings)
    return text, probs[:, idx.size(1) :]


def noting(note):
    """A generate_with_probabilities that notes something else: note(model, text before, token, distribution) (B, 1)."""

    def changed(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
        probs = torch.ones(idx.shape)
        for _ in range(max_new_tokens):
            token, distribution = next_token(model, idx, temperature, do_sample, top_k, generator)
            probs = torch.cat([probs, note(model, idx, token, distribution)], dim=1)
            idx = torch.cat([idx, token], dim=1)
        return idx, probs

    return changed


@mistake(
    replaces="generate_with_probabilities",
    title="The largest probability is returned instead of that of the token drawn",
    hint="Now and then a token is drawn that is not the likeliest one. What does your tensor say about it?",
    caught_by=("chosen", "probabilities_settings"),
)
def largest_probability(*args, **settings):
    def note(model, idx, token, distribution):  # noqa: ARG001 - the mistake
        return distribution.amax(dim=1, keepdim=True)

    return noting(note)(*args, **settings)


@mistake(
    replaces="generate_with_probabilities",
    title="The probabilities are those of another draw than the tokens",
    hint="How often do you draw in each step? The token that is noted has to be the one that is appended.",
    caught_by=("chosen", "probabilities_settings"),
)
def drawn_twice(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    def note(model, idx, token, distribution):  # noqa: ARG001 - the mistake
        return distribution.gather(1, chosen_from(distribution, do_sample, generator)[0])

    return noting(note)(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)


@mistake(
    replaces="generate_with_probabilities",
    title="Logarithms of the probabilities are returned",
    hint="Can a probability be negative?",
    caught_by=("chosen", "argmax_probabilities", "probabilities_settings"),
)
def logarithms_returned(model, idx, *args, **settings):
    text, probs = generate_with_probabilities(model, idx, *args, **settings)
    probs[:, idx.size(1) :] = probs[:, idx.size(1) :].log()
    return text, probs


@mistake(
    replaces="generate_with_probabilities",
    title="The probabilities are multiplied up along the text",
    hint="How likely the whole text was is another question. What was asked about each token?",
    caught_by=("argmax_probabilities",),
)
def multiplied_up(*args, **settings):
    text, probs = generate_with_probabilities(*args, **settings)
    return text, probs.cumprod(dim=1)


@mistake(
    replaces="generate_with_probabilities",
    title="The probabilities do not know of temperature and top_k",
    hint="A token that top_k dropped cannot be drawn. Which probability do you give it?",
    caught_by=("probabilities_settings",),
)
def probabilities_of_raw_logits(*args, **settings):
    def note(model, idx, token, distribution):  # noqa: ARG001 - the mistake
        return next_token(model, idx, 1.0, False, None, None)[1].gather(1, token)

    return noting(note)(*args, **settings)


@mistake(
    replaces="generate_with_probabilities",
    title="The probability of a token is looked up one step too late",
    hint="Which text did the model see when it gave this probability: the one before the token, or the one with it?",
    caught_by=("chosen", "argmax_probabilities", "probabilities_settings"),
)
def one_step_late(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None):
    def note(model, idx, token, distribution):  # noqa: ARG001 - the mistake
        longer = torch.cat([idx, token], dim=1)
        return next_token(model, longer, temperature, False, top_k, None)[1].gather(1, token)

    return noting(note)(model, idx, max_new_tokens, temperature, do_sample, top_k, generator)


@mistake(
    replaces="generate_with_probabilities",
    title="do_sample is not passed on",
    hint="Compare the arguments of this call with those of the function it stands in.",
    caught_by=("same_text",),
)
def do_sample_not_passed_on(model, idx, max_new_tokens, temperature=1.0, do_sample=True, **settings):  # noqa: ARG001
    return generate_with_probabilities(model, idx, max_new_tokens, temperature, **settings)


# --- the alternatives


@mistake(
    replaces="generate_with_alternatives",
    title="The least likely alternative comes first",
    hint="In which order does a sort put numbers when it is not told otherwise?",
    caught_by=("alternatives", "how_many", "alternatives_settings"),
)
def least_likely_first(*args, **settings):
    text, ids, probs = generate_with_alternatives(*args, **settings)
    return text, ids.flip(-1), probs.flip(-1)


@mistake(
    replaces="generate_with_alternatives",
    title="The token that was chosen is left out of its alternatives",
    hint="The k likeliest tokens are the k likeliest, whichever of them was drawn.",
    caught_by=("alternatives", "how_many", "alternatives_settings"),
)
def chosen_left_out(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6):
    def note(distribution, token):
        return distribution.scatter(1, token, -1.0)

    return showing(note, model, idx, max_new_tokens, (temperature, do_sample, top_k, generator), k)


def showing(note, model, idx, max_new_tokens, rest, k):
    """A generate_with_alternatives that takes its k alternatives from note(distribution, token)."""
    top_ids, top_probs = idx.new_empty(len(idx), 0, k), torch.empty(len(idx), 0, k)
    for _ in range(max_new_tokens):
        token, distribution = next_token(model, idx, *rest)
        likeliest = note(distribution, token).topk(k)
        top_ids = torch.cat([top_ids, likeliest.indices[:, None]], dim=1)
        top_probs = torch.cat([top_probs, likeliest.values[:, None]], dim=1)
        idx = torch.cat([idx, token], dim=1)
    return idx, top_ids, top_probs


@mistake(
    replaces="generate_with_alternatives",
    title="The alternatives do not know of temperature and top_k",
    hint="They are to show what could have been drawn instead. From which distribution was it drawn?",
    caught_by=("alternatives_settings",),
)
def alternatives_of_raw_logits(
    model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6
):
    top_ids, top_probs = idx.new_empty(len(idx), 0, k), torch.empty(len(idx), 0, k)
    for _ in range(max_new_tokens):
        token, _ = next_token(model, idx, temperature, do_sample, top_k, generator)
        likeliest = next_token(model, idx, 1.0, False, None, None)[1].topk(k)
        top_ids = torch.cat([top_ids, likeliest.indices[:, None]], dim=1)
        top_probs = torch.cat([top_probs, likeliest.values[:, None]], dim=1)
        idx = torch.cat([idx, token], dim=1)
    return idx, top_ids, top_probs


@mistake(
    replaces="generate_with_alternatives",
    title="k is used as top_k, and restricts what is drawn",
    hint="k says how many tokens you look at, top_k how many may be drawn. Do you need one to do the other?",
    caught_by=("alternatives", "how_many"),
)
def k_used_as_top_k(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6):
    return generate_with_alternatives(model, idx, max_new_tokens, temperature, do_sample, top_k or k, generator, k)


@mistake(
    replaces="generate_with_alternatives",
    title="top_k decides how many alternatives there are",
    hint="The last dimension is k, also when fewer tokens than that may be drawn.",
    caught_by=("alternatives_settings",),
)
def top_k_used_as_k(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6):
    return generate_with_alternatives(model, idx, max_new_tokens, temperature, do_sample, top_k, generator, top_k or k)


@mistake(
    replaces="generate_with_alternatives",
    title="There are always six alternatives",
    hint="Six is what k is when nothing else is said.",
    caught_by=("alternatives_form", "alternatives", "how_many", "alternatives_settings"),
)
def always_six(model, idx, max_new_tokens, temperature=1.0, do_sample=True, top_k=None, generator=None, k=6):  # noqa: ARG001
    return showing(most(6), model, idx, max_new_tokens, (temperature, do_sample, top_k, generator), 6)


def most(k):
    """The distribution, filled up with zeros where the vocabulary has fewer than k tokens."""
    return lambda distribution, _: torch.nn.functional.pad(distribution, (0, max(0, k - distribution.size(1))))


@mistake(
    replaces="generate_with_alternatives",
    title="The dimensions are (B, k, new) instead of (B, new, k)",
    hint="Which dimension did you stack the steps along?",
    caught_by=("alternatives_form", "alternatives", "how_many", "alternatives_settings", "nothing_to_add"),
)
def steps_last(*args, **settings):
    text, ids, probs = generate_with_alternatives(*args, **settings)
    return text, ids.transpose(1, 2), probs.transpose(1, 2)


@mistake(
    replaces="generate_with_alternatives",
    title="Logits are returned in place of the probabilities",
    hint="Sum the values over all V alternatives: what should come out?",
    caught_by=("alternatives", "how_many", "alternatives_settings"),
)
def logits_of_alternatives(*args, **settings):
    text, ids, probs = generate_with_alternatives(*args, **settings)
    return text, ids, probs.log()


@mistake(
    replaces="generate_with_alternatives",
    title="The prompt's positions have alternatives, too",
    hint="A row for each token that was generated: max_new_tokens of them.",
    caught_by=("alternatives_form", "nothing_to_add"),
)
def prompt_with_alternatives(model, idx, *args, k=6, **settings):
    text, ids, probs = generate_with_alternatives(model, idx, *args, k=k, **settings)
    before = torch.zeros(*idx.shape, k)
    return text, torch.cat([before.long(), ids], dim=1), torch.cat([before, probs], dim=1)


@mistake(
    replaces="generate_with_alternatives",
    title="With max_new_tokens=0 there is nothing to stack, and torch complains",
    hint="What should an empty list of steps become? A tensor may have a dimension of size 0.",
    caught_by=("nothing_to_add",),
)
def nothing_to_stack(model, idx, max_new_tokens, *args, **settings):
    if max_new_tokens == 0:
        torch.stack([])
    return generate_with_alternatives(model, idx, max_new_tokens, *args, **settings)
