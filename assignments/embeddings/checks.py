"""What students may see of how the embeddings assignment is graded. Shapes and letters are the handout's."""

from types import SimpleNamespace

import torch

from grader.checks import check, close, equal, kind, parameter_count, raises, send, shaped, twins

# How far numbers drawn from N(0, 0.02) may be from what is expected, for the tables of 30,000 numbers or more that are
# drawn here. Right weights fail less than once in 10^9 tables: the first bound is one on chi-squared (Laurent and
# Massart), the second the normal distribution's own, the third Hoeffding's.
SPREAD = 0.03  # of the root of their mean square, as a share of 0.02
MEAN = 6.2  # of their mean, in standard errors
INSIDE = 0.02  # of the share that lies within one standard deviation, which is 0.683


def settings(**others):
    """A TransformerConfig that fits the fixed tensors, but for `others`."""
    usual = {"vocab_size": 6, "block_size": 8, "n_embd": 8, "n_head": 2, "n_layer": 1}
    return SimpleNamespace(**{**usual, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "hidden_pdrop": 0.0, **others})


def normal(weight, shape, what):
    """Return `weight` when its numbers may come from a normal distribution of mean 0 and standard deviation 0.02."""
    numbers = shaped(weight, shape, what).double()
    spread, mean = numbers.square().mean().sqrt().item(), numbers.mean().item()
    fits = abs(spread / 0.02 - 1) < SPREAD and abs(mean) < MEAN * 0.02 / numbers.numel() ** 0.5
    found = f"the numbers in {what} have a standard deviation of {numbers.std().item():.3g} about {mean:.2g}"
    assert fits, f"{found}; 0.02 about 0 is expected"
    inside = (numbers.abs() < 0.02).double().mean().item()
    found = f"{inside:.0%} of the numbers in {what} lie between -0.02 and 0.02"
    assert abs(inside - 0.683) < INSIDE, f"{found}; in a normal distribution of this spread 68% do"
    return weight


def redrawn(layer):
    """Draw all weights of a layer from N(0, 1), whatever they are and held before. This is sent to the other side."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer.eval()


def embedded(layer, idx):
    """What the layer makes of idx (B, T), a vector for each token. How wide these are is for test_shape to say."""
    vectors = layer(idx)
    assert isinstance(vectors, torch.Tensor), f"the layer should return a tensor; yours is {kind(vectors)}"
    assert vectors.numel(), f"the layer returned {kind(vectors)}, without a number in it"
    return shaped(vectors, (*idx.shape, *vectors.shape[2:]), "the embedding")


# --- Tasks 1 to 3: the embedding


@check(points=0.5, hint="One table has a row for each token of the vocabulary. What does the other have a row for?")
def test_tables(student):
    """Task 1: there are two tables, with V and with block_size rows of C numbers."""
    parameter_count(student.Embedding(settings()), 6 * 8 + 8 * 8)


@check(points=0.5, hint="What the token is and where it stands share the same C features. How can that be?")
def test_shape(student, idx):
    """Task 2: each token becomes one vector: (B, T) gives (B, T, C)."""
    shaped(student.Embedding(settings()).eval()(idx), (3, 5, 8), "the embedding of idx")


@check(points=1, hint="Take one token by hand, as in the handout: its row of the one table plus its row of the other.")
def test_values(student, reference, idx):
    """Task 2: a token's vector is its row of the token table plus its row of the position table."""
    theirs, ours = twins(student.Embedding, reference.Embedding, settings(), probe=(idx,))
    close(theirs(idx), ours(idx), "the embedding of idx")


@check(points=0.5, hint="Print your positions for a batch of two rows. Do they count the tokens of a row?")
def test_places(student):
    """Task 2: one token at five places gives five vectors."""
    layer = send(student, redrawn)(student.Embedding(settings()))
    vectors = embedded(layer, torch.full((2, 5), 3))  # (B, T, C), the same token everywhere
    for t in range(1, 5):
        apart = (vectors[0, t] - vectors[0, :t]).abs().amax(dim=-1)  # (t,)
        assert (apart > 1e-4).all(), f"token 3 has the same vector at place {t} and at place {int(apart.argmin())}"


@check(points=0.5, hint="Positions count along a row, and every row starts at 0. Which dimension of idx is which?")
def test_rows(student, idx):
    """Task 2: equal rows have equal vectors."""
    layer = send(student, redrawn)(student.Embedding(settings()))
    vectors = embedded(layer, idx[:1].repeat(4, 1))  # (B, T, C), one text four times
    close(vectors[1:], vectors[:1].expand_as(vectors[1:]), "the vectors of the same text in another row")


@check(points=0.5, hint="How many rows does the table of positions have, and what is the number of the last one?")
def test_full_length(student, full_idx):
    """Task 3: a text of exactly block_size tokens is fine."""
    embedded(student.Embedding(settings()).eval(), full_idx)


@check(points=0.5, hint="Compare T with block_size before anything is looked up. An assert raises AssertionError.")
def test_too_long(student, full_idx):
    """Task 3: a text of more than block_size tokens is refused with a ValueError."""
    layer = student.Embedding(settings(block_size=5)).eval()
    layer(full_idx[:, :4])  # this one is fine
    with raises(ValueError, "a text of 8 tokens with block_size = 5"):
        layer(full_idx)


# --- Task 4: the first weights


@check(points=0.75, hint="0.02 is the standard deviation. How is it related to the variance? Does 0 mean the middle?")
def test_linear_weight(student):
    """Task 4: the weights of a Linear are drawn from N(0, 0.02)."""
    layer = student.torch.nn.Linear(150, 200)
    student.init_weights(layer)
    normal(layer.weight, (200, 150), "the weight of a Linear")


@check(points=0.5, hint="A Linear has two Parameters. What does a new one hold as its bias?")
def test_linear_bias(student):
    """Task 4: the biases of a Linear are 0."""
    layer = student.torch.nn.Linear(6, 9)
    student.init_weights(layer)
    equal(layer.bias, torch.zeros(9), "the bias of a Linear")


@check(points=0.5, hint="A table is drawn as the weights of a Linear are. It has no bias.")
def test_embedding_weight(student):
    """Task 4: the table of an Embedding is drawn from N(0, 0.02)."""
    table = student.torch.nn.Embedding(300, 120)
    student.init_weights(table)
    normal(table.weight, (300, 120), "the weight of an Embedding")


@check(points=0.5, hint="A norm should change nothing at first: which number leaves a product as it is, which a sum?")
def test_layer_norm(student):
    """Task 4: a LayerNorm starts with weight 1 and bias 0, whatever it held."""
    norm = student.torch.nn.LayerNorm(7)
    norm.load_state_dict({"weight": torch.randn(7), "bias": torch.randn(7)})
    student.init_weights(norm)
    equal(norm.weight, torch.ones(7), "the weight of a LayerNorm")
    equal(norm.bias, torch.zeros(7), "the bias of a LayerNorm")
