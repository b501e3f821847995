"""Attacks: each function tries one forbidden act, returns what it gained, and raises the kernel's error when refused.

They run in a child of `stage.py`, locked or not. `context` says where things are: `answers` and `results` (files),
`sibling` and `submission` (folders), `work` (the private folder), `grader` and `warm` (process ids), `tcp`, `stream`,
`datagram`, `abstract` (who listens where) and `mark` (the address of known bytes in the grader's memory).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import gc
import mmap
import os
import platform
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Context = dict[str, Any]
Attack = Callable[[Context], str]

# x86-64 and aarch64; -1 where that architecture has no such call
_NUMBERS = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "clone": (56, 220), "clone3": (435, 435),
    "vfork": (58, -1), "execve": (59, 221), "execveat": (322, 281), "unshare": (272, 97), "setns": (308, 268),
    "mount": (165, 40), "chroot": (161, 51), "pivot_root": (155, 41), "shmget": (29, 194), "semget": (64, 190),
    "msgget": (68, 186), "shmctl": (31, 195), "semctl": (66, 191), "msgctl": (71, 187),
    "mq_open": (240, 180), "memfd_create": (319, 279), "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282), "bpf": (321, 280), "perf_event_open": (298, 241), "keyctl": (250, 219),
    "add_key": (248, 217), "seccomp": (317, 277), "name_to_handle_at": (303, 264), "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27), "fanotify_init": (300, 262), "personality": (135, 92), "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138), "openat2": (437, 437), "syslog": (103, 116), "ioprio_set": (251, 30),
    "capset": (126, 91), "setuid": (105, 146), "open_tree": (428, 428), "mincore": (27, 232), "kcmp": (312, 272),
    "io_setup": (206, 0), "vmsplice": (278, 75), "landlock_create_ruleset": (444, 444), "modify_ldt": (154, -1),
}  # fmt: skip
_LIBRARY = ctypes.CDLL(None, use_errno=True)


def kernel(name: str, *arguments: int | bytes | None) -> int:
    """Make a system call by number, past every wrapper. Raises OSError."""
    number = _NUMBERS[name][platform.machine() == "aarch64"]
    if number < 0:
        raise OSError(errno.ENOSYS, f"{name} is not known here")
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = _LIBRARY.syscall(ctypes.c_long(number), *wide)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)
    return result


# ---- files


def read_answers(context: Context) -> str:
    return Path(context["answers"]).read_text()[:6]


def read_answers_by_relative_path(context: Context) -> str:
    return Path(os.path.relpath(context["answers"])).read_text()[:6]


def read_answers_by_openat2(context: Context) -> str:
    how = struct.pack("QQQ", os.O_RDONLY, 0, 0)
    return f"descriptor {kernel('openat2', -100, os.fsencode(context['answers']), how, len(how))}"


def read_answers_mapped(context: Context) -> str:
    with Path(context["answers"]).open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        return f"{len(view)} bytes"


def list_answers_folder(context: Context) -> str:
    return f"{len(os.listdir(Path(context['answers']).parent))} names"  # noqa: PTH208


def stat_answers(context: Context) -> str:
    return f"{Path(context['answers']).stat().st_size} bytes"


def read_a_siblings_submission(context: Context) -> str:
    return (Path(context["sibling"]) / "student.py").read_text()[:10]


def read_passwd(_: Context) -> str:
    return Path("/etc/passwd").read_text()[:10]


def list_root(_: Context) -> str:
    return f"{len(os.listdir('/'))} names"  # noqa: PTH208


def list_sys(_: Context) -> str:
    return f"{len(os.listdir('/sys'))} names"  # noqa: PTH208


def write_into_submission(context: Context) -> str:
    (Path(context["submission"]) / "planted.py").write_text("x")
    return "wrote"


def change_own_source(context: Context) -> str:
    (Path(context["submission"]) / "student.py").write_text("x")
    return "wrote"


def write_next_to_results(context: Context) -> str:
    Path(context["results"]).with_name("planted").write_text("x")
    return "wrote"


def overwrite_results(context: Context) -> str:
    Path(context["results"]).write_text("x")
    return "wrote"


def append_to_results(context: Context) -> str:
    with Path(context["results"]).open("a") as file:
        file.write("x")
    return "wrote"


def write_shared_memory_folder(_: Context) -> str:
    place = Path(f"/dev/shm/planted{os.getpid()}")
    place.write_text("x")
    place.unlink()
    return "wrote"


def write_temporary_folder(_: Context) -> str:
    place = Path(f"/tmp/planted{os.getpid()}")
    place.write_text("x")
    place.unlink()
    return "wrote"


def make_folder_outside(context: Context) -> str:
    Path(context["results"]).with_name("folder").mkdir()
    return "made"


def change_mode_of_answers(context: Context) -> str:
    Path(context["answers"]).chmod(0o666)
    return "changed"


def change_owner_of_answers(context: Context) -> str:
    os.chown(context["answers"], -1, os.getgid())
    return "changed"


def change_times_of_answers(context: Context) -> str:
    os.utime(context["answers"], (1, 1))
    return "changed"


def set_attribute_of_answers(context: Context) -> str:
    os.setxattr(context["answers"], "user.planted", b"1")
    return "set"


def read_attributes_of_answers(context: Context) -> str:
    return f"{len(os.listxattr(context['answers']))} attributes"


def truncate_results(context: Context) -> str:
    os.truncate(context["results"], 0)
    return "emptied"


def truncate_results_while_reading(context: Context) -> str:
    os.close(os.open(context["results"], os.O_RDONLY | os.O_TRUNC))
    return "emptied"


def truncate_own_source_while_reading(context: Context) -> str:
    os.close(os.open(f"{context['submission']}/student.py", os.O_RDONLY | os.O_TRUNC))
    return "emptied"


def delete_results(context: Context) -> str:
    Path(context["results"]).unlink()
    return "deleted"


def move_results_into_work(context: Context) -> str:
    Path(context["results"]).rename(f"{context['work']}/moved")
    return "moved"


def move_own_file_over_results(context: Context) -> str:
    Path(f"{context['work']}/forged").write_text("x")
    Path(f"{context['work']}/forged").rename(context["results"])
    return "replaced"


def hard_link_to_answers(context: Context) -> str:
    os.link(context["answers"], f"{context['work']}/link")
    return Path(f"{context['work']}/link").read_text()[:6]


def read_through_symbolic_link(context: Context) -> str:
    Path(f"{context['work']}/link").symlink_to(context["answers"])
    return Path(f"{context['work']}/link").read_text()[:6]


def make_symbolic_link(context: Context) -> str:
    Path(f"{context['work']}/link").symlink_to("/etc/passwd")
    return "made"


def make_fifo_in_work(context: Context) -> str:
    os.mkfifo(f"{context['work']}/fifo")
    return "made"


def make_device_in_work(context: Context) -> str:
    os.mknod(f"{context['work']}/null", 0o20666, os.makedev(1, 3))
    return "made"


def set_user_id_bit_in_work(context: Context) -> str:
    Path(f"{context['work']}/own").write_text("x")
    Path(f"{context['work']}/own").chmod(0o4755)
    return "set"


def watch_results_folder(context: Context) -> str:
    watch = kernel("inotify_init1", 0)
    kernel("inotify_add_watch", watch, os.fsencode(Path(context["results"]).parent), 0xFFF)
    return "watching"


def watch_whole_mount(_: Context) -> str:
    return f"descriptor {kernel('fanotify_init', 0x200, 0)}"  # FAN_REPORT_FID needs no privilege


def handle_of_answers(context: Context) -> str:
    handle = struct.pack("Ii", 128, 0) + bytes(128)
    kernel("name_to_handle_at", -100, os.fsencode(context["answers"]), handle, bytes(8), 0)
    return "have a handle"


def tree_of_answers(context: Context) -> str:
    return f"descriptor {kernel('open_tree', -100, os.fsencode(context['answers']), 0)}"


def change_root(context: Context) -> str:
    kernel("chroot", os.fsencode(context["work"]))
    return "changed"


# ---- processes


def read_own_environment_block(_: Context) -> str:
    return f"{len(Path('/proc/self/environ').read_bytes())} bytes"


def read_own_map(_: Context) -> str:
    return f"{len(Path('/proc/self/maps').read_bytes())} bytes"


def list_processes(_: Context) -> str:
    return f"{sum(name.isdigit() for name in os.listdir('/proc'))} processes"  # noqa: PTH208


def list_connections(_: Context) -> str:
    return f"{len(Path('/proc/net/tcp').read_bytes())} bytes"


def _proc_file(who: str, name: str) -> Attack:
    return lambda context: f"{len(Path(f'/proc/{context[who]}/{name}').read_bytes())} bytes"


def _descriptors(who: str) -> Attack:
    return lambda context: f"{len(os.listdir(f'/proc/{context[who]}/fd'))} descriptors"  # noqa: PTH208


def _memory_file(who: str) -> Attack:
    def act(context: Context) -> str:
        with Path(f"/proc/{context[who]}/mem").open("rb", buffering=0) as memory:
            memory.seek(context["mark"])
            return f"{len(memory.read(8))} bytes"

    return act


def _vector(context: Context, name: str, who: str) -> str:
    here = ctypes.create_string_buffer(b"MARKMARK", 8)
    mine, theirs = struct.pack("QQ", ctypes.addressof(here), 8), struct.pack("QQ", context["mark"], 8)
    return f"{kernel(name, context[who], mine, 1, theirs, 1, 0)} bytes"


def _signal(who: str) -> Attack:
    def act(context: Context) -> str:
        os.kill(context[who], 0)
        return "could signal"

    return act


def _queue_signal(who: str) -> Attack:
    def act(context: Context) -> str:
        info = struct.pack("iiiiii", 0, 0, -1, 0, os.getpid(), os.getuid()) + bytes(104)
        kernel("rt_sigqueueinfo", context[who], 0, info)
        return "could signal"

    return act


def _signal_thread(who: str) -> Attack:
    return lambda context: f"{kernel('tgkill', context[who], context[who], 0)}: could signal"


def _signal_by_descriptor(who: str) -> Attack:
    return lambda context: f"{kernel('pidfd_send_signal', os.pidfd_open(context[who]), 0, None, 0)}: could signal"


def _trace(who: str) -> Attack:
    return lambda context: f"{kernel('ptrace', 0x4206, context[who], 0, 0)}: attached"  # PTRACE_SEIZE stops nobody


def _steal_descriptor(who: str) -> Attack:
    return lambda context: f"descriptor {kernel('pidfd_getfd', os.pidfd_open(context[who]), 0, 0)}"


def _change_limits(who: str) -> Attack:
    def act(context: Context) -> str:
        resource.prlimit(context[who], resource.RLIMIT_CORE, resource.prlimit(context[who], resource.RLIMIT_CORE))
        return "set"

    return act


def _change_priority(who: str) -> Attack:
    def act(context: Context) -> str:
        os.setpriority(os.PRIO_PROCESS, context[who], os.getpriority(os.PRIO_PROCESS, context[who]))
        return "set"

    return act


def _change_processors(who: str) -> Attack:
    def act(context: Context) -> str:
        os.sched_setaffinity(context[who], os.sched_getaffinity(0))
        return "set"

    return act


def _change_disk_priority(who: str) -> Attack:
    return lambda context: f"{kernel('ioprio_set', 1, context[who], (2 << 13) | 4)}: set"


def _signal_by_owner(who: str) -> Attack:
    def act(context: Context) -> str:  # the kernel would send SIGKILL when something arrives on the descriptor
        fcntl.fcntl(3, fcntl.F_SETOWN, context[who])
        fcntl.fcntl(3, 10, signal.SIGKILL)
        fcntl.fcntl(3, fcntl.F_SETOWN, 0)
        return "set"

    return act


def _against(who: str) -> dict[str, Attack]:
    """The attacks on one other process."""
    files = {f"read_{name}_of_{who}": _proc_file(who, name) for name in ("cmdline", "environ", "maps", "status")}
    return {
        **files,
        f"read_memory_file_of_{who}": _memory_file(who),
        f"list_descriptors_of_{who}": _descriptors(who),
        f"read_memory_of_{who}": lambda context: _vector(context, "process_vm_readv", who),
        f"write_memory_of_{who}": lambda context: _vector(context, "process_vm_writev", who),
        f"compare_with_{who}": lambda context: f"{kernel('kcmp', os.getpid(), context[who], 1, 0, 0)}",
        f"signal_{who}": _signal(who),
        f"queue_signal_to_{who}": _queue_signal(who),
        f"signal_thread_of_{who}": _signal_thread(who),
        f"signal_by_descriptor_{who}": _signal_by_descriptor(who),
        f"signal_by_owner_{who}": _signal_by_owner(who),
        f"trace_{who}": _trace(who),
        f"steal_descriptor_of_{who}": _steal_descriptor(who),
        f"change_limits_of_{who}": _change_limits(who),
        f"change_priority_of_{who}": _change_priority(who),
        f"change_processors_of_{who}": _change_processors(who),
        f"change_disk_priority_of_{who}": _change_disk_priority(who),
    }


def signal_everybody_in_session(_: Context) -> str:
    os.kill(0, 0)
    return "could signal"


def fork(_: Context) -> str:
    return _reaped(os.fork())


def fork_by_clone(_: Context) -> str:
    return _reaped(kernel("clone", signal.SIGCHLD, 0, 0, 0, 0))


def fork_sharing_memory_unreaped(_: Context) -> str:
    return _reaped(kernel("clone", 0x00008000 | signal.SIGCHLD, 0, 0, 0, 0))  # CLONE_PARENT: a brother, not a child


def fork_by_clone3(_: Context) -> str:
    return _reaped(kernel("clone3", struct.pack("QQQQQQQQ", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64))


def _reaped(child: int) -> str:
    if child == 0:
        os._exit(0)
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        return "a brother, reaped by the parent"
    return "forked"


def start_a_program(_: Context) -> str:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)
    return "ran"


def start_a_shell(_: Context) -> str:
    status = os.system("true")
    if status:
        raise PermissionError(errno.EPERM, f"status {status}")
    return "ran"


def become_a_program(_: Context) -> str:
    return _only_missing(lambda: kernel("execve", b"/nothing/here", None, None))


def become_a_program_by_descriptor(_: Context) -> str:
    return _only_missing(lambda: kernel("execveat", -100, b"/nothing/here", None, None, 0))


def _only_missing(act: Callable[[], int]) -> str:
    """Running a program for real would end this process; that the kernel went looking for it shows as much."""
    try:
        act()
    except FileNotFoundError:
        return "would have run it"
    return "ran it"


def enter_user_namespace(_: Context) -> str:
    return f"{kernel('unshare', 0x10000000)}: entered"


def enter_user_namespace_by_clone(_: Context) -> str:
    return _reaped(kernel("clone", 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0))


def enter_namespaces_of_grader(context: Context) -> str:
    return f"{kernel('setns', os.pidfd_open(context['grader']), 0x10000000)}: entered"


def mount_a_file_system(context: Context) -> str:
    return f"{kernel('mount', b'none', os.fsencode(context['work']), b'tmpfs', 0, None)}: mounted"


def regain_capabilities(_: Context) -> str:
    every = bytes([255]) * 24
    return f"{kernel('capset', struct.pack('Ii', 0x20080522, 0), every)}: regained"


def become_root(_: Context) -> str:
    if os.getuid() == 0:
        raise PermissionError(errno.EPERM, "root's user id already; capabilities are tried elsewhere")
    return f"{kernel('setuid', 0)}: became"


# ---- network and what two processes can share


def connect_by_tcp(context: Context) -> str:
    with socket.create_connection(("127.0.0.1", context["tcp"]), 2):
        return "connected"


def connect_by_multipath_tcp(context: Context) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as connection:
        connection.connect(("127.0.0.1", context["tcp"]))
    return "connected"


def listen_on_tcp(_: Context) -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"port {server.getsockname()[1]}"


def send_by_udp(_: Context) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return f"{sender.sendto(b'x', ('127.0.0.1', 9))} byte"


def connect_to_named_socket(context: Context) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(context["stream"])
    return "connected"


def connect_to_abstract_socket(context: Context) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"\0{context['abstract']}")
    return "connected"


def send_from_a_pair_to_named_socket(context: Context) -> str:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        return f"{one.sendto(b'x', context['datagram'])} byte"


def send_from_a_raw_pair_to_named_socket(context: Context) -> str:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW)  # the kernel makes it a datagram socket
    with one, other:
        return f"{one.sendto(b'x', context['datagram'])} byte"


def talk_to_the_kernel_by_netlink(_: Context) -> str:
    socket.socket(16, socket.SOCK_RAW, 0).close()
    return "opened"


def open_virtual_machine_socket(_: Context) -> str:
    socket.socket(40, socket.SOCK_STREAM, 0).close()
    return "opened"


def open_crypto_socket(_: Context) -> str:
    socket.socket(38, socket.SOCK_SEQPACKET, 0).close()
    return "opened"


def share_system_v_memory(_: Context) -> str:
    kernel("shmctl", kernel("shmget", 0, 4096, 0o1600), 0, None)  # made, and removed again: they outlive a process
    return "made a segment"


def share_system_v_semaphore(_: Context) -> str:
    kernel("semctl", kernel("semget", 0, 1, 0o1600), 0, 0, None)
    return "made a semaphore"


def share_system_v_queue(_: Context) -> str:
    kernel("msgctl", kernel("msgget", 0, 0o1600), 0, None)
    return "made a queue"


def share_posix_queue(_: Context) -> str:
    # no limit of the lock stands in the way: opening a missing queue without O_CREAT must fail because it is missing
    return _only_missing(lambda: kernel("mq_open", b"nobody-made-this", 2, 0, None))


def share_anonymous_file(_: Context) -> str:
    return f"descriptor {kernel('memfd_create', b'x', 0)}"


# ---- the kernel's wide surface


def set_up_ring(_: Context) -> str:
    return f"descriptor {kernel('io_uring_setup', 4, bytes(120))}"


def handle_page_faults(_: Context) -> str:
    return f"descriptor {kernel('userfaultfd', 1)}"


def load_kernel_program(_: Context) -> str:
    return f"descriptor {kernel('bpf', 0, struct.pack('IIII', 2, 4, 4, 1) + bytes(56), 72)}"


def count_events(_: Context) -> str:
    return f"descriptor {kernel('perf_event_open', struct.pack('IIQ', 1, 112, 0) + bytes(96), 0, -1, -1, 0)}"


def read_keyring(_: Context) -> str:
    return f"keyring {kernel('keyctl', 0, -3, 1)}"


def add_key(_: Context) -> str:
    return f"key {kernel('add_key', b'user', b'planted', b'x', 1, -3)}"


def add_own_filter(_: Context) -> str:
    return f"{kernel('seccomp', 2, 0, struct.pack('I', 0x7FFF0000))}: asked"


def make_own_rules(_: Context) -> str:
    return f"version {kernel('landlock_create_ruleset', None, 0, 1)}"


def change_personality(_: Context) -> str:
    return f"{kernel('personality', 0x0040000)}: addresses are no longer random"


def become_dumpable(_: Context) -> str:
    if _LIBRARY.prctl(4, 1, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "prctl")
    return "done"


def survive_the_parent(_: Context) -> str:
    if _LIBRARY.prctl(1, 0, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "prctl")
    return "done"


def read_kernel_log(_: Context) -> str:
    return f"{kernel('syslog', 10, None, 0)} bytes"


def see_cached_pages(_: Context) -> str:
    with mmap.mmap(-1, 4096) as page:
        return f"{kernel('mincore', ctypes.addressof(ctypes.c_char.from_buffer(page)), 4096, bytes(8))}: asked"


def set_up_asynchronous_io(_: Context) -> str:
    return f"{kernel('io_setup', 1, bytes(8))}: set up"


def change_segments(_: Context) -> str:
    return f"{kernel('modify_ldt', 0, bytes(64), 64)} bytes"


def push_into_terminal(_: Context) -> str:
    fcntl.ioctl(0, 0x5412, b"x")  # TIOCSTI
    return "typed"


# ---- what stays open by design: nothing worth having is there


def walk_own_frames(_: Context) -> str:
    frame, names = sys._getframe(), []
    while frame.f_back:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return " < ".join(names)


def search_own_objects(_: Context) -> str:
    return f"{len(gc.get_objects())} objects"


OPEN_BY_DESIGN = frozenset({"stat_answers", "walk_own_frames", "search_own_objects"})

ATTACKS: dict[str, Attack] = {
    **{
        name: act
        for name, act in list(globals().items())
        if callable(act)
        and getattr(act, "__module__", None) == __name__
        and not name.startswith("_")
        and name != "kernel"
    },
    **_against("grader"),
    **_against("warm"),
}
