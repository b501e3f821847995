"""The wire: what crosses arrives as it was, and nothing else is accepted."""

from __future__ import annotations

import json
import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.wire.frames import Stream, WireClosedError, WireTimeoutError
from grader.wire.values import Handle, NotAValueError, WireError, decode, encode

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


def there_and_back(value: object) -> object:
    header, body = encode(value)
    return decode(header, memoryview(b"".join(body)))


def same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, (list, tuple)) and type(a) is type(b):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


@given(VALUES)
def test_plain_values_arrive_as_they_were(value: object) -> None:
    try:
        arrived = there_and_back(value)
    except (NotAValueError, WireError):
        # only for what the format leaves out: depth, or an integer of hundreds of digits
        assert "9" * 200 in str(value) or str(value).count("[") + str(value).count("(") > 20 or _long_integer(value)
    else:
        assert same(value, arrived)


def _long_integer(value: object) -> bool:
    return any(len(word) > 200 for word in str(value).replace("-", " ").split())


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8],
)
@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (2, 0, 5), (2, 3, 4, 5)])
def test_tensors_arrive_bit_by_bit(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = (torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 10).to(dtype)
    arrived = there_and_back({"a": tensor, "b": [tensor]})
    assert isinstance(arrived, dict)
    assert arrived["a"].dtype is dtype
    assert arrived["a"].shape == tensor.shape
    assert torch.equal(arrived["a"], tensor)
    assert torch.equal(arrived["b"][0], tensor)


def test_special_tensors_arrive() -> None:
    odd = torch.tensor([math.nan, math.inf, -math.inf])
    arrived = there_and_back(
        [odd, torch.tensor([True, False]), torch.arange(12).view(3, 4).T, torch.ones(2).expand(3, 2)]
    )
    assert isinstance(arrived, list)
    assert arrived[0].isnan()[0]
    assert arrived[0][1:].tolist() == [math.inf, -math.inf]
    assert arrived[1].tolist() == [True, False]
    assert arrived[2].tolist() == torch.arange(12).view(3, 4).T.tolist()
    assert arrived[3].tolist() == [[1, 1]] * 3


def test_bags_handles_and_dtypes_arrive() -> None:
    arrived = there_and_back([SimpleNamespace(n=1, t=torch.ones(1)), Handle(7, "Linear"), torch.float16])
    assert isinstance(arrived, list)
    assert arrived[0].n == 1
    assert arrived[1:] == [Handle(7, "Linear"), torch.float16]


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"bytes", torch.ones(2).to_sparse(), 1j, torch.ones(1, dtype=torch.cfloat)]
)
def test_other_objects_do_not_cross(value: object) -> None:
    with pytest.raises(NotAValueError):
        encode([value])


def header(v: object, t: object = ()) -> bytes:
    return json.dumps({"v": v, "t": list(t) if isinstance(t, tuple) else t}).encode()


HOSTILE = {
    "pickle": (b"\x80\x04cos\nsystem\n", b""),
    "not json": (b"{", b""),
    "a list": (b"[]", b""),
    "nan constant": (b'{"v": NaN, "t": []}', b""),
    "a key twice": (b'{"v": 1, "v": 2, "t": []}', b""),
    "unknown tag": (header(["pickle", "x"]), b""),
    "an object": (header({"a": 1}), b""),
    "deep json": (b'{"t":[],"v":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b""),
    "deep value": (header(json.loads('["l",' * 40 + "1" + "]" * 40)), b""),
    "negative shape": (header(["T", 0], [["F32", [-1]]]), b"1234"),
    "huge shape": (header(["T", 0], [["F32", [1 << 40, 1 << 40]]]), b"1234"),
    "zero times huge": (header(["T", 0], [["F32", [0, 1 << 62]]]), b""),
    "bool as size": (header(["T", 0], [["F32", [True]]]), b"1234"),
    "float as size": (header(["T", 0], [["F32", [1.0]]]), b"1234"),
    "unknown dtype": (header(["T", 0], [["C64", [1]]]), b"12345678"),
    "bool byte 7": (header(["T", 0], [["BOOL", [4]]]), b"\x07\x00\x01\x00"),
    "short body": (header(["T", 0], [["F32", [2]]]), b"1234"),
    "long body": (header(["T", 0], [["F32", [1]]]), b"12345678"),
    "tensor out of range": (header(["T", 1], [["F32", [1]]]), b"1234"),
    "negative index": (header(["T", -1], [["F32", [1]]]), b"1234"),
    "bool as index": (header(["T", False], [["F32", [1]]]), b"1234"),
    "too many dimensions": (header(["T", 0], [["F32", [1] * 9]]), b"1234"),
    "too many tensors": (header(None, [["F32", [0]]] * 5000), b""),
    "a list as key": (header(["d", [["l"], 1]]), b""),
    "a key twice in a dict": (header(["d", [1, 1], [1, 2]]), b""),
    "not a dtype": (header(["y", "load"]), b""),
    "not a float": (header(["f", "__import__"]), b""),
    "endless digits": (header(["i", "9" * 4000]), b""),
    "integer out of range": (b'{"v": 99999999999999999999999, "t": []}', b""),
    "forged handle": (header(["h", -1, "x"]), b""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_frames_are_refused(name: str) -> None:
    head, body = HOSTILE[name]
    with pytest.raises(WireError):
        decode(head, memoryview(body))


@settings(max_examples=400)
@given(st.binary(max_size=200), st.binary(max_size=64))
def test_only_wire_errors_escape_from_noise(head: bytes, body: bytes) -> None:
    with pytest.raises(WireError):
        decode(head, memoryview(body))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.floats(allow_nan=False)
    | st.sampled_from([*"ltdbThfiy", "F32", "BOOL", "nan"]),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=600)
@given(JSON, JSON, st.binary(max_size=32))
def test_only_wire_errors_escape_from_near_misses(value: object, table: object, body: bytes) -> None:
    with suppress(WireError):
        decode(json.dumps({"v": value, "t": table}).encode(), memoryview(body))


@settings(max_examples=300)
@given(st.integers(0, 60), st.integers(0, 255))
def test_a_flipped_byte_is_refused_or_another_value(position: int, byte: int) -> None:
    head, body = encode({"x": torch.arange(3), "n": [1, 2.5, "s"]})
    flipped = bytearray(head)
    flipped[position % len(flipped)] = byte
    with suppress(WireError):
        decode(bytes(flipped), memoryview(b"".join(body)))


Pair = tuple[Stream, Stream, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of a wire, and the far one's socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Stream(ours), Stream(theirs), theirs


def within(seconds: float) -> Callable[[], bool]:
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() > deadline


def answering(stream: Stream, answer: object) -> threading.Thread:
    def serve() -> None:
        ident, _ = stream.listen()
        stream.reply(ident, answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_a_question_gets_its_answer(pair: Pair) -> None:
    ours, theirs, _ = pair
    thread = answering(theirs, {"value": torch.ones(300_000)})
    answer = ours.ask({"op": "call"}, within(10))
    thread.join()
    assert isinstance(answer, dict)
    assert answer["value"].sum() == 300_000


def test_silence_ends_at_the_deadline(pair: Pair) -> None:
    ours, _theirs, _sock = pair
    with pytest.raises(WireTimeoutError):
        ours.ask({}, within(0.05))


def test_an_early_answer_is_refused(pair: Pair) -> None:
    ours, _theirs, sock = pair
    sock.send(b"early")
    with pytest.raises(WireError, match="nobody asked"):
        ours.ask({}, within(1))


def test_an_answer_with_another_id_is_refused(pair: Pair) -> None:
    ours, theirs, _ = pair

    def serve() -> None:
        theirs.listen()
        theirs.reply(b"0" * 16, {"value": 1})

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(WireError, match="another question"):
        ours.ask({}, within(5))
    thread.join()


def test_a_forged_length_allocates_nothing(pair: Pair) -> None:
    ours, theirs, sock = pair

    def serve() -> None:
        theirs.listen()
        sock.setblocking(True)
        sock.send(struct.pack("<4sIQ16s", b"TGR1", 10, 1 << 40, b"0" * 16))

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(WireError, match="too large"):
        ours.ask({}, within(5))
    thread.join()


def test_a_closed_end_is_said(pair: Pair) -> None:
    ours, _theirs, sock = pair
    sock.close()
    with pytest.raises(WireClosedError):
        ours.ask({}, within(5))
