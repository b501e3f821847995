"""The rest of how the encoder_decoder assignment is graded: padding, other sizes, and how tokens are drawn."""

import pytest
import torch
from public_checks import (
    EITHER_GELU,
    LAYERS,
    READS,
    WRITES,
    config,
    given_model,
    logits_and_loss,
    logits_of,
    new_model,
    predicted,
    test_argmax,
    writes_likeliest,
)
from torch.nn import functional as F

from grader.checks import (
    check,
    close,
    drawn_from,
    equal,
    gradients,
    leaves_unchanged,
    same,
    send,
    shaped,
    sizes,
    twins,
)

ROWS = 2000  # of one batch with one prefix: as many samples in one call
# How often a right answer fails one of the four tests of a distribution. Together that is less than once in a million
# submissions.
RARELY = 1e-7


def tokens_in(idx):
    """How many real tokens each row has (B,)."""
    return (idx != -1).sum(dim=1)


def largest(gradient):
    """The largest number of a gradient; 0 where none arrived."""
    return 0.0 if gradient is None else float(gradient.abs().max())


# --- the model


@check(points=1, partial=True, hint="Prefix and targets differ in length, and each model counts its own positions.")
def test_sizes(student, reference):
    """Tasks 1 to 5: logits and loss are right for other sizes."""
    for B, P, T in sizes(2, B=(1, 4), P=(1, 7), T=(1, 4)):
        reads = {**LAYERS, "vocab_size": 12, "block_size": 7}
        writes = {**LAYERS, "vocab_size": 5, "block_size": 4}
        question = torch.randint(12, (B, P)), torch.randint(6, (B, T))  # token 5 is the end
        sides = student.EncoderDecoder, reference.EncoderDecoder
        theirs, ours = twins(*sides, config(reads), config(writes), probe=question)
        same(theirs, ours, *question, what="the result", off=("dropout", "gradients"), rtol=EITHER_GELU)


@check(points=0.5, hint="From the loss back to the encoder's weights: where does something cut the way?")
def test_learns(student, reference, prefix, targets):
    """Tasks 2 to 5: the gradients of loss and logits reach decoder and encoder."""
    wanted, sides = targets % 9, (student.EncoderDecoder, reference.EncoderDecoder)
    theirs, ours = twins(*sides, config(READS), config(WRITES), probe=(prefix, wanted))
    B, P, T = *prefix.shape, wanted.size(1)
    of_loss = None, torch.ones(())
    for of_logits, questions in (
        ((torch.randn(B, P + T, 10), None), ((prefix, wanted), (prefix, wanted))),
        ((torch.randn(B, P, 10), None), ((prefix,), (prefix, wanted[:, :1]))),  # and what follows the prefix
    ):
        # What the logits teach, the loss of these tokens teaches, too: the reference is asked once for both.
        learned = gradients(ours, *questions[0], wrt=(), cotangent=of_logits).parameters
        expected = [name for name, gradient in learned.items() if largest(gradient) > 1e-3]
        for question, cotangent in zip(questions, (of_logits, of_loss), strict=True):
            found = gradients(theirs, *question, wrt=(), cotangent=cotangent).parameters
            missing = [name for name in expected if not largest(found[name]) > 1e-6]
            equal(missing, [], "the list of layers (by the skeleton's names) that do not learn")


@check(points=1.5, hint="Follow a row of two tokens and its padding: who looks at padding, the encoder or the decoder?")
def test_padded_logits(student, reference, padded_prefix, padded_targets):
    """Task 3: a row with padding in its prefix has the logits that it has without."""
    targets, sides = padded_targets.clamp(min=0), (student.EncoderDecoder, reference.EncoderDecoder)
    theirs, ours = twins(*sides, config(READS), config(WRITES), probe=(padded_prefix.clamp(min=0), targets))
    expected, found = (logits_of(model, padded_prefix, targets) for model in (ours, theirs))
    real = torch.cat([padded_prefix != -1, torch.ones_like(targets).bool()], dim=1)  # (B, P + T)
    close(found[real], expected[real], "the table of logits, without the padding's,", rtol=EITHER_GELU)


@check(points=1, hint="Where is the last real token of a row with padding? Its column predicts target 0 of that row.")
@pytest.mark.parametrize("wide", [False, True], ids=["longest row without padding", "padding in each row"])
def test_padded_loss(student, reference, padded_prefix, wide_prefix, targets, wide):
    """Tasks 4 and 5: target 0 is predicted from the last real token of the prefix, not from padding."""
    prefix = wide_prefix if wide else padded_prefix[:4]
    wanted, P = targets[: len(prefix)] % 9, prefix.size(1)
    model = given_model(student, reference, prefix.clamp(min=0), wanted)
    logits, loss = logits_and_loss(model, prefix, wanted)
    first = logits[torch.arange(len(prefix)), tokens_in(prefix) - 1]  # (B, V + 1)
    predictions = torch.cat([first[:, None], logits[:, P : P + 3]], dim=1)  # (B, T, V + 1)
    close(loss, F.cross_entropy(predictions.mT, wanted), "the loss")


@check(points=0.5, hint="A row with fewer targets is filled up with -1. How does F.cross_entropy learn of that?")
def test_ignored_targets(student, padded_prefix, padded_targets):
    """Task 5: targets that are -1 do not count in the loss."""
    prefix = padded_prefix[:, :1]  # one token a row, no padding
    logits, loss = logits_and_loss(new_model(student), prefix, padded_targets)
    close(loss, F.cross_entropy(logits[:, :3].mT, padded_targets, ignore_index=-1), "the loss")


@check(
    points=0.5, hint="`prefix[...] = 0` and methods whose names end in _ change the caller's tensor. Make a new one."
)
def test_unchanged(student, padded_prefix, padded_targets):
    """Tasks 2 to 6: prefix and targets are left as they were."""
    model = new_model(student)
    leaves_unchanged(model, padded_prefix, padded_targets.clamp(min=0))
    leaves_unchanged(student.prefix_generate, model, padded_prefix, 3)


# --- writing


@check(
    points=0.75,
    needs=test_argmax,
    hint="Rows differ in where their first prediction stands. Does padding have a prediction to make?",
)
def test_padded_argmax(student, reference, padded_prefix, padded_targets):
    """Task 6: a row with padding goes on from its last real token."""
    model = given_model(student, reference, padded_prefix.clamp(min=0), padded_targets.clamp(min=0))
    writes_likeliest(student.prefix_generate, model, padded_prefix, 4)


@check(points=1, hint="Each row draws its own token, and each step draws anew, from the distribution of that step.")
def test_samples(student, prefix):
    """Task 6: tokens are drawn with the probabilities that the model gives them."""
    model, start = new_model(student), prefix[:1]
    tokens = student.prefix_generate(model, start.repeat(ROWS, 1), 2)
    tokens = shaped(tokens, (ROWS, 2), "what is written", dtype=torch.int64)
    first = predicted(model, start, start[:, :0])[0].softmax(dim=-1)  # (V + 1,)
    known = len(first)
    second = predicted(model, start.repeat(known, 1), torch.arange(known)[:, None]).softmax(dim=-1)  # a row for each
    drawn_from(tokens[:, 0], first, "the first tokens", false_alarm=RARELY)
    pairs, going = first[:, None] * second, tokens[:, 0] != WRITES["vocab_size"]  # what follows an end: test_goes_on
    pairs[WRITES["vocab_size"] :] = 0.0
    numbers = tokens[going, 0] * known + tokens[going, 1]
    drawn_from(numbers, pairs.flatten(), "the pairs of first and second token", false_alarm=RARELY)


@check(points=1, hint="The logits are divided by the temperature, before the softmax. Which tokens gain below 1?")
@pytest.mark.parametrize("temperature", [0.4, 3.0])
def test_temperature(student, prefix, temperature):
    """Task 6: the temperature divides the logits."""
    model, start = new_model(student), prefix[1:2]
    tokens = student.prefix_generate(model, start.repeat(ROWS, 1), 1, temperature=temperature)
    tokens = shaped(tokens, (ROWS, 1), "what is written", dtype=torch.int64)
    expected = (predicted(model, start, start[:, :0])[0] / temperature).softmax(dim=-1)
    drawn_from(tokens[:, 0], expected, "the first tokens", false_alarm=RARELY)


def uses(prefix_generate, model, prefix, count, size):
    """How often a weight with a dimension of this size is computed with, while `count` tokens are written."""
    from torch.overrides import TorchFunctionMode  # noqa: PLC0415 - the source crosses to the other side

    tables = {weight.untyped_storage().data_ptr() for weight in model.parameters() if size in weight.shape}

    class Counting(TorchFunctionMode):
        times = 0

        def __torch_function__(self, function, types, args=(), kwargs=None):
            given, result = [*args, *(kwargs or {}).values()], function(*args, **(kwargs or {}))
            tensors = [value for value in given if isinstance(value, torch.Tensor)]
            self.times += isinstance(result, torch.Tensor) and any(
                value.untyped_storage().data_ptr() in tables for value in tensors
            )
            return result

    with Counting() as counting:
        prefix_generate(model, prefix, count)
    return counting.times


@check(points=1, hint="The prefix stays the same while you write. What of the work does not have to be done again?")
def test_encoded_once(student, prefix):
    """Task 6: the prefix is encoded once, however many tokens are written."""
    model = new_model(student, reads={**READS, "block_size": 17})  # only the encoder has a table of 17 positions
    once, more = (send(student, uses)(student.prefix_generate, model, prefix, count, 17) for count in (1, 4))
    equal(more, once, f"how often the encoder's positions are looked up for 4 tokens (for one token it is {once})")


@check(points=0.75, hint="Some rows end early, others late. Who can cut a row at its end token, and who should not?")
def test_goes_on(student):
    """Task 6: writing does not stop at the end token."""
    writes = {**WRITES, "vocab_size": 1, "block_size": 12}
    model = new_model(student, writes=writes, size=0.0)  # about every second token is the end token
    for B in (1, 1, 64):  # that no end token comes before the last happens to both single rows once in 4 million times
        tokens = student.prefix_generate(model, torch.zeros(B, 1, dtype=torch.int64), 12)
        shaped(tokens, (B, 12), "what is written", dtype=torch.int64)
    equal(tokens.unique(), torch.tensor([0, 1]), "the list of all tokens that are written")
    assert ((tokens[:, :-1] == 1) & (tokens[:, 1:] == 0)).any(), "behind an end token there are only end tokens"


@check(points=0.5, hint="Every random number comes from the generator, none from a seed of your own.")
def test_generator(student, prefix):
    """Task 6: the generator's state decides the tokens; without a generator they differ from call to call."""
    model, generator = new_model(student, size=0.0), student.torch.Generator()  # all tokens are equally likely

    def draw(**settings):  # 12 tokens of 10 values: two of these are the same by chance once in 10 ** 12 times
        tokens = student.prefix_generate(model, prefix, 3, **settings)
        return shaped(tokens, (4, 3), "what is written", dtype=torch.int64)

    generator.manual_seed(3)
    first, second = draw(generator=generator), draw(generator=generator)
    generator.manual_seed(3)
    equal(draw(generator=generator), first, "what is written with the generator in the same state")
    assert not first.equal(second), "two calls with one generator write the same: its state does not move on"
    assert not draw().equal(draw()), "two calls without a generator write the same tokens"
