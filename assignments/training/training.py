# Training
#
# Somewhere people say `zakidbimek` and mean 3412. You do not know their language, and you will not learn it: your
# model will, from 2000 examples, in less than a minute. What you write is everything around the layers: the
# settings, the loss, the loop, and the way from the model to an answer.
#
# Letters: `B` rows in the batch, `S` ids in the longest source, `T` ids in the longest target, `W` = width of the
# states, `V` = entries of the target's vocabulary.
#
# All code that is given is a start. Change it or replace it as you like: what is graded is `get_config`, `train`, and
# `predict` of the model that `train` returns.

"""A small network that learns to read the number words of a language it has never seen."""

from typing import Any

import torch
from number_words import Language, share_right  # languages to practise with
from torch import Tensor, nn
from torch.nn import functional as F

PAD, START, END, UNKNOWN = range(4)  # ids that stand for no character

# Given: from characters to ids
#
# One id for each character that occurs in the texts it is made from, behind the four special ids. Words or syllables
# would be shorter; characters are never unknown, as long as all of them were seen.


class Tokenizer:
    """A vocabulary of characters, made from texts."""

    def __init__(self, texts: list[str]) -> None:
        self.characters = sorted(set("".join(texts)))
        self.ids = {character: number for number, character in enumerate(self.characters, start=4)}
        self.size = 4 + len(self.characters)

    def encode(self, text: str) -> list[int]:
        """Return the ids of the characters, and END."""
        return [self.ids.get(character, UNKNOWN) for character in text] + [END]

    def decode(self, ids: list[int]) -> str:
        """Return the characters before the first END."""
        ids = ids[: ids.index(END)] if END in ids else ids
        return "".join(self.characters[number - 4] for number in ids if number >= 4)

    def batch(self, texts: list[str]) -> Tensor:
        """Return the ids of all texts as one rectangle (B, T), padded at the end."""
        rows = [torch.tensor(self.encode(text)) for text in texts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)


# Task 1: the settings
#
# Everything that you tune, in one place. Write something first, and come back when all else works.


def get_config() -> dict[str, Any]:
    """Return the settings of the training: a dict with "steps", "learning_rate", and whatever else you want to tune."""
    raise NotImplementedError("Task 1: the settings")


# Task 2: look back
#
# One LSTM reads the source. Another one writes the target, and starts where the first one ended: all of
# `zakidbimek` in one vector. In task 2 the writer gets to look at the source again, each time it has to choose a digit.
#
# Tasks 3 and 4 can be done before this one: `return torch.zeros_like(states)` is a writer that does not look back.


class Reader(nn.Module):
    """Reads a source, and writes its target one id after another."""

    def __init__(self, sources: Tokenizer, targets: Tokenizer, longest: int, config: dict[str, Any]) -> None:
        super().__init__()
        width = config["width"]
        self.sources, self.targets = sources, targets
        self.longest = longest  # ids in the longest target, END included
        self.source_table = nn.Embedding(sources.size, width // 2)
        self.target_table = nn.Embedding(targets.size, width // 2)
        self.encoder = nn.LSTM(width // 2, width, batch_first=True)
        self.decoder = nn.LSTM(width // 2, width, batch_first=True)
        self.query = nn.Linear(width, width)
        self.head = nn.Linear(2 * width, targets.size)
        self.dropout = nn.Dropout(config["dropout"])

    def read(self, sources: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the states (B, S, W) after each id of the sources (B, S), which ids are real (B, S), and the last
        states of the real ones (B, W).
        """
        real = sources != PAD  # (B, S)
        states, _ = self.encoder(self.dropout(self.source_table(sources)))  # (B, S, W)
        last = states[torch.arange(len(sources)), real.sum(dim=1) - 1]  # (B, W)
        return states, real, last

    def look_back(self, states: Tensor, memory: Tensor, real: Tensor) -> Tensor:
        """Return for each state of the writer what it finds in the source (B, T, W): attention with one head.

        states: (B, T, W), of the writer; `self.query` makes queries of them. memory: (B, S, W), the reader's states:
        keys and values. real: (B, S), False where the source is padding.
        """
        raise NotImplementedError("Task 2: look back")

    def write(
        self, ids: Tensor, memory: Tensor, real: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the logits (B, T, V) of what comes after each of the ids (B, T), and the writer's state after them."""
        states, state = self.decoder(self.dropout(self.target_table(ids)), state)  # (B, T, W)
        seen = self.look_back(states, memory, real)  # (B, T, W)
        return self.head(self.dropout(torch.cat([states, seen], dim=-1))), state

    def forward(self, sources: Tensor, written: Tensor) -> Tensor:
        """Return the logits (B, T, V) of what comes after each of the ids `written` (B, T), given sources (B, S)."""
        memory, real, last = self.read(sources)
        return self.write(written, memory, real, begin(last))[0]

    @torch.no_grad()
    def predict(self, sources: list[str]) -> list[str]:
        """Return one target for each source: each id is the likeliest one after those before it."""
        raise NotImplementedError("Task 4: from the model to answers")


def begin(last: Tensor) -> tuple[Tensor, Tensor]:
    """Return the state in which the writer starts, an LSTM's two tensors (1, B, W), from the reader's last one."""
    return last[None], torch.zeros_like(last)[None]


# Task 3: the loss and the loop
#
# In training the writer is told what it should have written so far, right or wrong: at each place it is given the id
# *before*, and has to predict the id *at* that place.


def loss_of(model: Reader, sources: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross entropy of the real ids of targets (B, T), each predicted from those before it.

    The first one is predicted from START. targets end in END, which is predicted, too, then in PAD.
    """
    raise NotImplementedError("Task 3: the loss")


def pace(step: int, steps: int) -> float:
    """Return the share of the learning rate that a step gets: it rises for 30 steps, then it falls to zero."""
    return min(1, (step + 1) / 30) * (1 - step / steps)


def tell(config: dict[str, Any], step: int, loss: Tensor) -> None:
    """Report the loss of every tenth step to whoever wants to know."""
    if "report" in config and step % 10 == 0:
        config["report"](step, loss.item())


def train(train_pairs: list[tuple[str, str]], config: dict[str, Any], seed: int) -> Reader:
    """Return a model that has learned from the pairs (source, target), with these settings.

    The same seed gives the same model. config may have a key "report", a function of step and loss: `tell` calls it,
    and the loss is seen to fall.
    """
    raise NotImplementedError("Task 3: the loop")


# Try it
#
# Languages 1, 2, 3, ... are yours to practise with. The grader trains your model on one that you have not met.


def practise(number: int = 1) -> float:
    """Return the share of right answers to new numbers, after training on language `number`."""
    language = Language(number)
    train_pairs = language.pairs(2000, seed=1)
    model = train(train_pairs, {**get_config(), "report": print}, seed=0)
    return share_right(model, language.pairs(400, seed=2, without=train_pairs))
