"""How a value crosses: one frame per request, one per reply, tied together by an id that cannot be guessed."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable

from grader.wire.values import MAX_BODY, MAX_HEADER, WireError, decode, encode

_HEAD = struct.Struct("<4sIQ16s")  # magic, length of the header, length of the body, id
_MAGIC = b"TGR1"
_CHUNK = 1 << 20
_TICK = 0.05  # seconds between two looks at whether to give up

Expired = Callable[[], bool] | None


class WireClosedError(WireError):
    """The other end is gone."""


class WireTimeoutError(WireError):
    """The deadline passed before the frame was whole."""


class Stream:
    """One end of the wire over a connected stream socket.

    `drain` is called whenever `drain_fd` can be read while this end waits: what the student prints must not fill a
    pipe and stop them, so whoever waits for an answer reads it meanwhile.
    """

    def __init__(
        self, sock: socket.socket, drain_fd: int | None = None, drain: Callable[[], bool] | None = None
    ) -> None:
        self._sock = sock
        self._drain_fd = drain_fd
        self._drain = drain
        self._received = bytearray()
        self._look = 0.0  # when to ask next whether to give up
        sock.setblocking(False)

    def ask(
        self, message: object, expired: Callable[[], bool], serve: Callable[[object], object] | None = None
    ) -> object:
        """Send `message`, return the reply; `expired` is asked now and then whether to give up.

        Before it replies the other end may ask for what this end lent it, any number of times: `serve` gives the
        answer. Raises WireTimeoutError, WireClosedError, or WireError for what is surplus, early, forged or malformed.
        """
        if self._receive_ready() or self._received:
            raise WireError("bytes that nobody asked for")
        ident = os.urandom(16)
        self._look = time.monotonic() + _TICK
        self._send(ident, message, expired)
        while True:
            answered, value = self._receive(expired)
            if answered != ident:
                raise WireError("an answer to another question")
            if serve is None or type(value) is not dict or set(value) != {"lent"}:
                return value
            self._send(ident, serve(value["lent"]), expired)

    def listen(self) -> tuple[bytes, object]:
        """Wait for the next request; return its id and message. Raises WireClosedError at the end."""
        return self._receive(None)

    def reply(self, ident: bytes, message: object) -> None:
        """Answer the request `ident`. Raises NotAValueError before a byte is sent when `message` cannot cross."""
        self._send(ident, message, None)

    def _send(self, ident: bytes, message: object, expired: Expired) -> None:
        header, body = encode(message)
        if len(header) > MAX_HEADER or sum(map(len, body)) > MAX_BODY:
            raise WireError(f"a value of more than {MAX_BODY >> 20} MiB cannot cross")
        view = memoryview(b"".join((_HEAD.pack(_MAGIC, len(header), sum(map(len, body)), ident), header, *body)))
        while view:
            try:
                view = view[self._sock.send(view[:_CHUNK]) :]
            except BlockingIOError:
                self._wait(expired, writing=True)
                self._check(expired)
            except OSError as error:
                raise WireClosedError(str(error)) from None

    def _receive(self, expired: Expired) -> tuple[bytes, object]:
        magic, header_size, body_size, ident = _HEAD.unpack(self._take(_HEAD.size, expired))
        if magic != _MAGIC or header_size > MAX_HEADER or body_size > MAX_BODY:
            raise WireError("not a frame, or one too large")
        header = bytes(self._take(header_size, expired))
        return ident, decode(header, memoryview(self._take(body_size, expired)))

    def _take(self, size: int, expired: Expired) -> bytearray:
        """The next `size` bytes. What is kept grows with what really came: a forged length allocates nothing."""
        while len(self._received) < size:
            if not self._receive_ready():
                self._wait(expired)
            self._check(expired)
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def _receive_ready(self) -> bool:
        """Keep what has come; whether anything had. Raises WireClosedError at the end."""
        try:
            piece = self._sock.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError as error:
            raise WireClosedError(str(error)) from None
        if not piece:
            raise WireClosedError("closed")
        self._received += piece
        return True

    def _wait(self, expired: Expired, *, writing: bool = False) -> None:
        """Return when the socket may be ready; drain meanwhile. Raises WireTimeoutError."""
        while True:
            readers = [] if writing else [self._sock.fileno()]
            drains = [] if self._drain_fd is None else [self._drain_fd]
            ready, writable, _ = select.select(readers + drains, [self._sock] if writing else [], [], _TICK)
            if self._drain_fd in ready and self._drain is not None and not self._drain():
                self._drain_fd = None  # their output is closed: nothing more to read
            if writable or (readers and readers[0] in ready):
                return
            self._check(expired)

    def _check(self, expired: Expired) -> None:
        """Raises WireTimeoutError when it is time to give up, also while bytes still come or go."""
        if expired is not None and time.monotonic() >= self._look:
            self._look = time.monotonic() + _TICK
            if expired():
                raise WireTimeoutError("no answer in time")
