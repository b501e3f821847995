"""What students may see of how the finetuning assignment is graded. Shapes and letters are the handout's."""

from types import SimpleNamespace

import pytest
import torch

from grader.checks import check, close, equal, lend, parameter_count, send, several, shaped

# Right programs sum losses in float32 in different orders; e to the power of a mean makes of that a relative error of
# less than 1e-5. The closest known mistake is a hundred times further off.
ROUNDING = 1e-4


def batch_of(ids, mask):
    """What a data loader gives: a dict."""
    return {"input_ids": ids, "attention_mask": mask}


def follows(side, table, answer=lambda logits: logits):
    """A language model whose logits after token t are row t of `table` (V, V); `answer` makes its answer of them.

    What an id below 0 gives does not matter: a wrong label_batch may have written it over padding.
    """
    return lend(side, lambda input_ids, attention_mask=None, **_: answer(table[input_ids.clamp(min=0)]))


# --- Tasks 1 and 2: loss and labels


@check(points=1, hint="Cut both at the right end, so that position t meets label t + 1. The handout has four of them.")
def test_loss(student, reference, logits, ids):
    """Task 1: the loss is the mean cross entropy of predicting each next token."""
    close(student.causal_lm_loss(logits, ids), reference.causal_lm_loss(logits, ids), "the loss")


@check(points=0.5, partial=True, hint="Labels that are ignore_index are in no sum and in no count. Which number is it?")
@pytest.mark.parametrize("ignore_index", [-100, 0], ids=["-100", "another one"])
def test_ignored(student, reference, logits, ids, mask, ignore_index):
    """Task 1: labels that are ignore_index do not count."""
    labels = ids.masked_fill(mask == 0, ignore_index)
    settings = {} if ignore_index == -100 else {"ignore_index": ignore_index}
    expected = reference.causal_lm_loss(logits, labels, **settings)
    close(student.causal_lm_loss(logits, labels, **settings), expected, "the loss")


@check(points=1, hint="The mask decides: where it is 1 the label is the token itself, where it is 0 the label is -100.")
def test_labels(student, reference, ids, mask):
    """Task 2: labels are the tokens themselves, and -100 at padding."""
    equal(student.label_batch(ids, mask), reference.label_batch(ids, mask), "the tensor of labels")


# --- Task 3: perplexity


@check(points=0.5, hint="A model that finds all V tokens equally likely chooses among V of them. The logarithm is ln.")
def test_uniform(student, ids, mask):
    """Task 3: a model that knows nothing has the perplexity V."""
    model = follows(student, torch.zeros(7, 7))
    close(student.perplexity(model, [batch_of(ids, mask)]), 7.0, "the perplexity", rtol=ROUNDING)


@check(points=1, hint="Each predicted token counts the same, in whichever batch it stands. Which two numbers add up?")
def test_unequal_batches(student, reference, table, ids, mask):
    """Task 3: the mean is over all predicted tokens of all batches, large and small."""
    batches = [batch_of(ids, mask), batch_of(ids[:1, :2], mask[:1, :2]), batch_of(ids[1:], mask[1:])]
    expected = reference.perplexity(follows(reference, table), batches)
    close(student.perplexity(follows(student, table), batches), expected, "the perplexity", rtol=ROUNDING)


@check(
    points=1,
    partial=True,
    hint="model.training says which mode the model came in; model.eval() and torch.no_grad() are two different things.",
)
@pytest.mark.parametrize("face", ["eval mode meanwhile", "no gradients", "the mode restored"])
def test_mode(student, table, ids, mask, face):
    """Task 3: the model is in eval mode meanwhile, without gradients, and afterwards in the mode it came in."""
    seen = []

    def logits(input_ids, attention_mask=None, **_):
        seen.append((model.training, student.torch.is_grad_enabled()))
        return table[input_ids.clamp(min=0)]

    model = lend(student, logits)
    for training in (True, False):
        model.train(training)
        student.perplexity(model, [batch_of(ids, mask), batch_of(ids, mask)])
        if face == "the mode restored":
            equal(model.training, training, "model.training, after the call,")
    assert seen, "the model was never asked"
    if face == "eval mode meanwhile":
        equal([training for training, _ in seen].count(True), 0, "the number of calls of the model in training mode")
    if face == "no gradients":
        equal([grad for _, grad in seen].count(True), 0, "the number of calls of the model that keep gradients")


@check(points=0.5, partial=True, hint="A tensor has no .logits, and a tuple has a first item. Ask which one it is.")
@pytest.mark.parametrize("kind", ["a tensor", "a tuple", "an object"])
def test_answers(student, reference, table, ids, mask, kind):
    """Task 3: the model may answer with logits, with a tuple that starts with them, or with an object's .logits."""
    answers = {
        "a tensor": lambda logits: logits,
        "a tuple": lambda logits: (logits, None),
        "an object": lambda logits: SimpleNamespace(loss=None, logits=logits),
    }
    expected = reference.perplexity(follows(reference, table), [batch_of(ids, mask)])
    found = student.perplexity(follows(student, table, answers[kind]), [batch_of(ids, mask)])
    close(found, expected, f"the perplexity of a model that answers with {kind}", rtol=ROUNDING)


# --- Tasks 4 to 6: the layer with an adapter


def linear(side, weight, bias=None):
    """A Linear on that side with these weights (out, in)."""
    layer = side.torch.nn.Linear(weight.size(1), weight.size(0), bias=bias is not None, dtype=weight.dtype)
    layer.load_state_dict({"weight": weight} if bias is None else {"weight": weight, "bias": bias})
    return layer


def put(layer, A, B):
    """Give the matrices that train the values of A (r, in) and B (out, r), whichever way round the layer holds them."""
    found = 0
    with torch.no_grad():
        for parameter in layer.parameters():
            for value in (A, A.T, B, B.T):
                if parameter.requires_grad and parameter.shape == value.shape:
                    parameter.copy_(value)
                    found += 1
                    break
    return found


def adapted(side, weight, bias, A, B, alpha, dropout=0.0):
    """A LoRALinear in eval mode with these weights and factors; A is (r, in), and r, in and out are different."""
    layer = side.LoRALinear(linear(side, weight, bias), A.size(0), alpha, dropout).eval()
    found = send(side, put)(layer, A, B)
    (r, inside), outside = A.shape, B.size(0)
    words = f"two matrices should train, ({r}, {inside}) and ({outside}, {r}) or transposed; {found} such are found"
    assert found == 2, words
    return layer


@check(points=0.5, hint="What has to be zero for the adapter to add nothing? And what does the base still add?")
def test_start(student, weight, bias, x):
    """Task 4: a new layer computes what its base computes."""
    layer = student.LoRALinear(linear(student, weight, bias), 3, 6.0).eval()
    close(layer(x), x @ weight.T + bias, "the new layer's output")


@check(points=1, hint="requires_grad says what trains. Go through layer.named_parameters() and print it.")
@pytest.mark.parametrize("with_bias", [True, False], ids=["a base with bias", "a base without"])
def test_trained(student, weight, bias, with_bias):
    """Task 4: the two factors train, and nothing else does."""
    base = linear(student, weight, bias if with_bias else None)
    parameter_count(student.LoRALinear(base, 3, 6.0), 3 * 6 + 5 * 3)


@check(points=1, hint="Multiply the shapes through: (..., in) by A is (..., r), by B is (..., out). Then the scaling.")
def test_values(student, reference, weight, bias, A, B, x):
    """Task 5: the layer adds alpha / r times the product of the factors."""
    theirs, ours = (adapted(side, weight, bias, A, B, 7.5) for side in (student, reference))
    close(theirs(x), ours(x), "the layer's output")


def is_linear(layer):
    """Whether it is a plain Linear."""
    return type(layer) is torch.nn.Linear


@check(points=0.5, hint="B A has the shape of the weight, (out, in). The scaling belongs to it, the bias stays.")
def test_merge(student, weight, bias, A, B, x):
    """Task 6: merge gives a plain Linear that computes the same."""
    layer = adapted(student, weight, bias, A, B, 7.5)
    before = shaped(layer(x), (4, 5), "the layer's output")
    merged = layer.merge()
    assert send(student, is_linear)(merged) is True, "merge should return a torch.nn.Linear"
    close(merged(x), before, "the merged layer's output")


# --- Task 7: adapters for a whole model


def small_model():
    """A model with Linears at several depths, and with names that look like one another."""

    class Attention(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v = (torch.nn.Linear(6, 6) for _ in range(3))
            self.q_norm = torch.nn.LayerNorm(6)

        def forward(self, x):
            scores = self.q_norm(self.q(x)) @ self.k(x).transpose(-2, -1)
            return scores.softmax(dim=-1) @ self.v(x)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(7, 6)
            blocks = [torch.nn.ModuleDict({"attn": Attention(), "seq": torch.nn.Linear(6, 6)}) for _ in range(2)]
            self.blocks = torch.nn.ModuleList(blocks)
            self.head = torch.nn.Sequential(torch.nn.LayerNorm(6), torch.nn.Linear(6, 7, bias=False))

        def forward(self, ids):
            x = self.embed(ids)  # (B, T, C)
            for block in self.blocks:
                x = x + block["attn"](x)
                x = x + torch.tanh(block["seq"](x))
            return self.head(x)

    return Model().eval()


def training(model, paths):
    """How many numbers train below each of the paths, and in the whole model."""

    def count(module):
        return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)

    return {path: count(model.get_submodule(path)) for path in paths}, count(model)


PATHS = ["embed", "head.0", "head.1"] + [
    f"blocks.{i}.{name}" for i in (0, 1) for name in ("attn.q", "attn.k", "attn.v", "attn.q_norm", "seq")
]


def trains(side, model, expected):
    """Pass when just these numbers train: {path: how many}, 0 at all other paths."""
    below, total = several(send(side, training)(model, PATHS), "the numbers by path", "the number of all")
    equal(below, {path: expected.get(path, 0) for path in PATHS}, "the dict of how many numbers train at each path")
    equal(total, sum(expected.values()), "how many numbers of the whole model train")


@check(points=1, hint="First freeze the whole model, then replace: what is made after that trains.")
def test_apply(student):
    """Task 7: the Linears of these names get adapters, and all else is frozen."""
    model = send(student, small_model)()
    count = student.apply_lora(model, ["q", "v"], 2, 4.0)
    replaced = [f"blocks.{i}.attn.{name}" for i in (0, 1) for name in ("q", "v")]
    trains(student, model, dict.fromkeys(replaced, 2 * (6 + 6)))
    equal(count, 4 * 2 * (6 + 6), "what apply_lora returns")


@check(
    points=0.5, hint="The adapter is put around the Linear that was there, and gets the r and the alpha of the call."
)
def test_apply_values(student, weight, bias, A, B, x, head):
    """Task 7: an adapter keeps the Linear's weights, and has the rank and the alpha that were asked for."""
    nn = student.torch.nn
    model = nn.Sequential(linear(student, weight, bias), nn.Tanh(), linear(student, head))
    student.apply_lora(model, ["0"], 3, 7.5)
    equal(send(student, put)(model, A, B), 2, "the number of factors of rank 3 that train")
    layer = adapted(student, weight, bias, A, B, 7.5)  # their own: right or wrong, it is to be used
    close(model(x), shaped(layer(x), (4, 5), "your LoRALinear's output").tanh() @ head.T, "the model's output")


# --- Task 8: the classifier


def settings(**others):
    """A TransformerConfig that fits the fixed tensors, but for `others`."""
    usual = {"vocab_size": 7, "block_size": 8, "n_embd": 12, "n_head": 3, "n_layer": 2}
    return SimpleNamespace(**{**usual, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "hidden_pdrop": 0.0, **others})


def refill(model, sizes, mixing):
    """New weights for all parameters: those of layers inside the body, which have none of `sizes`, times `mixing`."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * parameter.shape[-1] ** -0.5)
            if parameter.dim() > 1 and not {*parameter.shape} & {*sizes}:
                parameter.mul_(mixing)


def classifier(side, mixing=1.0):
    """A GPTClassifier for 5 classes with fresh weights. With a small `mixing` tokens hardly look at each other."""
    model = side.GPTClassifier(settings(), 5).eval()
    send(side, refill)(model, [7, 8, 5], mixing)  # V, block_size, n_classes: embeddings and heads
    return model


def answers_of(model, ids, mask=None):
    """lm_logits (B, T, V) and class_logits (B, n_classes), or say in words what is wrong with their form."""
    B, T = ids.shape
    lm_logits, class_logits = several(model(ids, mask), "lm_logits", "class_logits")
    return shaped(lm_logits, (B, T, 7), "lm_logits"), shaped(class_logits, (B, 5), "class_logits")


def influence(model, ids, length=None):
    """How far each token of one row, ids (T,), moves what the model says: lm_logits (T, T) and class_logits (T,).

    Entry [s, t] says how far position t moves when token s becomes another one. A row of `length` real tokens stands
    beside one without padding.
    """
    T = len(ids)
    others = torch.where(torch.eye(T).bool(), (ids + 3) % 7, ids)  # (T, T), row s has another token s
    lengths = torch.tensor([length or T] * (T + 1) + [T])
    mask = None if length is None else (torch.arange(T) < lengths[:, None]).long()
    answers = answers_of(model, torch.cat([ids[None], others, ids[None]]), mask)
    lm_logits, class_logits = ((answer - answer[:1])[1:-1].abs().amax(dim=-1) for answer in answers)
    return lm_logits, class_logits


@check(points=0.5, hint="Two results: scores for the next token at each position, and one row of scores for each text.")
def test_heads(student, texts):
    """Task 8: the classifier returns logits for the next tokens and logits for the classes."""
    answers_of(classifier(student), texts)


@check(points=1, hint="A causal model stays one with a second head. Which mask does attention get?")
def test_causal(student, reference, texts):
    """Task 8: lm_logits depend on the tokens up to their own position, and on no later one."""
    theirs, ours = (influence(classifier(side), texts[0])[0] for side in (student, reference))
    for s, t in (theirs > 1e-5).logical_xor(ours > 1e-5).nonzero().tolist():
        move = "move" if theirs[s, t] > 1e-5 else "do not move"
        raise AssertionError(f"the logits at position {t} {move} when token {s} becomes another one")


@check(points=1, hint="The mask says how many real tokens a row has. The last of them stands where?")
def test_last_token(student, reference, texts, lengths):
    """Task 8: the class is read off the last token that is not padding."""
    theirs, ours = (classifier(side, mixing=0.01) for side in (student, reference))
    for ids, n in zip(texts, lengths.tolist(), strict=True):
        read, wanted = (
            (moved > 0.1 * moved.max()).nonzero().flatten().tolist()
            for moved in (influence(model, ids, n)[1] for model in (theirs, ours))
        )
        words = f"in a text of {n} tokens and {6 - n} of padding the class follows the tokens at the positions"
        assert read == wanted, f"{words} {read}; it should follow {wanted}, when tokens hardly look at each other"
