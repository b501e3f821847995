"""What honest submissions do: all of this must go on working inside the lock."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Context = dict[str, Any]


def import_late(_: Context) -> str:
    """Modules that nothing has imported before the lock, with a compiled one among them."""
    names = ("sqlite3", "wave", "xml.dom.minidom", "_lzma", "decimal", "colorsys")
    for name in names:
        importlib.import_module(name)
    return ", ".join(names)


def import_own_module(context: Context) -> str:
    source = (Path(context["submission"]) / "student.py").read_text()
    return repr(compile(source, "student.py", "exec"))


def use_private_folder(context: Context) -> str:
    folder = Path(context["work"]) / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "one").write_text("text")
    (folder / "one").rename(Path(context["work"]) / "two")
    with Path(context["work"], "two").open("r+") as file:
        file.truncate(2)
    content = Path(context["work"], "two").read_text()
    with tempfile.NamedTemporaryFile(dir=context["work"]) as file:
        file.write(b"x")
    return content


def run_threads(_: Context) -> str:
    done: list[int] = []
    threads = [threading.Thread(target=done.append, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return str(len(done))


def run_asyncio(_: Context) -> str:
    async def answer() -> str:
        return await asyncio.to_thread(lambda: "done")

    return asyncio.run(answer())


def talk_over_a_pair(_: Context) -> str:
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"hello")
        return other.recv(5).decode()


def signal_itself(_: Context) -> str:
    heard: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR1)
    return str(len(heard))


def use_random_bytes_and_null(_: Context) -> str:
    with Path("/dev/null").open("w") as sink:
        sink.write("x")
    return str(len(os.urandom(8)) + len(Path("/dev/urandom").open("rb").read(8)))


ACTS: dict[str, Callable[[Context], str]] = {
    act.__name__: act
    for act in (
        import_late,
        import_own_module,
        use_private_folder,
        run_threads,
        run_asyncio,
        talk_over_a_pair,
        signal_itself,
        use_random_bytes_and_null,
    )
}
