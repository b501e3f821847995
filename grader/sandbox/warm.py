"""The warm process: has imported torch, holds nothing worth stealing, forks once per submission and watches what it
forked.

Started by `launch.Warm` as `python -P -s -m grader.sandbox.warm FD` with an empty environment. Single-threaded, or
it does not fork.
It never imports an assignment, never runs a backward (a thread pool would not survive the fork), and knows of a
submission only the folder to read and the descriptors to hand on.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import selectors
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from grader.intake.inspect import inspect
from grader.intake.program import Program
from grader.sandbox import guard, notebook, packages
from grader.sandbox.child import become_student
from grader.sandbox.landlock import landlock_abi
from grader.sandbox.limits import footprint, held
from grader.sandbox.lock import detach, system_paths
from grader.sandbox.reach import can_become
from grader.wire.host import Host
from grader.wire.values import Handle, decode, encode

_TICK = 0.05  # seconds between two looks at what the children hold
_PAGE = resource.getpagesize()


@dataclass(slots=True)
class Child:
    """A running submission, seen from its parent."""

    pid: int
    pidfd: int
    life: socket.socket  # closed by the marker to end the child; told here how it ended
    budget: int  # resident bytes it may have
    work: str  # its private folder
    disk: int  # bytes it may have there
    why: str = ""


class WarmProcess:
    """Reads spawn requests from one socket that every marker shares; each message and its descriptors arrive whole."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, Child] = {}  # by pid
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, None)
        self._preloaded: set[str] = set()  # what only some assignments and submissions need
        self._spare: tuple[int, socket.socket] | None = None

    def prepare(self) -> None:
        """Learn which calls to put out of reach, warm the paths every submission takes, say hello."""
        config = json.loads(self._control.recv(1 << 16))
        torch.set_num_threads(1)
        guard.install(config["forbidden"])
        _exercise()
        gc.collect()
        gc.freeze()
        other_user = can_become(config["uid"], system_paths())
        self._control.send(json.dumps({"landlock": landlock_abi(), "other_user": other_user}).encode())

    def run(self) -> None:
        """Serve until every marker and the grader are gone."""
        while True:
            if self._spare is None:  # forked here, where nothing of the last submission lies on the stack
                self._spare = self._fork()
            for key, _ in self._selector.select(_TICK if self._children else None):
                if key.data is None:
                    if not self._spawn():
                        return
                elif (child := self._children.get(key.data)) is not None:
                    self._attend(child, ended=key.fd == child.pidfd)
            self._watch()

    def _spawn(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, 1 << 18, 3)
        if not message:
            return False
        wire, output, life = descriptors
        request = json.loads(message)
        for name, preload in (
            ("notebook", notebook.preload),
            ("trains", _make_optimizer),
            ("packages", partial(packages.preload, request["packages"])),
        ):
            if request[name] and name not in self._preloaded:
                self._drop_spare()
                preload()
                gc.freeze()
                self._preloaded.add(name)
        spare, line = self._spare or self._fork()
        self._spare = None
        socket.send_fds(line, [message], [wire, output])
        line.close()
        os.close(wire)
        os.close(output)
        self._adopt(spare, request, socket.socket(fileno=life))
        return True

    def _fork(self) -> tuple[int, socket.socket]:
        """A child that waits for its request on the socket returned: forked before it is needed."""
        threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - counting only
        if threads != 1:
            raise RuntimeError(f"the warm process has {threads} threads and must not fork")
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            line = os.dup2(far.fileno(), 3)
            os.closerange(4, 65536)
            message, descriptors, _, _ = socket.recv_fds(socket.socket(fileno=line), 1 << 18, 2)
            if not message:
                os._exit(0)
            become_student(json.loads(message), *descriptors)
        far.close()
        return pid, near

    def _drop_spare(self) -> None:
        if self._spare is not None:
            pid, line = self._spare
            line.close()
            os.waitpid(pid, 0)
            self._spare = None

    def _adopt(self, pid: int, request: dict[str, Any], life: socket.socket) -> None:
        with suppress(OSError):
            life.send(json.dumps({"pid": pid}).encode())
        memory, disk = (request["limits"][name] << 20 for name in ("memory_mb", "disk_mb"))
        child = Child(pid, os.pidfd_open(pid), life, footprint()[2] + memory, request["work"], disk)
        self._children[pid] = child
        self._selector.register(child.pidfd, selectors.EVENT_READ, pid)
        self._selector.register(child.life, selectors.EVENT_READ, pid)

    def _attend(self, child: Child, *, ended: bool) -> None:
        if not ended:  # the marker let go of it; its end is heard of later
            self._selector.unregister(child.life)
            self._kill(child, child.why or "closed")
            return
        _, status, usage = os.wait4(child.pid, 0)
        self._selector.unregister(child.pidfd)
        with suppress(KeyError):
            self._selector.unregister(child.life)
        report = {"status": status, "why": child.why, "cpu": usage.ru_utime + usage.ru_stime}
        with suppress(OSError):  # nobody may be listening any more
            child.life.send(json.dumps(report).encode())
        child.life.close()
        os.close(child.pidfd)
        del self._children[child.pid]

    def _kill(self, child: Child, why: str) -> None:
        child.why = why
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)

    def _watch(self) -> None:
        """What the rlimits do not see: resident memory with shared and file-backed pages counted, and all files."""
        for child in self._children.values():
            try:
                resident = int(Path(f"/proc/{child.pid}/statm").read_text().split()[1]) * _PAGE
            except (OSError, IndexError, ValueError):
                continue
            if not child.why and resident > child.budget:
                self._kill(child, "memory")
            if not child.why and held(child.work, child.disk) > child.disk:
                self._kill(child, "disk")


def _exercise() -> None:
    """Go once along the way of every submission: what is loaded and touched here is not touched anew in each child."""
    inspect(Program(Path(__file__).parent, Path(__file__).name), ["torch.nn.Transformer*"])
    host = Host({"Linear": torch.nn.Linear, "softmax": torch.softmax, "matmul": torch.matmul})
    x = torch.ones(2, 4, 8)

    def ask(op: str, target: Handle | None, *path: str, **fields: object) -> object:
        header, body = encode({"op": op, "fields": {"target": target, "path": path, "seed": 1, "drop": (), **fields}})
        message: Any = decode(header, memoryview(b"".join(body)))
        header, body = encode(host.answer(message["op"], message["fields"]))
        return decode(header, memoryview(b"".join(body)))

    for _ in range(10):  # often enough for the interpreter to settle on fast paths
        layer: Any = cast("Any", ask("build", None, "Linear", args=(8, 8), kwargs={}))[0]
        ask("load", layer, weights={"weight": torch.eye(8), "bias": torch.zeros(8)})
        ask("call", layer, "train", args=(False,), kwargs={})
        ask("call", layer, args=(x,), kwargs={})
        ask("call", None, "softmax", args=(x, -1), kwargs={})
        ask("call", None, "matmul", args=(x, x.transpose(1, 2)), kwargs={})


def _make_optimizer() -> None:
    """The first one imports much of torch that nothing else needs: over a second."""
    torch.optim.SGD([torch.zeros((), requires_grad=True)])


def main() -> None:
    """Entry point: the one inherited descriptor is the control socket."""
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.argv[1:] = []
    detach()
    warm = WarmProcess(control)
    warm.prepare()
    warm.run()


if __name__ == "__main__":
    main()
