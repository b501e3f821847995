"""Known mistakes of the encoder_decoder assignment, as replacements of the solution's names."""

import copy

import torch
from encoder_decoder import Decoder, Encoder, EncoderDecoder, prefix_generate
from torch.nn import functional as F

from grader.checks import mistake

VALUES = ("logits", "sizes", "padded_logits")

# --- the two models


@mistake(
    replaces="EncoderDecoder",
    title="The caller's config is changed",
    hint="decoder_config is the caller's own object: `decoder_config.vocab_size += 1` changes it for everybody.",
    caught_by=("configs",),
)
class ConfigChanged(EncoderDecoder):
    def __init__(self, encoder_config, decoder_config):
        super().__init__(encoder_config, decoder_config)
        decoder_config.vocab_size += 1


@mistake(
    replaces="EncoderDecoder",
    title="The decoder has no token for the end: its vocabulary is as large as the config says",
    hint="Ids 0 to V - 1 are taken. How many rows does the table need, for the end token to have one?",
    caught_by=("answers", "learns", "goes_on", *VALUES),
)
class NoEndToken(EncoderDecoder):
    def __init__(self, encoder_config, decoder_config):
        super().__init__(encoder_config, decoder_config)
        self.decoder = Decoder(decoder_config)


@mistake(
    replaces="EncoderDecoder",
    title="The end token is 0, and all other tokens move up by one",
    hint="The decoder's vocabulary grows at its end: the new id is the old vocab_size.",
    caught_by=("logits", "sizes", "padded_logits"),
)
class EndTokenFirst(EncoderDecoder):
    def decode(self, hidden, num_tokens, targets):
        moved = torch.where(targets == -1, -1, (targets + 1) % (self.end_token + 1))
        return super().decode(hidden, num_tokens, moved).roll(-1, dims=-1)


@mistake(
    replaces="EncoderDecoder",
    title="The encoder is a decoder: its tokens look back only",
    hint="Whoever reads has the whole text before them. Which of your two classes looks in both directions?",
    caught_by=("whole_prefix", *VALUES),
)
class CausalEncoder(EncoderDecoder):
    def __init__(self, encoder_config, decoder_config):
        super().__init__(encoder_config, decoder_config)
        self.encoder = Decoder(encoder_config)


@mistake(
    replaces="EncoderDecoder",
    title="The decoder is an encoder: each target is seen by its own prediction",
    hint="A column that sees the token it is to predict learns to copy it. Which of your two classes looks back only?",
    caught_by=("no_leak", *VALUES),
)
class TargetsLeak(EncoderDecoder):
    def __init__(self, encoder_config, decoder_config):
        super().__init__(encoder_config, decoder_config)
        with_end = copy.copy(decoder_config)
        with_end.vocab_size += 1
        self.decoder = Encoder(with_end)


@mistake(
    replaces="EncoderDecoder",
    title="Encoder and decoder are made from the same config",
    hint="Two texts, two vocabularies, two lengths: each model has a config of its own.",
    caught_by=("learns", *VALUES),
)
class OneConfigForBoth(EncoderDecoder):
    def __init__(self, encoder_config, decoder_config):
        super().__init__(encoder_config, decoder_config)
        self.encoder = Encoder(decoder_config)


# --- what the decoder gets


@mistake(
    replaces="EncoderDecoder",
    title="The encoder's logits are put in front of the decoder's tokens, not its hidden states",
    hint="A logit is a score for a token of the prefix's vocabulary. What does your encoder return?",
    caught_by=VALUES,
)
class LogitsAsCache(EncoderDecoder):
    def encode(self, prefix):
        return self.encoder(prefix)[0]


@mistake(
    replaces="EncoderDecoder",
    title="The prefix is given to the decoder as tokens, and what the encoder made of it is lost",
    hint="The decoder has never seen the prefix's vocabulary. Who has read the prefix, and what came of it?",
    caught_by=("whole_prefix", "learns", *VALUES),
)
class PrefixAsTokens(EncoderDecoder):
    def encode(self, prefix):
        ids = prefix.clamp(min=0) % (self.end_token + 1)
        return self.decoder.embedding(ids)


@mistake(
    replaces="EncoderDecoder",
    title="Only the last hidden state of the prefix reaches the decoder's tokens",
    hint="(B, P, C): a vector for each token of the prefix, and the decoder may look at all of them.",
    caught_by=(*VALUES, "learns"),
)
class LastStateOnly(EncoderDecoder):
    def encode(self, prefix):
        hidden, last = super().encode(prefix), (prefix != -1).sum(dim=1) - 1
        return hidden[torch.arange(len(prefix)), last][:, None].expand_as(hidden)


@mistake(
    replaces="EncoderDecoder",
    title="The mean of the prefix's hidden states stands in front, not the states themselves",
    hint="A mean forgets the order of what was read. What does the decoder lose with it?",
    caught_by=(*VALUES, "learns"),
)
class MeanOfStates(EncoderDecoder):
    def encode(self, prefix):
        hidden, real = super().encode(prefix), (prefix != -1)[..., None]
        return ((hidden * real).sum(dim=1, keepdim=True) / real.sum(dim=1, keepdim=True)).expand_as(hidden)


@mistake(
    replaces="EncoderDecoder",
    title="The encoder's hidden states are cut from the graph: the encoder learns nothing",
    hint="What do .detach() and torch.no_grad() leave of a gradient? The loss has to reach the encoder.",
    caught_by=("learns",),
)
class EncoderLearnsNothing(EncoderDecoder):
    def encode(self, prefix):
        with torch.no_grad():
            return super().encode(prefix)


@mistake(
    replaces="EncoderDecoder",
    title="The decoder sees the padding of the prefix",
    hint="A cache knows no padding: each vector in it is looked at. Which rows may have how many of them?",
    caught_by=("padded_logits",),
)
class PaddingInCache(EncoderDecoder):
    def decode(self, hidden, num_tokens, targets):
        return super().decode(hidden, torch.full_like(num_tokens, hidden.size(1)), targets)


@mistake(
    replaces="EncoderDecoder",
    title="The encoder sees the padding of the prefix",
    hint="-1 tells the encoder what is padding. Is it still -1 when the encoder gets it?",
    caught_by=("padded_logits",),
)
class PaddingRead(EncoderDecoder):
    def encode(self, prefix):
        return super().encode(prefix.clamp(min=0))


@mistake(
    replaces="EncoderDecoder",
    title="The hidden states at padding are set to 0 and still stand in front of the decoder's tokens",
    hint="A vector of zeros is a key like any other: attention gives it weight. Can you leave it out?",
    caught_by=("padded_logits",),
)
class PaddingZeroed(EncoderDecoder):
    def decode(self, hidden, num_tokens, targets):
        real = torch.arange(hidden.size(1)) < num_tokens[:, None]  # (B, P)
        return super().decode(hidden * real[..., None], torch.full_like(num_tokens, hidden.size(1)), targets)


@mistake(
    replaces="EncoderDecoder",
    title="The caller's prefix is changed: its padding is overwritten",
    hint="`prefix[prefix == -1] = 0` changes the tensor that was passed in. Make a new one.",
    caught_by=("unchanged",),
)
class PrefixChanged(EncoderDecoder):
    def forward(self, prefix, targets=None):
        answer = super().forward(prefix, targets)
        prefix[prefix == -1] = 0
        return answer


# --- logits and loss


@mistake(
    replaces="EncoderDecoder",
    title="An end token is put behind the targets",
    hint="Nothing is inserted: whether a text ends, the data says.",
    caught_by=(
        "answers",
        "whole_prefix",
        "no_leak",
        "loss",
        "padded_loss",
        "ignored_targets",
        "learns",
        "argmax",
        "samples",
        *VALUES,
    ),
)
class EndTokenInserted(EncoderDecoder):
    def forward(self, prefix, targets=None):
        if targets is None:
            return super().forward(prefix)
        return super().forward(prefix, F.pad(targets, (0, 1), value=self.end_token))


@mistake(
    replaces="EncoderDecoder",
    title="The logits hold the targets' columns only, not those of the prefix",
    hint="(B, P + T, V + 1): what is predicted at the prefix's columns is asked for, too.",
    caught_by=(
        "answers",
        "whole_prefix",
        "no_leak",
        "loss",
        "padded_loss",
        "ignored_targets",
        *VALUES,
        "learns",
    ),
)
class TargetsColumnsOnly(EncoderDecoder):
    def forward(self, prefix, targets=None):
        logits, loss = super().forward(prefix, targets)
        return (logits if targets is None else logits[:, prefix.size(1) :]), loss


@mistake(
    replaces="EncoderDecoder",
    title="Without targets only the logits come back, not a pair",
    hint="Two results, always: without targets the second is None.",
    caught_by=("answers",),
)
class BareLogits(EncoderDecoder):
    def forward(self, prefix, targets=None):
        answer = super().forward(prefix, targets)
        return answer[0] if targets is None else answer


@mistake(
    replaces="EncoderDecoder",
    title="Without targets the loss is 0, not None",
    hint="A loss of 0 claims that all was predicted rightly. What stands for no loss at all?",
    caught_by=("answers",),
)
class ZeroLoss(EncoderDecoder):
    def forward(self, prefix, targets=None):
        logits, loss = super().forward(prefix, targets)
        return logits, torch.zeros(()) if loss is None else loss


def loss_of(predictions, targets, **settings):
    """The solution's cross entropy of predictions (B, T, V + 1)."""
    return F.cross_entropy(predictions.flatten(0, 1), targets.flatten(), **{"ignore_index": -1, **settings})


class OtherLoss(EncoderDecoder):
    """The solution with another loss: `loss` says which."""

    def forward(self, prefix, targets=None):
        logits, loss = super().forward(prefix, targets)
        return logits, None if loss is None else self.loss(logits, prefix, targets)


@mistake(
    replaces="EncoderDecoder",
    title="The loss is off by one: each target's own column is asked for it",
    hint="The column of target t has seen target t. Which column comes right before it?",
    caught_by=("loss", "padded_loss", "ignored_targets", "sizes"),
)
class LossOffByOne(OtherLoss):
    def loss(self, logits, prefix, targets):
        return loss_of(logits[:, prefix.size(1) :], targets)


@mistake(
    replaces="EncoderDecoder",
    title="The first columns of the prefix are asked for the targets",
    hint="Columns 0 to P - 2 belong to the prefix and predict nothing that is graded. Where do the targets begin?",
    caught_by=("loss", "padded_loss", "sizes", "learns"),
)
class LossFromTheStart(OtherLoss):
    def loss(self, logits, prefix, targets):  # noqa: ARG002 - the mistake
        return loss_of(logits[:, : targets.size(1)], targets)


@mistake(
    replaces="EncoderDecoder",
    title="The first target is left out of the loss",
    hint="The last token of the prefix has a prediction to make: the text's first word. Who else could learn that?",
    caught_by=("loss", "padded_loss", "ignored_targets", "sizes", "learns"),
)
class FirstTargetNotLearned(OtherLoss):
    def loss(self, logits, prefix, targets):
        return loss_of(logits[:, prefix.size(1) : -1], targets[:, 1:])


@mistake(
    replaces="EncoderDecoder",
    title="The first target of a row with padding is predicted from padding",
    hint="Column P - 1 is padding in such a row. Where is the last token that was really read?",
    caught_by=("padded_loss",),
)
class PredictedFromPadding(OtherLoss):
    def loss(self, logits, prefix, targets):
        P = prefix.size(1)
        return loss_of(logits[:, P - 1 : P - 1 + targets.size(1)], targets)


@mistake(
    replaces="EncoderDecoder",
    title="In a row with padding all targets are predicted from columns that are shifted by the padding",
    hint="Only target 0 has its prediction in the prefix. Where is target 1 predicted: at which target's column?",
    caught_by=("padded_loss",),
)
class ShiftedByPadding(OtherLoss):
    def loss(self, logits, prefix, targets):
        start = (prefix != -1).sum(dim=1) - 1  # (B,)
        columns = start[:, None] + torch.arange(targets.size(1))  # (B, T)
        return loss_of(logits.gather(1, columns[..., None].expand(-1, -1, logits.size(-1))), targets)


@mistake(
    replaces="EncoderDecoder",
    title="The loss counts the targets that are -1",
    hint="A target of -1 says: whatever is predicted here, do not count it.",
    caught_by=("ignored_targets",),
)
class LossCountsPadding(OtherLoss):
    def loss(self, logits, prefix, targets):
        predictions = self.predictions(logits, (prefix != -1).sum(dim=1), targets.size(1))[:, :-1]
        return loss_of(predictions, targets.clamp(min=0))


@mistake(
    replaces="EncoderDecoder",
    title="The loss is a sum, not a mean",
    hint="Should twice as many targets make the loss twice as large?",
    caught_by=("loss", "padded_loss", "ignored_targets", "sizes"),
)
class LossSummed(OtherLoss):
    def loss(self, logits, prefix, targets):
        predictions = self.predictions(logits, (prefix != -1).sum(dim=1), targets.size(1))[:, :-1]
        return loss_of(predictions, targets, reduction="sum")


@mistake(
    replaces="EncoderDecoder",
    title="The loss is cut from the graph: the model cannot learn from it",
    hint="Call loss.backward() and print a weight's gradient. What do .item() and .detach() leave of a tensor?",
    caught_by=("learns",),
)
class LossDetached(EncoderDecoder):
    def forward(self, prefix, targets=None):
        logits, loss = super().forward(prefix, targets)
        return logits, None if loss is None else loss.detach()


# --- writing


@mistake(
    replaces="prefix_generate",
    title="The prefix comes back with what was written",
    hint="Whoever calls has the prefix already. Which columns of your result are new?",
    caught_by=("length", "argmax", "samples", "temperature", "goes_on", "generator"),
)
def prefix_returned(model, prefix, *args, **settings):
    return torch.cat([prefix, prefix_generate(model, prefix, *args, **settings)], dim=1)


def write(  # the solution with parts to replace
    model,
    prefix,
    max_new_tokens,
    temperature=1.0,
    do_sample=True,
    generator=None,
    *,
    given=lambda tokens: tokens,
    column=lambda predictions: predictions[:, -1],
    scaled=lambda logits, temperature: logits / temperature,
    drawn=lambda probs, generator: torch.multinomial(probs, 1, generator=generator),
):
    """What the solution does; `given` are the tokens that the decoder sees."""
    if temperature <= 0:
        raise ValueError("temperature")
    tokens, num_tokens = prefix[:, :0], (prefix != -1).sum(dim=1)
    with torch.no_grad():
        hidden = model.encode(prefix)
        for _ in range(max_new_tokens):
            seen = given(tokens)
            logits = model.decode(hidden, num_tokens, seen)
            probs = scaled(column(model.predictions(logits, num_tokens, seen.size(1))), temperature).softmax(dim=-1)
            token = drawn(probs, generator) if do_sample else probs.argmax(dim=-1, keepdim=True)
            tokens = torch.cat([tokens, token], dim=1)
    return tokens


@mistake(
    replaces="prefix_generate",
    title="The prefix is encoded again for each token",
    hint="model(prefix, tokens) reads the prefix and then writes. Which of its two halves gives the same each time?",
    caught_by=("encoded_once",),
)
def encoded_again(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):
    if temperature <= 0:
        raise ValueError("temperature")
    tokens, num_tokens = prefix[:, :0], (prefix != -1).sum(dim=1)
    with torch.no_grad():
        for T in range(max_new_tokens):
            logits, _ = model(prefix, tokens) if T else model(prefix)
            probs = (model.predictions(logits, num_tokens, T)[:, -1] / temperature).softmax(dim=-1)
            token = torch.multinomial(probs, 1, generator=generator) if do_sample else probs.argmax(-1, keepdim=True)
            tokens = torch.cat([tokens, token], dim=1)
    return tokens


@mistake(
    replaces="prefix_generate",
    title="The decoder never sees what was written before: each token is predicted as the first one",
    hint="Print what the decoder is given at each step. Does it grow?",
    caught_by=("argmax", "samples"),
)
def no_feedback(*args, **settings):
    return write(*args, **settings, given=lambda tokens: tokens[:, :0])


@mistake(
    replaces="prefix_generate",
    title="The decoder sees only the last token that was written",
    hint="The model predicts from all that was written. How many tokens do you show it?",
    caught_by=("argmax",),
)
def last_token_only(*args, **settings):
    return write(*args, **settings, given=lambda tokens: tokens[:, -1:])


@mistake(
    replaces="prefix_generate",
    title="Each token is taken from the column of the first one",
    hint="After each token there is one column more. Which of them says what comes next?",
    caught_by=("argmax", "samples"),
)
def first_column(*args, **settings):
    return write(*args, **settings, column=lambda predictions: predictions[:, 0])


@mistake(
    replaces="prefix_generate",
    title="In a row with padding the first token is predicted from padding",
    hint="The last column of a row with padding is padding. Where does that row's prefix end?",
    caught_by=("padded_argmax",),
)
def from_padding(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):
    if temperature <= 0:
        raise ValueError("temperature")
    tokens, num_tokens = prefix[:, :0], (prefix != -1).sum(dim=1)
    with torch.no_grad():
        hidden = model.encode(prefix)
        for _ in range(max_new_tokens):
            probs = (model.decode(hidden, num_tokens, tokens)[:, -1] / temperature).softmax(dim=-1)
            token = torch.multinomial(probs, 1, generator=generator) if do_sample else probs.argmax(-1, keepdim=True)
            tokens = torch.cat([tokens, token], dim=1)
    return tokens


@mistake(
    replaces="prefix_generate",
    title="There is one token too many",
    hint="Count the turns of your loop: each appends one token, and you start with none.",
    caught_by=("length", "argmax", "samples", "temperature", "goes_on", "generator"),
)
def one_too_many(model, prefix, max_new_tokens, *args, **settings):
    return prefix_generate(model, prefix, max_new_tokens + 1, *args, **settings)


@mistake(
    replaces="prefix_generate",
    title="do_sample is ignored: the likeliest token is always taken",
    hint="Call it ten times. Is the text the same each time?",
    caught_by=("samples", "temperature", "goes_on", "generator"),
)
def always_argmax(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):  # noqa: ARG001
    return prefix_generate(model, prefix, max_new_tokens, temperature, do_sample=False)


@mistake(
    replaces="prefix_generate",
    title="do_sample is ignored: tokens are always drawn",
    hint="With do_sample=False two calls give the same text. Do yours?",
    caught_by=("argmax",),
)
def always_sampled(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):  # noqa: ARG001
    return prefix_generate(model, prefix, max_new_tokens, temperature, generator=generator)


@mistake(
    replaces="prefix_generate",
    title="The temperature is not used",
    hint="Find the line in which the temperature changes a number.",
    caught_by=("temperature",),
)
def temperature_ignored(*args, **settings):
    return write(*args, **settings, scaled=lambda logits, _: logits)


@mistake(
    replaces="prefix_generate",
    title="The logits are multiplied by the temperature",
    hint="A low temperature should make the model surer of itself. Do your likeliest tokens become likelier?",
    caught_by=("temperature",),
)
def temperature_multiplied(*args, **settings):
    return write(*args, **settings, scaled=lambda logits, temperature: logits * temperature)


@mistake(
    replaces="prefix_generate",
    title="A temperature of zero or less is not refused",
    hint="The logits are divided by it. What does a temperature of 0 make of them, and a negative one?",
    caught_by=("temperature_refused",),
)
def temperature_not_refused(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):
    return prefix_generate(model, prefix, max_new_tokens, max(temperature, 1e-6), do_sample, generator)


@mistake(
    replaces="prefix_generate",
    title="A wrong temperature raises an AssertionError, not a ValueError",
    hint="`assert` is for what cannot happen; python -O leaves it out. What does one raise for a wrong argument?",
    caught_by=("temperature_refused",),
)
def temperature_asserted(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):
    assert temperature > 0, "the temperature has to be above 0"
    return prefix_generate(model, prefix, max_new_tokens, temperature, do_sample, generator)


@mistake(
    replaces="prefix_generate",
    title="All rows get the token that was drawn for the first one",
    hint="Each row draws its own token from its own distribution.",
    caught_by=("samples", "temperature"),
)
def one_draw_for_all(*args, **settings):
    def first_row(probs, generator):
        return torch.multinomial(probs[:1], 1, generator=generator).expand(len(probs), 1)

    return write(*args, **settings, drawn=first_row)


@mistake(
    replaces="prefix_generate",
    title="The generator is not used",
    hint="Which of your calls draws random numbers? It takes a generator.",
    caught_by=("generator",),
)
def generator_ignored(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):  # noqa: ARG001
    return prefix_generate(model, prefix, max_new_tokens, temperature, do_sample)


@mistake(
    replaces="prefix_generate",
    title="A fixed seed makes each call draw the same",
    hint="Who calls torch.manual_seed decides for everybody. Two calls without a generator are to differ.",
    caught_by=("generator",),
)
def fixed_seed(model, prefix, max_new_tokens, temperature=1.0, do_sample=True, generator=None):
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    return prefix_generate(model, prefix, max_new_tokens, temperature, do_sample, generator)


@mistake(
    replaces="prefix_generate",
    title="Writing stops when all rows have had their end token",
    hint="How many columns were asked for? Whoever reads the result cuts each row at its end token.",
    caught_by=("goes_on",),
)
def stops_at_the_end(model, prefix, *args, **settings):
    tokens = prefix_generate(model, prefix, *args, **settings)
    ended = (tokens == model.end_token).cumsum(dim=1).gt(0).all(dim=0)  # (T,), all rows have ended by then
    return tokens[:, : int((~ended).sum()) + 1]


@mistake(
    replaces="prefix_generate",
    title="A row that has had its end token gets nothing but end tokens",
    hint="The model goes on predicting behind an end token, and what it predicts is asked for.",
    caught_by=("goes_on",),
)
def filled_up_with_end_tokens(model, prefix, *args, **settings):
    tokens = prefix_generate(model, prefix, *args, **settings)
    ended = (tokens == model.end_token).cumsum(dim=1) > 0
    return torch.where(ended, model.end_token, tokens)
