"""Source is read as Python reads it, notebooks as Jupyter runs them; anything else gets one clear line."""

from __future__ import annotations

import ast
import json
import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.errors import Fault, StudentError
from grader.intake.source import SIZE, nearest, read_source


def script(folder: Path, data: bytes | str) -> Path:
    path = folder / "attention.py"
    path.write_bytes(data if isinstance(data, bytes) else textwrap.dedent(data).encode())
    return path


def notebook(folder: Path, cells: list[Any], **changes: Any) -> Path:
    made = [{"cell_type": "code", "source": cell} if isinstance(cell, str) else cell for cell in cells]
    path = folder / "attention.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made} | changes))
    return path


def refusal(path: Path) -> StudentError:
    with pytest.raises(StudentError) as caught:
        read_source(path)
    assert caught.value.fault is Fault.INVALID
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    "data",
    [
        b"a = '\xc3\xa9'\n",
        b"\xef\xbb\xbfa = '\xc3\xa9'\n",
        b"\xef\xbb\xbf# -*- coding: utf-8 -*-\r\na = '\xc3\xa9'\r\n",
        b"# -*- coding: latin-1 -*-\na = '\xe9'\n",
        b"#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\na = '\xe9'\n",
        b"# coding: utf-8\r\na = \\\r\n  '\xc3\xa9'",
        b"a = '\xc3\xa9'\ra = '\xc3\xa9'\r",
        b"\x0ca = '\xc3\xa9'",
    ],
    ids=["utf-8", "mark", "mark, coding, CRLF", "latin-1", "second line", "CRLF continued", "CR", "form feed"],
)
def test_text_is_what_python_compiles(data: bytes, tmp_path: Path) -> None:
    source = read_source(script(tmp_path, data))
    ours: dict[str, str] = {}
    exec(compile(source.text, "ours", "exec"), ours)
    assert ours["a"] == "\xe9"
    assert list(source.definitions) == ["a"]
    assert source.definitions["a"].line == max(n.lineno for n in ast.walk(ast.parse(data)) if isinstance(n, ast.Assign))


@pytest.mark.parametrize(
    ("data", "words", "line"),
    [
        (b"a = 1\nb = '\xe9'\n", "line 2 is not UTF-8 text; save the file as UTF-8", 2),
        (b"b = '\xe9'\n", "line 1 is not UTF-8 text; save the file as UTF-8", 1),
        (b"# coding: ascii\nb = '\xe9'\n", "line 2 is not ascii text", 2),
        ("a = 1\n".encode("utf-16"), "UTF-16", None),
        (b"# coding: klingon\na = 1\n", "save it as UTF-8", None),
        (b"# coding: hex\na = 1\n", "save it as UTF-8", None),
        (b"a = 1\nb = '\0'\n", "line 2 holds a null byte", 2),
        (b"", "is empty", None),
        (b" \r\n\n", "is empty", None),
        (b"def attention(q, k, v)\n    return q\n", "line 1: syntax error, expected ':': def attention(q, k, v)", 1),
        (b"def f():\n    a = 1\n      b = 2\n", "line 3: indentation error", 3),
        (b"if 1:\n        a\n\tb\n", "line 3: tabs and spaces mixed", 3),
        (b"a = 1\nreturn a\n", "line 2: syntax error, 'return' outside function: return a", 2),
        (b"a = 1\n!pip install torch\n", "line 2: syntax error", 2),
        (b"a = (\n", "line 1: syntax error, '(' was never closed", 1),
        (b"x = " + b"(" * 1000, "line 1: syntax error, too many nested parentheses", 1),
        (b"x = " + b"-" * 20000 + b"1", "nested too deeply", None),
        (b"x = " + b"9" * 5000, "line 1: syntax error", 1),
        (b"PK\x03\x04\x14\0\0\0", "null byte", 1),
    ],
)
def test_a_broken_file_gets_one_clear_line(data: bytes, words: str, line: int | None, tmp_path: Path) -> None:
    error = refusal(script(tmp_path, data))
    assert words in error.message
    assert error.message.startswith("attention.py")
    assert error.line == line


def test_a_hostile_line_is_cleaned_and_cut(tmp_path: Path) -> None:
    error = refusal(script(tmp_path, "a = ) \x1b[31m \u202e " + "x" * 5000 + "\n"))
    assert not {"\x1b", "\u202e"} & set(error.message)
    assert len(error.message) < 600


def test_too_large_missing_link_and_pipe_are_refused(tmp_path: Path) -> None:
    assert "10 MB" in refusal(script(tmp_path, b"#" * (SIZE + 1))).message
    assert "cannot be read" in refusal(tmp_path / "missing.py").message
    link, pipe = tmp_path / "link.py", tmp_path / "pipe.py"
    link.symlink_to(script(tmp_path, "a = 1"))
    os.mkfifo(pipe)
    assert "cannot be read" in refusal(link).message
    assert "is empty" in refusal(pipe).message  # and opening it did not wait for a writer


def test_definitions_say_where_and_the_last_one_wins(tmp_path: Path) -> None:
    source = read_source(
        script(
            tmp_path,
            """\
            import torch.nn as nn
            import os.path
            from math import sqrt as root
            a = b = 1
            (c, [d, *e]) = 1, (2, 3)
            f: int = 3
            g: int
            if a:
                def h(): inner = 1
            else:
                def h(): pass
            @property
            class K:
                method = 1
            for i in []: pass
            with open as w: pass
            print(walrus := 1)
            def a(): pass
            def k(): pass
            @root
            def k(): pass
            K.patched = 1
            try: pass
            except ValueError as late: pass
            if __name__ == "__main__":
                only_here = 1
            """,
        )
    )
    assert {name: definition.line for name, definition in source.definitions.items()} == {
        **{"nn": 1, "os": 2, "root": 3, "b": 4, "c": 5, "d": 5, "e": 5, "f": 6, "h": 11, "K": 13, "i": 15, "w": 16},
        **{"walrus": 17, "a": 18, "k": 21, "late": 24},
    }
    assert {d.name for d in source.definitions.values() if d.kind == "import"} == {"nn", "os", "root"}
    assert source.definitions["a"].where == "line 18"
    assert source.notes == ("k is defined 2 times (line 19, line 21); the last definition counts.",)


MAGICS = [
    "!pip install torch",
    "%matplotlib inline\nimport torch",
    "files = !ls -l 'it''s\nfiles",
    "where = %pwd",
    "if True:\n    !ls\n    x = 1",
    "torch.nn?",
    "?torch",
    "torch.softmax??",
    "%%bash\nfor f in *; do echo $f; done",
    "%%writefile layers.py\nthis is (no python",
    "!echo \\\n  more \\\n  and more\nx = 1",
    "await something()",
    "%timeit (",
    "!echo \"it's\n!echo )\n!echo (",
]


@pytest.mark.parametrize("magic", MAGICS)
def test_magics_are_no_errors_and_keep_the_lines(magic: str, tmp_path: Path) -> None:
    source = read_source(notebook(tmp_path, [magic, "x = 1\n\ndef attention(q):\n    return q"]))
    assert source.notes == ()
    assert source.definitions["attention"].where == "cell 2, line 3"
    assert source.cells[0].source == magic


def test_lines_that_look_like_magics_stay(tmp_path: Path) -> None:
    cell = '%matplotlib inline\ntext = """\n!not a magic\n%nor this\nor this?\n"""\nrest = (7\n% 4)\nthing = !ls'
    source = read_source(notebook(tmp_path, [cell]))
    values = {
        n.targets[0].id: n.value
        for n in source.tree.body
        if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)
    }
    assert ast.literal_eval(values["text"]) == "\n!not a magic\n%nor this\nor this?\n"
    assert isinstance(values["rest"], ast.BinOp)
    assert source.definitions["thing"].where == "cell 1, line 9"


def test_a_timed_cell_defines_its_names(tmp_path: Path) -> None:
    source = read_source(
        notebook(tmp_path, ["\n%%time\ndef attention(q):\n    return q", "%%timeit\ndef other(): pass"])
    )
    assert {name: d.where for name, d in source.definitions.items()} == {"attention": "cell 1, line 3"}


def test_a_broken_cell_is_noted_and_the_rest_counts(tmp_path: Path) -> None:
    source = read_source(
        notebook(tmp_path, ["a = 1", "an idea, not code", "a = '\ud800'", "b = '\0'", "def c():\n  return 1"])
    )
    assert list(source.definitions) == ["a", "c"]
    assert source.definitions["c"].where == "cell 5, line 1"
    assert len(source.notes) == 3
    assert source.notes[0].startswith("Cell 2 is not Python (line 1: invalid syntax)")
    assert source.cells[1].tree is None


def test_cells_are_numbered_as_jupyter_numbers_them(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": "# title"},
        "",
        "a = 1",
        "  \n",
        {"cell_type": "raw", "source": "x"},
        "b = 1",
    ]
    source = read_source(notebook(tmp_path, cells))
    assert {name: d.where for name, d in source.definitions.items()} == {"a": "cell 1, line 1", "b": "cell 2, line 1"}


def test_a_name_defined_twice_is_said_to_be(tmp_path: Path) -> None:
    source = read_source(notebook(tmp_path, ["def attention(): pass", "x = 1", "\n\ndef attention(): pass"]))
    assert source.definitions["attention"].where == "cell 3, line 3"
    expected = "attention is defined 2 times (cell 1, line 1, cell 3, line 3); the last definition counts."
    assert source.notes == (expected,)


def test_what_does_not_matter_may_be_missing_or_odd(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "source": ["a = 1\r\n", "b = 2"], "id": "same", "outputs": "none", "metadata": None},
        {"cell_type": "code", "source": "c = 3", "id": "same", "execution_count": "x"},
        {"cell_type": "code"},
        {"source": "not a code cell"},
    ]
    path = notebook(tmp_path, cells, metadata=None, nbformat_minor="x", surplus=[1])
    assert list(read_source(path).definitions) == ["a", "b", "c"]
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert list(read_source(path).definitions) == ["a", "b", "c"]


def test_format_3_is_read(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "heading", "level": 1, "source": "x"},
        {"cell_type": "code", "language": "python", "input": ["a = 1\n", "b = 2"]},
    ]
    sheets = [{"cells": cells}, {"cells": [{"cell_type": "code", "input": "c = 3", "prompt_number": 1}]}]
    source = read_source(notebook(tmp_path, [], nbformat=3, worksheets=sheets))
    assert {name: d.where for name, d in source.definitions.items()} == {
        "a": "cell 1, line 1",
        "b": "cell 1, line 2",
        "c": "cell 2, line 1",
    }


GOOD = '{"nbformat": 4,\n "cells": [{"cell_type": "code", "source": "a = 1"}]}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD[:-2], "breaks off in line 2: it was saved or uploaded in part"),
        (GOOD[:-7] + "\0\0\n\0", "breaks off in line 2"),
        ("\n\n" + GOOD.replace(":", ";", 1), "line 3 is broken JSON (Expecting ':' delimiter"),
        (f"<<<<<<< HEAD\n{GOOD}\n=======\n{GOOD}\n>>>>>>> mine", "line 1 was left by git"),
        (GOOD.replace(' "cells"', "<<<<<<< HEAD\n "), "line 2 was left by git"),
        ("print(1)", "line 1 is broken JSON"),
        ("[]", "holds no notebook object"),
        ("1" * 5000, "too deeply or too large"),
        ("[" * 100000, "too deeply"),
        (GOOD.replace("4", "2"), "has format 2; notebooks of format 3 and 4"),
        (GOOD.replace("4", "5"), "has format 5"),
        (GOOD.replace("4", "true"), "has no format number"),
        (GOOD.replace("4", '"4"'), "has no format number"),
        ('{"cells": []}', "has no format number"),
        ('{"nbformat": 4}', "has no list of cells"),
        ('{"nbformat": 4, "cells": {}}', "has no list of cells"),
        ('{"nbformat": 3, "cells": []}', "has no list of cells"),
        ('{"nbformat": 3, "worksheets": [1]}', "has no list of cells"),
        ('{"nbformat": 3, "worksheets": [{"cells": 1}]}', "has no list of cells"),
        ('{"nbformat": 4, "cells": [1]}', "cell 1 is not a cell"),
        (GOOD.replace('"a = 1"', "7"), "the source of its cell 1 is not text"),
        (GOOD.replace('"a = 1"', '["a", null]'), "the source of its cell 1 is not text"),
        (GOOD.replace('"a = 1"', '" "'), "has no code in it"),
        ('{"nbformat": 4, "cells": []}', "has no code in it"),
        (GOOD.replace("a = 1", "no python"), "no cell is Python"),
        ('{"nbformat": 4, "cells": [' + "{}," * 5000 + "{}]}", "has 5001 cells"),
        ("", "is empty"),
    ],
)
def test_a_broken_notebook_gets_one_clear_line(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "attention.ipynb"
    path.write_text(text)
    assert words in refusal(path).message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{GOOD}\n\n}}", 4),
        (f"\n\n{GOOD}\n{GOOD}", 5),
        (f"{GOOD}\0\0\n>>>>>>> mine\n", 3),
        (f"\ufeff{GOOD}]", 2),
        (f"{GOOD}\n\0\0 \r\n", 0),
        (GOOD.replace("\n", "\r\n"), 0),
    ],
)
def test_what_stands_behind_a_notebook_is_left_out_and_said(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "attention.ipynb"
    path.write_bytes(text.encode())
    source = read_source(path)
    assert list(source.definitions) == ["a"]
    said = f"attention.ipynb goes on after the end of its notebook (line {line}); what stands there was left out."
    assert source.notes == ((said,) if line else ())


def test_a_notebook_that_is_not_utf8_says_where(tmp_path: Path) -> None:
    path = tmp_path / "attention.ipynb"
    path.write_bytes(GOOD.encode().replace(b"a = 1", b"a = '\xe9'"))
    assert "line 2 is not UTF-8" in refusal(path).message


def test_many_magics_end_soon(tmp_path: Path) -> None:
    source = read_source(notebook(tmp_path, ["!ls\n" * 3000, "a = 1", " " * 100000 + "=x ? " * 1000]))
    assert list(source.definitions) == ["a"]
    assert len(source.notes) == 2


@pytest.mark.parametrize(
    ("missing", "found", "expected"),
    [
        ("attention", ["Attention", "mask"], "Attention"),
        ("padding_mask", ["paddingMask", "causal_mask"], "paddingMask"),
        ("GenericSelfAttention", ["SelfAttention", "Linear"], "SelfAttention"),
        ("attention", ["atention"], "atention"),
        ("attention", ["x", "mask"], None),
        ("attention", [], None),
    ],
)
def test_the_nearest_name(missing: str, found: list[str], expected: str | None) -> None:
    assert nearest(missing, found) == expected
    assert nearest(missing, reversed(found)) == expected


def _only_student_errors(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        source = read_source(path)
    except StudentError as error:
        assert error.fault is Fault.INVALID  # noqa: PT017 -- either outcome is right
        assert error.message.isprintable()  # noqa: PT017
    else:
        assert all(definition.where for definition in source.definitions.values())


CODINGS = ["utf-7", "idna", "punycode", "unicode_escape", "undefined", "raw_unicode_escape", "utf-16", "# coding: "]
SIGNS = [*"\n\r()[]{}:=*,.%!?\\'_a1", "    ", '"""', "f'{", "\0", "\ufeff"]
WORDS = ["def ", "class ", "for ", "in ", "lambda ", "await ", "import ", "from ", "as ", "with ", "except ", "try:"]
PIECES = st.sampled_from([*CODINGS, *SIGNS, *WORDS, "nonlocal a", "global a", "match a:\n case "])
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(
    data=st.one_of(
        st.binary(max_size=200), st.lists(PIECES, max_size=25).map(lambda p: "".join(p).encode("utf-8", "replace"))
    )
)
def test_any_script_gets_an_answer(data: bytes, tmp_path: Path) -> None:
    _only_student_errors(tmp_path / "a.py", data)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.lists(PIECES, max_size=10).map("".join),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["cells", "nbformat", "source", "cell_type", "input", "worksheets"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)
CELL = st.one_of(
    JSON,
    st.fixed_dictionaries({"cell_type": st.just("code"), "source": st.lists(PIECES, max_size=20).map("".join) | JSON}),
)
NOTEBOOK = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"nbformat": st.sampled_from([3, 4]), "cells": st.lists(CELL, max_size=4) | JSON, "worksheets": JSON}
    ),
)


@FUZZ
@given(value=NOTEBOOK, cut=st.integers(0, 400))
def test_any_notebook_gets_an_answer(value: Any, cut: int, tmp_path: Path) -> None:
    data = json.dumps(value).encode()
    _only_student_errors(tmp_path / "a.ipynb", data if cut % 3 else data[:cut])


def test_intake_needs_no_torch() -> None:
    import subprocess

    code = "import grader.intake.inspect, grader.intake.collect, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
