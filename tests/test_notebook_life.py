"""Notebooks as life leaves them, graded in the sandbox: the harmless does no harm, and the rest is told in words.

Each runs in its own locked process, forked from one warm process; the last ones go all the way through `grade`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from grader.assignment import load_assignment
from grader.errors import Fault, StudentError, UsageError
from grader.intake.collect import Bundle
from grader.records import Limits, Result
from grader.run.marker import staged
from grader.run.student import StudentPort
from grader.sandbox.launch import Warm
from grader.wire.proxy import root
from tests.course import PERFECT, SETTINGS, Course, make_course

PACKAGES = ["matplotlib", "tqdm"]
REVIEWS = "text,label\ngood film,1\n"
NOT_HERE = "which is not installed where this is graded"
ALLOWED = "packages of this course: torch, matplotlib, tqdm"


@dataclass
class Life:
    """A notebook that was run: what it answers, what is told of it, what it printed."""

    port: StudentPort
    seconds: float

    @property
    def student(self) -> Any:
        return root(self.port)

    @property
    def notes(self) -> str:
        return "\n".join(self.port.notes)

    @property
    def printed(self) -> str:
        self.port.mute()
        return self.port.output


Run = Callable[..., Life]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course that lists packages and a data file."""
    made = make_course(tmp_path_factory.mktemp("course"))
    settings = SETTINGS.replace("load_seconds: 2", "load_seconds: 20").replace("cpu_seconds: 20", "cpu_seconds: 60")
    settings += "provided: [reviews.csv, weights.pt, config.py]\npackages: [matplotlib, tqdm]\n"
    made.assignment.settings.write_text(settings)
    (made.assignment.folder / "reviews.csv").write_text(REVIEWS)
    (made.assignment.folder / "config.py").write_text("width = 4\n")
    torch.save({"w": torch.ones(2)}, made.assignment.folder / "weights.pt")
    return Course(load_assignment(made.folder, "twice"), made.folder)


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    process = Warm(packages=PACKAGES)
    yield process
    process.close()


@pytest.fixture
def run(course: Course, warm: Warm) -> Iterator[Run]:
    """Run cells (or, given a string, a module) in a student's process that lives until the test is over."""

    def start(cells: list[str] | str, *, limits: Limits | None = None, **names: object) -> Life:
        name = "twice.py" if isinstance(cells, str) else "twice.ipynb"
        data = cells if isinstance(cells, str) else book(cells, **names)
        name = "twice.ipynb" if data.lstrip("\ufeff").startswith("{") else name
        assignment = replace(course.assignment, limits=limits or course.assignment.limits)
        folders = holder.enter_context(staged(Bundle({name: data.encode()}, name, ()), assignment, warm))
        port = StudentPort(warm, assignment, folders, name)
        holder.callback(port.close)
        began = time.monotonic()
        port.load()
        return Life(port, time.monotonic() - began)

    with ExitStack() as holder:
        yield start


def book(cells: list[str], **names: object) -> str:
    """A notebook of format 4.5 without metadata."""
    made = [{"cell_type": "code", "source": cell} for cell in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "cells": made, **names})


LEFT_IN = [
    "!pip install -q torch\n%matplotlib inline\n%load_ext grader",
    "%%bash\necho hello",
    "import grader\nx = 1\ngrader.check('twice')\nx = 2",
    "%check\nfrom grader import check\ny = 1\ncheck(print)\ny = 2",
    "grader.check()\n%check twice\nz = 2",
    "name = input('Your name? ')",
    "get_ipython().run_line_magic('check', 'twice')\nw = 2",
    "def look():\n    grader.check('twice')\n    return [x, y, z, w]",
]


def test_what_students_leave_in_is_skipped_and_said(run: Run) -> None:
    life = run(LEFT_IN)
    assert life.student.look() == [2, 2, 2, 2]
    said = ["!pip install -q torch", "%matplotlib inline", "%load_ext grader", "%%bash", "grader.check()", "%check"]
    for what in said:
        assert f"(skipped: {what}" in life.printed
    assert life.port.notes == [
        "cell 6 stopped with EOFError: input() gets no answer here: nobody types while the notebook is graded"
    ]


def test_a_check_left_in_a_module_is_skipped(run: Run) -> None:
    life = run("import grader\ngrader.check('twice')\ndef twice(x): return 2 * x\n")
    assert life.student.twice(2) == 4


BIG = [
    "list(range(10**7))",
    "for i in range(10**5):\n    print(i)",
    "class Table:\n    def __repr__(self):\n        while True: pass\nTable()",
    "class Bad:\n    def __repr__(self):\n        1 / 0\nBad()",
    "import torch\ntorch.ones(3000, 3000)",
    "'x' * 10**7",
    "def twice(x): return 2 * x",
]


def test_huge_outputs_cost_little(run: Run) -> None:
    life = run(BIG, limits=Limits(load_seconds=3, output_kb=8))
    assert life.student.twice(3) == 6
    (note,) = life.port.notes
    assert re.fullmatch(r"cell 3 stopped with TimeoutError: the cell was stopped after [\d.]+ s", note)
    assert len(life.printed) < 2 * 8 * 1024


def test_fifty_megabytes_of_training_log_are_kept_at_both_ends(run: Run) -> None:
    log = "for step in range(500):\n    print(f'step {step} ' + 'loss ' * 20000)\nprint('trained')"
    life = run(["print('begins')", log])
    assert life.printed.startswith("begins\nstep 0 loss")
    assert life.printed.endswith("loss \ntrained\n")
    assert "... (cut) ..." in life.printed
    assert len(life.printed) < 9000
    assert life.seconds < 5


def test_progress_bars_keep_their_last_state(run: Run) -> None:
    bar = "for i in {}(range(3000), mininterval=0, miniters=1):\n    pass\nprint('done', i)"
    life = run(
        [
            "from tqdm import tqdm\n" + bar.format("tqdm"),
            "from tqdm.notebook import tqdm\n" + bar.format("tqdm"),
            "from tqdm.auto import tqdm, trange\n" + bar.format("tqdm"),
            "import tqdm.notebook\nfrom tqdm import tqdm_notebook, tnrange\n" + bar.format("tqdm_notebook"),
            "import sys\nfor i in range(9999):\n    sys.stdout.write(f'epoch {i}\\r')\nprint('last line')",
        ]
    )
    assert life.port.notes == []
    assert life.printed.count("done 2999") == 4
    assert life.printed.count("3000/3000") == 4
    assert life.printed.endswith("last line\n")
    assert len(life.printed) < 1000


def test_plots_are_drawn_for_nobody_and_saved_in_the_working_folder(run: Run) -> None:
    life = run(
        [
            "import sys\nwas_there = 'matplotlib.pyplot' in sys.modules",
            "%matplotlib inline\nimport matplotlib.pyplot as plt\nimport numpy as np",
            "fig, ax = plt.subplots()\nax.plot(np.arange(3))\nax.set_title('Verlust ü')\nplt.show()\nfig",
            "plt.savefig('loss.png')\nimport os\nsize = os.path.getsize('loss.png')\ndef get(): return size, was_there",
        ]
    )
    assert life.port.notes == []
    size, was_there = life.student.get()
    assert size > 1000
    assert was_there  # loaded before the fork, which saves each submission seconds
    assert "Warning" not in life.printed


WIDGETS = [
    "import ipywidgets as widgets\nfrom ipywidgets import interact\na = 1",
    "widgets.IntSlider()",
    "@interact\ndef twice(x=3):\n    return 2 * x",
    "def alone():\n    return a",
    "def sliders():\n    return widgets.IntSlider()",
]


def test_a_missing_package_costs_the_cells_that_use_it_and_is_named(run: Run) -> None:
    life = run(WIDGETS)
    why = f"cell 1 imports `ipywidgets`, {NOT_HERE}"
    assert life.port.notes == [
        f"cell 2 stopped with NameError: name 'widgets' is not defined: {why}",
        f"cell 3 stopped with NameError: name 'interact' is not defined: {why}",
        f"{why}; {ALLOWED}.",
    ]
    assert life.student.alone() == 1
    with pytest.raises(StudentError, match=r"raised NameError .*name 'widgets' is not defined: cell 1 imports"):
        life.student.sliders()
    with pytest.raises(StudentError) as caught:
        life.student.twice(1)
    assert caught.value.fault is Fault.MISSING
    assert "does not define `twice`: cell 3, which defines it, stopped with NameError" in caught.value.message


IMPORTS = [
    "import math, seaborn as sns, torch; from nowhere.at_all import (\n    one,\n    two as zwei,\n); here = math.pi",
    "try:\n    import seaborn\nexcept ImportError:\n    seaborn = None\nasked = seaborn",
    "def f():\n    import seaborn",
    "def line():\n    raise ValueError('no')",
    "from wherever import *\nimport torch.nn.functional as F\n"
    "def all_of_it(): return [here, asked, F.relu(torch.ones(1))]",
]


def test_imports_are_left_out_in_place(run: Run) -> None:
    life = run(IMPORTS)
    assert life.student.all_of_it()[1] is None
    assert [note.partition(",")[0] for note in life.port.notes] == [
        "cell 1 imports `seaborn`",
        "cell 1 imports `nowhere`",
        "cell 5 imports `wherever`",
    ]
    with pytest.raises(StudentError, match=r"ModuleNotFoundError .*line 2.*No module named 'seaborn'"):
        life.student.f()
    with pytest.raises(StudentError, match="line 2"):
        life.student.line()


def test_a_module_without_its_package_is_invalid_and_says_the_line(run: Run) -> None:
    with pytest.raises(StudentError) as caught:
        run("import torch\n\nimport seaborn.objects as so\n")
    assert caught.value.fault is Fault.INVALID
    assert caught.value.message == f"twice.py, line 3, imports `seaborn`, {NOT_HERE}; {ALLOWED}."
    assert caught.value.line == 3


def test_a_package_that_is_here_needs_no_listing(run: Run) -> None:
    life = run("import numpy as np\nimport torch\ndef f(x):\n    return torch.from_numpy(np.asarray(x.numpy() * 2))\n")
    assert life.student.f(torch.ones(2)).tolist() == [2, 2]


LONG = [
    "def first(): return 1",
    "while True: pass\nmodel = 1",
    "1 / 0\ntrained = 1",
    "def use(): return model\ndef use_too(): return trained",
    "print(model)",
    "import asyncio\nfor _ in range(3):\n    await asyncio.sleep(0)\ntrained = 2",
]


def test_what_a_stopped_cell_would_have_defined_is_said(run: Run) -> None:
    life = run(LONG, limits=Limits(load_seconds=2))
    assert life.student.first() == 1
    why = "cell 2, which defines it, was stopped after 1 s"
    assert life.port.notes == [
        "cell 2 stopped with TimeoutError: the cell was stopped after 1 s",
        "cell 3 stopped with ZeroDivisionError: division by zero",
        f"cell 5 stopped with NameError: name 'model' is not defined: {why}",
    ]
    with pytest.raises(StudentError, match=f"name 'model' is not defined: {why}"):
        life.student.use()
    with pytest.raises(StudentError, match=f"does not define `model`: {why}"):
        life.student.model()
    assert life.student.use_too() == 2


def test_threads_and_tasks_left_behind_stop_nothing(run: Run) -> None:
    life = run(
        [
            "import threading, time\ndef work():\n    while True:\n        time.sleep(0.01)\n"
            "threading.Thread(target=work).start()",
            "import asyncio\nasync def late():\n    await asyncio.sleep(99)\ntask = asyncio.create_task(late())",
            "def twice(x): return 2 * x",
        ]
    )
    assert life.student.twice(4) == 8
    assert life.port.notes == []


def old(cells: list[str], **names: object) -> str:
    """A notebook of format 3: worksheets, `input`."""
    made = [{"cell_type": "code", "input": cell.splitlines(keepends=True), "outputs": []} for cell in cells]
    return json.dumps({"nbformat": 3, "worksheets": [{"cells": made}], "metadata": None, **names})


CODE = ["a = 1", "def twice(x):\n    return 2 * x"]
FORMS: dict[str, str] = {
    **{f"4.{minor}": book(CODE, nbformat_minor=minor) for minor in range(6)},
    "3": old(CODE),
    "a mark at the start": "\ufeff" + book(CODE),
    "line ends": json.dumps(json.loads(book(["a = 1", "def twice(x):\r\n    return 2 * x"])), indent=1).replace(
        "\n", "\r\n"
    ),
    "the same id twice": book([]).replace(
        "[]", json.dumps([{"cell_type": "code", "id": "a", "source": c} for c in CODE])
    ),
    "ids of no kind": book([]).replace("[]", json.dumps([{"cell_type": "code", "id": [], "source": c} for c in CODE])),
    "metadata of no kind": book(CODE, metadata=[1]),
    "junk behind": book(CODE) + "\n>>>>>>> mine\n\0\0",
    "twice": book(CODE) + "\n" + book(["def twice(x): return 0"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_any_form_of_notebook_is_run(run: Run, form: str) -> None:
    life = run(FORMS[form])
    assert life.student.twice(3) == 6
    assert ("goes on after the end" in life.notes) == (form in ("junk behind", "twice"))


COLAB = [
    "from google.colab import drive, files, userdata\ndrive.mount('/content/drive')",
    "uploaded = files.upload()\nfor name in uploaded: print(name)\nimport os\nos.environ['KEY'] = userdata.get('KEY')",
    "import google.colab.output\nfrom google.colab.patches import cv2_imshow\nfiles.download('x.png')",
    "text = open('/content/drive/MyDrive/course/reviews.csv').read()",
    "def get(): return text",
]


def test_colab_is_played_and_its_paths_find_the_course_s_data(run: Run) -> None:
    life = run(COLAB)
    assert life.student.get() == REVIEWS
    path = "/content/drive/MyDrive/course/reviews.csv"
    assert life.port.notes == [f"`{path}` is not here; reviews.csv, which came with the assignment, was read."]
    assert "(skipped: google.colab.drive.mount())" in life.printed


def test_a_module_saved_by_colab_is_run(run: Run) -> None:
    life = run("from google.colab import drive\ndrive.mount('/content/drive')\ndef twice(x): return 2 * x\n")
    assert life.student.twice(2) == 4


HOSTILE = [
    "try:\n    open('/x/\\x1b[31m\\u202e<script>`/reviews.csv')\nexcept OSError:\n    pass",
    "import evil" + "x" * 5000 + "\nimport other_evil",
    "class E(NameError):\n    name = property(lambda self: 1 / 0)\nraise E('no')",
    "error = NameError('x')\nerror.name = ['x']\nraise error",
    "x = " + "-" * 900 + "nothing",
    "for i in range(1000):\n    open(f'/x{i}/reviews.csv').close()",
]


def test_what_is_told_is_cleaned_and_capped(run: Run) -> None:
    notes = run(HOSTILE).port.notes
    assert 10 < len(notes) <= 50
    assert all(len(note) <= 300 and "\x1b" not in note and "\u202e" not in note for note in notes)


DATA = r"""
import csv, io, os, pathlib, sys
import numpy as np
import torch
import config

paths = ["reviews.csv", "../data/reviews.csv", r"C:\Users\anna\reviews.csv", "/home/a/reviews.csv", "data/reviews.csv"]
texts = [open(p).read() for p in paths] + [pathlib.Path(p).read_text() for p in paths]
texts += [io.open(paths[3]).read(), open(paths[2], encoding="utf-8", newline="").read()]
with open(paths[0], newline="") as file:
    rows = list(csv.DictReader(file))
table = np.genfromtxt("reviews.csv", delimiter=",", dtype=str)
weights = [torch.load(p)["w"] for p in ("weights.pt", "/content/weights.pt")]
width = config.width
open("own.txt", "w").write("mine")

def results():
    return [texts, rows, table.shape, weights, width, open("own.txt").read(), sorted(os.listdir("."))]

def write():
    open("reviews.csv", "a")

def write_there():
    open("/content/reviews.csv", "w")

def other():
    open("/content/other.csv")

def later():
    os.makedirs("below", exist_ok=True)
    os.chdir("below")
    text = open("reviews.csv").read()
    os.chdir("..")
    return text
"""


@pytest.mark.parametrize("notebook", [False, True])
def test_data_files_are_found_by_name(run: Run, notebook: bool) -> None:
    life = run([DATA] if notebook else DATA)
    texts, rows, shape, weights, width, own, listing = life.student.results()
    assert texts == [REVIEWS] * 12
    assert rows == [{"text": "good film", "label": "1"}]
    assert list(shape) == [2, 2]
    assert [w.tolist() for w in weights] == [[1, 1], [1, 1]]
    assert (width, own) == (4, "mine")
    assert listing == ["own.txt", "reviews.csv", "weights.pt"]
    assert "`C:\\Users\\anna\\reviews.csv` is not here; reviews.csv" in life.notes
    assert life.student.later() == REVIEWS
    for act, kind in (
        ("write", "lock does not allow"),
        ("write_there", "FileNotFoundError"),
        ("other", "FileNotFound"),
    ):
        with pytest.raises(StudentError, match=kind):
            getattr(life.student, act)()


def test_without_data_files_open_is_python_s(run: Run, course: Course, warm: Warm) -> None:
    source = b"import builtins, io\ndef own(): return builtins.open is io.open and type(open).__name__\n"
    plain = replace(course.assignment, provided=())
    with staged(Bundle({"twice.py": source}, "twice.py", ()), plain, warm) as folders:
        port = StudentPort(warm, plain, folders, "twice.py")
        port.load()
        assert root(port).own() == "builtin_function_or_method"
        port.close()


CUDA = """
import torch
from torch import nn

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
chosen = str(device)
model = nn.Linear(2, 2).cuda()
gpu = torch.device("cuda:0")

def devices(x):
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.manual_seed(0)
    torch.manual_seed(0)
    made = [
        x.cuda(), x.to("cuda"), x.to(gpu, torch.float64, non_blocking=True), x.to(device="cuda"),
        torch.zeros(2, device="cuda"), torch.ones_like(x, device=gpu), torch.tensor([1.0], device="cuda"),
        torch.arange(3, device="cuda"), x.new_zeros(2, device="cuda"), torch.rand(2, device="mps"), x.pin_memory(),
        nn.Linear(2, 2, device="cuda").weight, model.to("cuda").weight,
        nn.Embedding(2, 2).to(gpu, torch.float16).weight,
        torch.randn(2, generator=torch.Generator(device="cuda").manual_seed(0), device="cuda"),
    ]
    with torch.device("cuda"):
        made.append(torch.ones(2))
    return [str(t.device) for t in made], str(made[2].dtype), str(made[13].dtype), gpu.type, chosen

def loaded(weights):
    torch.save(weights, "w.pt")
    return torch.load("w.pt", map_location="cuda")

class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a = nn.Linear(width, width)
    def forward(self, x):
        return self.a.cuda()(x.to("cuda"))
"""


@pytest.mark.parametrize("notebook", [False, True])
def test_a_gpu_that_is_not_there_is_the_cpu(run: Run, notebook: bool) -> None:
    life = run(["import torch", CUDA] if notebook else CUDA)
    devices, *rest = life.student.devices(torch.ones(2))
    assert devices == ["cpu"] * 16
    assert rest == ["torch.float64", "torch.float16", "cuda", "cpu"]
    assert torch.equal(life.student.loaded(torch.ones(3)), torch.ones(3))
    layer = life.student.Layer(2)
    assert layer(torch.ones(1, 2)).shape == (1, 2)
    place = "cell 2, line 7" if notebook else "line 7"
    assert life.port.notes == [f"`.cuda()` in {place}: there is no GPU where this is graded; the CPU is used."]


ASKED = """
import torch
device = "cuda" if torch.cuda.is_available() else "cpu"
if torch.cuda.is_available():
    torch.ones(2).cuda()
def on_gpu(x): return x.device.type == "cuda"
"""


def test_code_that_asks_first_is_told_nothing(run: Run) -> None:
    assert run(ASKED).port.notes == []
    assert run('device = "cuda"\n').port.notes[0].startswith('`"cuda"` in line 1: there is no GPU')


def test_torch_is_as_it_was_for_code_that_names_no_gpu(run: Run) -> None:
    source = "import torch\ndef kinds(): return [type(torch.zeros).__name__, torch.Tensor.to.__qualname__]\n"
    assert run(source).student.kinds()[0] == "builtin_function_or_method"
    assert run(source + "# cuda\n").student.kinds()[0] == "function"


LIFE = [
    "!pip install seaborn",
    "import torch\nimport seaborn as sns\nfrom torch import nn",
    "def twice(x):\n    return x",
    "reviews = open('/content/reviews.csv').read()",
    PERFECT.replace("x + x", "(x + x).to('cuda')"),
    "sns.lineplot()",
]


@pytest.mark.slow
def test_all_of_it_is_graded_and_reported(course: Course) -> None:
    (course.folder / "in").mkdir(exist_ok=True)
    (course.folder / "in" / "life.ipynb").write_text(book(LIFE) + "\n>>>>>>> mine\n")
    stopped = PERFECT.replace("def twice(x)", "raise ValueError('no')\ndef twice(x)")
    (course.folder / "in" / "lost.ipynb").write_text(book([stopped, "def other(): pass"]))
    results: dict[str, Result] = course.grade()
    life = results["life.ipynb"]
    assert life.score == 10
    told = "\n".join(life.notes)
    for words in (
        "goes on after the end of its notebook (line 2)",
        "twice is defined 2 times (cell 3, line 1, cell 5, line 5); the last definition counts.",
        "there is no GPU where this is graded; the CPU is used.",
        f"cell 2 imports `seaborn`, {NOT_HERE}; {ALLOWED}.",
        f"cell 6 stopped with NameError: name 'sns' is not defined: cell 2 imports `seaborn`, {NOT_HERE}",
        "`/content/reviews.csv` is not here; reviews.csv, which came with the assignment, was read.",
    ):
        assert words in told
    assert "(skipped: !pip install seaborn)" in life.output
    lost = results["lost.ipynb"]
    assert lost.score == 0
    why = "cell 1, which defines it, stopped with ValueError"
    assert lost.message == f"your file does not define `twice`, `Layer`: {why}."


def test_a_listed_package_that_is_not_installed_is_the_course_s_mistake(course: Course) -> None:
    settings = course.assignment.settings
    before = settings.read_text()
    settings.write_text(before.replace("[matplotlib, tqdm]", "[matplotlib, nowhere_to_be_found]"))
    try:
        broken = replace(course, assignment=load_assignment(course.folder, "twice"))
        (course.folder / "in").mkdir(exist_ok=True)
        (course.folder / "in" / "one.py").write_text(PERFECT)
        with pytest.raises(UsageError, match=r"lists the package `nowhere_to_be_found`, which is not installed here"):
            broken.grade("one.py", out=None)
    finally:
        settings.write_text(before)
