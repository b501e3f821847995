"""What the names of layers say: the field's words for the same thing, and how far a name is from what it would hold."""

from __future__ import annotations

import re
from functools import lru_cache

_WORDS = {
    "q": "query queries wq",
    "k": "key keys wk",
    "v": "value values val wv",
    "out": "o output wo wc proj projection projections merge unify dense head classifier logits",
    "token": "tok tokens word words vocab vocabulary wte",
    "position": "pos positions positional position wpe pe",
    "norm": "ln layernorm rms",
    "final": "f last",
    "reverse": "rev backward bwd backwards",
    "1": "up expand",
    "2": "down contract",
}
_MEANS = {word: meaning for meaning, words in _WORDS.items() for word in (meaning, *words.split()) if word.isalpha()}
_WHOLE = {"cattn": ("q", "k", "v"), "inproj": ("q", "k", "v"), "tokv": ("k", "v"), "lmhead": ("out",), "cfc": ("1",)}
_SIDES = dict.fromkeys(["encoder", "enc", "reader"], "encoder") | dict.fromkeys(["decoder", "dec", "writer"], "decoder")
_ROLES = dict.fromkeys(["w", "weight", "weights", "kernel", "matrix", "gamma", "scale"], "weight")
_ROLES |= dict.fromkeys(["b", "bias", "biases", "beta", "shift", "offset"], "bias")
_RECURRENT = re.compile(r"((?:weight|bias)_(?:ih|hh|hr))(?:_l(\d+))?(_reverse)?")

EXACT, ALIKE, UNKNOWN, OPPOSED = 0.0, 0.2, 1.0, 4.0  # how strange it is that a layer of this name holds that


def split(name: str, dimensions: int) -> tuple[str, str]:
    """The layer that a parameter belongs to and its role there: ("attn.q", "bias") for `attn.q.bias`, `attn.b_q` ..."""
    path, _, leaf = name.rpartition(".")
    if match := _RECURRENT.fullmatch(leaf):
        role, number, reverse = match.groups()
        return _joined(path, number, reverse and "reverse"), role
    if leaf.isdecimal() and path:  # of a ParameterList
        layer, role = split(path, dimensions)
        return _joined(layer, leaf), role
    words = _words(leaf)
    marked = [word for word in words if word in _ROLES]
    if not marked and leaf[:1] in "wWbB" and _meaning(leaf[1:]):  # wq, bq
        return _joined(path, leaf[1:]), _ROLES[leaf[0].lower()]
    rest = "_".join(word for word in words if word not in _ROLES)
    if not marked or (_ROLES[marked[-1]] == "bias" and not rest and dimensions > 1):
        return name, "weight"
    return _joined(path, rest), _ROLES[marked[-1]]


def pattern(layer: str, *, loosely: bool = False) -> str:
    """A layer's name with `#` for its place in a list: "blocks.#.attn.q"; loosely, in `block1.attn.q` too."""
    return re.sub(r"\d+(?=\.|$)" if loosely else r"(?<![^.])\d+(?=\.|$)", "#", layer)


@lru_cache(1 << 14)
def strangeness(mine: str, theirs: tuple[str, ...]) -> float:
    """How strange it would be if the student's layer `mine` held the reference's layers `theirs`, from their names."""
    if theirs == (mine,):
        return EXACT
    (own, around), others = _concept(mine), [_concept(name) for name in theirs]
    wanted = tuple(word for concept, _ in others for word in concept)
    context = {word for _, words in others for word in words}
    apart = 0.5 * (1 - len(context & around) / len(context | around)) if context and around else 0.0
    if (side := _side(mine)) and {side, *map(_side, theirs)} >= {"encoder", "decoder"}:
        apart += OPPOSED  # of two models that are built alike, the other one
    if not own or not wanted:
        return UNKNOWN + apart
    if own == wanted:
        return ALIKE + apart
    common = len(set(own) & set(wanted)) / len(set(own) | set(wanted))
    return apart + (UNKNOWN * (2 - common) if common else OPPOSED)


def held(layer: str) -> tuple[str, ...]:
    """Of what the name says that it is several in one: ("q", "k", "v") for `attn.qkv`."""
    concept = _concept(layer)[0]
    return concept if set(concept) <= set("qkv") else ()


def stands_last(layer: str) -> bool:
    """Whether the name is that of an output projection."""
    return _concept(layer)[0] == ("out",)


def _joined(*parts: str | None) -> str:
    return ".".join(part for part in parts if part)


def _side(layer: str) -> str | None:
    """Of the two halves of a model, the one that the layer lies in."""
    words = (word for part in layer.split(".")[:-1] for word in _words(part))
    return next((_SIDES[word] for word in words if word in _SIDES), None)


@lru_cache(1 << 12)
def _concept(layer: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """What the innermost part with a meaning says, and the words around it."""
    meanings = [_meaning(part) for part in layer.split(".")]
    known = [i for i, meaning in enumerate(meanings) if meaning]
    if not known:
        return (), frozenset()
    return meanings[known[-1]], frozenset(word for i in known[:-1] for word in meanings[i])


def _meaning(part: str) -> tuple[str, ...]:
    if match := _RECURRENT.fullmatch(part):
        return ("reverse",) if match[3] else ()
    words = _words(part)
    if whole := _WHOLE.get("".join(words)):
        return whole
    found: list[str] = []
    for word in words:
        letters = word.removeprefix("w")
        if letters and set(letters) <= set("qkv") and len(set(letters)) == len(letters):  # q, wk, qkv, kv
            found.extend(letters)
        elif word in _MEANS:
            found.append(_MEANS[word])
        elif word.isdecimal() and part != word and part.endswith(word):  # not an index of a list
            found.append(word)
    if len(found) > 1 and words[-1] in ("proj", "projection", "projections", "head", "heads"):
        found.remove("out")  # q_proj is no output
    return tuple(found)


@lru_cache(1 << 12)
def _words(part: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", part))
