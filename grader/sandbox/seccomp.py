"""Seccomp: which system calls the student's process may still make. An allow-list, written for the kernel's filter."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

from grader.sandbox.libc import call, no_new_privileges

MACHINES = ("x86_64", "aarch64")  # the columns of the tables below
_AUDIT = (0xC000003E, 0xC00000B7)  # how the kernel names them to a filter
_SECCOMP = (317, 277)  # the number of the call that installs the filter

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_X32 = 0x40000000  # x86-64 numbers from here on are the x32 way in
_NEWER = 424  # from here on numbers are the same everywhere and C libraries fall back when a call "does not exist"

# name, number on x86-64, number on aarch64; "-" where that architecture has no such call
_ALWAYS = """
    read 0 63, write 1 64, close 3 57, stat 4 -, fstat 5 80, lstat 6 -, poll 7 -, lseek 8 62, pread64 17 67,
    pwrite64 18 68, readv 19 65, writev 20 66, preadv 295 69, pwritev 296 70, preadv2 327 286, sendfile 40 71,
    access 21 -, faccessat 269 48, faccessat2 439 439, dup 32 23, dup2 33 -, dup3 292 24, pipe 22 -, pipe2 293 59,
    select 23 -, pselect6 270 72, ppoll 271 73, fsync 74 82, fdatasync 75 83, ftruncate 77 46,
    fadvise64 221 223, getdents 78 -, getdents64 217 61, getcwd 79 17, chdir 80 49, fchdir 81 50, rename 82 -,
    renameat 264 38, mkdir 83 -, mkdirat 258 34, rmdir 84 -, unlink 87 -, unlinkat 263 35, readlink 89 -,
    readlinkat 267 78, newfstatat 262 79, statx 332 291, statfs 137 43, fstatfs 138 44, umask 95 166,
    close_range 436 436,

    mmap 9 222, mprotect 10 226, munmap 11 215, brk 12 214, mremap 25 216, msync 26 227, madvise 28 233,
    get_mempolicy 239 236,

    futex 202 98, set_robust_list 273 99, rseq 334 293, membarrier 324 283, set_tid_address 218 96,
    gettid 186 178, sched_yield 24 124, sched_getaffinity 204 123, sched_getparam 143 121,
    sched_getscheduler 145 120, sched_get_priority_max 146 125, sched_get_priority_min 147 126, arch_prctl 158 -,
    getcpu 309 168,

    rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigpending 127 136,
    rt_sigtimedwait 128 137, rt_sigsuspend 130 133, sigaltstack 131 132, restart_syscall 219 128, exit 60 93,
    exit_group 231 94, wait4 61 260, waitid 247 95,

    nanosleep 35 101, clock_nanosleep 230 115, clock_gettime 228 113, clock_getres 229 114, gettimeofday 96 169,
    time 201 -, getitimer 36 102, setitimer 38 103, alarm 37 -, times 100 153,

    getpid 39 172, getppid 110 173, getpgrp 111 -, getuid 102 174, geteuid 107 175, getgid 104 176,
    getegid 108 177, getgroups 115 158, getresuid 118 148, getresgid 120 150, uname 63 160, sysinfo 99 179,
    getrusage 98 165, getrlimit 97 163, getrandom 318 278,

    sendto 44 206, recvfrom 45 207, sendmsg 46 211, recvmsg 47 212, shutdown 48 210, getsockname 51 204,
    getpeername 52 205, getsockopt 55 209, epoll_create 213 -, epoll_create1 291 20, epoll_ctl 233 21,
    epoll_wait 232 -, epoll_pwait 281 22, epoll_pwait2 441 441, eventfd2 290 19
"""
_SOMETIMES = """
    open 2 -, openat 257 56, renameat2 316 276, clone 56 220, kill 62 129, tgkill 234 131, getpgid 121 155,
    prlimit64 302 261, socketpair 53 199, ioctl 16 29, fcntl 72 25, prctl 157 167
"""


@dataclass(frozen=True, slots=True)
class Test:
    """Argument number `argument`, masked, is one of `values`. 32 bits are compared: the kernel reads no more here."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF


def _rules(pid: int) -> dict[str, tuple[Test, ...]]:
    """For each call that is allowed sometimes: the tests its arguments must pass, all of them."""
    # Landlock below version 3 lets a file opened for reading be emptied: O_RDONLY | O_TRUNC. The highest bit is
    # O_TMPFILE's: a file without a name would not be seen by who watches the disk.
    watched = 0o20001003
    open_modes = (0o0, 0o1, 0o2, 0o1001, 0o1002)
    thread, namespaces, traced = 0x00010000, 0x7E020000, 0x00002000
    return {
        "open": (Test(1, open_modes, watched),),
        "openat": (Test(2, open_modes, watched),),
        "renameat2": (Test(4, (0,)),),  # a white-out would make a device
        "clone": (Test(0, (thread,), thread | namespaces | traced),),  # threads, never processes
        "kill": (Test(0, (pid,)),),
        "tgkill": (Test(0, (pid,)),),
        "getpgid": (Test(0, (0, pid)),),
        "prlimit64": (Test(0, (0, pid)),),
        # AF_UNIX pairs for asyncio; SOCK_STREAM and SOCK_SEQPACKET, since a datagram can go to any named socket
        "socketpair": (Test(0, (1,)), Test(1, (1, 5), 0xF)),
        # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, TCGETS2
        "ioctl": (Test(1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A)),),
        # DUPFD, GETFD, SETFD, GETFL, SETFL, record locks, DUPFD_CLOEXEC, GETPIPE_SZ: nothing that names another process
        "fcntl": (Test(1, (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)),),
        # GET_PDEATHSIG, GET_DUMPABLE, SET_NAME, GET_NAME, SET_VMA
        "prctl": (Test(0, (2, 3, 15, 16, 0x53564D41)),),
    }


def numbers(machine: str) -> dict[str, int]:
    """Return the number on `machine` of each call named in the tables."""
    column = MACHINES.index(machine) + 1
    rows = (row.split() for row in f"{_ALWAYS},{_SOMETIMES}".split(","))
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


# For the kernel's filter machine: code, instructions to skip when true, when false, constant.
Instruction = tuple[int, int, int, int]
_EQUAL, _AT_LEAST = 0x15, 0x35


def _load(offset: int) -> Instruction:
    return 0x20, 0, 0, offset  # 0 is the call's number, 4 the architecture, 16 + 8n the low half of argument n


def _return(action: int) -> Instruction:
    return 0x06, 0, 0, action


def _one_of(values: tuple[int, ...], refusal: int) -> list[Instruction]:
    """Go on behind these instructions when the loaded value is one of `values`, else end with `refusal`."""
    tests = [(_EQUAL, len(values) - index, 0, value & 0xFFFFFFFF) for index, value in enumerate(values)]
    return [*tests, _return(refusal)]


def _guarded(number: int, tests: tuple[Test, ...]) -> list[Instruction]:
    body: list[Instruction] = []
    for test in tests:
        body += [_load(16 + 8 * test.argument), (0x54, 0, 0, test.mask), *_one_of(test.values, ERRNO | errno.EPERM)]
    body.append(_return(ALLOW))
    return [(_EQUAL, 0, len(body), number), *body]


def program(pid: int, machine: str) -> list[Instruction]:
    """Return the filter for process `pid`. Raises ValueError on an architecture that has no table here."""
    if machine not in MACHINES:
        raise ValueError(f"no system-call table for {machine}")
    number, rules = numbers(machine), _rules(pid)
    always = tuple(value for name, value in number.items() if name not in rules)
    code = [_load(4), *_one_of((_AUDIT[MACHINES.index(machine)],), KILL), _load(0)]
    if machine == "x86_64":
        code += [(_AT_LEAST, 0, 1, _X32), _return(KILL)]
    for name, tests in rules.items():
        if name in number:
            code += _guarded(number[name], tests)
    refused = [(_AT_LEAST, 0, 1, _NEWER), _return(ERRNO | errno.ENOSYS), _return(ERRNO | errno.EPERM)]
    # a match jumps over what refuses; jumps are one byte, so the table may hold 250 calls
    code += [(_EQUAL, len(always) - index - 1 + len(refused), 0, value) for index, value in enumerate(always)]
    return [*code, *refused, _return(ALLOW)]


def load(pid: int) -> None:
    """Hold this process, all threads of it, to the filter for good. Raises OSError when the kernel refuses."""
    machine = os.uname().machine
    code = program(pid, machine)
    buffer = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in code))
    no_new_privileges()
    whole = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(buffer))
    failed = call("syscall", _SECCOMP[MACHINES.index(machine)], 1, 1, whole)  # SET_MODE_FILTER with TSYNC
    if failed:  # the id of a thread that could not be brought under the filter
        raise OSError(errno.EBUSY, f"thread {failed} stayed outside the filter")
