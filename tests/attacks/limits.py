"""Acts that run into a limit. They return what they reached; most end by an error or by a signal."""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Context = dict[str, Any]
MIB = 1 << 20


def _run_bytes(code: bytes) -> int:
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        result: int = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        return result


def spin(_: Context) -> str:
    while True:
        pass


def sleep(_: Context) -> str:
    time.sleep(1000)
    return "woke"


def flood(_: Context) -> str:
    while True:
        os.write(1, b"A" * 65536)


def segfault(_: Context) -> str:
    return str(ctypes.string_at(0))


def allocate_four_gib(_: Context) -> str:
    return f"{len(bytearray(4096 * MIB))} bytes"


def allocate_many_pieces(_: Context) -> str:
    kept: list[bytes] = []
    try:
        while len(kept) < 4096:
            kept.append(b"x" * MIB)
    except MemoryError:
        reached = len(kept)
        del kept
        return str(reached)
    return str(len(kept))


def share_four_gib(_: Context) -> str:
    kept: list[mmap.mmap] = []
    try:
        while len(kept) < 32:
            kept.append(mmap.mmap(-1, 128 * MIB))
    except OSError:
        return str(len(kept) * 128)
    return str(len(kept) * 128)


def write_a_big_file(context: Context) -> str:
    written = 0
    with Path(f"{context['work']}/big").open("wb", buffering=0) as file:
        try:
            while written < 200:
                file.write(b"z" * MIB)
                written += 1
        except OSError as error:
            return f"{written} {error.strerror}"
    return str(written)


def open_many_files(context: Context) -> str:
    kept: list[int] = []
    try:
        while len(kept) < 200:
            kept.append(os.dup(0))
    except OSError as error:
        reached = f"{len(kept)} {error.strerror}"
        for descriptor in kept:
            os.close(descriptor)
        return reached
    return str(len(kept))


def start_many_threads(_: Context) -> str:
    stop, started = threading.Event(), 0
    try:
        for _number in range(2000):
            threading.Thread(target=stop.wait, daemon=True).start()
            started += 1
    except RuntimeError:
        return str(started)
    finally:
        stop.set()
    return str(started)


def call_as_32_bit(_: Context) -> str:
    """`mov eax, 20; int 0x80; ret`: getpid by the i386 way in, whose numbers the filter's table does not describe."""
    return str(_run_bytes(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"))


def call_as_x32(_: Context) -> str:
    return str(ctypes.CDLL(None).syscall(0x40000000 + 39))


ACTS: dict[str, Callable[[Context], str]] = {
    act.__name__: act
    for act in (
        spin,
        sleep,
        flood,
        segfault,
        allocate_four_gib,
        allocate_many_pieces,
        share_four_gib,
        write_a_big_file,
        open_many_files,
        start_many_threads,
        call_as_32_bit,
        call_as_x32,
    )
}
