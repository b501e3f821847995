"""What may cross the wire, as a JSON header and the raw bytes of the tensors it names. Nothing here is ever executed.

A header is `{"v": NODE, "t": [[DTYPE, SHAPE], ...]}`. A NODE is a JSON null, bool, int, float or string for itself,
or a list whose first element says what it is: `l`ist, `t`uple, `d`ict, attribute `b`ag, `T`ensor, `h`andle, `y` dtype,
`f`loat that JSON has no word for, `i`nteger beyond 64 bits. Tensors lie in the body one behind the other in the order
of `t`, so there are no offsets to forge.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NoReturn

import torch

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_WORDS = {name: value for name, value in vars(torch).items() if isinstance(value, torch.dtype)}  # dtypes as themselves
_PLAIN = frozenset({bool, int, float, str, type(None)})

MAX_HEADER = 4 << 20  # bytes of JSON
MAX_BODY = 256 << 20  # bytes of tensors
_MAX_TENSORS = 4096
_MAX_DIMENSIONS = 8
_MAX_ELEMENTS = 1 << 27
_MAX_DEPTH = 24
_MAX_DIGITS = 200


class WireError(Exception):
    """The peer sent something that is not a value or frame we accept."""


class NotAValueError(TypeError):
    """This Python object is not of a kind that crosses the wire."""


@dataclass(frozen=True, slots=True)
class Handle:
    """A number that stands for an object that stays on its own side. `kind` is its class's name, for words only."""

    number: int
    kind: str


def mapped(value: Any, act: Callable[[Any], Any], kind: type = torch.Tensor) -> Any:
    """`value` with `act` done to each tensor, or each other `kind` of thing, inside."""
    if type(value) in _PLAIN:  # most of what there is
        return value
    if isinstance(value, kind):
        return act(value)
    if isinstance(value, (tuple, list)):
        return type(value)([mapped(item, act, kind) for item in value])
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**mapped(vars(value), act, kind))
    return {k: mapped(v, act, kind) for k, v in value.items()} if isinstance(value, dict) else value


def identical(one: Any, other: Any) -> bool:
    """Whether two values are the same, tensors number by number."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if type(one) is not type(other):
        return False
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, SimpleNamespace):
        one, other = vars(one), vars(other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(identical(value, other[key]) for key, value in one.items())
    return bool(one == other)


def encode(value: object) -> tuple[bytes, list[bytes]]:
    """Return the header of `value` and the tensors' bytes. Raises NotAValueError for a kind that does not cross."""
    table: list[list[object]] = []
    body: list[bytes] = []

    def tensor(t: torch.Tensor) -> list[object]:
        if t.dtype not in _NAMES or t.layout is not torch.strided or t.is_nested or t.device.type != "cpu":
            raise NotAValueError(f"a {t.dtype} tensor ({t.layout}, on {t.device}) cannot be compared here")
        flat = t.detach().resolve_neg().contiguous()
        body.append(ctypes.string_at(flat.data_ptr(), flat.numel() * flat.element_size()) if flat.numel() else b"")
        table.append([_NAMES[t.dtype], list(t.shape)])
        return ["T", len(table) - 1]

    node = _node(value, tensor, 0)
    return _WRITER.encode({"v": node, "t": table}).encode("ascii"), body


def _node(value: object, tensor: Callable[[torch.Tensor], list[object]], depth: int) -> object:
    if depth > _MAX_DEPTH:
        raise NotAValueError(f"a value nested more than {_MAX_DEPTH} deep")

    def inner(item: object) -> object:
        return _node(item, tensor, depth + 1)

    match value:
        case None | bool() | str():
            return value if value is None or type(value) is bool else str(value)
        case int():
            return int(value) if -(2**63) <= value < 2**63 else ["i", str(int(value))]
        case float():
            return float(value) if math.isfinite(value) else ["f", str(float(value))]
        case torch.Tensor():
            return tensor(value)
        case torch.dtype():
            return ["y", str(value).removeprefix("torch.")]
        case Handle():
            return ["h", value.number, value.kind]
        case tuple():
            return ["t", *map(inner, value)]
        case list():
            return ["l", *map(inner, value)]
        case dict():
            return ["d", *([inner(k), inner(v)] for k, v in value.items())]
        case SimpleNamespace():
            return ["b", *([k, inner(v)] for k, v in vars(value).items())]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return ["b", *([f.name, inner(getattr(value, f.name))] for f in dataclasses.fields(value))]
    raise NotAValueError(f"a {type(value).__name__} object")


def decode(header: bytes, body: memoryview) -> object:
    """Return the value that `header` and `body` spell. Raises WireError for anything malformed, and nothing else."""
    try:
        document = _READER.decode(header.decode("ascii"))
        if type(document) is not dict or set(document) != {"v", "t"}:
            raise WireError("a header holds v and t")
        tensors = dict(enumerate(_tensors(document["t"], body)))
        value = _value(document["v"], tensors, 0)
        if tensors:
            raise WireError("a tensor that nothing names")
        return value
    except (ValueError, RecursionError, RuntimeError, OverflowError, MemoryError) as error:
        raise WireError(f"unreadable: {type(error).__name__}") from None


def _refuse(constant: str) -> NoReturn:
    raise WireError(f"{constant} is not JSON")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise WireError("a key stands twice")
    return found


_WRITER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_READER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_refuse)


def _tensors(table: object, body: memoryview) -> list[torch.Tensor]:
    if type(table) is not list or len(table) > _MAX_TENSORS:
        raise WireError("too many tensors, or no table of them")
    found, start = [], 0
    for entry in table:
        dtype, shape = _spec(entry)
        end = start + math.prod(shape) * dtype.itemsize
        if end > len(body):
            raise WireError("the body is shorter than its tensors")
        raw = bytearray(body[start:end])  # our own copy: aligned, and nobody else can change it
        if dtype is torch.bool and raw and torch.frombuffer(raw, dtype=torch.uint8).max() > 1:
            raise WireError("a bool that is neither 0 nor 1")
        found.append(torch.frombuffer(raw, dtype=dtype).reshape(shape) if raw else torch.empty(shape, dtype=dtype))
        start = end
    if start != len(body):
        raise WireError("bytes behind the last tensor")
    return found


def _spec(entry: object) -> tuple[torch.dtype, list[int]]:
    if type(entry) is not list or len(entry) != 2:
        raise WireError("a tensor is a dtype and a shape")
    name, shape = entry
    if type(name) is not str or name not in DTYPES:
        raise WireError("unknown dtype")
    if type(shape) is not list or len(shape) > _MAX_DIMENSIONS or any(type(n) is not int or n < 0 for n in shape):
        raise WireError("not a shape")
    if math.prod(max(n, 1) for n in shape) > _MAX_ELEMENTS:
        raise WireError("a tensor that large is not accepted")
    return DTYPES[name], shape


def _value(node: object, tensors: dict[int, torch.Tensor], depth: int) -> object:
    if depth > _MAX_DEPTH:
        raise WireError("nested too deep")
    if node is None or type(node) in (bool, str, int, float):
        if type(node) is int and not -(2**63) <= node < 2**63:
            raise WireError("an integer out of range")
        return node
    if type(node) is not list or not node or type(node[0]) is not str:
        raise WireError("not a node")
    tag, rest = node[0], node[1:]
    if tag in ("l", "t"):
        items = [_value(item, tensors, depth + 1) for item in rest]
        return items if tag == "l" else tuple(items)
    if tag in ("d", "b"):
        return _mapping(tag, rest, tensors, depth)
    return _leaf(tag, rest, tensors)


def _mapping(tag: str, rest: list[object], tensors: dict[int, torch.Tensor], depth: int) -> object:
    pairs: dict[object, object] = {}
    for pair in rest:
        if type(pair) is not list or len(pair) != 2:
            raise WireError("not a pair")
        key = _value(pair[0], tensors, depth + 1)
        if not _hashable(key) or key in pairs or (tag == "b" and type(key) is not str):
            raise WireError("not a key, or one that stands twice")
        pairs[key] = _value(pair[1], tensors, depth + 1)
    return pairs if tag == "d" else SimpleNamespace(**{str(k): v for k, v in pairs.items()})


def _hashable(key: object) -> bool:
    return key is None or type(key) in (bool, int, float, str) or (type(key) is tuple and all(map(_hashable, key)))


def _leaf(tag: str, rest: list[object], tensors: dict[int, torch.Tensor]) -> object:
    match tag, rest:
        case "T", [int(index)] if type(index) is int and index in tensors:
            return tensors.pop(index)  # each stands once: what a value holds is no more than what came
        case "h", [int(number), str(kind)] if type(number) is int and number >= 0:
            return Handle(number, kind[:200])
        case "f", [("nan" | "inf" | "-inf") as word]:
            return float(word)
        case "y", [str(name)] if name in _WORDS:
            return _WORDS[name]
        case "i", [str(digits)] if len(digits) <= _MAX_DIGITS and digits.removeprefix("-").isdecimal():
            return int(digits)
    raise WireError("not a node")
