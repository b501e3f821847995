"""The student's process, from fork to death: stand apart, lock, read the file, run it, answer calls.

Everything that happens here is evidence for the trusted side, never a verdict.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from grader.errors import Fault
from grader.intake.inspect import inspect
from grader.intake.program import Program
from grader.records import Limits
from grader.sandbox import cuda
from grader.sandbox.doctor import attempts
from grader.sandbox.limits import footprint
from grader.sandbox.lock import Policy, detach, lock_down, system_paths
from grader.sandbox.running import attempt, run_source
from grader.sandbox.stand_ins import Remarks, find_by_name, lay_out
from grader.text import clean
from grader.wire.frames import Stream, WireClosedError
from grader.wire.host import Host
from grader.wire.values import NotAValueError, WireError

WIRE_FD = 3
_MOST = 500  # names that are told


def become_student(request: Mapping[str, Any], wire_fd: int, output_fd: int) -> None:
    """Never returns. Fails closed: when a step of the lock raises, no student code runs."""
    try:
        vm_size, vm_data, _ = footprint()
        _stand_apart(request["work"], wire_fd, output_fd)
        lay_out(request["data"], Path(request["source"]))
        os.sched_setaffinity(0, request["cpus"])
        lock_down(
            Policy(
                read=(*system_paths(), request["source"]),
                write=(request["work"],),
                uid=request["uid"],
                limits=Limits(**request["limits"]),
                vm_size=vm_size,
                vm_data=vm_data,
                protect=request["protect"],
            )
        )
        stream = Stream(socket.socket(fileno=WIRE_FD))
    except BaseException as error:
        os.write(2, f"the lock failed: {error!r}\n".encode(errors="replace")[:500])
        os._exit(71)
    try:
        Session(request, stream).serve()
    finally:
        os._exit(0)


def _stand_apart(work: str, wire_fd: int, output_fd: int) -> None:
    """Own session, own descriptors 0 to 3 and no others, an empty environment, the private folder as current
    directory.
    """
    detach()
    null = os.open("/dev/null", os.O_RDWR)
    # copies above the numbers that are overwritten: those given may be among these
    wire, output = (fcntl.fcntl(fd, fcntl.F_DUPFD, WIRE_FD + 1) for fd in (wire_fd, output_fd))
    for source, number in ((null, 0), (output, 1), (output, 2), (wire, WIRE_FD)):
        os.dup2(source, number)
    os.closerange(WIRE_FD + 1, 65536)
    sys.argv[:] = ["student"]
    os.environ.clear()
    os.environ.update(
        HOME=work, TMPDIR=work, PATH="/usr/bin:/bin", LANG="C.UTF-8", OMP_NUM_THREADS="1", MPLBACKEND="Agg"
    )
    tempfile.tempdir = None  # our own, where something that was imported before the fork has asked for it
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    os.chdir(work)


class Session:
    """One submission: inspected first, then run, then asked."""

    def __init__(self, request: Mapping[str, Any], stream: Stream) -> None:
        self._request = request
        self._stream = stream
        self._asked = b""  # the request that is being answered
        self._source = Path(request["source"])
        self._main = self._source / request["main"]
        self._program: Program
        self._host: Host | None = None
        self._remarks = Remarks(request["packages"])

    def serve(self) -> None:
        """Answer until the wire is closed."""
        while True:
            try:
                ident, message = self._stream.listen()
            except WireClosedError:
                return
            self._reply(ident, message)

    def _reply(self, ident: bytes, message: Any) -> None:
        outer, self._asked = self._asked, ident
        reply = attempt(lambda: self.answer(message["op"], message["fields"]), self.is_own, self._remarks.explain)
        self._asked = outer
        try:
            self._stream.reply(ident, reply)
        except (NotAValueError, WireError, MemoryError, RuntimeError, TypeError, ValueError) as error:
            self._stream.reply(ident, {"error": {"fault": Fault.WIRE.value, "message": clean(error, 300)}})

    def _borrow(self, number: int, arguments: object) -> object:
        """Call what the check lent. Until it answers it may ask in its turn, about what it was called with."""
        outer = self._asked
        self._stream.reply(outer, {"lent": {"number": number, "arguments": arguments}})
        while True:
            ident, message = self._stream.listen()
            if ident == outer and isinstance(message, dict):
                break
            self._reply(ident, message)
        if "value" in message:
            return message["value"]
        raise TypeError(message["refused"])

    def answer(self, op: str, fields: Mapping[str, Any]) -> object:
        """Do one act. `inspect` comes before any code of the student's has run, so its answer can be believed."""
        if op == "probe":
            return attempts(fields["secret"], fields["work"], fields["grader_pid"], fields["tcp_port"])
        if op == "inspect" and self._host is None:
            self._program = Program(self._source, self._request["main"])
            return inspect(self._program, fields["forbidden"], fields["graded"])
        if op == "run":
            return self._run()
        if self._host is None:
            raise RuntimeError("nothing has been run yet")
        return self._host.answer(op, fields)

    def is_own(self, filename: str) -> bool:
        """Whether a traceback's file is one of the student's."""
        return filename.startswith((str(self._source), "<cell "))

    def _run(self) -> dict[str, object]:
        """Run the file top to bottom; return what is defined afterwards, notes, and why other names are not defined."""
        sys.path.insert(0, str(self._source))
        sys.dont_write_bytecode = True
        module = ModuleType(self._main.stem if self._main.stem.isidentifier() else "submission")
        self._host = Host(module.__dict__, self._borrow)
        source, remarks = self._program.source, self._remarks  # what was inspected is what runs
        if data := self._request["data"]:
            find_by_name(data, self._source, remarks.say)
        if cuda.is_mentioned(self._main, *self._source.rglob("*.py")):
            cuda.use_the_cpu()
        notes = run_source(source, self._main, module, self._request["cell_seconds"], remarks)
        names = [clean(n, 100) for n in list(module.__dict__) if not n.startswith("__")]
        lost = [(n, why) for n, why in remarks.lost.items() if n not in module.__dict__]
        lines = {clean(n, 100): clean(why, 300) for n, why in lost[:_MOST]}
        return {"names": names[:_MOST], "notes": notes, "lost": lines}
