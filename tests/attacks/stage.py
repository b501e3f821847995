"""The stage: plays grader and warm process for acts that each run in a child of their own, locked or not.

Started as a program with a JSON request on standard input: `root` (an empty folder), `kind` (a table of acts), `drop`
(become an unprivileged user first), `uid` (whether the child is to have a user id of its own), `protect`, `limits`.
Answers on standard output with `{"uid": ..., "outcomes": {act: [state, detail]}}`; the states are `open`, `refused`,
`killed` (by a signal), `broken` (an error that no lock gives) and `locked out` (the lock itself failed).
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # the acts lie next to this file, which is no package

import behaved
import limits as limit_acts
import matrix

from grader.records import Limits
from grader.sandbox import doctor, limits
from grader.sandbox.libc import prctl
from grader.sandbox.lock import Policy, detach, lock_down, system_paths
from grader.sandbox.reach import can_become

OTHER_UID, UNPRIVILEGED = 65531, 65532
# EXDEV is Landlock's word for a move that would change what is allowed
REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EXDEV}
Act = Callable[[dict[str, Any]], str]


def _probes(context: dict[str, Any]) -> str:
    return json.dumps(doctor.attempts(context["answers"], context["work"], context["grader"], context["tcp"]))


def _torch(_: dict[str, Any]) -> str:
    """What torch imports late, under the lock: it must load for the child's user too."""
    for name in ("torch.nn.utils.prune", "torch.utils.benchmark", "torch.utils.flop_counter"):
        if name in sys.modules:
            raise RuntimeError(f"{name} is not late any more: name another")
        importlib.import_module(name)
    torch = sys.modules["torch"]
    layer = torch.nn.TransformerEncoderLayer(16, 2, batch_first=True)
    layer(torch.ones(2, 3, 16)).sum().backward()
    torch.set_num_threads(2)
    return f"{float((torch.ones(600, 600) @ torch.ones(600, 600))[0, 0])}"


def _status(_: dict[str, Any]) -> str:
    """Wait to be looked at from outside: a locked process cannot read its own status."""
    time.sleep(0.3)
    return "seen"


TABLES: dict[str, dict[str, Act]] = {
    "attacks": matrix.ATTACKS,
    "limits": limit_acts.ACTS,
    "behaved": behaved.ACTS,
    "probe": {"attempts": _probes},
    "status": {"status": _status},
    "torch": {"torch": _torch},
}


class Stage:
    """Who listens, who is attacked, and the folders of each act."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.root = Path(request["root"])
        self.uid: int | None = None
        if request["kind"] == "torch":
            importlib.import_module("torch").set_num_threads(1)
        paths = system_paths()
        possible = can_become(OTHER_UID, paths) if request["drop"] or request["uid"] else False
        if request["drop"]:
            if not possible:
                raise SystemExit("another user id cannot load this Python here")
            os.setgroups([])
            os.setresgid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED)
            os.setresuid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED)
            prctl(4, 1)  # dumpable again, or the unlocked control would be protected by that alone
        elif request["uid"] and possible:
            os.setgroups([4242])  # one that the child must lose
            self.uid = OTHER_UID
        self.mark = ctypes.create_string_buffer(b"MARKMARK", 8)
        self.listeners = self._listen()
        self.grader = os.fork()
        if self.grader == 0:
            prctl(1, signal.SIGKILL)
            time.sleep(600)
            os._exit(0)

    def _listen(self) -> list[socket.socket]:
        tcp = socket.create_server(("127.0.0.1", 0))
        stream, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        for name, end in (("stream", stream), ("datagram", datagram)):
            end.bind(str(self.root / name))
            (self.root / name).chmod(0o666)
        abstract.bind(f"\0stage{os.getpid()}")
        stream.listen()
        abstract.listen()
        return [tcp, stream, datagram, abstract]

    def scene(self, number: int) -> dict[str, Any]:
        """Fresh folders, as open as a careless instructor leaves them: only the lock stands in the way."""
        base = self.root / f"scene{number}"
        files = {"answers/answers.txt": "SECRET", "results/results.json": "{}", "sibling/student.py": "theirs = 1\n"}
        for name, text in {**files, "submission/student.py": "mine = 1\n"}.items():
            (base / name).parent.mkdir(parents=True)
            (base / name).parent.chmod(0o777)
            (base / name).write_text(text)
            (base / name).chmod(0o666)
        (base / "work").mkdir(mode=0o700)
        if self.uid is not None:
            os.chown(base / "work", self.uid, self.uid)
        return {
            "answers": str(base / "answers/answers.txt"),
            "results": str(base / "results/results.json"),
            "sibling": str(base / "sibling"),
            "submission": str(base / "submission"),
            "work": str(base / "work"),
            "grader": self.grader,
            "warm": os.getpid(),
            "tcp": self.listeners[0].getsockname()[1],
            "stream": str(self.root / "stream"),
            "datagram": str(self.root / "datagram"),
            "abstract": f"stage{os.getpid()}",
            "mark": ctypes.addressof(self.mark),
        }

    def play(self, act: Act, context: dict[str, Any], seconds: float) -> tuple[str, str]:
        """Run `act` in a child; return how it went."""
        size, data, _ = limits.footprint()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                self._child(act, context, write, size, data)
            finally:
                os._exit(70)
        os.close(write)
        if act is _status:
            time.sleep(0.15)
            seen = Path(f"/proc/{child}/status").read_text()
        heard = select.select([read], [], [], seconds)[0]
        answer = os.read(read, 1 << 16) if heard else b""
        if not heard:
            os.kill(child, signal.SIGKILL)
        os.close(read)
        status = os.waitpid(child, 0)[1]
        if not answer:
            return "killed", f"{signal.Signals(os.WTERMSIG(status)).name}{'' if heard else ' by the stage'}"
        state, detail = json.loads(answer)
        return state, seen if act is _status else detail

    def _child(self, act: Act, context: dict[str, Any], write: int, size: int, data: int) -> None:
        one, other = socket.socketpair()  # where a reply channel would be
        detach()
        if not self.request["protect"]:
            prctl(4, 1)
        null = os.open("/dev/null", os.O_RDWR)
        full = os.pipe()  # as output: nobody reads it
        for source, number in ((write, 20), (one.fileno(), 21), (full[1], 22), (full[0], 23), (null, 24)):
            os.dup2(source, number)
        for source, number in ((24, 0), (22, 1), (22, 2), (21, 3), (20, 4), (23, 5)):
            os.dup2(source, number)
        one.detach(), other.detach()
        os.closerange(6, 4096)
        os.environ.clear()
        os.chdir(context["work"])
        read, work = (*system_paths(), context["submission"]), (context["work"],)
        policy = Policy(read, work, self.uid, Limits(**self.request["limits"]), size, data, self.request["protect"])
        try:
            lock_down(policy)
        except Exception as error:
            os.write(4, json.dumps(["locked out", str(error)]).encode())
            os._exit(0)
        os.write(4, json.dumps(_outcome(act, context)).encode())
        os._exit(0)


def _outcome(act: Act, context: dict[str, Any]) -> tuple[str, str]:
    try:
        return "open", act(context)
    except MemoryError:
        return "refused", "MemoryError"
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        return ("refused" if error.errno in REFUSED else "broken"), name
    except BaseException as error:
        return "broken", f"{type(error).__name__}: {error}"


def main() -> None:
    """Entry point."""
    request = json.load(sys.stdin)
    stage = Stage(request)
    outcomes = {}
    for number, (name, act) in enumerate(TABLES[request["kind"]].items()):
        outcomes[name] = stage.play(act, stage.scene(number), 60.0 if name == "spin" else request["seconds"])
    os.kill(stage.grader, signal.SIGKILL)
    json.dump({"uid": stage.uid, "outcomes": outcomes}, sys.stdout)


if __name__ == "__main__":
    main()
