"""The lock: what a freshly forked child gives up before it runs a student's code. A step that fails ends the child.

Each step is only possible because the next has not been taken: limits, user id and capabilities, files (Landlock),
calls (seccomp). None replaces another: Landlock knows paths but not chmod, UDP or fork; seccomp sees calls, not paths.
"""

from __future__ import annotations

import errno
import functools
import importlib.util
import itertools
import os
import signal
import site
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grader.errors import GraderError
from grader.records import Limits
from grader.sandbox import landlock, limits, seccomp
from grader.sandbox.libc import call, prctl

_SYSTEM = (
    "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache",  # shared libraries
    "/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom",
)  # fmt: skip
_DEVICES = ("/dev/null",)  # may be written as well


@dataclass(frozen=True, slots=True)
class Policy:
    """What one child may do. `read` and `write` are all it can open; `uid` is None to stay the user it is."""

    read: tuple[str, ...]
    write: tuple[str, ...]
    uid: int | None
    limits: Limits
    vm_size: int  # of the warm process before the fork, in bytes: the memory budget comes on top
    vm_data: int
    protect: bool = True  # False leaves only the resource limits


@functools.cache
def system_paths() -> tuple[str, ...]:
    """Return the folders and files that Python, torch and their libraries are loaded from, as they are on this machine.

    Of a virtual environment only `lib` is named: the environment often lies in the project, next to the answers.
    """
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    found = [f"{prefix}/{lib}" for prefix in prefixes for lib in ("lib", "lib64")]
    found += site.getsitepackages()
    torch = importlib.util.find_spec("torch")
    if torch and torch.origin:
        found.append(str(Path(torch.origin).parent.parent))
    real = {os.path.realpath(path) for path in (*_SYSTEM, *found) if Path(path).exists()}
    inner = {path for path in real if any(path.startswith(f"{other}/") for other in real)}
    return tuple(sorted(real - inner))


def detach() -> None:
    """Leave the terminal's session, die with the parent, be closed to debuggers, make files for the owner only."""
    os.setsid()
    os.umask(0o077)
    _shield()


def lock_down(policy: Policy) -> None:
    """Lock this process for good. Raises GraderError when a step fails; the caller must then end the process."""
    with _step("resource limits"):
        limits.apply(policy.limits, policy.vm_size, policy.vm_data)
    if not policy.protect:
        return
    with _step("a single thread"):
        _be_alone()
    with _step("file rules"), landlock.ruleset(policy.read, (*policy.write, *_DEVICES)) as rules:
        with _step("user id and capabilities"):
            _become(policy.uid)
            _shield()  # a change of user id undoes it
        with _step("Landlock"):
            landlock.restrict(rules)
    with _step("seccomp"):
        seccomp.load(os.getpid())


@contextmanager
def _step(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise GraderError(f"the lock could not be closed, at {name}: {error}") from error


def _be_alone() -> None:
    """Landlock holds the thread that calls it and what comes from it; a second thread would stay free."""
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    if threads != 1:
        raise OSError(errno.EBUSY, f"{threads} threads are running")


def _shield() -> None:
    prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    prctl(4, 0)  # PR_SET_DUMPABLE: no core, no ptrace, /proc/self belongs to root


def _become(uid: int | None) -> None:
    """Change to `uid`, and in any case give up every capability: root without one is a user like others."""
    for capability in itertools.count():  # out of what a program started from here could regain
        try:
            prctl(24, capability)  # PR_CAPBSET_DROP
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EPERM):  # past the last one; or without privilege: none to regain
                break
            raise
    if uid is not None:
        change_user(uid)
    header = struct.pack("Ii", 0x20080522, 0)  # version 3, this process
    call("capset", header, bytes(24))


def change_user(uid: int) -> None:
    """Be the user `uid`, and of no group but its own, for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
