"""The parts of the lock, one by one: the filter, the rules, the limits, the order, and that it fails closed."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grader.errors import GraderError
from grader.records import Limits
from grader.sandbox import landlock, limits, lock, reach, seccomp
from grader.sandbox.doctor import ACTS, assess, exposed
from grader.sandbox.landlock import landlock_abi
from grader.sandbox.lock import Policy, lock_down, system_paths

PID = 4321
EPERM, ENOSYS = seccomp.ERRNO | errno.EPERM, seccomp.ERRNO | errno.ENOSYS
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
needs_landlock = pytest.mark.skipif(not landlock_abi(), reason="this kernel has no Landlock")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to another user")


# ---- the filter


def judge(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """Run the filter as the kernel does: one register, reading the call's number, architecture and arguments."""
    wide = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", number, AUDIT[machine] if audit is None else audit, 0, *(a % 2**64 for a in wide))
    register, place, code = 0, 0, seccomp.program(PID, machine)
    while True:
        kind, yes, no, constant = code[place]
        place += 1
        if kind == 0x20:
            register = struct.unpack_from("=I", data, constant)[0]
        elif kind == 0x54:
            register &= constant
        elif kind == 0x06:
            return constant
        else:
            taken = register == constant if kind == 0x15 else register >= constant
            assert kind in (0x15, 0x35)
            place += yes if taken else no


machines = pytest.mark.parametrize("machine", seccomp.MACHINES)


@pytest.mark.parametrize(("machine", "audit"), AUDIT.items())
def test_numbers_are_those_of_libseccomp(machine: str, audit: int) -> None:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp.so.2 is not installed")
    resolve = library.seccomp_syscall_resolve_name_arch
    table = seccomp.numbers(machine)
    wrong = {name: number for name, number in table.items() if resolve(ctypes.c_uint32(audit), name.encode()) != number}
    assert len(table) > 100
    assert wrong == {}


@machines
def test_every_number_is_judged_as_its_table_says(machine: str) -> None:
    table = seccomp.numbers(machine)
    assert len(set(table.values())) == len(table)
    sometimes = set(seccomp._rules(PID))
    always = {number for name, number in table.items() if name not in sometimes}
    ruled = {number for name, number in table.items() if name in sometimes}
    for number in set(range(700)) - ruled:
        expected = seccomp.ALLOW if number in always else ENOSYS if number >= 424 else EPERM
        assert judge(machine, number) == expected, number


@machines
def test_program_is_one_the_kernel_takes(machine: str) -> None:
    code = seccomp.program(PID, machine)
    assert len(code) < 4096
    for place, (kind, yes, no, _) in enumerate(code):
        assert 0 <= yes <= 255
        assert 0 <= no <= 255
        assert kind == 0x06 or place + 1 + max(yes, no) < len(code)
    assert code[-1][0] == 0x06


ARGUMENTS: list[tuple[str, tuple[int, ...], bool]] = [
    ("clone", (0x3D0F00,), True),  # what pthread_create passes
    ("clone", (17,), False),  # fork
    ("clone", (0x4111,), False),  # vfork
    ("clone", (0x3D0F00 | 0x10000000,), False),  # a thread in a user namespace
    ("clone", (0x3D0F00 | 0x2000,), False),  # a traced thread
    ("kill", (PID, 9), True),
    ("kill", (0, 9), False),
    ("kill", (-1, 9), False),
    ("kill", (-PID, 9), False),
    ("kill", (PID + 1, 0), False),
    ("kill", (PID | 1 << 40, 0), True),  # the kernel reads 32 bits of it as well
    ("tgkill", (PID, PID + 3, 9), True),
    ("tgkill", (1, 1, 9), False),
    ("prlimit64", (0, 7), True),
    ("prlimit64", (1, 7), False),
    ("getpgid", (0,), True),
    ("getpgid", (1,), False),
    ("socketpair", (1, 1), True),
    ("socketpair", (1, 1 | 0o2000000 | 0o4000), True),
    ("socketpair", (1, 5), True),
    ("socketpair", (1, 2), False),  # a datagram pair reaches any named socket
    ("socketpair", (1, 3), False),  # SOCK_RAW becomes a datagram socket
    ("socketpair", (2, 1), False),
    ("ioctl", (0, 0x5401), True),
    ("ioctl", (0, 0x5412), False),  # TIOCSTI
    ("fcntl", (3, 1030), True),
    ("fcntl", (3, 8), False),  # F_SETOWN
    ("fcntl", (3, 10), False),  # F_SETSIG
    ("fcntl", (3, 1024), False),  # F_SETLEASE
    ("prctl", (15,), True),
    ("prctl", (4, 1), False),  # PR_SET_DUMPABLE
    ("prctl", (22, 2), False),  # PR_SET_SECCOMP
    ("openat", (-100, 0, os.O_RDONLY | os.O_CLOEXEC), True),
    ("openat", (-100, 0, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), True),
    ("openat", (-100, 0, os.O_RDWR | os.O_TRUNC), True),
    ("openat", (-100, 0, os.O_RDONLY | os.O_TRUNC), False),
    ("renameat2", (0, 0, 0, 0, 0), True),
    ("renameat2", (0, 0, 0, 0, 4), False),  # RENAME_WHITEOUT
]


@machines
@pytest.mark.parametrize(("name", "arguments", "allowed"), ARGUMENTS)
def test_arguments_decide(machine: str, name: str, arguments: tuple[int, ...], allowed: bool) -> None:
    number = seccomp.numbers(machine)[name]
    assert judge(machine, number, *arguments) == (seccomp.ALLOW if allowed else EPERM)


def test_other_ways_into_the_kernel_end_the_process() -> None:
    read = seccomp.numbers("x86_64")["read"]
    assert judge("x86_64", read, audit=0x40000003) == seccomp.KILL  # i386
    assert judge("x86_64", read, audit=AUDIT["aarch64"]) == seccomp.KILL
    assert judge("x86_64", 0x40000000 + read) == seccomp.KILL  # x32
    assert judge("aarch64", 63, audit=0x40000028) == seccomp.KILL  # 32-bit arm


@machines
@pytest.mark.parametrize(
    "name", ["execve", "fork", "socket", "connect", "ptrace", "truncate", "chmod", "mount", "tkill"]
)
def test_calls_that_must_never_slip_in(machine: str, name: str) -> None:
    assert name not in seccomp.numbers(machine)


def test_an_architecture_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="riscv64"):
        seccomp.program(PID, "riscv64")


# ---- limits


def test_memory_is_counted_from_the_warm_process() -> None:
    table = limits.table(Limits(memory_mb=100, cpu_seconds=7, disk_mb=3), 1000 << 20, 200 << 20)
    assert table["RLIMIT_DATA"] == (300 << 20, 300 << 20)
    assert table["RLIMIT_AS"] == (1356 << 20, 1356 << 20)
    assert table["RLIMIT_CPU"] == (7, 8)
    assert table["RLIMIT_FSIZE"] == (3 << 20, 3 << 20)
    assert table["RLIMIT_CORE"] == (0, 0)


def test_without_a_footprint_memory_is_not_limited_here() -> None:
    assert not {"RLIMIT_DATA", "RLIMIT_AS"} & set(limits.table(Limits(), 0, 0))


def test_footprint_is_plausible() -> None:
    size, data, resident = limits.footprint()
    assert size > data > 1 << 20
    assert size > resident > 1 << 20


def run(code: str, *arguments: object) -> Any:
    """Run `code` in a process of its own, which may lock itself; return what it printed as JSON."""
    prelude = """
        import errno, json, os, resource, sys, threading
        from pathlib import Path
        from grader.errors import GraderError
        from grader.records import Limits
        from grader.sandbox import landlock, limits, lock, reach, seccomp
        from grader.sandbox.lock import Policy, detach, lock_down, system_paths
        def policy(read=(), write=(), uid=None, protect=True, **bounds):
            size, data, _ = limits.footprint()
            return Policy((*system_paths(), *read), tuple(write), uid, Limits(**bounds), size, data, protect)
        def refuse(*_):
            raise PermissionError(errno.EPERM, "not here")
        def attempt(act):
            try:
                return act() and "open"
            except OSError as error:
                return errno.errorcode[error.errno]
    """
    whole = textwrap.dedent(prelude) + textwrap.dedent(code)
    command = [sys.executable, "-P", "-s", "-c", whole, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_limits_stay_below_what_binds_already() -> None:
    code = """
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
        lock_down(policy(protect=False, disk_mb=5))
        print(json.dumps([resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_FSIZE)]))
    """
    assert run(code) == [[32, 32], [5 << 20, 5 << 20]]


# ---- the order, and that it fails closed

STEPS = ["limits", "alone", "rules", "become", "shield", "restrict", "seccomp"]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], list[str]]:
    """Replace each step of the lock by a note of its name; the named one fails."""

    def install(failing: str | None) -> list[str]:
        taken: list[str] = []

        def step(name: str) -> Callable[..., None]:
            def act(*_: object) -> None:
                if name == failing:
                    raise OSError(errno.EINVAL, f"{name} failed")
                taken.append(name)

            return act

        class Rules:
            def __init__(self, *_: object) -> None:
                step("rules")()

            def __enter__(self) -> int:
                return 0

            def __exit__(self, *_: object) -> None:
                pass

        monkeypatch.setattr(limits, "apply", step("limits"))
        monkeypatch.setattr(lock, "_be_alone", step("alone"))
        monkeypatch.setattr(landlock, "ruleset", Rules)
        monkeypatch.setattr(lock, "_become", step("become"))
        monkeypatch.setattr(lock, "_shield", step("shield"))
        monkeypatch.setattr(landlock, "restrict", step("restrict"))
        monkeypatch.setattr(seccomp, "load", step("seccomp"))
        return taken

    return install


def test_steps_come_in_order(recorded: Callable[[str | None], list[str]]) -> None:
    taken = recorded(None)
    lock_down(Policy((), (), None, Limits(), 0, 0))
    assert taken == STEPS


def test_unprotected_means_limits_only(recorded: Callable[[str | None], list[str]]) -> None:
    taken = recorded(None)
    lock_down(Policy((), (), None, Limits(), 0, 0, protect=False))
    assert taken == ["limits"]


@pytest.mark.parametrize("failing", STEPS)
def test_a_failing_step_stops_the_lock(failing: str, recorded: Callable[[str | None], list[str]]) -> None:
    taken = recorded(failing)
    with pytest.raises(GraderError, match=f"the lock could not be closed, at .*{failing} failed"):
        lock_down(Policy((), (), None, Limits(), 0, 0))
    assert taken == STEPS[: STEPS.index(failing)]


FAILURES = {
    "a missing folder": "lock_down(policy(read=['/nothing/here']))",
    "a second thread": "threading.Thread(target=threading.Event().wait, daemon=True).start(); lock_down(policy())",
    "no Landlock": "landlock.call = refuse; lock_down(policy())",
    "no table": "seccomp.MACHINES = ('sparc', 'vax'); lock_down(policy())",
    "a refused filter": "seccomp.program = lambda *a: [(6, 0, 0, 0)] * 5000; lock_down(policy())",
}


@needs_landlock
@pytest.mark.parametrize("failure", FAILURES)
def test_the_real_lock_fails_closed(failure: str) -> None:
    code = f"""
        try:
            {FAILURES[failure]}
        except GraderError as error:
            os.write(1, json.dumps(str(error)).encode())
        else:
            os.write(1, b'"locked"')
        os._exit(0)
    """
    assert run(code).startswith("the lock could not be closed")


# ---- Landlock

FILES = """
    if sys.argv[2] == "1":
        landlock.landlock_abi = lambda: 1
    base = Path(sys.argv[1])
    for name in ("shown", "hidden", "own"):
        (base / name).mkdir()
        (base / name / "file").write_text("text")
    lock_down(policy(read=[str(base / "shown")], write=[str(base / "own")]))
    print(json.dumps({
        "read shown": attempt((base / "shown/file").read_text),
        "write shown": attempt(lambda: (base / "shown/file").write_text("x")),
        "add to shown": attempt(lambda: (base / "shown/new").write_text("x")),
        "read hidden": attempt((base / "hidden/file").read_text),
        "list hidden": attempt(lambda: os.listdir(base / "hidden")),
        "read own": attempt((base / "own/file").read_text),
        "write own": attempt(lambda: (base / "own/new").write_text("x")),
        "delete own": attempt(lambda: (base / "own/new").unlink() or True),
        "go up": attempt(lambda: (base / "own/../hidden/file").read_text()),
        "null": attempt(lambda: Path("/dev/null").write_text("x")),
        "zero": attempt(lambda: Path("/dev/zero").open("rb").read(1)),
        "passwd": attempt(lambda: Path("/etc/passwd").read_text()),
    }), flush=True)
    os._exit(0)
"""


@needs_landlock
@pytest.mark.parametrize("abi", [1, 0], ids=["first version", "this kernel's version"])
def test_rules_allow_what_they_name_and_nothing_else(tmp_path: Path, abi: int) -> None:
    found = run(FILES, tmp_path, abi)
    allowed = {name for name, said in found.items() if said == "open"}
    assert allowed == {"read shown", "read own", "write own", "delete own", "null"}
    assert set(found.values()) == {"open", "EACCES"}
    assert (tmp_path / "shown/file").read_text() == "text"


@pytest.mark.skipif(landlock_abi() < 6, reason="this kernel's Landlock knows neither signals nor abstract sockets")
def test_landlock_alone_refuses_tcp_signals_and_abstract_sockets() -> None:
    code = """
        import socket
        listener, tcp = socket.socket(socket.AF_UNIX), socket.create_server(("127.0.0.1", 0))
        listener.bind(f"\\0torchgrade{os.getpid()}")
        listener.listen()
        def acts():
            return [
                attempt(lambda: os.kill(os.getppid(), 0) or True),
                attempt(lambda: socket.socket(socket.AF_UNIX).connect(listener.getsockname()) or True),
                attempt(lambda: socket.socket().connect(tcp.getsockname()) or True),
            ]
        before = acts()
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        else:
            with landlock.ruleset((), ()) as rules:
                landlock.restrict(rules)
            os.write(1, json.dumps([before, acts()]).encode())
            os._exit(0)
    """
    assert run(code) == [["open", "open", "open"], ["EPERM", "EPERM", "EACCES"]]


def test_system_paths_name_libraries_only() -> None:
    paths = [Path(path) for path in system_paths()]
    project = Path(lock.__file__).resolve().parents[2]
    for closed in (
        project,
        project / "solutions",
        Path("/proc/self"),
        Path("/etc/passwd"),
        Path("/dev/shm"),
        Path("/home"),
    ):
        assert not any(closed.is_relative_to(path) for path in paths), closed
    for needed in (os.__file__, json.__file__, pytest.__file__):
        assert any(Path(needed).resolve().is_relative_to(path) for path in paths), needed


# ---- another user id


@needs_root
def test_a_closed_folder_is_covered_and_the_machine_left_alone(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    library = closed / "python" / "lib"
    library.mkdir(parents=True)
    (library / "late.py").write_text("x = 1")
    (closed / "private").write_text("secret")
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):  # pytest's own folders are closed too
        folder.chmod(0o755)
    closed.chmod(0o700)
    code = """
        closed = Path(sys.argv[1])
        library = str(closed / "python/lib")
        before = reach._reaches(65531, (library,))
        can = reach.can_become(65531, (library,))
        print(json.dumps([before, can, (closed / "python/lib/late.py").read_text(), (closed / "private").exists()]))
    """
    before, can, text, private = run(code, closed)
    if not can:
        pytest.skip("mounting is not allowed here")
    assert (before, text, private) == (False, "x = 1", False)
    assert (closed / "private").read_text() == "secret"
    assert closed.stat().st_mode & 0o777 == 0o700


@needs_root
def test_where_mounting_is_refused_the_user_id_is_kept(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "lib").mkdir(parents=True)
    closed.chmod(0o700)
    code = """
        reach.call = refuse
        print(json.dumps(reach.can_become(65531, (sys.argv[1],))))
    """
    assert run(code, closed / "lib") is False


def test_only_root_can_become_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert reach.can_become(65531, ()) is False


# ---- the doctor


def test_strict_needs_every_act_refused() -> None:
    outcome = dict.fromkeys(ACTS, (True, "EPERM"))
    protection = assess(outcome, distinct_uid=True, landlock_abi=7)
    assert (protection.level, protection.missing, protection.advice) == ("STRICT", (), None)
    assert all(probe.ok for probe in protection.probes)


@pytest.mark.parametrize("title", ACTS)
def test_one_act_that_succeeds_is_not_strict(title: str) -> None:
    outcome = {**dict.fromkeys(ACTS, (True, "EPERM")), title: (False, "did it")}
    protection = assess(outcome, distinct_uid=False, landlock_abi=7)
    assert (protection.level, protection.missing) == ("PARTIAL", (title,))
    assert protection.advice


def test_an_act_that_was_not_tried_is_missing() -> None:
    outcome = dict.fromkeys(list(ACTS)[1:], (True, "EPERM"))
    protection = assess(outcome, distinct_uid=False, landlock_abi=7)
    assert (protection.level, protection.missing) == ("PARTIAL", (next(iter(ACTS)),))


def test_without_landlock_nothing_is_strict() -> None:
    protection = assess(dict.fromkeys(ACTS, (True, "EPERM")), distinct_uid=True, landlock_abi=0)
    assert protection.level == "PARTIAL"
    assert protection.advice
    assert "Landlock" in protection.advice


def test_resource_limits_alone_are_called_so() -> None:
    nothing = assess({}, distinct_uid=False, landlock_abi=0)
    memory = assess({"use more memory than the budget": (True, "ENOMEM")}, distinct_uid=False, landlock_abi=0)
    assert nothing.level == memory.level == "LIMITS"


def test_installed_solutions_are_found(tmp_path: Path) -> None:
    site = tmp_path / "python3.11" / "site-packages"
    (site / "torch").mkdir(parents=True)
    assert exposed([str(tmp_path)]) == ()
    (site / "solutions").mkdir()
    assert exposed([str(tmp_path)]) == exposed([str(site)]) == (str(site / "solutions"),)
