"""Landlock: which files this process may still open. Rules name what is allowed; everything else is refused."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntFlag

from grader.sandbox.libc import call, no_new_privileges

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_RULE_PATH_BENEATH = 1


class Right(IntFlag):
    """What a rule of ours allows below a path. The kernel knows more, and all of it is refused: to execute (asked for
    by execve only, not when a shared library is mapped), to make links, devices, pipes and sockets.
    """

    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    REFER = 1 << 13  # rename from one folder into another; from version 2
    TRUNCATE = 1 << 14  # from version 3; before it seccomp alone refuses to empty files


READ = Right.READ_FILE | Right.READ_DIR
WRITE = (
    READ | Right.WRITE_FILE | Right.TRUNCATE | Right.REFER | Right.MAKE_REG | Right.MAKE_DIR
    | Right.REMOVE_FILE | Right.REMOVE_DIR
)  # fmt: skip
_FOR_FILES = Right.READ_FILE | Right.WRITE_FILE | Right.TRUNCATE  # a rule for a file may hold no more than these


def landlock_abi() -> int:
    """Return the version of Landlock the kernel speaks; 0 for none (too old, not in `lsm=`, gVisor, not Linux)."""
    try:
        return call("syscall", _CREATE_RULESET, None, 0, 1)
    except (OSError, AttributeError, TypeError):
        return 0


def _handled(abi: int) -> tuple[int, bytes]:
    """Every file right version `abi` knows, and the attribute that puts all it can refuse under rules."""
    rights = (1 << (13 if abi == 1 else 14 if abi == 2 else 15 if abi <= 4 else 16)) - 1
    network = 0b11 if abi >= 4 else 0  # binding and connecting TCP: no rule follows, so none is allowed
    scope = 0b11 if abi >= 6 else 0  # abstract sockets of, and signals to, processes outside this lock
    return rights, struct.pack("QQQ", rights, network, scope)[: 8 if abi < 4 else 16 if abi < 6 else 24]


@contextmanager
def ruleset(read: tuple[str, ...], write: tuple[str, ...]) -> Iterator[int]:
    """Give a descriptor of rules that allow reading below `read`, and reading and writing below `write`.

    Raises OSError when a path cannot be opened or the kernel has no Landlock.
    """
    abi = landlock_abi()
    rights, attribute = _handled(max(abi, 1))  # without Landlock the next line is refused, which is what we want
    rules = call("syscall", _CREATE_RULESET, attribute, len(attribute), 0)
    try:
        for paths, wanted in ((read, READ), (write, WRITE)):
            for path in paths:
                _allow(rules, path, wanted & rights)
        yield rules
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _FOR_FILES
        call("syscall", _ADD_RULE, rules, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def restrict(rules: int) -> None:
    """Hold this thread, and all it starts, to `rules` for good. Other threads stay free: there must be none."""
    no_new_privileges()
    call("syscall", _RESTRICT_SELF, rules, 0)
