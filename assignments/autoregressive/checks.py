"""What students may see of how the autoregressive assignment is graded. Shapes and letters are the handout's.

What is built on an earlier task is held against the student's own earlier task where that can be: the loss against
their log-probabilities, the samples against their probabilities. A wrong one costs its points once.
"""

import pytest
import torch

from grader.checks import (
    causal,
    check,
    close,
    drawn_from,
    equal,
    kind,
    parameter_count,
    raises,
    send,
    shaped,
    twins,
)

# The exact GELU and the one with tanh are both right, and so close to each other that ReLU is far away from both.
EITHER_GELU = 1e-3
ROWS = 2000  # as many samples in one call
# How often a right answer fails one of the four tests of a distribution. Together that is less than once in a million
# submissions.
RARELY = 1e-7


def small(side, **others):
    """A model of 4 tokens with 3 values each, ready to be asked."""
    usual = {"num_heads": 2, "dropout_prob": 0.0, "num_blocks": 2, "device": "cpu"}
    return ready(side, side.DecoderTransformer(4, 3, 8, 2, **{**usual, **others}))


def ready(side, module):
    """The module in eval mode, with weights that are neither tiny nor as they were at first."""
    send(side, stir)(module)
    return module.eval()


def stir(module):
    """Give the module weights with which each of its layers makes a difference: the same to parameters of one shape,
    in whatever order and under whatever names they come.
    """
    with torch.no_grad():
        for parameter in module.parameters():
            n, generator = parameter.numel(), torch.Generator().manual_seed(parameter.numel() + 17)
            drawn = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(0.5 + 0.25 * drawn if parameter.dim() == 1 else 4 * drawn / n**0.5)


def number(answer, what):
    """The one number that `answer` is."""
    if isinstance(answer, torch.Tensor) and answer.dim() == 0:
        return answer.item()
    assert type(answer) in (int, float), f"{what} should be one number; yours is {kind(answer)}"
    return float(answer)


def probabilities(log_probs, shape):
    """What is drawn from log-probabilities. Where they are none, that was paid for: then from what makes sense."""
    found = shaped(log_probs, shape, "the tensor of log-probabilities")
    are_probabilities = (found >= 0).all() and (found.sum(dim=-1) - 1).abs().max() < 1e-4
    return found if are_probabilities else found.softmax(dim=-1)


# --- Task 1: the tokenizer


@check(
    points=0.75,
    hint="Write the ids of `ab z` on paper: CLS, 1, 2, 27, 26. How many columns does the longest of the texts need?",
)
def test_encode(student, reference):
    """Task 1: encode gives each text a row: CLS, its letters, then padding."""
    texts = ["the quick brown fox", "jumps over", "a lazy dog", "z"]
    equal(student.Tokenizer().encode(texts), reference.Tokenizer().encode(texts), "the tensor of ids")


@check(points=0.5, hint="The first padding ends the text, whatever stands behind it. Is CLS a letter?")
def test_decode(student):
    """Task 1: decode gives the texts back, without CLS and padding."""
    tokens = torch.tensor([[28, 20, 8, 5, 27, 3, 1, 20], [28, 19, 1, 20, 0, 0, 0, 0], [28, 15, 14, 0, 13, 0, 1, 0]])
    equal(student.Tokenizer().decode(tokens), ["the cat", "sat", "on"], "the list of texts")


# --- Task 2: the loss


@check(
    points=0.75,
    partial=True,
    hint="Which of the V log-probabilities counts at a position? What is summed, and over what is the mean?",
)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_loss_values(student, reference, log_probs, y_true, reduction):
    """Task 2: the loss is the negative log-likelihood: summed over all, or over T with the mean over B."""
    expected = reference.LossFun()(log_probs, y_true, reduction)
    close(student.LossFun()(log_probs, y_true, reduction), expected, f"the loss with reduction={reduction!r}")
    if reduction == "sum":
        close(student.LossFun()(log_probs, y_true), expected, "the loss when nothing is said of the reduction")


@check(points=0.25, hint="There are two reductions that you know. What do you do with all others?")
def test_loss_refuses(student, log_probs, y_true):
    """Task 2: any other reduction is a ValueError."""
    loss = student.LossFun()
    number(loss(log_probs, y_true, "mean"), "the loss")  # this one is fine
    for reduction in ("none", "batchmean"):
        with raises(ValueError, f"reduction={reduction!r}"):
            loss(log_probs, y_true, reduction)


# --- Tasks 3 and 4: attention and the block


@check(
    points=0.75,
    partial=True,
    hint="Count as in the handout's example, a layer at a time: weights and biases. What is meant when num_heads or "
    "num_blocks is left out?",
)
@pytest.mark.parametrize(
    ("name", "sizes"),
    [("MultiHeadSelfAttention", (4,)), ("TransformerBlock", (4, 2)), ("DecoderTransformer", (6, 5, 4, 2))],
    ids=["attention", "block", "model"],
)
def test_layers(student, reference, name, sizes):
    """Tasks 3 to 5: attention, block and model have layers of the right sizes, when nothing is said of heads, too."""
    parameter_count(getattr(student, name)(*sizes), getattr(reference, name)(*sizes))


@check(
    points=1,
    hint="Write down the shape after each line. By what are the scores divided, how many features does a head have?",
)
def test_attention_values(student, reference, x):
    """Task 3: attention is the scaled dot product of D features in each head, under a causal mask."""
    theirs, ours = twins(student.MultiHeadSelfAttention, reference.MultiHeadSelfAttention, 6, 3, probe=(x,))
    close(theirs(x), ours(x), "the output")


@check(points=0.5, hint="Which of the T x T scores are of a key that comes after its query? What becomes of them?")
def test_attention_causal(student, x):
    """Task 3: a later token never changes an earlier one."""
    causal(ready(student, student.MultiHeadSelfAttention(6, 3)), x)


@check(
    points=1, hint="What goes in is added to what comes out, and the norm acts on the sum. What does the MLP read then?"
)
def test_block_values(student, reference, x):
    """Task 4: the block adds attention and normalises, then adds the MLP and normalises."""
    theirs, ours = twins(student.TransformerBlock, reference.TransformerBlock, 6, 3, 2, probe=(x,))
    close(theirs(x), ours(x), "the block's output", rtol=EITHER_GELU)


# --- Task 5: the model

BUDGETS = [(20, 10, 5, 5), (30, 50, 5, 5), (48, 170, 6, 6), (60, 220, 6, 6)]  # num_emb, num_neurons, heads, blocks


@check(
    points=0.75,
    partial=True,
    hint="Go through the layers one by one: the two tables, in each block attention, MLP and norms, then the head. "
    "Which layer has a bias, and which are there only once?",
)
@pytest.mark.parametrize("sizes", BUDGETS, ids=["87,289", "556,919", "5,097,821", "10,122,749"])
def test_budgets(student, reference, sizes):
    """Task 5: the four models of the handout have exactly as many parameters as stated there."""
    theirs, ours = (send(side, on_paper)(side.DecoderTransformer, *sizes) for side in (student, reference))
    parameter_count(theirs, ours)


def on_paper(model, num_emb, num_neurons, num_heads, num_blocks):
    """A model of 150 letters; without its numbers, which are not asked for, where it can be made without them."""
    sizes = {"num_heads": num_heads, "num_blocks": num_blocks}
    try:
        with torch.device("meta"):
            return model(150, 29, num_emb, num_neurons, **sizes, device="meta")
    except Exception:
        return model(150, 29, num_emb, num_neurons, **sizes)


@check(
    points=1,
    hint="Token plus position, the blocks one after the other, the head, then the logarithm of a softmax over V.",
)
def test_log_probs(student, reference, idx):
    """Task 5: transformer_forward gives the log-probabilities of the next token at each position."""

    def asked(model):
        return model.transformer_forward(idx)

    theirs, ours = twins(
        student.DecoderTransformer,
        reference.DecoderTransformer,
        *(7, 8, 6, 3),
        num_heads=2,
        dropout_prob=0.0,
        num_blocks=2,
        probe=asked,
    )
    close(asked(theirs), asked(ours), "the tensor of log-probabilities", rtol=EITHER_GELU)


# --- Task 6: the loss of sequences, and how many tokens are guessed


def is_loss(loss, student, log_probs, x, reduction="mean"):
    """Hold a loss of x (B, T) against the student's own log-probabilities of it (B, T, V).

    What their LossFun makes of these is right, too: where it is wrong, that was paid for.
    """
    shaped(loss, (), "the loss")
    before, after = shaped(log_probs, (*x.shape, 3), "the tensor of log-probabilities")[:, :-1], x[:, 1:]
    of_sequences = -before.gather(-1, after[..., None])[..., 0].sum(dim=1)  # (B,)
    expected = of_sequences.mean() if reduction == "mean" else of_sequences.sum()
    if not torch.allclose(loss, expected, rtol=1e-4):
        expected = shaped(student.LossFun()(before, after, reduction), (), "the loss")
    close(loss, expected, "the loss")


@check(points=0.75, hint="Position t speaks of token t + 1. Which position has nothing to speak of?")
def test_sequence_loss(student, few):
    """Task 6: the loss of sequences is that of each next token, given the tokens before it."""
    model = small(student)
    is_loss(model(few), student, model.transformer_forward(few), few)


@check(points=0.5, hint="Of T tokens T - 1 have one before them. The share of a row lies between 0 and 1.")
def test_top1(student, few):
    """Task 6: top1_rec adds up the share of next tokens that were guessed in each row."""
    model = small(student)
    guesses = shaped(model.transformer_forward(few), (16, 4, 3), "the tensor of log-probabilities").argmax(dim=-1)
    expected = (guesses[:, :-1] == few[:, 1:]).float().mean(dim=1).sum()
    close(number(model.top1_rec(few), "the answer of top1_rec"), expected.item(), "the answer of top1_rec", rtol=1e-4)


# --- Task 7: sampling


def drawn(model, rows=ROWS, **settings):
    """New sequences (rows, 4) of the small model. A start token that is missing is for test_sample_form to say."""
    found = model.sample(rows, **settings)
    whole = isinstance(found, torch.Tensor) and found.dim() == 2 and len(found) == rows and found.size(1) >= 3
    assert whole, f"{rows} samples of 4 tokens should have the shape {(rows, 4)}; yours is {kind(found)}"
    assert ((found >= 0) & (found < 3)).all(), "there are tokens that are not in the vocabulary"
    if not (found[:, 0] == 2).all():
        found = torch.nn.functional.pad(found, (1, 0), value=2)
    assert found.size(1) >= 4, f"{rows} samples of 4 tokens should have the shape {(rows, 4)}; yours is {kind(found)}"
    return found.long()[:, :4]


@check(points=0.5, hint="What does a sequence hold before anything is drawn? num_tokens counts that token, too.")
def test_sample_form(student):
    """Task 7: a sample is a row of num_tokens whole numbers, the start token first; usually there are four rows."""
    model = small(student)
    for rows, found in ((4, model.sample()), (7, model.sample(7)), (1, model.sample(batch_size=1))):
        shaped(found, (rows, 4), "the tensor of samples", dtype=torch.int64)
        equal(found[:, 0], torch.full((rows,), 2), "the first column")


@check(points=0.5, hint="The model is asked about the start token alone. Each row then draws a token of its own.")
def test_sample_first(student):
    """Task 7: the first token behind the start token is drawn with the model's probabilities."""
    model = small(student)
    p = probabilities(model.transformer_forward(torch.tensor([[2]])), (1, 1, 3))  # (1, 1, V)
    drawn_from(drawn(model)[:, 1], p[0, 0], "the second column", false_alarm=RARELY)


# --- Task 8: training with patience

TRAIN = [torch.zeros(n, 3, dtype=torch.int64) for n in (2, 3, 1)]  # (B, T) each
VALID = [torch.tensor([[1, 0, 0], [1, 4, 0], [1, 2, 0], [1, 6, 0]]), torch.tensor([[1, 8, 0]])]
MORE = 4.0  # than the script's number is the loss of these five sequences on the average


def scripted(script, batches):
    """A model with one weight that grows by 1 with each step, and its optimizer (torch takes a second to load its own).

    A sequence that begins with 0 is to be trained on. The loss of others is what the script says for the epoch, plus
    their second token. The model keeps a log: of what kind a batch was, whether the model was in training mode and
    gradients were recorded, and its weight.
    """
    log = []

    class Scripted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.steps = torch.nn.Parameter(torch.zeros(()))
            self.device = "cpu"

        def forward(self, x, causal=True, temperature=1.0, reduction="mean"):
            kind = "train" if x[0, 0] == 0 else "valid"
            log.append((kind, self.training, torch.is_grad_enabled(), self.steps.item()))
            trained = len([entry for entry in log if entry[0] == "train"])
            epoch = min(max(trained - 1, 0) // batches, len(script) - 1)
            of_sequences = (-1.0 if kind == "train" else 0.0) * self.steps + 0.0 * x[:, 1]  # (B,)
            if kind == "valid":
                of_sequences = of_sequences + script[epoch] + x[:, 1]
            return of_sequences.mean() if reduction == "mean" else of_sequences.sum()

        def log(self):
            return log

    class Optimizer:
        def zero_grad(self, set_to_none=True):
            model.zero_grad(set_to_none)

        def step(self):
            with torch.no_grad():
                model.steps -= 0.0 if model.steps.grad is None else model.steps.grad

    model = Scripted()
    return model, Optimizer()


def trained(student, script, max_patience, max_epochs=100):
    """What train_with_patience returns, the model, and its log, an epoch an item.

    An epoch is what happened from its first training batch on.
    """
    model, optimizer = send(student, scripted)(script, len(TRAIN))
    losses = student.train_with_patience(model, optimizer, TRAIN, VALID, max_epochs, max_patience)
    epochs, before = [], "valid"
    for entry in model.log():
        if entry[0] == "train" and before == "valid":
            epochs.append([])
        before = entry[0]
        if epochs:
            epochs[-1].append(entry)
    return losses, model, epochs


@check(
    points=0.75,
    hint="Batches differ in size. What do you divide by, and what is the sum before the first batch is added?",
)
def test_valid_losses(student):
    """Task 8: the result lists the validation loss per sequence after each epoch, up to max_epochs."""
    losses, _, _ = trained(student, [5.0, 3.5, 4.0, 1.0, 9.0], max_patience=9, max_epochs=4)
    assert type(losses) is list, f"train_with_patience should return a list; yours is {kind(losses)}"
    assert all(type(loss) is float for loss in losses), f"the list should hold floats; it holds {kind(losses[0])} first"
    close(losses, [5.0 + MORE, 3.5 + MORE, 4.0 + MORE, 1.0 + MORE], "the list of validation losses")


@check(
    points=0.5,
    partial=True,
    hint="Go through the losses one by one, with the best so far in one column and the number of epochs without a "
    "better one in another.",
)
@pytest.mark.parametrize(
    ("script", "max_patience", "epochs"),
    [
        ([5.0, 4.0, 6.0, 5.0, 3.0, 2.0], 2, 4),
        ([5.0, 6.0, 4.0, 5.0, 3.0, 4.0, 5.0, 1.0], 2, 7),
        ([5.0, 4.0, 4.5, 3.0], 1, 3),
    ],
    ids=["never better again", "better now and then", "a patience of 1"],
)
def test_patience(student, script, max_patience, epochs):
    """Task 8: training stops after max_patience epochs in a row without a new lowest validation loss."""
    _, _, log = trained(student, script, max_patience)
    words = f"with validation losses of {', '.join(map(str, script))} and a patience of {max_patience}"
    equal(len(log), epochs, f"the number of epochs {words}")


@check(
    points=0.5,
    partial=True,
    hint="A state dict holds the very tensors that the next step changes. When do you keep something of it, and how?",
)
@pytest.mark.parametrize(
    ("script", "best"),
    [([5.0, 3.0, 4.0, 6.0], 2), ([5.0, 4.0, 3.0, 2.0], 4), ([2.0, 3.0, 4.0, 5.0], 1)],
    ids=["in the middle", "at the end", "at the start"],
)
def test_best_weights(student, script, best):
    """Task 8: afterwards the model has the weights with which the validation loss was lowest."""
    _, model, log = trained(student, script, max_patience=3, max_epochs=4)
    validated = [epoch for epoch in log if epoch[-1][0] == "valid"]
    assert len(validated) >= best, (
        f"there should be {best} epochs or more with a validation; yours are {len(validated)}"
    )
    then, now = validated[best - 1][-1][-1], number(model.steps, "the model's weight")
    assert now == then, (
        f"with validation losses of {', '.join(map(str, script))} the model should have its weights of epoch {best}; "
        f"its one weight, which grows with each step, was {then:g} then, and it is {now:g}"
    )


# --- Task 9: correlation


@check(points=0.25, hint="Take each one's mean from it. Then a sum of products, over the root of two sums of squares.")
def test_pearson(student):
    """Task 9: pearson is the correlation of two lists of numbers."""
    for a, b, expected in (
        ([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 5.0], 0.8315218),
        ([1.0, 2.0, 3.0], [5.0, 3.0, 1.0], -1.0),
        ([1.0, 2.0, 4.0, 1.0], [20.0, 30.0, 10.0, 40.0], -0.7302967),
    ):
        close(number(student.pearson(a, b), "the correlation"), expected, "the correlation", rtol=1e-4)


@check(points=0.25, hint="A constant differs from its mean nowhere. Which number would you divide by?")
def test_pearson_constant(student):
    """Task 9: a constant is a ValueError."""
    number(student.pearson([1.0, 2.0, 4.0], [2.0, 1.0, 3.0]), "the correlation")  # this one is fine
    for a, b in (([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [4.0, 4.0, 4.0])):
        with raises(ValueError, f"pearson({a}, {b})"):
            student.pearson(a, b)
