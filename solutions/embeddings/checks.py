"""The rest of how the embeddings assignment is graded: other sizes, dropout, and what the first weights leave alone."""

import torch
from public_checks import embedded, normal, redrawn, settings

from grader.checks import check, close, equal, gradients, same, send, shaped, sizes, twins

# --- Tasks 1 to 3: the embedding


@check(points=0.75, partial=True, hint="Read T off idx. No number of rows, tokens or features is fixed.")
def test_other_sizes(student, reference):
    """Task 2: other numbers of rows, tokens and features are right, too."""
    for B, T, longer, C, V in sizes(B=(8, 12), T=(1, 5), longer=(0, 2), C=(2, 9), V=(3, 12)):
        config = settings(vocab_size=V, block_size=T + longer, n_embd=C)
        idx = torch.randint(V, (B, T))
        theirs, ours = twins(student.Embedding, reference.Embedding, config, probe=(idx,))
        same(theirs, ours, idx, what="the embedding", off=("gradients",))


@check(points=0.5, hint="Both tables are learned, each row that was looked up. Is one looked up without autograd?")
def test_gradients(student, reference, text):
    """Task 2: the right gradients reach both tables."""
    theirs, ours = twins(student.Embedding, reference.Embedding, settings(), probe=(text,))
    same(theirs, ours, text, what="the embedding", only=("gradients",))


@check(points=0.5, hint="The sum of the two rows goes through dropout as it is: some numbers become 0, others grow.")
def test_dropout(student, text):
    """Task 2: in training mode embd_pdrop of the sum's numbers are dropped, and the others make up for it."""
    layer = send(student, redrawn)(student.Embedding(settings(embd_pdrop=0.25, block_size=200)))
    copies = text.repeat(200, 1)  # (200, T), with C = 8 that is 9600 numbers
    plain, dropped = embedded(layer.eval(), copies), embedded(layer.train(), copies)
    share = (dropped == 0).double().mean().item()
    # by Hoeffding's bound a share of 9600 independent drops is 0.05 off less than once in 10^20 runs
    assert abs(share - 0.25) < 0.05, f"{share:.0%} of the numbers are 0 in training mode, with embd_pdrop = 0.25"
    close(dropped, torch.where(dropped == 0, 0.0, plain / 0.75), "the embedding, where it was kept,")


@check(points=0.25, hint="The same layer gives the same answer twice once .eval() was called. Who tells the dropout?")
def test_eval(student, text):
    """Task 2: in eval mode nothing is dropped."""
    layer = student.Embedding(settings(embd_pdrop=0.5)).eval()
    first, second = embedded(layer, text), embedded(layer, text)
    close(second, first, "the second answer to the same question")


# --- Task 4: the first weights


@check(points=0.25, hint="Linear(3, 4, bias=False).bias is None. What has to be asked before a bias is set?")
def test_without_bias(student):
    """Task 4: a Linear without a bias gets its weights, too."""
    layer = student.torch.nn.Linear(150, 200, bias=False)
    student.init_weights(layer)
    normal(layer.weight, (200, 150), "the weight of a Linear without bias")
    equal(layer.bias, None, "the bias of a Linear without bias")


def numbers(module):
    """The floating tensors that a module holds, by their names. This is sent to the other side."""
    return {name: held.clone() for name, held in module.state_dict().items() if held.is_floating_point()}


OTHERS = {  # kinds of layers that init_weights knows nothing of, and what they are made with
    "Conv1d": (3, 4, 2),
    "BatchNorm1d": (5,),
    "GRU": (3, 4),
    "ParameterDict": ({"weight": torch.ones(3, 4), "bias": torch.ones(4)},),
}


@check(points=0.5, hint="Having a `weight` or a `bias` makes no Linear. Ask what kind of module it is.")
def test_untouched(student):
    """Task 4: layers of any other kind keep what they hold."""
    drawn, found = {}, {}
    for kind, args in OTHERS.items():
        ours, theirs = (getattr(nn, kind)(*args) for nn in (torch.nn, student.torch.nn))
        drawn[kind] = {name: 0.5 + torch.rand_like(value) for name, value in numbers(ours).items()}
        theirs.load_state_dict(drawn[kind], strict=False)
        student.init_weights(theirs)
        found[kind] = send(student, numbers)(theirs)
    for kind in OTHERS:  # all were asked before one fails: which mistake it is shows in all of them
        equal(found[kind], drawn[kind], f"what a {kind} holds")


@check(points=0.25, hint="Module.apply goes to each module by itself. What is left for init_weights to look at?")
def test_not_recursive(student):
    """Task 4: the modules inside a module are left alone."""
    nn, held = student.torch.nn, send(student, numbers)
    model = nn.Sequential(nn.Linear(4, 3), nn.Embedding(3, 2))
    before = held(model)
    student.init_weights(model)
    equal(held(model), before, "what the layers of a Sequential hold")


@check(points=0.5, hint="An optimizer holds Parameters. In place means: other numbers in the same Parameter.")
def test_same_parameters(student):
    """Task 4: the Parameters stay the same objects, and they still learn."""
    layer = student.torch.nn.Linear(40, 30)
    held = student.torch.nn.ParameterList(layer.parameters())  # as an optimizer holds them, which takes long to import
    student.init_weights(layer)
    equal(held[0], shaped(layer.weight, (30, 40), "the weight"), "the weight that was the layer's before")
    equal(held[1], shaped(layer.bias, (30,), "the bias"), "the bias that was the layer's before")
    found = gradients(layer, torch.ones(2, 40), cotangent=torch.ones(2, 30)).parameters
    for name, size in (("weight", (30, 40)), ("bias", (30,))):
        assert found.get(name) is not None, f"the {name} gets no gradient any more"
        equal(found[name], torch.full(size, 2.0), f"the gradient of the {name}")


@check(points=0.25, hint="Each layer draws for itself, and its size changes nothing about the distribution.")
def test_apply(student):
    """Task 4: Module.apply reaches all layers of a model, and no two of them draw the same."""
    nn = student.torch.nn
    layers = [nn.Linear(100, 300), nn.Linear(100, 300), nn.Linear(2500, 20), nn.Embedding(5000, 10)]
    shapes = [(300, 100), (300, 100), (20, 2500), (5000, 10)]
    model = nn.Sequential(layers[0], nn.Sequential(layers[1], nn.GELU(), nn.ModuleList(layers[2:])))
    model.apply(student.init_weights)
    weights = [normal(layer.weight, shape, f"a weight {shape}") for layer, shape in zip(layers, shapes, strict=True)]
    assert not weights[0].equal(weights[1]), "two layers of one model hold the same weights: the seed is set anew"
