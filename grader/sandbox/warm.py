"""The warm process: has imported torch, holds nothing worth stealing, forks once per submission and watches what it
forked.

Started by `launch.Warm` as `python -P -s -m grader.sandbox.warm FD` with an empty environment. Single-threaded, or
it does not fork.
It never imports an assignment, never runs a backward (a thread pool would not survive the fork), and knows of a
submission only the folder to read and the descriptors to hand on.
"""

from __future__ import annotations

import array
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
from pathlib import Path
from typing import Any

import torch

from grader.sandbox import guard, notebook
from grader.sandbox.child import become_student
from grader.sandbox.landlock import landlock_abi
from grader.sandbox.limits import footprint
from grader.sandbox.lock import detach, system_paths
from grader.sandbox.reach import can_become
from grader.wire.host import Host
from grader.wire.values import Handle, decode, encode

_TICK = 0.05  # seconds between two looks at the children's memory
_PAGE = resource.getpagesize()


@dataclass(slots=True)
class Child:
    """A running submission, seen from its parent."""

    pid: int
    pidfd: int
    life: socket.socket  # closed by the marker to end the child; told here how it ended
    budget: int  # resident bytes it may have
    why: str = ""


class WarmProcess:
    """Reads spawn requests from one socket that every marker shares; each message and its descriptors arrive whole."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, Child] = {}  # by pid
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, None)
        self._notebooks = False

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
            for key, _ in self._selector.select(_TICK if self._children else None):
                if key.data is None:
                    if not self._spawn():
                        return
                elif (child := self._children.get(key.data)) is not None:
                    self._attend(child, ended=key.fd == child.pidfd)
            self._watch_memory()

    def _spawn(self) -> bool:
        message, ancillary, _, _ = self._control.recvmsg(1 << 18, socket.CMSG_SPACE(3 * 4))
        if not message:
            return False
        descriptors = array.array("i")
        for _, _, data in ancillary:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        wire, output, life = descriptors
        request = json.loads(message)
        if request["notebook"] and not self._notebooks:
            notebook.preload()
            gc.freeze()
            self._notebooks = True
        self._fork(request, wire, output, socket.socket(fileno=life))
        os.close(wire)
        os.close(output)
        return True

    def _fork(self, request: dict[str, Any], wire: int, output: int, life: socket.socket) -> None:
        threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - counting only
        if threads != 1:
            raise RuntimeError(f"the warm process has {threads} threads and must not fork")
        request["vm_size"], request["vm_data"], resident = footprint()
        pid = os.fork()
        if pid == 0:
            self._selector.close()
            become_student(request, wire, output)
        with suppress(OSError):
            life.send(json.dumps({"pid": pid}).encode())
        child = Child(pid, os.pidfd_open(pid), life, resident + (request["limits"]["memory_mb"] << 20))
        self._children[pid] = child
        self._selector.register(child.pidfd, selectors.EVENT_READ, pid)
        self._selector.register(child.life, selectors.EVENT_READ, pid)

    def _attend(self, child: Child, *, ended: bool) -> None:
        if not ended:  # the marker let go of it
            self._kill(child, child.why or "closed")
        _, status, usage = os.wait4(child.pid, 0)
        for end in (child.pidfd, child.life):
            self._selector.unregister(end)
        report = {"status": status, "why": child.why, "cpu": usage.ru_utime + usage.ru_stime, "rss_kb": usage.ru_maxrss}
        with suppress(OSError):  # nobody may be listening any more
            child.life.send(json.dumps(report).encode())
        child.life.close()
        os.close(child.pidfd)
        del self._children[child.pid]

    def _kill(self, child: Child, why: str) -> None:
        child.why = why
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)

    def _watch_memory(self) -> None:
        """Resident memory with shared and file-backed pages counted: what the rlimits do not see."""
        for child in self._children.values():
            try:
                resident = int(Path(f"/proc/{child.pid}/statm").read_text().split()[1]) * _PAGE
            except (OSError, IndexError, ValueError):
                continue
            if resident > child.budget and not child.why:
                self._kill(child, "memory")


def _exercise() -> None:
    """Go once along the way of every submission: what is loaded and touched here is not touched anew in each child."""
    host = Host({"Linear": torch.nn.Linear, "softmax": torch.softmax, "matmul": torch.matmul})
    x = torch.ones(2, 4, 8)

    def ask(op: str, target: Handle | None, *path: str, **fields: object) -> object:
        header, body = encode({"op": op, "fields": {"target": target, "path": path, "seed": 1, "drop": (), **fields}})
        message: Any = decode(header, memoryview(b"".join(body)))
        header, body = encode(host.answer(message["op"], message["fields"]))
        return decode(header, memoryview(b"".join(body)))

    for _ in range(10):  # often enough for the interpreter to settle on fast paths
        layer: Any = ask("call", None, "Linear", args=(8, 8), kwargs={})
        ask("load", layer, weights={"weight": torch.eye(8), "bias": torch.zeros(8)})
        ask("layout", layer)
        ask("call", layer, "train", args=(False,), kwargs={})
        ask("call", layer, args=(x,), kwargs={})
        ask("call", None, "softmax", args=(x, -1), kwargs={})
        ask("call", None, "matmul", args=(x, x.transpose(1, 2)), kwargs={})


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
