"""A notebook kernel without sockets or processes: IPython in this process, spoken to by nbclient through two queues."""

from __future__ import annotations

import asyncio
import contextlib
import linecache
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from types import FrameType, ModuleType
from typing import Any

from IPython.core.compilerop import CachingCompiler
from IPython.core.inputtransformer2 import leading_empty_lines, leading_indent
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient
from nbformat import from_dict
from traitlets import Type
from traitlets.config import Config

from grader.sandbox.clock import PATIENCE, TimeUp
from grader.sandbox.stand_ins import skipped

AGAIN_SECONDS = 1.0  # a cell that swallows the end of its time is told again this often
_OVER = "the cell's time is over"
_CELL_MAGIC = re.compile(r"%%(\S+)")
_BODY_IS_PYTHON = {"time", "timeit", "capture", "prun"}  # cell magics whose body runs as if they were not there


class CellCompiler(CachingCompiler):
    """Names each cell's code "FILE, cell N" and keeps its lines, so that tracebacks and `inspect` find them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # IPython annotates some functions only
        self.filename = "notebook"
        self.cell = 0
        self.ran = ""

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:  # noqa: ARG002 (IPython's signature)
        return f"{self.filename}, cell {self.cell}"

    def cache(self, transformed_code: str, number: int = 0, raw_code: str | None = None) -> str:
        name = super().cache(transformed_code, number, raw_code)
        if sys.version_info < (3, 13):
            # `inspect` looks for a class by name, from the top of its module's `__file__`: the newest cell comes first.
            # Later Pythons look by line number, for which a notebook has no single file; they find functions only.
            self.ran = f"{transformed_code}\n{self.ran}"
            linecache.cache[self.filename] = (len(self.ran), None, self.ran.splitlines(keepends=True), self.filename)
        return name


class Shell(InteractiveShell):
    """IPython that starts no process, opens no file of its own, and skips what it cannot do."""

    compile: CellCompiler
    compiler_class = Type(CellCompiler)

    def init_ipython_dir(self, *_args: object) -> None:
        """No folder for settings or profiles, no `sys.ps1`: nobody is typing."""

    init_profile_dir = init_prompts = init_ipython_dir

    def system(self, cmd: str) -> None:
        """`!cmd`."""
        skipped(f"!{cmd}")

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> list[str]:  # noqa: ARG002 (IPython's signature)
        """`lines = !cmd`. Returns no lines."""
        skipped(f"!{cmd}")
        return []

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> object:
        """`%name line`. Returns the value of `%time expression`; every other magic is skipped."""
        if magic_name != "time":
            skipped(f"%{magic_name} {line}")
            return None
        try:
            code = self.compile(line, "<%time>", "eval")
        except SyntaxError:
            code = self.compile(line, "<%time>", "exec")
        return eval(code, self.user_ns)  # their code in their process, as the cell around it

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> None:  # noqa: ARG002 (IPython's signature)
        """`%%name line`, except those of `_BODY_IS_PYTHON`, which do not come here."""
        skipped(f"%%{magic_name} {line}")

    def ask_exit(self) -> None:
        """`exit()` and `quit()`."""
        raise SystemExit("exit() ends nothing here; the cells below still run")

    def showtraceback(self, *args: object, **kwargs: object) -> None:
        """Errors go into the reply."""

    showsyntaxerror = showindentationerror = showtraceback

    def _format_exception_for_storage(self, *_args: object, **_kwargs: object) -> dict[str, object]:
        return {}  # no history; formatting one takes longer than most cells


def make_shell(module: ModuleType, filename: str) -> Shell:
    """Return this process's shell; it runs cells in `module`, which becomes `__main__`. Replaces an earlier shell."""
    settings = Config()
    settings.HistoryManager.enabled = False
    settings.HistoryManager.hist_file = ":memory:"
    settings.InteractiveShell.colors = "nocolor"
    settings.DisplayFormatter.active_types = ["text/plain"]  # nobody sees a picture: do not draw it
    Shell.clear_instance()
    shell = Shell.instance(config=settings, user_module=module)
    shell.compile.filename = filename
    shell.user_ns.pop("open", None)  # IPython's own, for which nobody can stand in
    cleanup = shell.input_transformer_manager.cleanup_transforms
    cleanup[cleanup.index(leading_empty_lines)] = _cell_magics
    return shell


def _cell_magics(lines: list[str]) -> list[str]:
    """Take cell magics off the top of a cell. The lines below keep their numbers, as they do not in IPython's way."""
    for number, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _CELL_MAGIC.match(line.lstrip())
        if found is None:
            dedented: list[str] = leading_indent(lines[number:])  # type: ignore[no-untyped-call]  # as above
            return lines[:number] + dedented
        if found[1] not in _BODY_IS_PYTHON:
            rest = line.lstrip()[found.end() :].strip()
            return [f"get_ipython().run_cell_magic({found[1]!r}, {rest!r}, '')\n"]
        lines = [*lines[:number], f"# {line.lstrip()}", *lines[number + 1 :]]
    return lines


class _Channel:
    """One way of messages. Each is put before it is asked for, so no time limit is ever needed."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def put(self, message_id: str, kind: str, content: dict[str, Any]) -> None:
        header = {"msg_id": message_id, "msg_type": kind}
        self._messages.put_nowait(
            {"msg_type": kind, "header": header, "parent_header": {"msg_id": message_id}, "content": content}
        )

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:  # noqa: ARG002 (nbclient's signature)
        return await self._messages.get()


class Kernel:
    """What nbclient needs of a kernel manager and of a kernel client, around one shell."""

    has_kernel = True

    def __init__(self, shell: Shell, cell_seconds: float, report: Callable[[BaseException], dict[str, Any]]) -> None:
        self.shell_channel = _Channel()
        self.iopub_channel = _Channel()
        self._shell = shell
        self._cell_seconds = cell_seconds
        self._left = 2 * cell_seconds  # for all cells together
        self._report = report
        self._ids = map(str, count())

    def kernel_info(self) -> str:
        """Put the answer on the shell channel; return the request's id."""
        message_id = next(self._ids)
        self.shell_channel.put(message_id, "kernel_info_reply", {"language_info": {"name": "python"}})
        return message_id

    async def execute(self, source: str, **_options: object) -> str:
        """Run one cell to its end and put the reply on the channels; return the request's id."""
        message_id = next(self._ids)
        content: dict[str, Any] = {"status": "ok"}
        # half of what is left: the cells below a long one have some, too
        seconds = max(min(self._cell_seconds, self._left / 2), self._cell_seconds / 20)
        began, worked = time.monotonic(), time.process_time()
        try:
            error = await self._run(source, seconds)
        except (TimeUp, asyncio.CancelledError) as late:  # came while IPython was tidying up after the cell
            error = late
        if isinstance(error, TimeUp) or (isinstance(error, asyncio.CancelledError) and error.args == (_OVER,)):
            words = f"the cell was stopped after {float(f'{seconds:.2g}'):g} s"
            error = TimeoutError(words).with_traceback(error.__traceback__)
        self._left -= max(time.process_time() - worked, (time.monotonic() - began) / PATIENCE)
        if error is not None:
            content = {"status": "error", **self._report(error)}
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        self.iopub_channel.put(message_id, "status", {"execution_state": "idle"})
        self.shell_channel.put(message_id, "execute_reply", content)
        return message_id

    async def _run(self, source: str, seconds: float) -> BaseException | None:
        task = asyncio.ensure_future(self._cell(source))
        with _alarm(seconds, task):
            return await task

    async def _cell(self, source: str) -> BaseException | None:
        try:
            transformed, failure = self._shell.transform_cell(source), None  # type: ignore[no-untyped-call]  # as above
        except Exception as error:
            transformed, failure = source, (type(error), error, error.__traceback__)
        result = await self._shell.run_cell_async(
            source, store_history=True, transformed_cell=transformed, preprocessing_exc_tuple=failure
        )
        before: BaseException | None = result.error_before_exec
        during: BaseException | None = result.error_in_exec
        return during if before is None else before


async def execute(
    cells: Sequence[str],
    shell: Shell,
    cell_seconds: float,
    begin: Callable[[int], None],
    report: Callable[[BaseException], dict[str, Any]],
    again: Iterator[int],
) -> None:
    """Run `cells` in `shell` with nbclient: `begin` hears each cell's number, `report` puts its error into words.

    `again` is asked, after the last cell and after each that it names, which one to run once more.
    """
    kernel: Any = Kernel(shell, cell_seconds, report)  # has of nbclient's manager and client what a run needs
    code = [{"cell_type": "code", "metadata": {}, "source": cell, "outputs": []} for cell in cells]
    book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": code}
    client = NotebookClient(
        from_dict(book),  # type: ignore[no-untyped-call]  # nbformat has no annotations
        km=kernel,
        allow_errors=True,
        record_timing=False,
        on_cell_execute=lambda cell_index, **_cell: begin(cell_index + 1),
    )
    client.kc = kernel
    await client.async_execute()
    for number in again:
        begin(number)
        await kernel.execute(cells[number - 1])


@contextlib.contextmanager
def _alarm(seconds: float, task: asyncio.Task[Any]) -> Iterator[None]:
    """End `task` after `seconds` of processor time, or thrice as many on the clock: by an exception in the code that is
    running, or by cancelling it where it waits.

    Where there are no alarms, as on Windows, only the limit on the whole file holds.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return
    loop = asyncio.get_running_loop()
    armed, began, worked = True, time.monotonic(), time.process_time()

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if not armed:
            return
        late = time.process_time() - worked >= seconds or time.monotonic() - began >= PATIENCE * seconds
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS if late else seconds / 10)
        if not late:
            return
        if asyncio.current_task(loop) is not None:
            raise TimeUp
        loop.call_soon_threadsafe(task.cancel, _OVER)

    earlier = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
