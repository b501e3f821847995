"""Which protections work here: each forbidden act, tried for real inside a locked, throw-away child, and what the
outcomes mean as a level of protection. What is not refused is not protected.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grader.sandbox.libc import call

if sys.platform != "win32":
    import resource

_REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS}  # any other error means that the act was not stopped by the lock
_SEIZE = 0x4206
_NUMBERS = {"x86_64": {"ptrace": 101, "process_vm_readv": 310}, "aarch64": {"ptrace": 117, "process_vm_readv": 270}}


@dataclass(frozen=True, slots=True)
class Target:
    """What the acts are aimed at."""

    secret: Path  # a file outside of what the child may read
    work: Path  # its private folder
    grader_pid: int
    tcp_port: int  # where somebody listens on 127.0.0.1


def attempts(secret: str, work: str, grader_pid: int, tcp_port: int) -> dict[str, tuple[bool, str]]:
    """Try every act; return for each title whether it was blocked, and the error's name or what succeeded."""
    target = Target(Path(secret), Path(work), grader_pid, tcp_port)
    return {title: _attempt(act, target) for title, act in ACTS.items()}


def _attempt(act: Callable[[Target], str], target: Target) -> tuple[bool, str]:
    try:
        return False, act(target)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        refused = error.errno in (_REFUSED if act is not _memory_budget else {errno.ENOMEM})
        return refused, name if refused else f"not refused, but failed with {name}"
    except Exception as error:
        return False, f"could not be tried: {type(error).__name__}"


def _number(name: str) -> int:
    return _NUMBERS[os.uname().machine][name]


def _read_file(target: Target) -> str:
    return f"read {len(target.secret.read_bytes())} bytes"


def _list_folder(target: Target) -> str:
    return f"saw {sum(1 for _ in target.secret.parent.iterdir())} names"


def _write_outside(target: Target) -> str:
    planted = target.secret.with_name("planted")
    planted.write_text("x")
    planted.unlink()
    return "wrote a file"


def _change_mode(target: Target) -> str:
    target.secret.chmod(0o644)
    return "changed the mode"


def _link(target: Target) -> str:
    link = target.work / "link"
    link.symlink_to(target.secret)
    link.unlink()
    return "made a symbolic link"


def _tcp(target: Target) -> str:
    with socket.create_connection(("127.0.0.1", target.tcp_port), 2):
        return "connected"


def _udp(_: Target) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", 9))
    return "sent a packet"


def _signal(target: Target) -> str:
    os.kill(target.grader_pid, 0)
    return "could signal it"


def _memory_file(target: Target) -> str:
    with Path(f"/proc/{target.grader_pid}/mem").open("rb"):
        return "opened its memory"


def _memory_call(target: Target) -> str:
    here = ctypes.create_string_buffer(8)
    mine = (ctypes.c_size_t * 2)(ctypes.addressof(here), 8)
    read = call("syscall", _number("process_vm_readv"), target.grader_pid, bytes(mine), 1, bytes(mine), 1, 0)
    return f"read {read} bytes of it"


def _trace(target: Target) -> str:
    call("syscall", _number("ptrace"), _SEIZE, target.grader_pid, 0, 0)
    return "attached to it"


def _processes(_: Target) -> str:
    return f"saw {sum(entry.isdigit() for entry in os.listdir('/proc'))} processes"  # noqa: PTH208 - names only


def _fork(_: Target) -> str:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "forked"


def _program(_: Target) -> str:
    os.execv("/nothing/here", ["nothing"])  # refused before the file is looked for, or this process would be gone


def _namespace(_: Target) -> str:
    call("unshare", 0x10000000)  # CLONE_NEWUSER
    return "entered one"


def _memory_budget(_: Target) -> str:
    """Map as much as the limit says, without touching it: refused because something is in use already."""
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if limit == resource.RLIM_INFINITY:
        return "there is no limit"
    mmap.mmap(-1, limit, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    return f"got {limit >> 20} MiB more"


ACTS: dict[str, Callable[[Target], str]] = {
    "read another file": _read_file,
    "list another folder": _list_folder,
    "write outside the private folder": _write_outside,
    "change the mode of another file": _change_mode,
    "make a link": _link,
    "connect by TCP": _tcp,
    "send by UDP": _udp,
    "signal the grader": _signal,
    "open the grader's memory": _memory_file,
    "read the grader's memory": _memory_call,
    "trace the grader": _trace,
    "see other processes": _processes,
    "start a process": _fork,
    "run a program": _program,
    "use more memory than the budget": _memory_budget,
    "enter a user namespace": _namespace,  # last: where it works, this process is not the same afterwards
}


Level = Literal["STRICT", "PARTIAL", "LIMITS"]


@dataclass(frozen=True, slots=True)
class Probe:
    """One protection, as it was seen to work or not."""

    title: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Protection:
    """STRICT: every act was refused. PARTIAL: some were. LIMITS: resource limits and timeouts only."""

    level: Level
    probes: tuple[Probe, ...]
    missing: tuple[str, ...]
    advice: str | None


def assess(
    outcome: Mapping[str, tuple[bool, str]], *, distinct_uid: bool, landlock_abi: int, readable: Iterable[str] = ()
) -> Protection:
    """Judge what `attempts` returned from a locked child. An act that was not tried counts as not refused.

    `readable` are the library folders that every child may read: no solutions may lie in them.
    """
    tried = {title: outcome.get(title, (False, "not tried")) for title in ACTS}
    probes = [Probe(title, bool(blocked), detail) for title, (blocked, detail) in tried.items()]
    shown = exposed(readable)
    probes.append(Probe("find solutions among the libraries", not shown, shown[0] if shown else "there are none"))
    missing = tuple(probe.title for probe in probes if not probe.ok)
    level: Level = (
        "LIMITS" if len(missing) >= len(ACTS) - 1 else "PARTIAL"
    )  # the memory budget alone is a resource limit
    if not missing and landlock_abi:
        level = "STRICT"
    uid = "another user id than the grader's" if distinct_uid else "the grader's own: Landlock and seccomp guard alone"
    rules = f"version {landlock_abi}" if landlock_abi else "this kernel has none"
    probes += [Probe("Landlock", landlock_abi > 0, rules), Probe("user id of the student's process", distinct_uid, uid)]
    return Protection(level, tuple(probes), missing, _advice(level, landlock_abi))


def _advice(level: Level, landlock_abi: int) -> str | None:
    if level == "STRICT":
        return None
    if not landlock_abi:
        return (
            "Landlock is missing, so files cannot be guarded: grade on Linux 5.13 or newer with landlock among its "
            "security modules (`lsm=`), or in a Docker container there; on macOS and Windows, in Docker or WSL 2."
        )
    return "Landlock works but other acts were not refused: an x86-64 or aarch64 Linux gives STRICT."


def exposed(paths: Iterable[str]) -> tuple[str, ...]:
    """Return folders of solutions that every student's process may read, such as an installed copy of the project."""
    found = []
    for path in map(Path, paths):
        for place in (path, *path.glob("python3*/site-packages"), *path.glob("python3*/dist-packages")):
            if (place / "solutions").is_dir():
                found.append(str(place / "solutions"))
    return tuple(found)
