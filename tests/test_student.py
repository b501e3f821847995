"""The student's process at its limits and on the attack, through the real wire: it costs that file its checks and
nobody else anything.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from grader.errors import Fault, StudentError
from grader.intake.collect import Bundle
from grader.records import Outcome, Status
from grader.run.marker import staged
from grader.run.student import StudentPort
from grader.sandbox.launch import Warm, examine
from grader.wire.proxy import root
from tests.course import PERFECT, Course, by_id

Load = Callable[[str], StudentPort]


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    """One warm process for all attacks: each must leave it unharmed."""
    process = Warm(["torch.nn.functional.softplus"])
    yield process
    process.close()


@pytest.fixture
def load(course: Course, warm: Warm) -> Iterator[Load]:
    """Start a student's process on a source; ended afterwards."""
    ports: list[StudentPort] = []

    def start(source: str) -> StudentPort:
        bundle = Bundle({"twice.py": source.encode()}, "twice.py", ())
        folders = holder.enter_context(staged(bundle, course.assignment, warm))
        port = StudentPort(warm, course.assignment, folders, "twice.py")
        ports.append(port)
        port.load()
        return port

    with ExitStack() as holder:
        yield start
        for port in ports:
            port.close()


LIMITS = {
    "while True: pass": Fault.TIMEOUT,
    "import time; time.sleep(1000)": Fault.TIMEOUT,
    "import threading; threading.Event().wait()": Fault.TIMEOUT,
    "import os; os._exit(0)": Fault.CRASHED,
    "import sys; sys.exit(0)": Fault.EXITED,
    "import ctypes; ctypes.string_at(0)": Fault.CRASHED,
    "def f(): f()\n    f()": Fault.RAISED,
    "import sys; sys.setrecursionlimit(10**9)\n    f = lambda x: sorted([x], key=f)\n    f(1)": Fault.CRASHED,
    "torch.ones(10 * 2**30)": Fault.MEMORY,
    "x = bytearray(2**33)": Fault.MEMORY,
    "open('big', 'wb').write(bytes(64 * 2**20))": Fault.RAISED,
    "import os; os.kill(os.getpid(), 9)": Fault.CRASHED,
    "import os; os.fork()": Fault.BLOCKED,
    "import socket; socket.socket()": Fault.BLOCKED,
    "open('/etc/passwd')": Fault.BLOCKED,
    "raise KeyboardInterrupt": Fault.EXITED,
    "import pytest; pytest.skip('no')": Fault.RAISED,
    "raise MemoryError": Fault.MEMORY,
}


@pytest.mark.parametrize("act", LIMITS)
def test_an_act_ends_its_call_and_the_next_call_is_answered(load: Load, act: str) -> None:
    port = load(f"import torch\ndef bad():\n    {act}\ndef twice(x):\n    return 2 * x\n")
    with pytest.raises(StudentError) as caught:
        root(port).bad()
    assert caught.value.fault is LIMITS[act], caught.value.message
    assert "\n" not in caught.value.message
    assert root(port).twice(21) == 42


def ask_twice(port: StudentPort) -> None:
    root(port).twice(21)
    root(port).twice(21)


FORGERIES = [
    "os.write(3, b'TGR1' + struct.pack('<IQ', 0, 1 << 40) + b'0' * 16)",
    "os.write(3, b'A' * 4096)",
    "os.write(3, pickle.dumps(print))",
    "socket.socket(fileno=os.dup(3)).send(b'')\n    os.close(3)",
    "[os.write(3, b'TGR1' + struct.pack('<IQ', 2, 0) + bytes([i]) * 16 + b'{}') for i in range(99)]",
]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_answers_are_refused(load: Load, forgery: str) -> None:
    port = load(f"import os, pickle, socket, struct\ndef twice(x):\n    {forgery}\n    return 42\n")
    with pytest.raises(StudentError) as caught:
        ask_twice(port)  # bytes that come behind a true answer are found by the next question
    assert caught.value.fault in (Fault.WIRE, Fault.CRASHED)


def test_answers_to_a_future_question_cannot_be_prepared(load: Load) -> None:
    port = load(
        "import os, threading, time\n"
        "def later():\n    time.sleep(0.2)\n    os.write(3, b'TGR1' + bytes(28))\n"
        "def early():\n    threading.Thread(target=later).start()\n    return 1\n"
        "def slow():\n    time.sleep(0.5)\n    return 2\n"
    )
    assert root(port).early() == 1
    with pytest.raises(StudentError) as caught:
        root(port).slow()
    assert caught.value.fault is Fault.WIRE


def test_what_crosses_back_is_plain(load: Load) -> None:
    port = load(
        "import torch\nclass T(torch.Tensor):\n    def __eq__(self, other): return True\n"
        "class Always(str):\n    def __eq__(self, other): return True\n    __hash__ = str.__hash__\n"
        "def tensor(): return torch.ones(2).as_subclass(T)\ndef text(): return Always('x')\ndef number():\n"
        "    class N(float):\n        def __eq__(self, other): return True\n    return N(1.0)\n"
    )
    student = root(port)
    assert type(student.tensor()).__name__ == "Tensor"
    assert type(student.text()) is str
    assert type(student.number()) is float
    assert student.text() != "y"


def test_one_process_for_each_file(load: Load) -> None:
    first = load(
        "import builtins, torch\nbuiltins.open = None\ntorch.softmax = None\ntorch.set_default_dtype(torch.float64)\n"
    )
    second = load(
        "import torch\ndef state():\n    return [open is None, torch.softmax is None, str(torch.get_default_dtype())]\n"
    )
    assert first.names is not None
    assert root(second).state() == [False, False, "torch.float32"]


def test_the_student_holds_no_answers(load: Load, course: Course) -> None:
    port = load(
        "import gc, os, sys\ndef look():\n    words = ['hidden', 'solution', 'no answers here']\n"
        "    modules = [m for m in sys.modules if m.startswith('grader.')]\n"
        "    return [sorted(modules), dict(os.environ), sys.argv, os.getcwd(), os.listdir('.'),\n"
        "            sorted(int(n) for n in range(64) if _open(n))]\n"
        "def _open(n):\n    try:\n        os.fstat(n)\n        return True\n    except OSError:\n        return False\n"
        "def read(path):\n    return open(path).read()\n"
    )
    modules, environment, arguments, _, listing, descriptors = root(port).look()
    assert not [
        m for m in modules if m.split(".")[1] in ("checks", "run", "report", "assignment", "commands", "authoring")
    ]
    assert set(environment) <= {"HOME", "TMPDIR", "PATH", "LANG", "OMP_NUM_THREADS", "MPLBACKEND"}
    assert arguments == ["student"]
    assert listing == []
    assert descriptors == [0, 1, 2, 3]
    for path in (course.assignment.solution, course.assignment.hidden_checks, course.assignment.hidden_tensors):
        with pytest.raises(StudentError) as caught:
            root(port).read(str(path))
        assert caught.value.fault is Fault.BLOCKED


def test_the_grader_cannot_be_signalled_or_reached(load: Load) -> None:
    port = load(
        "import os, socket\ndef kill(pid): os.kill(pid, 0)\ndef parent(): os.kill(os.getppid(), 0)\n"
        "def connect(port): socket.create_connection(('127.0.0.1', port), 1)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        for act, arguments in (("kill", (os.getpid(),)), ("parent", ())):
            with pytest.raises(StudentError) as caught:
                getattr(root(port), act)(*arguments)
            assert caught.value.fault is Fault.BLOCKED
        with pytest.raises(StudentError):
            root(port).connect(server.getsockname()[1])


def test_a_function_that_loops_is_not_tried_for_ever(load: Load) -> None:
    port = load("def loop():\n    while True: pass\ndef twice(x): return 2 * x\n")
    for words in ("took longer", "took longer", "not tried again"):
        with pytest.raises(StudentError, match=words):
            root(port).loop()
    assert root(port).twice(2) == 4


def test_processor_time_is_counted_over_all_of_its_processes(course: Course, warm: Warm) -> None:
    limits = replace(course.assignment.limits, cpu_seconds=1)
    assignment = replace(course.assignment, limits=limits)
    burn = "import os, time\ndef burn():\n    while time.process_time() < 0.7: pass\n    os._exit(0)\n"
    with staged(Bundle({"twice.py": burn.encode()}, "twice.py", ()), assignment, warm) as folders:
        port = StudentPort(warm, assignment, folders, "twice.py")
        port.load()
        for _ in range(2):
            with pytest.raises(StudentError, match="ended its process"):
                root(port).burn()
        with pytest.raises(StudentError, match="processor time") as caught:
            root(port).burn()
        port.close()
    assert caught.value.fault is Fault.TIMEOUT


def test_a_killed_student_process_is_told_as_such(load: Load) -> None:
    port = load("import os\ndef pid(): return os.getpid()\n")
    os.kill(root(port).pid(), signal.SIGSEGV)
    with pytest.raises(StudentError) as caught:
        root(port).pid()
    assert caught.value.fault is Fault.CRASHED


def test_the_warm_process_answers_after_all_that(warm: Warm) -> None:
    assert examine(warm).level == "STRICT"


WHILE_LOADING = {
    "while True: pass": Status.TIMEOUT,
    "import os; os._exit(3)": Status.CRASHED,
    "import ctypes; ctypes.string_at(0)": Status.CRASHED,
    "import torch; torch.ones(10 * 2**30)": Status.MEMORY,
    "import os; os.system('true') and 1/0": Status.INVALID,
    "import socket; socket.create_connection(('127.0.0.1', 9))": Status.BLOCKED,
    "import os; os.write(3, b'x' * 99)": Status.CRASHED,
}


@pytest.mark.slow
def test_each_way_to_fail_while_loading_has_its_status(course: Course) -> None:
    course.submit(**{f"s{i}": source for i, source in enumerate(WHILE_LOADING)}, good=PERFECT)
    results = course.grade(jobs=2)
    assert results["good.py"].score == 10
    statuses = {source: results[f"s{i}.py"].status for i, source in enumerate(WHILE_LOADING)}
    assert statuses == WHILE_LOADING
    assert all(results[f"s{i}.py"].score == 0 for i in range(len(WHILE_LOADING)))


def test_points_earned_before_a_crash_stay_earned(course: Course) -> None:
    result = course.grade_one(PERFECT.replace("return twice(self.a(x)) - self.b(x)", "import os; os._exit(0)"))
    assert result.status is Status.GRADED
    assert {c.id for c in result.checks if c.status is Outcome.FAILED} == {"layer"}
    assert result.score == 7


def test_prints_and_warnings_change_no_grade(course: Course) -> None:
    act = "print('x' * 10**6); import sys, warnings; warnings.warn('w'); sys.stderr.write('e'); return x + x"
    noisy = PERFECT.replace("return x + x", act)
    result = course.grade_one(noisy)
    assert result.score == 10
    assert 0 < len(result.output) < 3 * 8 * 1024


def test_replaced_functions_of_torch_change_no_grade_of_others(course: Course) -> None:
    cheat = "import torch\ntorch.allclose = torch.equal = lambda *a, **k: True\ntorch.Tensor.__eq__ = lambda *a: True\n"
    course.submit(a=cheat + PERFECT.replace("x + x", "x"), b=PERFECT)
    results = course.grade()
    assert results["b.py"].score == 10
    assert by_id(results["a.py"])["values"].status is Outcome.FAILED


def test_no_process_is_left(course: Course) -> None:
    def children() -> set[str]:
        return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

    before = children()
    course.grade_one(PERFECT.replace("return x + x", "while True: pass"))
    assert children() <= before
