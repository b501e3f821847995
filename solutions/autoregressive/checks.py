"""The rest of how the autoregressive assignment is graded: other sizes and settings, and real training."""

import itertools
import random

import pytest
import torch
from public_checks import EITHER_GELU, RARELY, drawn, is_loss, number, probabilities, small, trained

from grader.checks import (
    check,
    close,
    curve,
    drawn_from,
    equal,
    gradients,
    leaves_unchanged,
    lend,
    raises,
    same,
    send,
    shaped,
    sizes,
    tiers,
    twins,
)

EITHER_GRADIENT = 5e-3  # as EITHER_GELU, for gradients

# --- Task 1: the tokenizer


@check(
    points=0.5,
    partial=True,
    hint="With max_length the number of columns is known before any text is read. What of other lengths?",
)
@pytest.mark.parametrize("max_length", [3, 5, 12], ids="max_length={}".format)
def test_max_length(student, reference, max_length):
    """Task 1: with max_length each row has so many letters: longer texts are cut, shorter ones filled up."""
    texts = ["azure", "by the sea", "", "fog"]
    expected = reference.Tokenizer(max_length).encode(texts)
    equal(student.Tokenizer(max_length=max_length).encode(texts), expected, "the tensor of ids")


@check(points=0.25, hint="A text may fill its row to the end, and it may have no letter at all.")
def test_there_and_back(student, reference):
    """Task 1: what is encoded can be decoded, whatever the length of the texts."""
    for texts in (["abcdefghijklm", "nopqrstuvwxyz"], ["", "a", " "], ["hello"]):
        tokens = reference.Tokenizer().encode(texts)
        equal(student.Tokenizer().decode(tokens), texts, f"the list of texts from the ids of {texts}")


# --- Task 2: the loss


@check(points=0.5, partial=True, hint="B, T and V are other ones here. Which of them do you read off the tensors?")
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_loss_sizes(student, reference, reduction):
    """Task 2: the loss is right for other sizes, and changes nothing that it is given."""
    for B, T, V in sizes(3, B=(1, 4), T=(1, 6), V=(2, 9)):
        log_probs, y_true = torch.randn(B, T, V).log_softmax(dim=-1), torch.randint(V, (B, T))
        same(student.LossFun(), reference.LossFun(), log_probs, y_true, reduction, what="the loss", off=("gradients",))


# --- Tasks 3 and 4: attention and the block


@check(
    points=0.5,
    partial=True,
    hint="Each head has all D features, whatever D is, and one head is a number of heads, too.",
)
def test_attention_sizes(student, reference):
    """Task 3: attention is right for other sizes, and has the right gradients."""
    for B, T, D, H in sizes(2, B=(1, 3), T=(1, 6), D=(3, 9), H=(1, 4)):
        x = torch.randn(B, T, D)
        theirs, ours = twins(student.MultiHeadSelfAttention, reference.MultiHeadSelfAttention, D, H, probe=(x,))
        same(theirs, ours, x, off=("dropout",))


@check(points=0.5, hint="Without causal no score is masked: the first token sees the last.")
def test_attention_both_ways(student, reference, x):
    """Task 3: with causal=False each token looks at all others."""
    theirs, ours = twins(student.MultiHeadSelfAttention, reference.MultiHeadSelfAttention, 6, 3, probe=(x,))
    close(theirs(x, causal=False), ours(x, causal=False), "the output")


@check(points=0.25, hint="The block is told whether it is causal. Who has to know?")
def test_block_both_ways(student, reference, x):
    """Task 4: with causal=False each token of a block looks at all others."""
    theirs, ours = twins(student.TransformerBlock, reference.TransformerBlock, 6, 3, 2, probe=(x,))
    close(theirs(x, causal=False), ours(x, causal=False), "the block's output", rtol=EITHER_GELU)


@check(points=0.5, partial=True, hint="Width, heads and the width of the MLP are three numbers of their own.")
def test_block_sizes(student, reference):
    """Task 4: the block is right for other sizes, and has the right gradients."""
    for B, T, D, N, H in sizes(2, B=(1, 3), T=(1, 6), D=(8, 10), N=(1, 4), H=(1, 3)):
        x = torch.randn(B, T, D)
        theirs, ours = twins(student.TransformerBlock, reference.TransformerBlock, D, N, H, probe=(x,))
        same(theirs, ours, x, what="the block's output", off=("dropout",), rtol=EITHER_GRADIENT)


# --- Task 5: the model


@check(points=0.25, hint="transformer_forward is told whether the model is causal. Who has to know?")
def test_model_both_ways(student, reference, long_idx):
    """Task 5: with causal=False each position of the model looks at all others."""

    def asked(model):
        return model.transformer_forward(long_idx, causal=False)

    theirs, ours = twins(
        student.DecoderTransformer, reference.DecoderTransformer, *(9, 8, 6, 3, 2, 0.0), num_blocks=1, probe=asked
    )
    close(asked(theirs), asked(ours), "the tensor of log-probabilities", rtol=EITHER_GELU)


@check(
    points=0.5,
    partial=True,
    hint="What the head gives is divided, and all V log-probabilities of a position are those of one distribution.",
)
@pytest.mark.parametrize("temperature", [0.5, 3.0], ids="temperature={}".format)
def test_temperature(student, few, temperature):
    """Task 5: the temperature divides what the head gives."""
    model = small(student)
    plain = shaped(model.transformer_forward(few), (16, 4, 3), "the tensor of log-probabilities")
    found = model.transformer_forward(few, temperature=temperature)
    close(found, (plain / temperature).log_softmax(dim=-1), "the tensor of log-probabilities", rtol=1e-4)


@check(points=0.25, hint="nn.Dropout knows of .train() and .eval() by itself. What does F.dropout know?")
def test_dropout(student, few):
    """Task 5: numbers are dropped in training mode, with dropout_prob, and never in eval mode."""
    model = small(student, dropout_prob=0.5)
    first, second = (shaped(model.transformer_forward(few), (16, 4, 3), "the log-probabilities") for _ in range(2))
    close(second, first, "the second answer to the same question in eval mode")
    first, second = (model.train().transformer_forward(few) for _ in range(2))
    assert not torch.equal(first, second), "in training mode with dropout_prob=0.5 nothing is dropped"
    model = small(student, dropout_prob=0.0)
    expected = model.transformer_forward(few)
    close(model.train().transformer_forward(few), expected, "the answer in training mode with dropout_prob=0")


# --- Task 6: the loss of sequences


@check(
    points=0.5,
    partial=True,
    hint="forward has four arguments. Follow each of them to the place where it makes a difference.",
)
@pytest.mark.parametrize(
    "settings",
    [{"reduction": "sum"}, {"temperature": 2.0}, {"causal": False}],
    ids=["reduction", "temperature", "causal"],
)
def test_sequence_loss_settings(student, few, settings):
    """Task 6: reduction, temperature and causal change the loss of sequences."""
    model, reduction = small(student), settings.get("reduction", "mean")
    log_probs = model.transformer_forward(few, **{k: v for k, v in settings.items() if k != "reduction"})
    is_loss(model(few, **settings), student, log_probs, few, reduction)


@check(points=0.25, hint="Between the weights and the loss all has to stay a tensor that autograd follows.")
def test_sequence_loss_gradient(student, few):
    """Task 6: the model can learn from its loss."""
    learned = gradients(small(student), few, wrt=(), cotangent=torch.ones(())).parameters
    lost = sum(gradient is None for gradient in learned.values())
    assert not lost, f"no gradient reaches {lost} of your {len(learned)} tensors of weights: something is detached"


# --- Task 7: sampling


def holds_for_sequences(model, temperature):
    """Draw whole sequences, and hold them against the product of the probabilities of their three tokens."""
    every = torch.tensor([(2, *rest) for rest in itertools.product(range(3), repeat=3)])  # (27, 4), all that there are
    expected = torch.ones(27)
    for t in range(1, 4):  # from prefixes: nothing of what comes after can have a part in it
        log_probs = model.transformer_forward(every[:, :t], temperature=temperature)
        p = probabilities(log_probs, (27, t, 3))[:, -1]  # (27, V)
        expected = expected * p.gather(1, every[:, t : t + 1])[:, 0]
    settings = {} if temperature == 1 else {"temperature": temperature}
    numbers = (drawn(model, **settings)[:, 1:] * torch.tensor([9, 3, 1])).sum(dim=1)  # (N,), places in `every`
    drawn_from(numbers, expected, "the sequences, numbered from 0 to 26", false_alarm=RARELY)


@check(points=0.5, hint="After each draw the sequence is longer. Which position's answer is about the next token?")
def test_sample_sequences(student):
    """Task 7: each token is drawn given all tokens before it."""
    holds_for_sequences(small(student), 1.0)


@check(points=0.5, partial=True, hint="The model takes a temperature. Does it get the one that sample got?")
@pytest.mark.parametrize("temperature", [0.5, 3.0], ids="temperature={}".format)
def test_sample_temperature(student, temperature):
    """Task 7: the temperature changes what is drawn."""
    holds_for_sequences(small(student), temperature)


# --- Task 8: training with patience


@check(points=0.25, hint="Dropout is for training, and nobody learns from the validation data. Which two calls say so?")
def test_modes(student):
    """Task 8: batches are trained on in training mode; validation is in eval mode and records no gradients."""
    _, _, log = trained(student, [5.0, 4.0, 3.0], max_patience=2, max_epochs=3)
    entries = [entry for epoch in log for entry in epoch]
    wrong = [entry for entry in entries if (entry[1], entry[2]) != ((entry[0] == "train",) * 2)]
    assert {entry[0] for entry in entries} == {"train", "valid"}, "the model is not asked about both kinds of batches"
    equal(len(wrong), 0, "the number of batches for which the model was in the wrong mode")


@check(points=0.25, hint="backward adds to the gradients that are there. Where do they become zero again?")
def test_steps(student):
    """Task 8: an epoch takes one step for each training batch, on that batch's gradient alone."""
    _, _, log = trained(student, [5.0, 4.0, 3.0], max_patience=2, max_epochs=3)
    weights = [[weight for *_, weight in epoch] for epoch in log]  # one step makes the weight larger by 1
    equal([epoch[:3] for epoch in weights], [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]], "the weight")


@check(
    points=0.25,
    partial=True,
    hint="What is the best loss before there is any? And is a loss that equals the best one an improvement?",
)
@pytest.mark.parametrize(
    ("script", "best", "epochs"),
    [([9e6, 7e6, 8e6, 8e6, 5e6], 2, 4), ([3.0, 2.0, 2.0, 2.0, 1.0], 2, 4)],
    ids=["large losses", "equal losses"],
)
def test_patience_values(student, script, best, epochs):
    """Task 8: losses may be large, and a loss that is as low as the best one is no improvement."""
    _, model, log = trained(student, script, max_patience=2)
    equal(len(log), epochs, "the number of epochs")
    close(number(model.steps, "the weight"), log[best - 1][-1][-1], "the weight afterwards")


# --- Task 9: correlation


@check(
    points=0.25,
    partial=True,
    hint="Is what you get a list or a tensor, of whole numbers or of others? And is 0.1 + 0.1 + 0.1, over 3, 0.1?",
)
@pytest.mark.parametrize("given", ["tensors", "large numbers", "a constant"])
def test_pearson_numbers(student, reference, given):
    """Task 9: tensors, whole and large numbers are right as well, and a constant need not be a whole number."""
    if given == "a constant":
        with raises(ValueError, "pearson of [0.1, 0.1, 0.1] and [1.0, 2.0, 4.0]"):
            student.pearson([0.1, 0.1, 0.1], [1.0, 2.0, 4.0])
        return
    a, b = torch.randn(12).double(), torch.randn(12).double()
    if given == "tensors":
        leaves_unchanged(student.pearson, a, b)
    if given == "large numbers":
        a, b = [87_289, 556_919, 5_097_821, 10_122_749], [310.5, 262.25, 240.0, 233.75]
    close(number(student.pearson(a, b), "the correlation"), reference.pearson(a, b), "the correlation", rtol=1e-4)


# --- All of it together

LEVELS = (2.3, 1.85, 1.6, 1.4)  # of the loss per token: less than 1.77 takes a look back at the first syllable


def made_up(count):
    """Names such as `karuka` or `tomiton`: the third syllable is the first one again, and a consonant may follow."""
    consonants, vowels = "bdfgklmnprstvz", "aeiou"
    names = []
    for _ in range(count):
        first, second = (random.choice(consonants) + random.choice(vowels) for _ in range(2))
        names.append(first + second + first + random.choice(["", "n", "r", "s"]))
    return names


def optimizer_of(model, told):
    """An optimizer for the model, and word of the loss from time to time."""
    steps = []

    def heard(module, _, loss):
        if module.training and torch.is_tensor(loss) and loss.numel() == 1:
            steps.append(loss.item() / 8)  # per token
            if len(steps) % 20 == 0:
                told(len(steps), sum(steps[-20:]) / 20)

    model.register_forward_hook(heard)
    return torch.optim.Adam(model.parameters(), lr=0.008)


@check(
    points=1.5,
    seconds=40,
    partial=True,
    hidden=False,
    hint="Where a model of names does not learn, look at what the loss compares: is it always a token and what comes "
    "before it, and never the token itself?",
)
def test_training(student, reference):
    """All tasks: your model, trained by your train_with_patience, learns how names are made."""
    tokenizer = reference.Tokenizer(max_length=8)
    model = student.DecoderTransformer(9, 29, 24, 2, num_heads=4, dropout_prob=0.0, num_blocks=1)
    told = lend(student, lambda step, loss: curve("training loss per token", step, loss))
    optimizer = send(student, optimizer_of)(model, told)
    batches, valid = (list(tokenizer.encode(made_up(n)).split(32)) for n in (1600, 192))
    losses = student.train_with_patience(model, optimizer, batches, valid, 12, 4)
    for epoch, loss in enumerate(losses, start=1):
        curve("validation loss per token", epoch * len(batches), number(loss, "a validation loss") / 8)
    held_out, total = tokenizer.encode(made_up(300)), 0.0
    model.eval()
    for t in range(1, 9):  # from prefixes: no name is shown before all of its letters were foretold
        log_probs = model.transformer_forward(held_out[:, :t])
        before = shaped(log_probs, (300, t, 29), "the tensor of log-probabilities")[:, -1].log_softmax(dim=-1)
        total -= before.gather(1, held_out[:, t : t + 1]).mean().item()
    tiers(total / 8, LEVELS, "the loss per token of names that the model has not seen", below=True)
