"""The rest of how the finetuning assignment is graded: other sizes, padding, sharing, and what must not change."""

import pytest
import torch
from public_checks import (
    ROUNDING,
    adapted,
    answers_of,
    batch_of,
    classifier,
    follows,
    linear,
    put,
    small_model,
    trains,
)

from grader.checks import (
    check,
    close,
    drawn_from,
    equal,
    gradients,
    kind,
    leaves_unchanged,
    padding_ignored,
    parameter_count,
    same,
    send,
    several,
    shaped,
    sizes,
)

# --- Tasks 1 and 2: loss and labels


@check(
    points=0.5, partial=True, hint="No size is fixed, nothing is changed in place, and the loss is to be learned from."
)
def test_loss_sizes(student, reference):
    """Task 1: the loss is right for other sizes, and its gradients are, too."""
    for B, T, V in sizes(B=(1, 4), T=(2, 6), V=(2, 9)):
        labels = torch.randint(V, (B, T))
        labels[0, 2:] = -100  # a row with one prediction
        same(student.causal_lm_loss, reference.causal_lm_loss, torch.randn(B, T, V), labels, what="the loss")


@check(points=0.5, hint="e to the power of 300 is more than a float32 can hold, and the logarithm of 0 is none.")
def test_loss_large(student, reference, logits, ids):
    """Task 1: large logits do not overflow."""
    close(student.causal_lm_loss(300 * logits, ids), reference.causal_lm_loss(300 * logits, ids), "the loss")


@check(points=0.5, partial=True, hint="Padding often has the id of a real token. What alone tells them apart?")
def test_labels_sizes(student, reference):
    """Task 2: the mask alone says what is padding, whatever ids there are, and input_ids stays as it is."""
    for B, T in sizes(B=(1, 4), T=(1, 6)):
        ids, lengths = torch.randint(3, (B, T)), torch.randint(T + 1, (B, 1))
        ids[0, 0], lengths[0] = 0, T  # a real token that looks like padding
        mask = (torch.arange(T) < lengths).long()
        same(student.label_batch, reference.label_batch, ids, mask, what="the tensor of labels")


# --- Task 3: perplexity


@check(points=0.5, partial=True, hint="The mean over no prediction at all is 0 / 0. What should such a batch add?")
@pytest.mark.parametrize("case", ["a row of padding", "a batch of padding", "a batch one token wide"])
def test_no_predictions(student, reference, table2, long_ids, case):
    """Task 3: rows and batches without a prediction add nothing."""
    mask = (torch.arange(6) < torch.tensor([[5], [0], [1], [3]])).long()
    batches = [batch_of(long_ids, mask)]
    if case == "a batch of padding":
        batches.append(batch_of(long_ids, torch.zeros_like(mask)))
    if case == "a batch one token wide":
        batches.insert(0, batch_of(long_ids[:, :1], mask[:, :1]))
    expected = reference.perplexity(follows(reference, table2), batches)
    close(student.perplexity(follows(student, table2), batches), expected, "the perplexity", rtol=ROUNDING)


def looking_up(table):
    """The model of `follows`, which is there itself: hundreds of calls need not come here for their answers."""

    class Model(torch.nn.Module):
        def forward(self, input_ids, *_, **__):
            return table[input_ids.clamp(min=0)]

    return Model()


@check(
    points=0.5,
    partial=True,
    hint="float32 ends at 3e38, and beside a large sum it forgets what is small. A Python float has room for both.",
)
@pytest.mark.parametrize("case", ["a bad model", "many batches"])
def test_large_numbers(student, reference, table2, long_ids, case):
    """Task 3: neither a large loss nor a long sum spoils the result."""
    if case == "a bad model":
        table, batches = 80 * table2, [batch_of(long_ids, torch.ones_like(long_ids))]
    else:
        table = torch.zeros(7, 7)
        table[0, 2] = 270_000.0  # the first batch is as wrong as can be; each later one loses less than its rounding
        table[3, 4] = 6.0
        pairs = torch.tensor([[0, 1]] + 400 * [[3, 4]])
        batches = [batch_of(pair[None], torch.ones(1, 2, dtype=torch.int64)) for pair in pairs]
    found, expected = (side.perplexity(send(side, looking_up)(table), batches) for side in (student, reference))
    close(found, expected, "the perplexity", rtol=10 * ROUNDING)


def one_by_one(batches):
    """A generator: it has no length and no index, and is gone through once."""
    return (batch for batch in batches)


@check(points=0.5, partial=True, hint="Go through the batches once, and make new tensors instead of changing theirs.")
@pytest.mark.parametrize("case", ["a generator", "nothing changes"])
def test_batches(student, reference, table2, long_ids, case):
    """Task 3: the batches may come from a generator; batches and model stay as they were."""
    mask = (torch.arange(6) < torch.tensor([[6], [2], [4], [3]])).long()
    batches, model = [batch_of(long_ids, mask), batch_of(long_ids[:1], mask[:1])], follows(student, table2)
    if case == "nothing changes":
        leaves_unchanged(student.perplexity, model, batches)
        parameter_count(model, 1)  # which trains, as it did
        return
    expected = reference.perplexity(follows(reference, table2), batches)
    found = student.perplexity(model, send(student, one_by_one)(batches))
    close(found, expected, "the perplexity", rtol=ROUNDING)


# --- Tasks 4 to 6: the layer with an adapter


def slopes(layer, x, cotangent, A, B):
    """The gradients of x, A (r, in) and B (out, r), whichever way round the layer holds the last two."""
    x = x.clone().requires_grad_()
    (layer(x) * cotangent).sum().backward()
    found = {"x": x.grad}
    for parameter in layer.parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for name, value in (("A", A), ("B", B)):
            if parameter.requires_grad and parameter.shape in (value.shape, value.T.shape):
                found[name] = gradient if parameter.shape == value.shape else gradient.T
    return found


@check(points=0.5, partial=True, hint="x may have any number of dimensions; the last one holds the features.")
def test_lora_sizes(student, reference):
    """Task 5: the layer is right for other sizes, with a bias and without, and passes the right gradients on."""
    for number, (r, inside, outside, T) in enumerate(sizes(r=(1, 2), inside=(3, 5), outside=(6, 8), T=(1, 4))):
        weight, A, B = torch.randn(outside, inside), torch.randn(r, inside), torch.randn(outside, r)
        bias, x = torch.randn(outside) if number % 2 else None, torch.randn(2, T, inside)
        theirs, ours = (adapted(side, weight, bias, A, B, 3.0) for side in (student, reference))
        same(theirs, ours, x, what="the layer's output", off=("gradients", "dropout"))
        cotangent = torch.randn(2, T, outside)
        found, expected = (
            send(side, slopes)(layer, x, cotangent, A, B) for side, layer in ((student, theirs), (reference, ours))
        )
        for name, gradient in expected.items():
            close(found.get(name), gradient, f"the gradient of {name}")


def two_steps(layer, x, target):
    """How far each factor's gradient is from zero at the start, and after one step of gradient descent."""
    factors = [parameter for parameter in layer.parameters() if parameter.requires_grad]
    found = []
    for _ in range(2):
        layer.zero_grad()
        (layer(x) - target).square().mean().backward()
        gradients = [torch.zeros_like(f) if f.grad is None else f.grad.clone() for f in factors]
        found.append([gradient.abs().max().item() for gradient in gradients])
        with torch.no_grad():
            for factor, gradient in zip(factors, gradients, strict=True):
                factor.sub_(0.1 * gradient)
    return found


@check(points=0.5, hint="The gradient of A is made with B, and that of B with A. What is it if both are zero?")
def test_learns(student, weight, bias, x):
    """Task 4: a new layer can learn: after one step both factors have gradients."""
    layer = student.LoRALinear(linear(student, weight, bias), 3, 6.0)
    first, second = several(send(student, two_steps)(layer, x, torch.randn(4, 5)), "the first step", "the second step")
    assert max(first) > 1e-6, "no gradient reaches either factor of a new layer: it can never learn"
    assert min(second) > 1e-6, "after one step of training one factor still has no gradient"


@check(
    points=0.5, hint="In training mode the base's answer is whole. What goes through the dropout, and what does not?"
)
def test_dropout(student):
    """Task 5: in training mode dropout acts on the low-rank path, and nowhere else."""
    # With one feature, in and out, each row keeps its adapter's answer (4.5, grown by 1 / (1 - p)) or loses it whole,
    # wherever on its path the dropout stands.
    two, x = torch.full((1, 1), 2.0), torch.ones(4000, 1)
    layer = student.LoRALinear(linear(student, two, torch.tensor([0.2])), 1, 1.125, 0.25).eval()
    send(student, put)(layer, two, two)
    close(layer(x), (2.2 + 4.5) * x, "in eval mode the layer's output")
    output = shaped(layer.train()(x), (4000, 1), "the layer's output in training mode")
    outcome = torch.full((4000,), 2)
    for number, value in enumerate((2.2, 2.2 + 6.0)):
        outcome[(output[:, 0] - value).abs() < 1e-4] = number
    strange = output[outcome == 2]
    words = "in training mode an output should be 2.2, which is the base's alone, or 8.2, with the adapter's"
    assert not len(strange), f"{words}; yours has {strange[0].item() if len(strange) else 0:.4g}"
    drawn_from(outcome, torch.tensor([0.25, 0.75]), "the outputs, 0 without the adapter's part and 1 with it,")


@check(points=0.5, hint="Whoever asked for a model in float64 gets no float32 beside it. What does base.weight know?")
def test_dtype(student, weight, bias, A, B, x):
    """Task 4: the factors have the dtype of the base."""
    weight, bias, A, B, x = (t.double() for t in (weight, bias, A, B, x))
    shaped(adapted(student, weight, bias, A, B, 7.5)(x), (4, 5), "the layer's output", dtype=torch.float64)


@check(points=0.5, hint="The sum goes into a new layer. Does any line of yours change self.base or share it?")
@pytest.mark.parametrize("case", ["twice", "without bias", "in training mode", "in float64", "after more training"])
def test_merge_again(student, weight, bias, A, B, x, case):
    """Task 6: merging changes nothing of the layer, can be done again, and gives a layer of its own."""
    bias = None if case == "without bias" else bias
    if case == "in float64":
        weight, bias, A, B, x = (t.double() for t in (weight, bias, A, B, x))
    layer = adapted(student, weight, bias, A, B, 7.5, dropout=0.5)
    before = shaped(layer(x), (4, 5), "the layer's output", dtype=x.dtype)
    merged = layer.train(case == "in training mode").merge()
    close(merged(x), before, "the merged layer's output")
    if case == "twice":
        close(layer(x), before, "after merging the layer's own output")
        close(layer.merge()(x), before, "the second merged layer's output")
    if case == "without bias":
        equal(merged.bias, None, "the merged layer's bias")
    if case == "after more training":
        send(student, put)(layer, 2 * A, B)
        close(merged(x), before, "after more training of the layer the output of what was merged before")
        close(layer.merge()(x), shaped(layer(x), (4, 5), "the layer's output"), "the newly merged layer's output")


# --- Task 7: adapters for a whole model

LINEAR = 2 * (6 + 6)  # numbers in the adapter of a Linear(6, 6) with r = 2


@check(points=0.5, partial=True, hint="Two comparisons with ==: the whole path, or what stands behind its last dot.")
@pytest.mark.parametrize(
    ("names", "replaced"),
    [
        (["blocks.1.attn.k"], {"blocks.1.attn.k": LINEAR}),
        (["attn.q", "eq", "blocks.0"], {}),
        (["embed", "q_norm", "nothing"], {}),
        (["1", "seq"], {"head.1": 2 * (6 + 7), "blocks.0.seq": LINEAR, "blocks.1.seq": LINEAR}),
    ],
    ids=["a whole path", "parts of a path", "no Linears", "a Sequential"],
)
def test_names(student, names, replaced):
    """Task 7: a name is a whole path or its last component, and only Linears are replaced."""
    model = send(student, small_model)()
    count = student.apply_lora(model, names, 2, 4.0)
    trains(student, model, replaced)
    equal(count, sum(replaced.values()), "what apply_lora returns")


def tie(model):
    """Let both blocks use one and the same Linear."""
    model.blocks[1]["attn"].q = model.blocks[0]["attn"].q
    return model


@check(
    points=0.5,
    partial=True,
    hint="named_modules() tells of a shared module once, by its first path. It can tell of all.",
)
@pytest.mark.parametrize("path", ["both", "blocks.1.attn.q"], ids=["both places", "the second place"])
def test_shared(student, path):
    """Task 7: a Linear that stands at two places is replaced at each place that is listed."""
    model = send(student, tie)(send(student, small_model)())
    count = student.apply_lora(model, ["q" if path == "both" else path], 2, 4.0)
    if path != "both":
        trains(student, model, {path: LINEAR})
        return
    for place in ("blocks.0.attn.q", "blocks.1.attn.q"):
        parameter_count(model.get_submodule(place), LINEAR)
    assert count in (LINEAR, 2 * LINEAR), f"apply_lora returns {count}; {LINEAR} or {2 * LINEAR} is expected"
    parameter_count(model, count)  # one adapter at both places, or one for each


# --- Task 8: the classifier


@check(points=0.5, partial=True, hint="Feed a row with its padding, without it, and with other tokens in its place.")
@pytest.mark.parametrize("case", ["lm_logits", "class_logits", "no mask"])
def test_padding(student, texts, lengths, case):
    """Task 8: padding and the other rows change nothing; without a mask all tokens are real."""
    model = classifier(student)

    def masked(number):
        return lambda ids, length: answers_of(model, ids, (torch.arange(ids.size(1)) < length[:, None]).long())[number]

    if case == "no mask":
        close(answers_of(model, texts), answers_of(model, texts, torch.ones_like(texts)), "without a mask the result")
    else:
        padding_ignored(masked(0 if case == "lm_logits" else 1), texts, lengths)


@check(
    points=0.5,
    partial=True,
    hint="Fine-tuning changes the whole model. What does .detach() or torch.no_grad() cut off?",
)
@pytest.mark.parametrize("case", ["lm_logits", "class_logits", "nothing changes"])
def test_both_train(student, texts, lengths, case):
    """Task 8: the whole model can learn from either head, and the tensors handed in stay as they were."""
    model, mask = classifier(student), (torch.arange(6) < lengths[:, None]).long()
    if case == "nothing changes":
        leaves_unchanged(model, texts, mask)
        return
    lm_logits, class_logits = answers_of(model, texts, mask)
    pulled = (torch.ones_like(lm_logits).cumsum(-1), None) if case == "lm_logits" else (None, class_logits + 1)
    learned = [g for g in gradients(model, texts, mask, wrt=(), cotangent=pulled).parameters.values() if g is not None]
    reached = sum(int((gradient != 0).sum()) for gradient in learned)
    assert reached > 1000, f"{case} changes with {reached} numbers of the model only: something before it is detached"


# --- Extra: models of the package transformers, if it is there. These checks cost nothing and earn nothing.

EXTRA = {"points": 0, "seconds": 60, "hidden": False}  # to import the package takes seconds of its own
BOTH = pytest.mark.parametrize("name", ["GPT-2", "BERT"])


def tiny(name):
    """A small language model with random weights, made of settings alone: nothing is downloaded.

    None where the package cannot be imported.
    """
    try:
        from transformers import BertConfig, BertLMHeadModel, GPT2Config, GPT2LMHeadModel  # noqa: PLC0415
    except ImportError:
        return None
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    if name == "GPT-2":
        return GPT2LMHeadModel(GPT2Config(vocab_size=7, n_positions=8, n_embd=12, n_layer=2, n_head=2, **ends))
    sizes = {"hidden_size": 12, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=7, max_position_embeddings=8, is_decoder=True, **sizes, **ends)
    return BertLMHeadModel(config)


def from_library(student, name):
    """The model, in eval mode; or the check is skipped."""
    model = send(student, tiny)(name)
    if model is None:
        pytest.skip("the package transformers is not installed here; pip install 'torchgrade[transformers]' brings it")
    return model.eval()


def library_says(model, ids, mask, labels=None):
    """The model's logits, and its own loss for the labels."""
    with torch.no_grad():
        answer = model(input_ids=ids, attention_mask=mask, labels=labels)
    return answer.logits, answer.loss


@check(**EXTRA, hint="The library shifts inside its loss, and leaves -100 out, as you do.")
@BOTH
def test_library_loss(student, long_ids, name):
    """Extra: labels and loss of a model from transformers are those of the library itself."""
    model, mask = from_library(student, name), (torch.arange(6) < torch.tensor([[5], [6], [1], [3]])).long()
    labels = student.label_batch(long_ids, mask)
    logits, expected = several(send(student, library_says)(model, long_ids, mask, labels), "logits", "the loss")
    close(student.causal_lm_loss(logits, labels), expected, "the loss")


@check(**EXTRA, hint="These models take input_ids and attention_mask by name, and answer with an object.")
@BOTH
def test_library_perplexity(student, long_ids, name):
    """Extra: the perplexity of a model from transformers."""
    model, mask = from_library(student, name), (torch.arange(6) < torch.tensor([[5], [6], [1], [3]])).long()
    logits, _ = several(send(student, library_says)(model, long_ids, mask), "logits", "the loss")
    real = mask[:, 1:].bool()
    nll = -logits[:, :-1].log_softmax(dim=-1).gather(2, long_ids[:, 1:, None])[..., 0][real]  # (predictions,)
    batches = [batch_of(long_ids[:3], mask[:3]), batch_of(long_ids[3:], mask[3:])]
    close(student.perplexity(model, batches), nll.double().mean().exp().item(), "the perplexity", rtol=ROUNDING)


@check(**EXTRA, hint="Look at the model's tree. BERT's attention is made of Linears; GPT-2 has a class of its own.")
@BOTH
def test_library_lora(student, long_ids, name):
    """Extra: apply_lora finds the Linears of a model from transformers by their names."""
    model = from_library(student, name)
    before, _ = several(send(student, library_says)(model, long_ids, torch.ones_like(long_ids)), "logits", "the loss")
    if name == "GPT-2":  # c_attn is a Conv1D, whose weight lies the other way round: it is no Linear, and is left alone
        equal(student.apply_lora(model, ["c_attn"], 2, 4.0), 0, "what apply_lora returns for c_attn, a Conv1D,")
        equal(student.apply_lora(model, ["lm_head"], 2, 4.0), 2 * (12 + 7), "what apply_lora returns for lm_head")
    else:
        count = student.apply_lora(model, ["query", "value"], 2, 4.0)
        equal(count, 2 * 2 * 2 * (12 + 12), "what apply_lora returns for query and value")
    after, _ = several(send(student, library_says)(model, long_ids, torch.ones_like(long_ids)), "logits", "the loss")
    close(after, before, "the tensor of logits with adapters that have learned nothing yet")


def tree(model, depth):
    """What the provided module says of the model."""
    from structure import structure  # noqa: PLC0415 - it lies beside the student's file

    return structure(model, depth)


@check(**EXTRA, hint="structure.py was given to you. print(structure(model, depth=2)) shows what a model is made of.")
@BOTH
def test_library_structure(student, name):
    """Extra: structure() shows a model from transformers down to the depth that is asked for."""
    model = from_library(student, name)
    root, leaf = {
        "GPT-2": ("model: GPT2LMHeadModel", "c_attn: Conv1D [weight (12, 36), bias (36,)] (468)"),
        "BERT": ("model: BertLMHeadModel", "query: Linear [weight (12, 12), bias (12,)] (156)"),
    }[name]
    for depth, line in ((0, root), (8, leaf)):
        text = send(student, tree)(model, depth)
        assert isinstance(text, str), f"structure() should return text; yours is {kind(text)}"
        assert line in text, f"with depth {depth} a line with `{line}` is expected"
        equal("\n" in text, depth > 0, f"whether there are several lines with depth {depth}")
