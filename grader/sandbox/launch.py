"""The trusted end of the sandbox: start the warm process, have it fork, learn how each child ended."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grader.errors import GraderError
from grader.records import Limits
from grader.sandbox.doctor import Protection, assess
from grader.sandbox.folders import Folders, flatten, passable
from grader.sandbox.lock import system_paths
from grader.sandbox.packages import require
from grader.sandbox.printed import Printed
from grader.wire.frames import Stream
from grader.wire.values import WireError

_START_SECONDS = 120.0
_FIRST_UID, _UIDS = 64_100, 400  # nobody's on common systems
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",  # the order of a student's set must not decide a grade
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",  # each arena reserves address space, which is limited
    "TORCHDYNAMO_DISABLE": "1",
    "MPLBACKEND": "Agg",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended, as its parent saw it. `why` is `memory`, `disk` or `closed` when it was killed for that."""

    status: int
    why: str
    cpu: float

    @property
    def signal(self) -> int:
        """The signal that killed it, or 0."""
        return self.status & 127


class Life:
    """One student process: its wire, what it prints, and its end."""

    def __init__(self, wire: socket.socket, output: int, life: socket.socket, limit: int) -> None:
        self._output = output
        self._life = life
        self._printed = Printed(limit)
        self._pid: int | None = None  # told by the warm process, read when it is first needed
        os.set_blocking(output, False)
        self.stream = Stream(wire, output, self._drain)
        self._wire = wire

    def cpu(self) -> float:
        """Processor seconds it has used: what a busy machine does not change. 0 when it is gone."""
        if self._pid is None:
            heard = select.select([self._life], [], [], 30)[0]
            self._pid = int(json.loads(self._life.recv(4096) or b"{}").get("pid", 0)) if heard else 0
        try:
            fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _drain(self) -> bool:
        """Read what was printed. False at the end."""
        try:
            piece = os.read(self._output, 1 << 16)
        except BlockingIOError:
            return True
        self._printed.add(piece)
        return bool(piece)

    def let_go(self) -> None:
        """Have it killed, without waiting for it."""
        self._wire.close()
        with suppress(OSError):  # it may be gone already
            self._life.shutdown(socket.SHUT_WR)  # the warm process sees this and kills

    def end(self) -> tuple[Ending, str]:
        """Kill it if it still lives; return how it ended and what it printed."""
        self.let_go()
        report: dict[str, Any] = {"status": 0, "why": "lost", "cpu": 0.0}
        while select.select([self._life], [], [], 30)[0] and (message := self._life.recv(4096)):
            report.update(json.loads(message))
        self._life.close()
        text = self.printed()
        os.close(self._output)
        return Ending(int(report["status"]), str(report["why"]), float(report["cpu"])), text

    def printed(self) -> str:
        """What it has printed up to now."""
        self._drain()  # once: a pipe holds no more than that, and a thread of theirs may go on filling it
        return self._printed.text()


class Warm:
    """The warm process and the socket on which it is asked to fork; forked markers share both."""

    def __init__(self, forbidden: Sequence[str] = (), *, packages: Sequence[str] = (), protect: bool = True) -> None:
        """Start it. Raises GraderError when it does not come up, UsageError when one of `packages`, which submissions
        may import, is not installed. `ready` waits; until then both sides import torch side by side.
        """
        require(packages)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        self.protect = protect
        self._packages = packages
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "grader.sandbox.warm", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
        )
        theirs.close()
        ours.send(json.dumps({"forbidden": list(forbidden), "uid": _FIRST_UID}).encode())
        self._hello: dict[str, Any] = {}
        # All that submissions leave lies below one folder, which goes with this process whatever became of a marker.
        self._scratch = tempfile.TemporaryDirectory(prefix="torchgrade.", dir=passable(), ignore_cleanup_errors=True)
        Path(self._scratch.name).chmod(0o711)  # another user id must be able to pass through, not to look around

    def ready(self) -> dict[str, Any]:
        """Wait until it can fork; return what it said of itself."""
        if not self._hello:
            heard = select.select([self._control], [], [], _START_SECONDS)[0]
            message = self._control.recv(1 << 16) if heard else b""
            if not message:
                self._process.kill()
                said = self._process.communicate()[1].decode("utf-8", "replace").strip().splitlines()
                raise GraderError(f"the warm process did not start: {said[-1] if said else 'it said nothing'}")
            self._hello = json.loads(message)
        return self._hello

    def spawn(
        self,
        source: Path,
        main: str,
        work: Path,
        limits: Limits,
        *,
        data: Sequence[str] = (),
        number: int = 0,
        trains: bool = False,
    ) -> Life:
        """Fork a student's process for the file `main` in `source`, with `work` as its private folder, where it finds
        the files `data` of `source`, too.

        `number` counts submissions: one that is about to be gone and the next are different users. `trains` says that
        checks train its modules.
        """
        other_user = self.ready()["other_user"]
        uid = _FIRST_UID + number % _UIDS if other_user and self.protect else None
        request = {
            "source": str(source),
            "main": main,
            "data": list(data),
            "packages": list(self._packages),
            "work": str(work),
            "uid": uid,
            "limits": asdict(limits),
            "protect": self.protect,
            "cpus": sorted(os.sched_getaffinity(0)),
            "notebook": main.endswith(".ipynb"),
            "trains": trains,
            "cell_seconds": limits.load_seconds / 2,
        }
        if uid is not None:
            os.chown(work, uid, uid)
        return self._begin(request, limits.output_kb << 10)

    def _begin(self, request: Mapping[str, Any], output_limit: int) -> Life:
        wire, their_wire = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        life, their_life = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        output, their_output = os.pipe()
        descriptors = [their_wire.fileno(), their_output, their_life.fileno()]
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], descriptors)
        except OSError as error:
            raise GraderError(f"the warm process is gone: {error}") from None
        finally:
            their_wire.close()
            their_life.close()
            os.close(their_output)
        return Life(wire, output, life, output_limit)

    def close(self) -> None:
        """End it and everything it forked."""
        self._control.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()
        for left in Path(self._scratch.name).glob("*/work"):  # of a marker that was killed
            with suppress(OSError):
                flatten(left)
        self._scratch.cleanup()

    def folders(self) -> Folders:
        """Private folders for one submission."""
        return Folders(Path(self._scratch.name))


def examine(warm: Warm) -> Protection:
    """Try each forbidden act in a locked, throw-away child and say what happened."""
    with warm.folders() as folders, tempfile.TemporaryDirectory(prefix="torchgrade.") as own:
        secret = Path(own) / "answers"
        secret.write_text("secret")
        with socket.create_server(("127.0.0.1", 0)) as server:
            life = warm.spawn(folders.source, "probe.py", folders.work, Limits(memory_mb=512, cpu_seconds=20))
            fields = {
                "secret": str(secret),
                "work": str(folders.work),
                "grader_pid": os.getpid(),
                "tcp_port": server.getsockname()[1],
            }
            deadline = time.monotonic() + 30
            outcome: dict[str, Any] = {}  # where the lock cannot be closed at all, nothing was refused
            with suppress(WireError, KeyError):
                answer = life.stream.ask({"op": "probe", "fields": fields}, lambda: time.monotonic() > deadline)
                outcome = answer["value"]  # type: ignore[index]
            life.end()
    hello = warm.ready()
    return assess(
        outcome,
        distinct_uid=hello["other_user"],
        landlock_abi=hello["landlock"],
        readable=system_paths(),
    )
