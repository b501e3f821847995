"""Notebooks run as students know it from Jupyter, in a forked process, with no process, socket or file of our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Started as the warm process is: preload, then one fork for each notebook. Prints what was seen as JSON.
WORKER = r"""
import json, os, sys, time, types
import torch
torch.set_num_threads(1)
from grader.sandbox import notebook
assert "nbclient" not in sys.modules, "notebooks must cost nothing before preload"
before = sorted(os.listdir("."))
notebook.preload()
warm = {"threads": len(os.listdir("/proc/self/task")), "files": sorted(set(os.listdir(".")) - set(before)),
        "interactive": hasattr(sys, "ps1")}

def lock():
    from grader.records import Limits
    from grader.sandbox import limits
    from grader.sandbox.lock import Policy, detach, lock_down, system_paths
    size, data, _ = limits.footprint()
    detach()
    here = os.getcwd()
    lock_down(Policy(read=system_paths(), write=(here,), uid=None, limits=Limits(), vm_size=size, vm_data=data))

def run(name, job, out):
    os.mkdir(name)
    printed = os.open(name + "/printed", os.O_CREAT | os.O_RDWR)
    os.dup2(printed, 1), os.dup2(printed, 2)
    os.chdir(name)
    os.mkdir("work"), os.chdir("work")
    os.environ.update(HOME=os.getcwd(), TMPDIR=os.getcwd())
    if job.get("locked"):
        lock()
    module = types.ModuleType("attention")
    sys.modules["attention"] = module
    start = time.perf_counter()
    seconds = job.get("seconds", 20)
    errors = notebook.run_notebook(job["cells"], module.__dict__, "attention.ipynb", cell_seconds=seconds)
    took = time.perf_counter() - start
    sys.stdout.flush()
    seen = {
        "errors": [[e.cell, e.line, e.name, e.message] for e in errors],
        "names": sorted(n for n in vars(module) if not n.startswith("__")),
        "files": sorted(os.listdir(".")), "seconds": took,
        "is_main": sys.modules["__main__"] is module, "name": module.__name__,
        "after": eval(job.get("after", "None"), module.__dict__),
    }
    sys.stdout.flush()
    seen["printed"] = os.pread(printed, 1 << 20, 0).decode()
    os.write(out, json.dumps(seen).encode())

results = {"warm": warm}
for name, job in json.load(sys.stdin).items():
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            run(name, job, send)
        except BaseException as error:
            os.write(send, json.dumps({"broken": repr(error)}).encode())
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as pipe:
        results[name] = json.load(pipe)
    os.waitpid(pid, 0)
print(json.dumps(results))
"""

TRIVIAL = [
    "import torch\nfrom torch import nn",
    "x = torch.ones(2)",
    "def f(a):\n    return a",
    "class A:\n    pass",
    "f(x)",
]

JOBS: dict[str, dict[str, Any]] = {
    "trivial": {"cells": TRIVIAL},
    "trivial again": {"cells": TRIVIAL},
    "last definition": {"cells": ["def f():\n    return 1", "1 / 0", "def f():\n    return 2"], "after": "f()"},
    "lines": {
        "cells": ["\n\nx = 1\ny = 1 / 0", "\n  a = 1\n  b = a.nope", "%%time\nz = 1\n\nz / 0", "def g(:\n    pass"]
    },
    "called below": {"cells": ["def f():\n    # a comment\n    raise ValueError('no')", "\nf()"]},
    "shell": {
        "cells": [
            "!pip install einops\nx = 1",
            "lines = !ls\ny = 2",
            "%%bash\nls -l",
            "%%writefile a.py\nq = 1",
            "z = 3",
        ],
        "after": "[x, lines, y, z]",
    },
    "magic": {
        "cells": [
            "%matplotlib inline\n%load_ext autoreload\n%autoreload 2\na = 1",
            "%nosuchmagic at all\nb = 2",
            "%%nosuchmagic\nthis is not Python",
            "%%time\nc = 3",
            "%%timeit\n[i for i in range(10)]",
            "%%capture out\nd = 4",
            "e = %time d + 1",
            "%time f = 6",
            "pip install einops",
            "torch?",
            "get_ipython().system('ls')\nget_ipython().run_line_magic('cd', '..')\ng = 7",
        ],
        "after": "[a, b, c, d, e, f, g]",
    },
    "magic called later": {"cells": ["def f():\n    %matplotlib inline\n    return 5"], "after": "f()"},
    "input": {"cells": ["name = input('Your name?')", "x = 1"]},
    "exits": {
        "cells": ["exit()", "quit()", "exit", "import sys\nsys.exit(3)", "raise KeyboardInterrupt", "x = 1"],
    },
    "endless": {
        "cells": [
            "while True:\n    try:\n        1 + 1\n    except Exception:\n        pass",
            "import time\ntime.sleep(60)",
            "import asyncio\nawait asyncio.sleep(60)",
            "try:\n    while True:\n        pass\nexcept BaseException:\n    time.sleep(60)",
            "x = 1",
        ],
        "seconds": 0.3,
    },
    "main": {
        "cells": ["if __name__ == '__main__':\n    ran = __name__"],
        "after": "[ran, __name__]",
    },
    "dataclass": {
        "cells": [
            "from __future__ import annotations\nfrom dataclasses import dataclass\nimport typing",
            "@dataclass\nclass Config:\n    width: int\n    parent: Config | None = None",
            "hints = sorted(typing.get_type_hints(Config))",
        ],
        "after": "[hints, Config(3).width]",
    },
    "source": {
        "cells": [
            "class Layer:\n    old = True\n\ndef f(x):\n    return x",
            "\nimport inspect\nclass Layer:\n    def forward(self):\n        return 1",
            "texts = [inspect.getsource(Layer), inspect.getsource(Layer.forward), inspect.getsource(f)]",
        ],
        "after": "texts",
    },
    "out of order": {
        "cells": [
            "top = made()",
            "class Layer(Base):\n    which = 'first'",
            "class Layer(Base):\n    which = 'second'\nsize = 1",
            "size = 2\nnever_there",
            "other = never_there",
            "class Base:\n    pass\ndef made():\n    return Layer.which",
        ],
        "after": "[top, size]",
    },
    "await": {
        "cells": ["import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 4", "x = await f()"],
        "after": "x",
    },
    "printing": {
        "cells": ["print('in order')", "import os\nn = os.write(1, b'then this\\n')", "7 * 6", "display([1, 2])"]
    },
    "much output": {
        "cells": ["for i in range(20000):\n    print('x' * 100)", "'y' * 3_000_000", "ok = 1"],
        "after": "ok",
    },
    "colab": {
        "cells": ["from google.colab import drive\ndrive.mount('/content/drive')\nx = 1"],
        "after": "x",
    },
    "not colab": {
        "cells": ["try:\n    import google.colab\n    here = True\nexcept ImportError:\n    here = False"],
        "after": "here",
    },
    "autograd": {
        "cells": ["import torch\nw = torch.ones(3, requires_grad=True)", "(w * 2).sum().backward()"],
        "after": "w.grad.tolist()",
    },
    "hostile error": {
        "cells": ["class E(Exception):\n    def __str__(self):\n        raise SystemExit\nraise E", "x = 1"],
        "after": "x",
    },
    "stopped loop": {
        "cells": ["x = 1", "import asyncio\nasyncio.get_running_loop().stop()\nawait asyncio.sleep(9)", "y = 2"]
    },
    "recursion": {"cells": ["def f():\n    return f()\nf()", "x = 1"], "after": "x"},
}
LOCKED: dict[str, dict[str, Any]] = {
    "locked": {
        "cells": [
            *TRIVIAL,
            "import asyncio\nawait asyncio.sleep(0.01)",
            "!ls",
            "open('a.txt', 'w').write('a')",
            "x.sum()",
        ],
        "locked": True,
    },
    "locked and endless": {"cells": ["while True: pass", "y = 1"], "locked": True, "seconds": 0.3, "after": "y"},
    "locked in": {"cells": [f"open({str(Path(__file__))!r})", "import os\nos.fork()"], "locked": True},
}


def work(jobs: dict[str, dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Run each job in a fork of one warm process; return what was seen."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-s", "-W", "error::SyntaxWarning", "-c", WORKER]
    done = subprocess.run(
        command, input=json.dumps(jobs), capture_output=True, text=True, cwd=folder, env=env, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return work(JOBS, tmp_path_factory.mktemp("notebooks"))


def test_preload_leaves_one_thread_no_file_and_no_prompt(seen: dict[str, Any]) -> None:
    assert seen["warm"] == {"threads": 1, "files": [], "interactive": False}


def test_a_small_notebook_is_quick(seen: dict[str, Any]) -> None:
    assert min(seen["trivial"]["seconds"], seen["trivial again"]["seconds"]) < 0.3


@pytest.mark.parametrize("name", JOBS)
def test_nothing_is_left_behind(seen: dict[str, Any], name: str) -> None:
    """No history, no settings, no outputs; nothing of IPython's beside the student's names; no warning printed."""
    result = seen[name]
    assert "broken" not in result
    assert result["files"] == []
    assert not [n for n in result["names"] if n in {"In", "Out", "exit", "quit", "get_ipython"} or n.startswith("_")]
    assert result["is_main"]
    assert result["name"] == "attention"
    assert "Warning" not in result["printed"]
    assert "Traceback" not in result["printed"]


def test_names_are_the_students(seen: dict[str, Any]) -> None:
    assert seen["trivial"]["names"] == ["A", "f", "nn", "torch", "x"]
    assert seen["trivial"]["errors"] == []


def test_a_failing_cell_does_not_stop_the_next_and_the_last_definition_wins(seen: dict[str, Any]) -> None:
    assert seen["last definition"]["errors"] == [[2, 1, "ZeroDivisionError", "division by zero"]]
    assert seen["last definition"]["after"] == 2


def test_cells_in_another_order_than_they_were_run_in_are_run_again_and_the_lowest_definition_wins(
    seen: dict[str, Any],
) -> None:
    assert seen["out of order"]["after"] == ["second", 2]
    assert [(cell, line) for cell, line, *_ in seen["out of order"]["errors"]] == [(4, 2), (5, 1)]


def test_lines_are_counted_in_their_cell(seen: dict[str, Any]) -> None:
    assert [error[:3] for error in seen["lines"]["errors"]] == [
        [1, 4, "ZeroDivisionError"],
        [2, 3, "AttributeError"],
        [3, 4, "ZeroDivisionError"],
        [4, 1, "SyntaxError"],
    ]
    assert seen["called below"]["errors"] == [[2, 2, "ValueError", "no"]]


def test_shell_lines_are_skipped_and_said(seen: dict[str, Any]) -> None:
    result = seen["shell"]
    assert result["errors"] == []
    assert result["after"] == [1, [], 2, 3]
    notes = result["printed"].splitlines()
    assert notes == [
        "(skipped: !pip install einops)",
        "(skipped: !ls)",
        "(skipped: %%bash)",
        "(skipped: %%writefile a.py)",
    ]


def test_magic_never_voids_a_cell(seen: dict[str, Any]) -> None:
    assert seen["magic"]["errors"] == []
    assert seen["magic"]["after"] == [1, 2, 3, 4, 5, 6, 7]
    assert "(skipped: %nosuchmagic at all)" in seen["magic"]["printed"]
    assert seen["magic called later"]["after"] == 5


def test_input_fails_in_its_cell_only_and_says_why(seen: dict[str, Any]) -> None:
    (error,) = seen["input"]["errors"]
    assert error[:3] == [1, 1, "EOFError"]
    assert "nobody types" in error[3]
    assert seen["input"]["names"] == ["x"]


def test_exits_and_interrupts_are_their_cells_errors(seen: dict[str, Any]) -> None:
    assert [error[::2] for error in seen["exits"]["errors"]] == [
        [1, "SystemExit"],
        [2, "SystemExit"],
        [3, "SystemExit"],
        [4, "SystemExit"],
        [5, "KeyboardInterrupt"],
    ]
    assert "x" in seen["exits"]["names"]


def test_a_cell_that_takes_too_long_is_stopped_and_the_rest_runs(seen: dict[str, Any]) -> None:
    result = seen["endless"]
    assert [error[0] for error in result["errors"]] == [1, 2, 3, 4]
    assert {error[2] for error in result["errors"]} == {"TimeoutError"}
    after = [float(error[3].split()[-2]) for error in result["errors"]]  # "the cell was stopped after 0.3 s"
    assert after[0] == 0.3
    assert after[1] <= 0.15  # half of what is left
    assert result["errors"][2][1] == 2  # where it was waiting
    assert "x" in result["names"]
    assert result["seconds"] < 5


def test_a_notebook_is_main(seen: dict[str, Any]) -> None:
    assert seen["main"]["after"] == ["__main__", "attention"]


def test_dataclasses_and_type_hints_find_the_module(seen: dict[str, Any]) -> None:
    assert seen["dataclass"]["after"] == [["parent", "width"], 3]


def test_inspect_finds_functions_and_the_newest_class(seen: dict[str, Any]) -> None:
    layer, forward, f = seen["source"]["after"]
    assert layer == "class Layer:\n    def forward(self):\n        return 1\n"
    assert forward == "    def forward(self):\n        return 1\n"
    assert f == "def f(x):\n    return x\n"


def test_await_works_at_the_top_of_a_cell(seen: dict[str, Any]) -> None:
    assert seen["await"]["after"] == 4


def test_prints_reach_the_process_s_output_in_order(seen: dict[str, Any]) -> None:
    assert seen["printing"]["printed"] == "in order\nthen this\nOut[3]: 42\n[1, 2]\n"


def test_much_output_is_no_trouble(seen: dict[str, Any]) -> None:
    assert seen["much output"]["errors"] == []
    assert seen["much output"]["after"] == 1


def test_colab_is_played_only_where_it_is_taken_for_granted(seen: dict[str, Any]) -> None:
    assert seen["colab"]["errors"] == []
    assert seen["colab"]["after"] == 1
    assert seen["not colab"]["after"] is False


def test_autograd_works(seen: dict[str, Any]) -> None:
    assert seen["autograd"]["after"] == [2.0, 2.0, 2.0]


def test_errors_that_cannot_be_read_and_loops_that_are_stopped_do_not_escape(seen: dict[str, Any]) -> None:
    assert seen["hostile error"]["errors"] == [[1, 4, "E", ""]]
    assert seen["stopped loop"]["errors"][0][0] == 2
    assert seen["recursion"]["errors"][0][2] == "RecursionError"


@pytest.mark.skipif(sys.platform != "linux", reason="the lock is Linux's")
def test_notebooks_run_under_the_lock(tmp_path: Path) -> None:
    from grader.sandbox.landlock import landlock_abi

    if not landlock_abi():
        pytest.skip("this kernel has no Landlock")
    seen = work(LOCKED, tmp_path)
    assert seen["locked"].get("broken") is None
    assert seen["locked"]["errors"] == []
    assert seen["locked"]["files"] == ["a.txt"]
    assert [error[::2] for error in seen["locked and endless"]["errors"]] == [[1, "TimeoutError"]]
    assert [error[::2] for error in seen["locked in"]["errors"]] == [[1, "PermissionError"], [2, "PermissionError"]]
