"""What students may see of how the encoder_decoder assignment is graded. Shapes and letters are the handout's.

The earlier parts are the student's own. A check that fails only because one of them is wrong earns its points: the
reference is then asked again with that part in its place. What is written is held against the student's own model.
"""

import torch
from torch.nn import functional as F

from grader.checks import StudentError, check, close, equal, raises, send, several, shaped, twins

# The exact GELU and the one with tanh are both right: in 60 draws of weights their outputs lay up to 0.0003 of the
# largest value apart for one model, and there are two of them here.
EITHER_GELU = 2e-3
LAYERS = {"n_embd": 8, "n_head": 2, "n_layer": 1, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "hidden_pdrop": 0.0}
READS = {"vocab_size": 8, "block_size": 6, **LAYERS}  # of the encoder
WRITES = {"vocab_size": 9, "block_size": 5, **LAYERS}  # of the decoder, without the end token


def make_config(settings):
    """Instances of a dataclass, as those of TransformerConfig: `dataclasses.replace` works on them, too."""
    from dataclasses import make_dataclass  # noqa: PLC0415 - the source crosses to the other side

    return make_dataclass("TransformerConfig", settings)(**settings)


def make_weights(model, size):
    """Large weights, with which what the model predicts depends on all it reads; or 0, for equal logits."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=size * weight.size(-1) ** -0.5)


def config(settings):
    """What makes these settings a config on the side where the model is to be."""
    return lambda side: send(side, make_config)(settings)


def new_model(side, reads=READS, writes=WRITES, size=2.0):
    """A model with weights of its own."""
    model = side.EncoderDecoder(config(reads)(side), config(writes)(side)).eval()
    send(side, make_weights)(model, size)
    return model


def given_model(student, reference, prefix, targets):
    """The student's model with weights of ours, or with its own where nothing shows which weights go where."""
    probe, sides = (prefix, targets), (student.EncoderDecoder, reference.EncoderDecoder)
    try:
        return twins(*sides, config(READS), config(WRITES), probe=probe)[0]
    except StudentError:
        return new_model(student)


def scored(logits, *shape):
    """Logits (*shape, V + 1). That they may know one token too few is for test_answers to say."""
    V = WRITES["vocab_size"]
    known = V if isinstance(logits, torch.Tensor) and logits.shape[-1:] == (V,) else V + 1
    return shaped(logits, (*shape, known), "the tensor of logits")


def first_of(answer):
    """The logits. Whether a loss comes with them is for test_answers to say."""
    return answer[0] if isinstance(answer, (tuple, list)) and answer else answer


def logits_of(model, prefix, targets):
    """The logits (B, P + T, V + 1)."""
    return scored(first_of(model(prefix, targets)), len(prefix), prefix.size(1) + targets.size(1))


def logits_and_loss(model, prefix, targets):
    """Both results, the logits (B, P + T, V + 1) and the loss, which is not looked at."""
    logits, loss = several(model(prefix, targets), "the logits", "the loss")
    return scored(logits, len(prefix), prefix.size(1) + targets.size(1)), loss


def predicted(model, prefix, tokens):
    """The logits (B, V + 1) that the student's own model gives for the token behind these tokens (B, t)."""
    B, P = prefix.shape
    if tokens.size(1) == 0:
        return scored(first_of(model(prefix)), B, P)[torch.arange(B), (prefix != -1).sum(dim=1) - 1]
    logits = first_of(model(prefix, tokens))
    return scored(logits[:, -1] if isinstance(logits, torch.Tensor) and logits.dim() == 3 else logits, B)


def influence(model, prefix, targets, changed):
    """Whether a change of input j of those `changed`, prefix and targets in one row, changes column i of the logits.

    The table is (P + T, J). All is asked at once: the B rows as they are, then J times with one of the inputs changed.
    """
    B, P, J = *prefix.shape, len(changed)
    tokens = torch.cat([prefix, targets], dim=1).repeat(1 + J, 1, 1)  # (1 + J, B, P + T)
    for group, j in enumerate(changed, start=1):
        tokens[group, :, j] = (tokens[group, :, j] + 1) % READS["vocab_size"]
    rows = tokens.flatten(0, 1)  # ((1 + J) * B, P + T)
    before, *after = logits_of(model, rows[:, :P], rows[:, P:]).split(B)  # (B, P + T, V + 1) each
    return torch.stack([(logits - before).abs().amax(dim=(0, 2)) > 1e-4 for logits in after], dim=1)


def writes_likeliest(prefix_generate, model, prefix, count):
    """Pass when each token is the one that the model itself finds the likeliest there, up to a row's end token."""
    tokens = prefix_generate(model, prefix, count, do_sample=False)
    tokens = shaped(tokens, (len(prefix), count), "what is written", dtype=torch.int64)
    for t in range(count):
        expected = predicted(model, prefix, tokens[:, :t]).argmax(dim=-1)  # (B,)
        ended = (tokens[:, :t] == WRITES["vocab_size"]).any(dim=1)
        equal(
            tokens[:, t],
            torch.where(ended, tokens[:, t], expected),
            f"token {t} of what is written (the column of the rows)",
        )


# --- the model


@check(points=1, hint="A change to an object is seen by all who hold it. Where does your decoder's config come from?")
def test_configs(student):
    """Task 1: the caller's configs are left as they were."""
    configs = [config(settings)(student) for settings in (READS, WRITES)]
    student.EncoderDecoder(*configs)
    for name, settings, after in zip(("encoder_config", "decoder_config"), (READS, WRITES), configs, strict=True):
        for key, value in settings.items():
            equal(getattr(after, key), value, f"{name}.{key}, after the model is made,")


@check(points=1, hint="Two results, with targets and without. How many tokens can follow, the end token included?")
def test_answers(student, prefix, targets):
    """Task 5: the model returns logits for V + 1 tokens, and the loss where there are targets."""
    model = new_model(student)
    logits, loss = several(model(prefix), "the logits", "the loss")
    shaped(logits, (4, 3, 10), "the tensor of logits without targets")
    equal(loss, None, "the loss without targets")
    logits, loss = several(model(prefix, targets), "the logits", "the loss")
    shaped(logits, (4, 3 + 4, 10), "the tensor of logits")
    shaped(loss, (), "the loss")


@check(points=2, hint="Hidden states go from the encoder to the decoder. Compare their shape with that of logits.")
def test_logits(student, reference, prefix, targets):
    """Tasks 1 to 3: the decoder's logits are right behind the encoder's hidden states."""
    reads = {**READS, "vocab_size": 13, "n_layer": 2}
    probe, sides = (prefix, targets), (student.EncoderDecoder, reference.EncoderDecoder)
    theirs, ours = twins(*sides, config(reads), config(WRITES), probe=probe)
    expected = logits_of(ours, prefix, targets)
    close(logits_of(theirs, prefix, targets), expected, "the tensor of logits", rtol=EITHER_GELU)


@check(points=1, hint="Whoever reads has the whole text. Can the first token of a prefix look at the last?")
def test_whole_prefix(student, reference, prefix, targets):
    """Task 2: each token of the prefix matters to every column of the logits."""
    ours, theirs = (influence(new_model(side), prefix, targets % 9, range(3)) for side in (reference, student))
    equal(theirs, ours, "the table of the logits' columns (rows) that change with a token of the prefix (columns)")


@check(points=1, hint="Target t is predicted from what stands before it. What must that column not see?")
def test_no_leak(student, reference, prefix, targets):
    """Task 3: no target changes what is predicted for itself, or for one before it."""
    ours, theirs = (influence(new_model(side), prefix, targets % 9, range(3, 7)) for side in (reference, student))
    equal(theirs, ours, "the table of the logits' columns (rows) that change with a target (columns)")


@check(points=1, hint="Which column predicts target 0? The last of the prefix: nothing was written before it.")
def test_loss(student, reference, prefix, targets):
    """Tasks 4 and 5: the loss is the mean cross entropy of the columns before each target."""
    model = given_model(student, reference, prefix, targets % 9)
    logits, loss = logits_and_loss(model, prefix, targets % 9)
    close(loss, F.cross_entropy(logits[:, 2:6].mT, targets % 9), "the loss")  # of their own logits, right or wrong


# --- writing


@check(points=1, hint="The prefix was there before. What is new, and how many tokens of it are there?")
def test_length(student, reference, prefix, targets):
    """Task 6: prefix_generate returns max_new_tokens tokens a row, and nothing else."""
    model = given_model(student, reference, prefix, targets)
    for count in (1, 4):
        tokens = student.prefix_generate(model, prefix, count, do_sample=False)
        shaped(tokens, (4, count), "what is written", dtype=torch.int64)
        assert ((tokens >= 0) & (tokens < 10)).all(), "there are tokens that are not in the decoder's vocabulary"


@check(points=1.5, hint="Ask your model about what is written so far: which column says what comes next?")
def test_argmax(student, reference, prefix, targets):
    """Task 6: without do_sample each token is the likeliest one behind the prefix and the tokens before it."""
    writes_likeliest(student.prefix_generate, given_model(student, reference, prefix, targets), prefix, 5)


@check(points=0.5, hint="Look at the temperature before anything else. An assert raises an AssertionError.")
def test_temperature_refused(student, prefix):
    """Task 6: a temperature of zero or less is refused with a ValueError."""
    model = new_model(student)
    student.prefix_generate(model, prefix, 2, temperature=0.1)  # this one is fine
    for temperature in (0.0, -1.0):
        with raises(ValueError, f"a temperature of {temperature}"):
            student.prefix_generate(model, prefix, 2, temperature=temperature)
