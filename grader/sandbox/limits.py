"""Resource limits of one student process, counted from what the warm process already uses."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from grader.records import Limits

if sys.platform != "win32":
    import resource

_MIB = 1 << 20
_ENTRY = 1 << 14  # bytes that a file or folder counts for at least


def footprint() -> tuple[int, int, int]:
    """Return this process's address space, private writable and resident memory in bytes; zeros where nobody says."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0, 0, 0
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    size, data, resident = (int(fields[name].split()[0]) << 10 for name in ("VmSize", "VmData", "VmRSS"))
    return size, data, resident


def held(folder: str, most: int) -> int:
    """Return the bytes on disk below `folder`, counted until they are more than `most`; what cannot be read is."""
    total, places = 0, [folder]
    while places and total <= most:
        try:
            for entry in os.scandir(places.pop()):
                found = entry.stat(follow_symlinks=False)
                total += max(found.st_blocks << 9, _ENTRY)
                if stat.S_ISDIR(found.st_mode):
                    places.append(entry.path)
        except FileNotFoundError:  # it is being changed meanwhile
            continue
        except OSError:
            return most + 1
    return total


def table(limits: Limits, vm_size: int, vm_data: int) -> dict[str, tuple[int, int]]:
    """Return soft and hard limit by name. Without a footprint (0) memory is left to the warm process's watch."""
    seconds = limits.cpu_seconds
    same = {
        "RLIMIT_FSIZE": limits.disk_mb * _MIB,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_SIGPENDING": 256,
        "RLIMIT_STACK": 16 * _MIB,
    }
    if vm_size:
        budget = limits.memory_mb * _MIB
        same["RLIMIT_DATA"] = vm_data + budget
        same["RLIMIT_AS"] = vm_size + budget + 256 * _MIB  # DATA does not count shared maps; this bounds them
    # processes are not counted here (RLIMIT_NPROC is per user and void for root): seccomp refuses to make any
    return {"RLIMIT_CPU": (seconds, seconds + 1), **{name: (value, value) for name, value in same.items()}}


def apply(limits: Limits, vm_size: int, vm_data: int) -> None:
    """Set the limits, never above what already binds this process. Raises OSError or ValueError when one is refused."""
    for name, wanted in table(limits, vm_size, vm_data).items():
        which = getattr(resource, name, None)
        if which is None:  # macOS has no message queues and no pending-signal limit
            continue
        ceiling = resource.getrlimit(which)[1]
        soft, hard = wanted if ceiling == resource.RLIM_INFINITY else (min(value, ceiling) for value in wanted)
        resource.setrlimit(which, (soft, hard))
