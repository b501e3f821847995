"""Calls of the C library that Python does not wrap; a refusal is an OSError, as everywhere in Python."""

from __future__ import annotations

import ctypes
import functools
import os


@functools.cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)  # opened late: there is no such thing on Windows


def call(name: str, *arguments: int | bytes | None) -> int:
    """Return what the C function `name` returns. Raises OSError when negative, AttributeError when there is none.

    `call("syscall", number, ...)` reaches what has no function of its own. All results used here fit an int.
    """
    function = getattr(_library(), name)
    function.restype = ctypes.c_int
    # an int is widened by hand: passed bare, ctypes would send 32 bits and leave the register's upper half to chance
    result: int = function(*(ctypes.c_long(value) if isinstance(value, int) else value for value in arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return result


def prctl(option: int, *arguments: int) -> int:
    """Set or ask a property of this process. Raises OSError when the kernel refuses."""
    return call("prctl", option, *arguments, *[0] * (4 - len(arguments)))


def no_new_privileges() -> None:
    """Promise that no program this process might start gains rights; Landlock and seccomp ask for it."""
    prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
