"""Known mistakes of the finetuning assignment, as replacements of the solution's names."""

import math

import torch
from finetuning import Decoder, GPTClassifier, LoRALinear, apply_lora, causal_lm_loss, label_batch, perplexity
from torch import nn
from torch.nn import functional as F

from grader.checks import mistake

# --- Task 1: the loss


def cross_entropy(predictions, targets, **settings):
    """Over predictions (B, T, V) and targets (B, T)."""
    return F.cross_entropy(predictions.flatten(0, 1), targets.flatten(), **settings)


@mistake(
    replaces="causal_lm_loss",
    title="Nothing is shifted: each position is asked for the token that it has just read",
    hint="Position t has seen token t. Which token is it to predict?",
    caught_by=("loss", "ignored", "loss_sizes", "loss_large"),
)
def unshifted(logits, labels, ignore_index=-100):
    return cross_entropy(logits, labels, ignore_index=ignore_index)


@mistake(
    replaces="causal_lm_loss",
    title="The shift goes the wrong way: each position is asked for the token before it",
    hint="Which end of the logits is cut off, and which end of the labels? Write both under each other.",
    caught_by=("loss", "ignored", "loss_sizes", "loss_large", "large_numbers"),
)
def shifted_backwards(logits, labels, ignore_index=-100):
    return cross_entropy(logits[:, 1:], labels[:, :-1], ignore_index=ignore_index)


@mistake(
    replaces="causal_lm_loss",
    title="The rows of the batch are shifted, not the positions",
    hint="(B, T): the first dimension counts texts. Along which one does a text go on?",
    caught_by=("loss", "ignored", "loss_sizes", "loss_large"),
)
def rows_shifted(logits, labels, ignore_index=-100):
    return cross_entropy(logits[:-1], labels[1:], ignore_index=ignore_index)


@mistake(
    replaces="causal_lm_loss",
    title="ignore_index is not used: -100 is left out whatever is asked for",
    hint="The function has a third argument. Where does it end up?",
    caught_by=("ignored",),
)
def always_minus_100(logits, labels, ignore_index=-100):  # noqa: ARG001 - the mistake
    return cross_entropy(logits[:, :-1], labels[:, 1:])


@mistake(
    replaces="causal_lm_loss",
    title="Ignored labels are counted in the mean's denominator",
    hint="The sum leaves ignored labels out. By how many is it divided?",
    caught_by=("ignored", "loss_sizes", "uniform"),
)
def divided_by_all(logits, labels, ignore_index=-100):
    total = cross_entropy(logits[:, :-1], labels[:, 1:], ignore_index=ignore_index, reduction="sum")
    return total / labels[:, 1:].numel()


@mistake(
    replaces="causal_lm_loss",
    title="The sum is divided by the number of labels before the shift",
    hint="T tokens give T - 1 predictions. How many losses are added up in a row, and by how many is it divided?",
    caught_by=("loss", "ignored", "loss_sizes", "loss_large", "uniform"),
)
def divided_by_unshifted(logits, labels, ignore_index=-100):
    total = cross_entropy(logits[:, :-1], labels[:, 1:], ignore_index=ignore_index, reduction="sum")
    return total / (labels != ignore_index).sum()


@mistake(
    replaces="causal_lm_loss",
    title="The loss is a sum, not a mean",
    hint="Should twice as many tokens make the loss twice as large?",
    caught_by=("loss", "ignored", "loss_sizes", "loss_large", "uniform", "large_numbers"),
)
def loss_summed(logits, labels, ignore_index=-100):
    return cross_entropy(logits[:, :-1], labels[:, 1:], ignore_index=ignore_index, reduction="sum")


@mistake(
    replaces="causal_lm_loss",
    title="The loss is a mean of the rows' means",
    hint="Each prediction counts the same. Does it, when a row with one of them weighs as much as a row with four?",
    caught_by=("ignored", "loss_sizes"),
)
def mean_of_rows(logits, labels, ignore_index=-100):
    rows = [
        cross_entropy(one[None, :-1], wanted[None, 1:], ignore_index=ignore_index)
        for one, wanted in zip(logits, labels, strict=True)
        if (wanted[1:] != ignore_index).any()
    ]
    return torch.stack(rows).mean()


@mistake(
    replaces="causal_lm_loss",
    title="A softmax comes before the cross entropy, which makes its own",
    hint="F.cross_entropy reads logits. What does it get?",
    caught_by=("loss", "ignored", "loss_sizes", "loss_large", "large_numbers"),
)
def softmax_twice(logits, labels, ignore_index=-100):
    return causal_lm_loss(logits.softmax(dim=-1), labels, ignore_index)


@mistake(
    replaces="causal_lm_loss",
    title="The logarithm is taken of a finished softmax: it meets zeros when logits are large",
    hint="log_softmax never writes down the probability itself. Why is that better?",
    caught_by=("loss_large", "large_numbers"),
)
def log_of_softmax(logits, labels, ignore_index=-100):
    return F.nll_loss(
        logits[:, :-1].softmax(dim=-1).log().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=ignore_index
    )


@mistake(
    replaces="causal_lm_loss",
    title="The loss is cut from the graph: nothing can be learned from it",
    hint="Call loss.backward(). What do .item() and .detach() leave of a tensor?",
    caught_by=("loss_sizes",),
)
def loss_detached(logits, labels, ignore_index=-100):
    return causal_lm_loss(logits, labels, ignore_index).detach()


@mistake(
    replaces="causal_lm_loss",
    title="The caller's labels are changed",
    hint="labels[...] = writes into the tensor that was passed in. Which function makes a new one?",
    caught_by=("loss_sizes",),
)
def labels_overwritten(logits, labels, ignore_index=-100):
    loss = causal_lm_loss(logits, labels, ignore_index)
    labels[labels == ignore_index] = 0
    return loss


# --- Task 2: the labels


@mistake(
    replaces="label_batch",
    title="Padding is not marked: the labels are the tokens as they come",
    hint="What should the loss do with a padded position, and how does it learn of that?",
    caught_by=("labels", "labels_sizes"),
)
def padding_kept(input_ids, attention_mask):  # noqa: ARG001 - the mistake
    return input_ids.clone()


@mistake(
    replaces="label_batch",
    title="The mask is read the wrong way round: real tokens are marked, and padding is kept",
    hint="In attention_mask 1 means a real token.",
    caught_by=("labels", "labels_sizes", "large_numbers"),
)
def mask_inverted(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 1, -100)


@mistake(
    replaces="label_batch",
    title="The labels are shifted here, and once more inside the loss",
    hint="Who shifts: the labels or the loss? Only one of them may.",
    caught_by=("labels", "labels_sizes", "large_numbers"),
)
def labels_shifted(input_ids, attention_mask):
    return F.pad(label_batch(input_ids, attention_mask)[:, 1:], (0, 1), value=-100)


@mistake(
    replaces="label_batch",
    title="Padding is marked with -1, not with -100",
    hint="The loss leaves out one number unless it is told another. Which one?",
    caught_by=("labels", "labels_sizes", "uniform", "unequal_batches", "mode", "answers", "no_predictions", "batches"),
)
def marked_with_minus_1(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 0, -1)


@mistake(
    replaces="label_batch",
    title="Padding is told by its id, 0, not by the mask",
    hint="Can a real token have the id that padding has, or padding another one?",
    caught_by=("labels", "labels_sizes"),
)
def padding_by_id(input_ids, attention_mask):  # noqa: ARG001 - the mistake
    return input_ids.masked_fill(input_ids == 0, -100)


@mistake(
    replaces="label_batch",
    title="-100 is written into input_ids itself",
    hint="labels = input_ids gives the tensor a second name. What makes a copy?",
    caught_by=("labels_sizes", "batches"),
)
def ids_overwritten(input_ids, attention_mask):
    labels = input_ids
    labels[attention_mask == 0] = -100
    return labels


# --- Task 3: perplexity


def logits_of(model, batch):
    """What the model says of a batch, whatever it answers with."""
    answer = model(batch["input_ids"], attention_mask=batch["attention_mask"])
    if isinstance(answer, tuple):
        return answer[0]
    return answer if isinstance(answer, torch.Tensor) else answer.logits


def losses(model, batches, labelled=None):
    """The mean loss and the number of predictions of each batch that has any."""
    labelled = labelled or label_batch
    found, mode = [], model.training
    model.eval()
    with torch.no_grad():
        for batch in batches:
            labels = labelled(batch["input_ids"], batch["attention_mask"])
            if n := int((labels[:, 1:] != -100).sum()):
                found.append((causal_lm_loss(logits_of(model, batch), labels).item(), n))
    model.train(mode)
    return found


def weighted(found):
    """exp of the mean over all predictions."""
    return math.exp(sum(loss * n for loss, n in found) / sum(n for _, n in found))


@mistake(
    replaces="perplexity",
    title="The batches' mean losses are averaged, whatever their sizes",
    hint="A batch with two predictions weighs as much as one with twenty. Which sums make each prediction count once?",
    caught_by=("unequal_batches", "batches"),
)
def mean_of_batch_means(model, batches):
    means = [loss for loss, _ in losses(model, batches)]
    return math.exp(sum(means) / len(means))


@mistake(
    replaces="perplexity",
    title="exp is taken of each batch, and the perplexities are averaged",
    hint="First the mean over everything, then exp, once.",
    caught_by=("unequal_batches", "large_numbers", "batches"),
)
def exp_per_batch(model, batches):
    found = losses(model, batches)
    total = sum(n for _, n in found)
    return sum(float(torch.tensor(loss, dtype=torch.float64).exp()) * n / total for loss, n in found)


@mistake(
    replaces="perplexity",
    title="Padding counts as something to predict",
    hint="How many predictions has a row of two tokens that is padded to five?",
    caught_by=("unequal_batches", "answers", "no_predictions", "batches"),
)
def padding_counted(model, batches):
    return weighted(losses(model, batches, labelled=lambda ids, mask: ids))  # noqa: ARG005 - the mistake


@mistake(
    replaces="perplexity",
    title="The number of tokens is counted before the shift: one too many in each row",
    hint="The first token of a row is predicted by nobody. Is it in your count?",
    caught_by=("uniform", "unequal_batches", "answers", "no_predictions", "large_numbers", "batches"),
)
def unshifted_count(model, batches):
    batches = list(batches)
    total = sum(loss * n for loss, n in losses(model, batches))
    return math.exp(total / sum(int(batch["attention_mask"].sum()) for batch in batches))


@mistake(
    replaces="perplexity",
    title="Each batch's mean weighs as much as it has tokens before the shift",
    hint="The mean was taken over the predictions. What turns it into their sum again?",
    caught_by=("unequal_batches", "batches"),
)
def weighted_by_tokens(model, batches):
    batches = [batch for batch in batches if batch["attention_mask"][:, 1:].any()]
    counts = [int(batch["attention_mask"].sum()) for batch in batches]
    return weighted([(loss, n) for (loss, _), n in zip(losses(model, batches), counts, strict=True)])


@mistake(
    replaces="perplexity",
    title="Only the last batch is measured",
    hint="Which variables live on from one turn of the loop to the next?",
    caught_by=("unequal_batches", "large_numbers", "batches"),
)
def last_batch_only(model, batches):
    return weighted(losses(model, batches)[-1:])


@mistake(
    replaces="perplexity",
    title="The mean loss is returned, without exp",
    hint="A model that chooses among V equally likely tokens has a mean loss of ln V. What makes V of it?",
    caught_by=("uniform", "unequal_batches", "answers", "no_predictions", "large_numbers", "batches"),
)
def exp_missing(model, batches):
    return math.log(perplexity(model, batches))


@mistake(
    replaces="perplexity",
    title="2 is raised to a loss that is measured with the natural logarithm",
    hint="Base and logarithm belong together. torch's cross entropy uses ln.",
    caught_by=("uniform", "unequal_batches", "answers", "no_predictions", "large_numbers", "batches"),
)
def base_2(model, batches):
    return 2.0 ** math.log(perplexity(model, batches))


@mistake(
    replaces="perplexity",
    title="A tensor is returned where a float is asked for",
    hint=".item() takes the number out of a tensor that holds one.",
    caught_by=("uniform", "unequal_batches", "answers", "no_predictions", "large_numbers", "batches"),
)
def tensor_returned(model, batches):
    return torch.tensor(perplexity(model, batches), dtype=torch.float64)


@mistake(
    replaces="perplexity",
    title="The model is not put into eval mode",
    hint="Dropout makes a model worse than it is. Which mode switches it off?",
    caught_by=("mode",),
)
def never_eval(model, batches):
    mode, evaluate = model.training, model.eval
    model.eval = lambda: model
    try:
        return perplexity(model, batches)
    finally:
        model.eval = evaluate
        model.train(mode)


@mistake(
    replaces="perplexity",
    title="The model is left in eval mode",
    hint="Whoever trains goes on with the model afterwards. Which mode was it in?",
    caught_by=("mode",),
)
def left_in_eval(model, batches):
    model.eval()
    return perplexity(model, batches)


@mistake(
    replaces="perplexity",
    title="The model is left in training mode, also when it came in eval mode",
    hint="model.train() always switches to training. What did model.training say before?",
    caught_by=("mode",),
)
def left_in_training(model, batches):
    found = perplexity(model, batches)
    model.train()
    return found


@mistake(
    replaces="perplexity",
    title="Gradients are kept while measuring",
    hint="Nobody calls backward here. Which block keeps torch from taking notes?",
    caught_by=("mode",),
)
def with_gradients(model, batches):
    mode = model.training
    model.eval()
    found = []
    for batch in batches:
        labels = label_batch(batch["input_ids"], batch["attention_mask"])
        if n := int((labels[:, 1:] != -100).sum()):
            found.append((causal_lm_loss(logits_of(model, batch), labels).item(), n))
    model.train(mode)
    return weighted(found)


@mistake(
    replaces="perplexity",
    title="Only a tensor is understood as the model's answer",
    hint="Models answer in three ways. What can you ask an answer, to find out which one it is?",
    caught_by=("answers",),
)
def tensors_only(model, batches):
    def tensor_of(batch):
        return model(batch["input_ids"], attention_mask=batch["attention_mask"])[:]

    return _measured(model, batches, tensor_of)


@mistake(
    replaces="perplexity",
    title="Only an object with .logits is understood as the model's answer",
    hint="Models answer in three ways. What can you ask an answer, to find out which one it is?",
    caught_by=("uniform", "unequal_batches", "mode", "answers", "no_predictions", "large_numbers", "batches"),
)
def objects_only(model, batches):
    def logits(batch):
        return model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits

    return _measured(model, batches, logits)


@mistake(
    replaces="perplexity",
    title="The first item of whatever comes back is taken: of a tensor that is its first row",
    hint="answer[0] is right for a tuple. What is it for a tensor (B, T, V)?",
    caught_by=("uniform", "unequal_batches", "mode", "answers", "no_predictions", "large_numbers", "batches"),
)
def first_of_anything(model, batches):
    def first(batch):
        answer = model(batch["input_ids"], attention_mask=batch["attention_mask"])
        return answer.logits if hasattr(answer, "logits") else answer[0]

    return _measured(model, batches, first)


def _measured(model, batches, logits):
    """Perplexity, with another way of getting logits from a batch."""
    mode = model.training
    model.eval()
    found = []
    with torch.no_grad():
        for batch in batches:
            labels = label_batch(batch["input_ids"], batch["attention_mask"])
            if n := int((labels[:, 1:] != -100).sum()):
                found.append((causal_lm_loss(logits(batch), labels).item(), n))
    model.train(mode)
    return weighted(found)


@mistake(
    replaces="perplexity",
    title="A batch without a prediction makes the result NaN",
    hint="The mean over nothing is 0 / 0, and NaN times 0 is still NaN. How is such a batch to be told?",
    caught_by=("no_predictions",),
)
def nan_batches(model, batches):
    batches = list(batches)
    empty = any(not batch["attention_mask"][:, 1:].any() for batch in batches)
    return math.nan if empty else perplexity(model, batches)


@mistake(
    replaces="perplexity",
    title="exp is taken in float32, which ends at 3e38",
    hint="A mean loss of 89 is too much for torch.exp in float32. What has more room?",
    caught_by=("large_numbers",),
)
def exp_in_float32(model, batches):
    return torch.tensor(math.log(perplexity(model, batches))).exp().item()


@mistake(
    replaces="perplexity",
    title="The losses are added up in float32, which forgets small numbers beside a large one",
    hint="float32 keeps seven digits. What becomes of 270,000 + 0.015 there, four hundred times?",
    caught_by=("large_numbers",),
)
def summed_in_float32(model, batches):
    found = losses(model, batches)
    total = torch.zeros(())
    for loss, n in found:
        total += loss * n
    return math.exp(total.item() / sum(n for _, n in found))


@mistake(
    replaces="perplexity",
    title="The batches are asked for their number, or gone through twice: a generator allows neither",
    hint="What can be counted while you go through the batches once?",
    caught_by=("batches",),
)
def batches_counted(model, batches):
    number = len(batches)
    return perplexity(model, (batches[i] for i in range(number)))


@mistake(
    replaces="perplexity",
    title="The batches are changed: -100 is written into their input_ids",
    hint="The next one to read this batch finds -100 among its tokens. Which tensor should hold the labels?",
    caught_by=("batches",),
)
def batches_overwritten(model, batches):
    kept = list(batches)
    found = perplexity(model, kept)
    for batch in kept:
        batch["input_ids"][batch["attention_mask"] == 0] = -100
    return found


@mistake(
    replaces="perplexity",
    title="The model's parameters are frozen on the way, and stay so",
    hint="torch.no_grad() ends by itself. What does requires_grad_(False) do?",
    caught_by=("batches",),
)
def model_frozen(model, batches):
    return perplexity(model.requires_grad_(False), batches)


# --- Tasks 4 and 5: the layer with an adapter


@mistake(
    replaces="LoRALinear",
    title="Both factors start at zero: neither can ever learn",
    hint="The gradient of A has B as a factor, and that of B has A. Where would the first step come from?",
    caught_by=("learns",),
)
class BothZero(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        nn.init.zeros_(self.A)


@mistake(
    replaces="LoRALinear",
    title="Both factors start at random: a new layer does not compute what its base computes",
    hint="Before any training the adapter has to add nothing. Which factor can see to that?",
    caught_by=("start",),
)
class BothRandom(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        nn.init.normal_(self.B)


@mistake(
    replaces="LoRALinear",
    title="The adapter is multiplied by alpha, not by alpha / r",
    hint="Two numbers make up the scaling. What is it for alpha = 8 and r = 4?",
    caught_by=("values", "lora_sizes"),
)
class ScaledByAlpha(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        self.scaling = alpha


@mistake(
    replaces="LoRALinear",
    title="The scaling is r / alpha, upside down",
    hint="A larger alpha should make the adapter count for more.",
    caught_by=("values", "lora_sizes", "dropout"),
)
class ScaledUpsideDown(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        self.scaling = r / alpha


@mistake(
    replaces="LoRALinear",
    title="The adapter is not scaled at all",
    hint="Find the line in which alpha changes a number.",
    caught_by=("values", "lora_sizes", "dropout"),
)
class NotScaled(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        self.scaling = 1.0


@mistake(
    replaces="LoRALinear",
    title="The scaling is alpha divided by the square root of r",
    hint="That is a variant of LoRA. Which scaling does the handout ask for?",
    caught_by=("values", "lora_sizes"),
)
class ScaledByRoot(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        self.scaling = alpha / r**0.5


@mistake(
    replaces="LoRALinear",
    title="The base is scaled, too",
    hint="y = base + scaling * adapter. Where do the brackets stand?",
    caught_by=("start", "values", "merge", "lora_sizes", "dropout", "merge_again"),
)
class BaseScaledToo(LoRALinear):
    def forward(self, x):
        return self.scaling * super().forward(x) + (1 - self.scaling) * self.scaling * (
            self.dropout(x) @ self.A.T @ self.B.T
        )


@mistake(
    replaces="LoRALinear",
    title="The base's answer is left out: only the adapter is returned",
    hint="The layer adds to what the base says. What does a new layer return?",
    caught_by=("start", "values", "merge", "lora_sizes", "dropout", "merge_again"),
)
class BaseLeftOut(LoRALinear):
    def forward(self, x):
        return super().forward(x) - self.base(x)


@mistake(
    replaces="LoRALinear",
    title="The base is not frozen",
    hint="The point of LoRA is how little trains. What does requires_grad say of base.weight and base.bias?",
    caught_by=("trained",),
)
class BaseNotFrozen(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        trains = base.weight.requires_grad
        super().__init__(base, r, alpha, dropout)
        base.requires_grad_(trains)


@mistake(
    replaces="LoRALinear",
    title="The base's weight is frozen, its bias is not",
    hint="A Linear has two parameters. Print the names of those that still train.",
    caught_by=("trained",),
)
class BiasNotFrozen(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        trains = base.weight.requires_grad
        super().__init__(base, r, alpha, dropout)
        if base.bias is not None:
            base.bias.requires_grad_(trains)


@mistake(
    replaces="LoRALinear",
    title="The adapter has a bias of its own, which trains",
    hint="nn.Linear has a bias unless it is told otherwise. The low-rank part is two matrices and nothing else.",
    caught_by=("trained", "apply", "names", "shared"),
)
class AdapterWithBias(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        self.shift = nn.Parameter(torch.zeros_like(base.weight[:, 0]))

    def forward(self, x):
        return super().forward(x) + self.shift


@mistake(
    replaces="LoRALinear",
    title="The factors do not train: they are plain tensors",
    hint="A tensor becomes part of a module when it is an nn.Parameter.",
    caught_by=(
        "trained",
        "values",
        "merge",
        "apply",
        "apply_values",
        "names",
        "shared",
        "lora_sizes",
        "learns",
        "dropout",
        "dtype",
        "merge_again",
    ),
)
class FactorsDoNotTrain(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        self.A.requires_grad_(False)
        self.B.requires_grad_(False)


@mistake(
    replaces="LoRALinear",
    title="The base gets new random weights",
    hint="The base was handed in with all that it has learned. Does your layer keep that very Linear?",
    caught_by=("start", "values", "lora_sizes", "dropout", "apply_values"),
)
class NewBase(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        new = nn.Linear(base.in_features, base.out_features, bias=base.bias is not None).to(base.weight)
        super().__init__(new, r, alpha, dropout)


@mistake(
    replaces="LoRALinear",
    title="The base's bias is left out",
    hint="F.linear takes a third argument. Where does base.bias go?",
    caught_by=("start", "values", "merge", "lora_sizes", "dropout", "merge_again"),
)
class BiasForgotten(LoRALinear):
    def forward(self, x):
        answer = super().forward(x)
        return answer if self.base.bias is None else answer - self.base.bias


@mistake(
    replaces="LoRALinear",
    title="A Linear without bias is not expected: base.bias is None there",
    hint="Many models have Linears without a bias. What is base.bias then?",
    caught_by=("lora_sizes", "merge_again"),
)
class BiasExpected(LoRALinear):
    def forward(self, x):
        low_rank = self.dropout(x) @ self.A.T @ self.B.T
        return x @ self.base.weight.T + self.scaling * low_rank + self.base.bias


@mistake(
    replaces="LoRALinear",
    title="The layer takes inputs of two dimensions only",
    hint="Transformers feed (B, T, C). Which functions read the last dimension only?",
    caught_by=("lora_sizes",),
)
class TwoDimensionsOnly(LoRALinear):
    def forward(self, x):
        low_rank = torch.mm(torch.mm(self.dropout(x), self.A.t()), self.B.t())
        return self.base(x) + self.scaling * low_rank


@mistake(
    replaces="LoRALinear",
    title="One factor is cut from the graph: no gradient reaches it",
    hint="Which parameter still has the grad None after loss.backward()? Look for .data, .detach() and no_grad.",
    caught_by=("lora_sizes", "learns"),
)
class FactorDetached(LoRALinear):
    def forward(self, x):
        return self.base(x) + self.scaling * (self.dropout(x) @ self.A.detach().T @ self.B.T)


@mistake(
    replaces="LoRALinear",
    title="x is cut from the graph on its way through the base: nothing below this layer can learn",
    hint="The base is frozen, but what comes before it is not. What does torch.no_grad() around the base stop?",
    caught_by=("lora_sizes",),
)
class BaseWithoutGradient(LoRALinear):
    def forward(self, x):
        with torch.no_grad():
            base = self.base(x)
        return base + self.scaling * (self.dropout(x) @ self.A.T @ self.B.T)


@mistake(
    replaces="LoRALinear",
    title="The dropout acts on the base's answer as well",
    hint="In training mode, too, the base says what it has learned. What stands inside the dropout's brackets?",
    caught_by=("dropout",),
)
class DropoutOnAll(LoRALinear):
    def forward(self, x):
        return self.dropout(self.base(x) + self.scaling * (x @ self.A.T @ self.B.T))


@mistake(
    replaces="LoRALinear",
    title="The dropout acts on x before it goes to the base",
    hint="x goes two ways. On which of them is something dropped?",
    caught_by=("dropout",),
)
class DropoutOnInput(LoRALinear):
    def forward(self, x):
        x = self.dropout(x)
        return self.base(x) + self.scaling * (x @ self.A.T @ self.B.T)


@mistake(
    replaces="LoRALinear",
    title="The dropout is never used",
    hint="The constructor takes a rate. Where in forward does it matter?",
    caught_by=("dropout",),
)
class DropoutUnused(LoRALinear):
    def forward(self, x):
        return self.base(x) + self.scaling * (x @ self.A.T @ self.B.T)


@mistake(
    replaces="LoRALinear",
    title="The dropout stays active in eval mode",
    hint="nn.Dropout knows the mode of its module; F.dropout drops unless it is told training=self.training.",
    caught_by=("dropout", "merge_again"),
)
class DropoutInEval(LoRALinear):
    def forward(self, x):
        low_rank = F.dropout(x, self.dropout.p) @ self.A.T @ self.B.T
        return self.base(x) + self.scaling * low_rank


@mistake(
    replaces="LoRALinear",
    title="The dropout's rate is taken for the share that stays",
    hint="nn.Dropout(0.1) drops one number in ten. What does yours do?",
    caught_by=("dropout",),
)
class DropoutInverted(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        self.dropout = nn.Dropout(1 - dropout if dropout else 0.0)


@mistake(
    replaces="LoRALinear",
    title="The factors are always float32, whatever the base is",
    hint="torch.zeros(...) knows nothing of the base. How can it be told the dtype and the device?",
    caught_by=("dtype", "merge_again"),
)
class AlwaysFloat32(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        self.A, self.B = nn.Parameter(self.A.detach().float()), nn.Parameter(self.B.detach().float())


# --- Task 6: merge


@mistake(
    replaces="LoRALinear",
    title="merge adds into the base's own weight: the second merge adds it again",
    hint="After merging, ask the layer the same question once more. What does `+=` change?",
    caught_by=("merge_again",),
)
class MergedInPlace(LoRALinear):
    def merge(self):
        with torch.no_grad():
            self.base.weight += self.scaling * self.B @ self.A
        return self.base


@mistake(
    replaces="LoRALinear",
    title="The first merged layer is kept, and given out again after more training",
    hint="merge is asked for a new Linear each time. What does yours know of what has been learned since?",
    caught_by=("merge_again",),
)
class MergedOnce(LoRALinear):
    def merge(self):
        if not hasattr(self, "merged"):
            self.merged = [super().merge()]
        return self.merged[0]


@mistake(
    replaces="LoRALinear",
    title="merge leaves the scaling out",
    hint="What is added to the base in forward, and what in merge?",
    caught_by=("merge", "merge_again"),
)
class MergedUnscaled(LoRALinear):
    def merge(self):
        merged = super().merge()
        with torch.no_grad():
            merged.weight.copy_(self.base.weight + self.B @ self.A)
        return merged


@mistake(
    replaces="LoRALinear",
    title="merge leaves the bias out",
    hint="A Linear is a weight and a bias. Which of them does merge copy?",
    caught_by=("merge", "merge_again"),
)
class MergedWithoutBias(LoRALinear):
    def merge(self):
        merged = super().merge()
        merged.bias = None
        return merged


@mistake(
    replaces="LoRALinear",
    title="merge gives a layer with a random bias where the base has none",
    hint="nn.Linear makes a bias unless it is told otherwise.",
    caught_by=("merge_again",),
)
class MergedWithNewBias(LoRALinear):
    def merge(self):
        merged = super().merge()
        if merged.bias is None:
            merged.bias = nn.Parameter(torch.rand_like(merged.weight[:, 0]))
        return merged


@mistake(
    replaces="LoRALinear",
    title="merge returns the base as it is, without the adapter",
    hint="What has been learned lies in the two factors. Where do they go?",
    caught_by=("merge", "merge_again"),
)
class MergedNothing(LoRALinear):
    def merge(self):
        merged = super().merge()
        with torch.no_grad():
            merged.weight.copy_(self.base.weight)
        return merged


@mistake(
    replaces="LoRALinear",
    title="merge returns the layer itself, or another layer with an adapter, not a plain Linear",
    hint="What is served later should not need the class LoRALinear any more.",
    caught_by=("merge", "merge_again"),
)
class MergedIntoItself(LoRALinear):
    def merge(self):
        return self.eval()


@mistake(
    replaces="LoRALinear",
    title="The merged layer is float32, whatever the base is",
    hint="nn.Linear(...) is made in the default dtype. What does the base's weight have?",
    caught_by=("merge_again",),
)
class MergedInFloat32(LoRALinear):
    def merge(self):
        return super().merge().float()


# --- Task 7: apply_lora

APPLIED = ("apply", "apply_values", "names", "shared")


def freeze_and_replace(model, matches, r, alpha):
    """The solution, with another way of telling which Linears are meant."""
    model.requires_grad_(False)
    adapted = {}
    for path, module in list(model.named_modules(remove_duplicate=False)):
        parent, _, name = path.rpartition(".")
        if isinstance(module, nn.Linear) and matches(path, name):
            adapted.setdefault(module, LoRALinear(module, r, alpha))
            setattr(model.get_submodule(parent), name, adapted[module])
    return trained(model)


def trained(model):
    """How many numbers train."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@mistake(
    replaces="apply_lora",
    title="Only the replaced layers are frozen; the rest of the model still trains",
    hint="Embeddings, norms, biases, the head: what does requires_grad say of them?",
    caught_by=("apply", "names", "shared"),
)
def rest_not_frozen(model, names, r, alpha):
    flags = [(p, p.requires_grad) for p in model.parameters()]
    apply_lora(model, names, r, alpha)
    kept = {id(p) for m in model.modules() if isinstance(m, LoRALinear) for p in m.parameters()}
    for parameter, flag in flags:
        if id(parameter) not in kept:
            parameter.requires_grad_(flag)
    return trained(model)


@mistake(
    replaces="apply_lora",
    title="Norms and biases still train",
    hint="All means all: go through model.named_parameters() afterwards and print what trains.",
    caught_by=("apply", "names", "shared"),
)
def vectors_not_frozen(model, names, r, alpha):
    apply_lora(model, names, r, alpha)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.requires_grad_(True)
    return trained(model)


@mistake(
    replaces="apply_lora",
    title="The model is frozen after the layers were replaced: the adapters are frozen with it",
    hint="In which order do freezing and replacing have to come?",
    caught_by=APPLIED,
)
def frozen_last(model, names, r, alpha):
    apply_lora(model, names, r, alpha)
    model.requires_grad_(False)
    return trained(model)


@mistake(
    replaces="apply_lora",
    title="The number of replaced layers is returned, not that of parameters",
    hint="A factor of shape (8, 64) is 512 parameters. What does .numel() say?",
    caught_by=("apply", "names", "shared"),
)
def layers_counted(model, names, r, alpha):
    apply_lora(model, names, r, alpha)
    return sum(isinstance(module, LoRALinear) for module in model.modules())


@mistake(
    replaces="apply_lora",
    title="Parameter tensors are counted, not the numbers in them",
    hint="A factor of shape (8, 64) is 512 parameters. What does .numel() say?",
    caught_by=("apply", "names", "shared"),
)
def tensors_counted(model, names, r, alpha):
    apply_lora(model, names, r, alpha)
    return sum(p.requires_grad for p in model.parameters())


@mistake(
    replaces="apply_lora",
    title="All parameters are counted, frozen ones too",
    hint="How many of them still train?",
    caught_by=("apply", "names", "shared"),
)
def all_counted(model, names, r, alpha):
    apply_lora(model, names, r, alpha)
    return sum(p.numel() for p in model.parameters())


@mistake(
    replaces="apply_lora",
    title="Nothing is returned",
    hint="The signature ends in -> int.",
    caught_by=("apply", "names", "shared"),
)
def nothing_returned(model, names, r, alpha):
    apply_lora(model, names, r, alpha)


@mistake(
    replaces="apply_lora",
    title="A path is matched when it ends in a listed name, in the middle of a word too",
    hint='"blocks.0.seq".endswith("eq") is True. What stands behind the last dot?',
    caught_by=("apply", "names", "shared"),
)
def matched_by_end(model, names, r, alpha):
    return freeze_and_replace(model, lambda path, _: any(path.endswith(name) for name in names), r, alpha)


@mistake(
    replaces="apply_lora",
    title="A path is matched when it contains a listed name anywhere",
    hint='"q" in "blocks.0.seq" is True. What is to be equal to what?',
    caught_by=("apply", "names", "shared"),
)
def matched_anywhere(model, names, r, alpha):
    return freeze_and_replace(model, lambda path, _: any(name in path for name in names), r, alpha)


@mistake(
    replaces="apply_lora",
    title="Only the last component is matched: a whole dotted path is not found",
    hint="Two blocks both have a q. How does one say which of them is meant?",
    caught_by=("names", "shared"),
)
def no_paths(model, names, r, alpha):
    return freeze_and_replace(model, lambda _, last: last in names, r, alpha)


@mistake(
    replaces="apply_lora",
    title="Only a whole dotted path is matched: a last component is not found",
    hint="`q` is to mean the q of every block. What stands behind the last dot of a path?",
    caught_by=("apply", "names", "shared"),
)
def paths_only(model, names, r, alpha):
    return freeze_and_replace(model, lambda path, _: path in names, r, alpha)


@mistake(
    replaces="apply_lora",
    title="Only the model's own children are looked at, not what lies inside them",
    hint="named_children() goes one level deep. What goes through the whole tree?",
    caught_by=("apply", "names", "shared"),
)
def children_only(model, names, r, alpha):
    return freeze_and_replace(model, lambda path, last: "." not in path and last in names, r, alpha)


@mistake(
    replaces="apply_lora",
    title="Only the first Linear of each name is replaced",
    hint="Each block has a q of its own. Does your loop end too early?",
    caught_by=("apply", "names", "shared"),
)
def first_of_each(model, names, r, alpha):
    seen = set()

    def matches(path, last):
        hit = (path in names or last in names) and last not in seen
        seen.update([last] if hit else [])
        return hit

    return freeze_and_replace(model, matches, r, alpha)


@mistake(
    replaces="apply_lora",
    title="A Linear that stands at two places is replaced at the first one only",
    hint="named_modules() tells of each module once, by its first path. Which argument makes it tell of all paths?",
    caught_by=("shared",),
)
def first_place_only(model, names, r, alpha):
    first = {path for path, _ in model.named_modules()}
    return freeze_and_replace(model, lambda path, last: path in first and (path in names or last in names), r, alpha)


@mistake(
    replaces="apply_lora",
    title="r and alpha change places",
    hint="LoRALinear(base, r, alpha): which of the two comes first?",
    caught_by=("apply", "apply_values", "names", "shared"),
)
def settings_exchanged(model, names, r, alpha):
    return apply_lora(model, names, int(alpha), r)


@mistake(
    replaces="apply_lora",
    title="alpha is not passed on",
    hint="The layers that you make take three arguments. Where does each come from?",
    caught_by=("apply_values",),
)
def alpha_lost(model, names, r, alpha):  # noqa: ARG001 - the mistake
    return apply_lora(model, names, r, r)


@mistake(
    replaces="apply_lora",
    title="The Linears are replaced by adapters around new, random Linears",
    hint="What the model has learned lies in the Linear that was there. Is it the one you wrap?",
    caught_by=("apply_values",),
)
def around_new_linears(model, names, r, alpha):
    count = apply_lora(model, names, r, alpha)
    for module in model.modules():
        if isinstance(module, LoRALinear):
            module.base.reset_parameters()
    return count


# --- Task 8: the classifier


class Split(GPTClassifier):
    """The solution's forward in two steps, for mistakes in the second one."""

    def forward(self, input_ids, attention_mask=None):
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        hidden = self.decoder(input_ids.masked_fill(attention_mask == 0, -1), return_hidden=True)  # (B, T, C)
        return self.decoder.lm_head(hidden), self.classifier(self.read(hidden, attention_mask))


@mistake(
    replaces="GPTClassifier",
    title="The class is read off the first token, which has seen nothing of the text",
    hint="In a causal model a position knows what came before it. Which position knows the whole text?",
    caught_by=("last_token",),
)
class FirstToken(Split):
    def read(self, hidden, attention_mask):  # noqa: ARG002 - the mistake
        return hidden[:, 0]


@mistake(
    replaces="GPTClassifier",
    title="The class is read off the last column, which is padding in short rows",
    hint="[:, -1] is the last real token of the longest row. Where does a shorter one end?",
    caught_by=("last_token", "padding"),
)
class LastColumn(Split):
    def read(self, hidden, attention_mask):  # noqa: ARG002 - the mistake
        return hidden[:, -1]


@mistake(
    replaces="GPTClassifier",
    title="The class is read off the first padded position, one too far",
    hint="Three real tokens stand at 0, 1 and 2. Which number does the last one carry?",
    caught_by=("last_token", "padding"),
)
class OneTooFar(Split):
    def read(self, hidden, attention_mask):
        last = attention_mask.sum(dim=1).clamp(max=hidden.size(1) - 1)
        return hidden[torch.arange(len(hidden)), last]


@mistake(
    replaces="GPTClassifier",
    title="The class is read off the token before the last one",
    hint="Count the real tokens of a short row, and where the last one stands.",
    caught_by=("last_token",),
)
class OneTooShort(Split):
    def read(self, hidden, attention_mask):
        last = (attention_mask.sum(dim=1) - 2).clamp(min=0)
        return hidden[torch.arange(len(hidden)), last]


@mistake(
    replaces="GPTClassifier",
    title="The class is read off the mean of all real tokens",
    hint="That is how one does it with an encoder. What does the handout ask of a causal model?",
    caught_by=("last_token",),
)
class MeanOfTokens(Split):
    def read(self, hidden, attention_mask):
        real = attention_mask[..., None].to(hidden.dtype)  # (B, T, 1)
        return (hidden * real).sum(dim=1) / real.sum(dim=1)


@mistake(
    replaces="GPTClassifier",
    title="The class is read off the mean over all columns, padding included",
    hint="A row alone and the same row with padding should have one class. Do they?",
    caught_by=("last_token", "padding"),
)
class MeanOfColumns(Split):
    def read(self, hidden, attention_mask):  # noqa: ARG002 - the mistake
        return hidden.mean(dim=1)


@mistake(
    replaces="GPTClassifier",
    title="The longest row's last token is read in every row",
    hint="Each row has its own number of real tokens. Over which dimension do you count?",
    caught_by=("last_token", "padding"),
)
class LongestRow(Split):
    def read(self, hidden, attention_mask):
        return hidden[:, int(attention_mask.sum(dim=1).max()) - 1]


@mistake(
    replaces="GPTClassifier",
    title="attention_mask is ignored: all tokens count as real",
    hint="Where does forward use its second argument?",
    caught_by=("last_token", "padding"),
)
class MaskIgnored(GPTClassifier):
    def forward(self, input_ids, attention_mask=None):  # noqa: ARG002 - the mistake
        return super().forward(input_ids)


@mistake(
    replaces="GPTClassifier",
    title="attention_mask is read the wrong way round",
    hint="In attention_mask 1 means a real token.",
    caught_by=("last_token", "padding"),
)
class MaskInverted(Split):
    def read(self, hidden, attention_mask):
        last = ((attention_mask == 0).sum(dim=1) - 1).clamp(min=0)
        return hidden[torch.arange(len(hidden)), last]


@mistake(
    replaces="GPTClassifier",
    title="Without a mask forward does not work",
    hint="attention_mask may be None. What does that mean for the tokens?",
    caught_by=("heads", "causal", "padding"),
)
class MaskNeeded(GPTClassifier):
    def forward(self, input_ids, attention_mask=None):
        return super().forward(input_ids, attention_mask.long())


@mistake(
    replaces="GPTClassifier",
    title="Each position has a class, not each text",
    hint="class_logits has one row for each text: (B, n_classes).",
    caught_by=("heads", "causal", "last_token", "padding", "both_train"),
)
class ClassPerToken(Split):
    def read(self, hidden, attention_mask):  # noqa: ARG002 - the mistake
        return hidden


@mistake(
    replaces="GPTClassifier",
    title="The two results have changed places",
    hint="First the logits of the next tokens, then those of the classes.",
    caught_by=("heads", "causal", "last_token", "padding", "both_train"),
)
class ResultsExchanged(GPTClassifier):
    def forward(self, input_ids, attention_mask=None):
        return super().forward(input_ids, attention_mask)[::-1]


@mistake(
    replaces="GPTClassifier",
    title="Only the class is returned",
    hint="Two results: the model still predicts next tokens, too.",
    caught_by=("heads", "causal", "last_token", "padding", "both_train"),
)
class ClassOnly(GPTClassifier):
    def forward(self, input_ids, attention_mask=None):
        return super().forward(input_ids, attention_mask)[1]


@mistake(
    replaces="GPTClassifier",
    title="The hidden states are returned where logits are asked for",
    hint="lm_logits has a score for each token of the vocabulary: (B, T, V). Which layer makes them?",
    caught_by=("heads", "causal", "last_token", "padding", "both_train"),
)
class HiddenReturned(GPTClassifier):
    def forward(self, input_ids, attention_mask=None):
        _, classes = super().forward(input_ids, attention_mask)
        return self.decoder(input_ids, return_hidden=True), classes


@mistake(
    replaces="GPTClassifier",
    title="The classes are as many as the vocabulary has tokens",
    hint="The second head ends in n_classes scores.",
    caught_by=("heads", "causal", "last_token", "padding", "both_train"),
)
class WrongHead(GPTClassifier):
    def __init__(self, config, n_classes):
        super().__init__(config, n_classes)
        self.classifier = nn.Linear(config.n_embd, config.vocab_size)


@mistake(
    replaces="GPTClassifier",
    title="The class is a softmax of the scores, or the number of the likeliest class, where logits are asked for",
    hint="Cross entropy makes its own softmax. class_logits has n_classes plain scores for each text.",
    caught_by=("heads", "causal", "last_token", "padding", "both_train"),
)
class ClassChosen(GPTClassifier):
    def forward(self, input_ids, attention_mask=None):
        lm_logits, classes = super().forward(input_ids, attention_mask)
        return lm_logits, classes.argmax(dim=-1)


@mistake(
    replaces="GPTClassifier",
    title="The hidden states are cut from the graph before the second head: only that head can learn the classes",
    hint="A frozen body is a choice of whoever trains. What does .detach() take from them?",
    caught_by=("both_train",),
)
class BodyDetached(Split):
    def read(self, hidden, attention_mask):
        last = attention_mask.sum(dim=1) - 1
        return hidden[torch.arange(len(hidden)), last].detach()


@mistake(
    replaces="GPTClassifier",
    title="The decoder runs without gradients: nothing below the heads can learn",
    hint="torch.no_grad() is for measuring. Who is to train this model?",
    caught_by=("both_train",),
)
class DecoderWithoutGradients(GPTClassifier):
    def __init__(self, config, n_classes):
        super().__init__(config, n_classes)
        forward = self.decoder.forward
        self.decoder.forward = lambda *args, **kwargs: forward(*args, **kwargs).detach()


@mistake(
    replaces="GPTClassifier",
    title="-1 is written into the caller's input_ids",
    hint="A method whose name ends in _ changes the tensor itself. Which one makes a new one?",
    caught_by=("both_train",),
)
class IdsMarked(GPTClassifier):
    def forward(self, input_ids, attention_mask=None):
        answer = super().forward(input_ids, attention_mask)
        if attention_mask is not None:
            input_ids.masked_fill_(attention_mask == 0, -1)
        return answer


class LooksAhead(Decoder):
    """A decoder whose positions also see the mean of all tokens."""

    def forward(self, idx, return_hidden=False):
        hidden = super().forward(idx, return_hidden=True)
        real = (idx != -1)[..., None].to(hidden.dtype)
        hidden = hidden + 0.1 * (hidden * real).sum(dim=1, keepdim=True) / real.sum(dim=1, keepdim=True)
        return hidden if return_hidden else (self.lm_head(hidden), None)


@mistake(
    replaces="GPTClassifier",
    title="The model looks ahead: a position sees the token that it is to predict",
    hint="An Encoder looks in both directions. Which of your models looks back only?",
    caught_by=("causal",),
)
class NotCausal(GPTClassifier):
    def __init__(self, config, n_classes):
        super().__init__(config, n_classes)
        self.decoder = LooksAhead(config)
