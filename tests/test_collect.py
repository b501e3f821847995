"""Submissions are found, read and copied whatever they are called and hold; what is none is refused in one line."""

from __future__ import annotations

import io
import os
import re
import socket
import stat
import struct
import time
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import Fault, GraderError, StudentError, UsageError
from grader.intake.collect import Bundle, Entry, entries, read, stage
from grader.intake.contents import COUNT, FILE, TOTAL
from grader.intake.names import folders, label, labels

SAFE = re.compile(r"[A-Za-z0-9_-]{1,80}")


def write(folder: Path, *names: str, data: bytes = b"a = 1\n") -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def archive(path: Path, members: dict[str, bytes] | list[tuple[zipfile.ZipInfo | str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items() if isinstance(members, dict) else members:
            made.writestr(name, data, zipfile.ZIP_DEFLATED)
    return path


def found(*paths: Path, one: bool = False) -> list[str]:
    return [entry.name for entry in entries(paths, "attention", one=one)]


def only(path: Path, *, one: bool = False) -> Bundle:
    return read(Entry("x", "x", path), "attention", one=one)


def refusal(path: Path, *, one: bool = False) -> str:
    with pytest.raises(StudentError) as caught:
        only(path, one=one)
    assert caught.value.fault is Fault.INVALID
    assert caught.value.message.isprintable()
    return caught.value.message


# Which submissions there are


def test_a_file_is_one_submission_whatever_it_is(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "b.ipynb", "c.zip", "d.txt")
    assert found(*(tmp_path / name for name in ("d.txt", "c.zip", "b.ipynb", "a.py"))) == [
        "a.py",
        "b.ipynb",
        "c.zip",
        "d.txt",
    ]


@pytest.mark.parametrize("name", ["attention.py", "attention.ipynb"])
def test_a_folder_that_holds_the_file_is_one(name: str, tmp_path: Path) -> None:
    assert found(write(tmp_path / "alice", name, "other.py", "notes.txt")) == ["alice"]


def test_any_other_folder_holds_many(tmp_path: Path) -> None:
    write(tmp_path, "bob.py", "alice/attention.py", "carol/hw/attention.py", "dave.zip", "grades.csv", "README.md")
    assert found(tmp_path) == ["README.md", "alice", "bob.py", "carol", "dave.zip", "grades.csv"]


def test_with_one_a_folder_with_one_file_of_source_is_one(tmp_path: Path) -> None:
    single = write(tmp_path / "single", "work.py", "notes.txt")
    assert found(single) == ["notes.txt", "work.py"]
    assert found(single, one=True) == ["single"]
    assert found(write(tmp_path / "two", "a.py", "b.py"), one=True) == ["a.py", "b.py"]
    assert found(write(tmp_path / "nested", "alice/work.py"), one=True) == ["alice"]


def test_hidden_files_and_caches_are_nobodys_work(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.py",
        ".DS_Store",
        "__MACOSX/a.py",
        "__pycache__/a.pyc",
        ".ipynb_checkpoints/a.ipynb",
        "a.pyc",
        "Thumbs.db",
    )
    assert found(tmp_path) == ["a.py"]


def test_the_order_is_the_same_everywhere(tmp_path: Path) -> None:
    write(tmp_path, "b.py", "B.py", "a.py", "\u00e9.py", "z.py")
    expected = ["B.py", "a.py", "b.py", "z.py", "\u00e9.py"]
    assert found(tmp_path) == expected
    assert found(*sorted(tmp_path.iterdir(), reverse=True)) == expected
    assert found(tmp_path, tmp_path / "a.py", tmp_path / "." / "a.py") == expected


def test_links_and_special_files_are_entries_that_are_refused(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", "attention.py")
    many = tmp_path / "many"
    many.mkdir()
    (many / "file.py").symlink_to(outside / "attention.py")
    (many / "folder").symlink_to(outside)
    (many / "dangling.py").symlink_to("nowhere")
    os.mkfifo(many / "pipe.py")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(many / "socket.py"))
        began = time.monotonic()
        messages = {entry.name: refusal(entry.path) for entry in entries([many], "attention")}
    assert time.monotonic() - began < 2
    assert {name: "is a link" in message for name, message in messages.items()} == {
        **{"dangling.py": True, "file.py": True, "folder": True, "pipe.py": False, "socket.py": False}
    }
    assert "is not a plain file" in messages["pipe.py"]


def test_a_folder_that_holds_a_link_or_a_pipe_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "alice", "attention.py", "data/x.txt")
    (folder / "data" / "secret").symlink_to("/etc/passwd")
    assert "secret is a link" in refusal(folder)
    (folder / "data" / "secret").unlink()
    os.mkfifo(folder / "data" / "pipe")
    assert "pipe is not a plain file" in refusal(folder)
    (folder / "data" / "pipe").unlink()
    (folder / "up").symlink_to("..")
    assert "up is a link" in refusal(folder)


def test_wrong_paths_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing does not exist"):
        entries([tmp_path / "missing"], "attention")
    with pytest.raises(UsageError, match="Nothing to grade"):
        entries([tmp_path], "attention")
    with pytest.raises(UsageError, match="Nothing to grade in no path"):
        entries([], "attention")


# Names


def test_names_are_shown_as_found_and_unique(tmp_path: Path) -> None:
    write(tmp_path / "a", "Zo\u00eb B.py", "x.py")
    write(tmp_path / "b", "Zo\u00eb B.py", "x.py", "x.py (2)", "red\x1b[31m.py")
    Path(os.fsdecode(os.fsencode(tmp_path / "b") + b"/caf\xe9.py")).write_text("a = 1")
    shown = entries([tmp_path / "a", tmp_path / "b"], "attention")
    assert [entry.name for entry in shown] == [
        *("Zo\u00eb B.py", "Zo\u00eb B.py (2)", "caf\\xe9.py", "red\ufffd[31m.py", "x.py", "x.py (3)", "x.py (2)")
    ]
    assert all(read(entry, "attention").files == {"attention.py": b"a = 1"} for entry in shown if "\\xe9" in entry.name)
    assert len({entry.folder for entry in shown}) == len(shown)


def test_a_name_that_is_cleaned_takes_no_other_ones() -> None:
    assert labels([Path("a\u200bb.py"), Path("a\ufffdb.py")]) == ["a\ufffdb.py (2)", "a\ufffdb.py"]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("alice.py", "alice"),
        ("Alice Smith_123 (1).ipynb", "Alice_Smith_123_1"),
        ("a-b", "a-b"),
        ("results.json", "results_json"),
        ("class.html", "class_html"),
        (".hidden.py", "hidden"),
        ("..", None),
        ("con.py", None),
        ("LPT1", None),
        ("\u738b\u4f1f.py", None),
        ("\u00e9t\u00e9.py", None),
        ("x" * 200, None),
        ("=cmd|' C calc'!A0.py", "cmd_C_calc_A0"),
    ],
)
def test_folders_say_what_they_can(name: str, folder: str | None) -> None:
    (made,) = folders([Path("parent") / name])
    assert SAFE.fullmatch(made)
    if folder:
        assert made == folder
    else:
        assert re.search(r"(^|-)[0-9a-f]{8}$", made)


def test_folders_that_collide_are_told_apart_by_the_name_not_the_order() -> None:
    names = [Path(name) for name in ("a b.py", "a_b.py", "A_B.py", "a_b.ipynb", "x/a_b.py", "y/a_b.py")]
    made = folders(names)
    assert made[1] == "a_b"
    assert len({name.casefold() for name in made}) == len(made)
    assert folders([Path("a_b.py"), Path("a b.py")])[1] == made[0]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=80) | st.sampled_from(
    [
        "con",
        "NUL.py",
        "a",
        "A",
        "a.py",
        "A.PY",
        "a ",
        "a_",
        "results.json",
        "\u00e9",
        "e\u0301",
        "\udcff",
        "\u202egnp.py",
    ]
)


@given(st.lists(NAMES, max_size=12))
def test_any_names_give_safe_unique_ones(raw: list[str]) -> None:
    paths = [Path("folder") / name for name in raw if name not in (".", "..")]
    made, shown = folders(paths), labels(paths)
    assert all(SAFE.fullmatch(name) for name in made)
    assert all("." not in name and name.upper() not in {"CON", "NUL"} for name in made)
    assert len({name.casefold() for name in made}) == len(paths)
    assert len({unicodedata.normalize("NFC", name) for name in shown}) == len(paths)
    assert all(name.isprintable() or unicodedata.category(max(name)) for name in shown)
    assert all(label(name) == name or name.endswith(")") for name in shown)


# What is in one


@pytest.mark.parametrize("name", ["a.py", "My Work (final) \u00e9.PY", "x.IPYNB", " .py"])
def test_a_file_goes_by_the_assignments_name(name: str, tmp_path: Path) -> None:
    write(tmp_path, name, data=b"\xff\r\n")
    bundle = only(tmp_path / name)
    assert bundle == Bundle({f"attention{name[name.rindex('.') :].lower()}": b"\xff\r\n"}, bundle.main, ())
    assert bundle.main in bundle.files


@pytest.mark.parametrize("name", ["a.txt", "README", "a.py.bak", "py", "a.tar.gz"])
def test_any_other_file_is_refused(name: str, tmp_path: Path) -> None:
    assert refusal(write(tmp_path, name) / name) == f"{name} is not a .py, .ipynb or .zip file."


def as_folder(tmp_path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        write(tmp_path / "work", name, data=data)
    return tmp_path / "work"


def as_zip(tmp_path: Path, files: dict[str, bytes]) -> Path:
    return archive(tmp_path / "work.zip", files)


Packed = Callable[[Path, dict[str, bytes]], Path]
both = pytest.mark.parametrize("pack", [as_folder, as_zip])
ONLY = "There is no attention.py or attention.ipynb; {} was graded."


@both
@pytest.mark.parametrize(
    ("names", "main", "note"),
    [
        (["attention.py", "other.py", "data/x.txt"], "attention.py", None),
        (["attention.ipynb", "helper.py"], "attention.ipynb", None),
        (["attention.py", "attention.ipynb"], "attention.py", "Both attention.py and attention.ipynb are there"),
        (["work.py", "notes.txt"], "work.py", ONLY.format("work.py")),
        (["work.py", "parts/layers.py"], "work.py", ONLY.format("work.py")),
        (["alice/attention.py", "alice/layers.py"], "attention.py", None),
        (["alice/work.ipynb"], "work.ipynb", ONLY.format("work.ipynb")),
        (["alice/attention.py", "__MACOSX/alice/attention.py", ".DS_Store"], "attention.py", None),
    ],
)
def test_the_graded_file(pack: Packed, names: list[str], main: str, note: str | None, tmp_path: Path) -> None:
    bundle = only(pack(tmp_path, dict.fromkeys(names, b"a = 1\n")))
    assert bundle.main == main
    assert [bool(note and note in said) for said in bundle.notes] == ([True] if note else [])
    assert not any("MACOSX" in path or "alice" in path for path in bundle.files)


@both
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.py", "b.py"], "expected attention.py or attention.ipynb; found a.py, b.py."),
        (["work.py", "work.ipynb"], "found work.ipynb, work.py"),
        (["notes.txt"], "holds no .py or .ipynb file"),
        (["one/two/attention.py"], "found two/attention.py"),
        (["one/attention.py", "two/attention.py"], "found one/attention.py, two/attention.py"),
        ([f"{i}.py" for i in range(9)], "found 0.py, 1.py, 2.py, 3.py, 4.py and 4 more."),
    ],
)
def test_no_graded_file(pack: Packed, names: list[str], words: str, tmp_path: Path) -> None:
    assert words in refusal(pack(tmp_path, dict.fromkeys(names, b"a = 1\n")))


def test_with_one_the_only_source_may_lie_deeper(tmp_path: Path) -> None:
    assert only(as_folder(tmp_path, {"one/two/work.py": b"", "notes.txt": b""}), one=True).main == "one/two/work.py"


@both
def test_what_is_left_out_is_said(pack: Packed, tmp_path: Path) -> None:
    files = {"attention.py": b"a", "inner.zip": b"PK", "weights.bin": os.urandom(FILE + 1), "two\nlines.txt": b""}
    bundle = only(pack(tmp_path, files))
    assert list(bundle.files) == ["attention.py"]
    (note,) = bundle.notes
    assert all(
        word in note for word in ("inner.zip (a zip inside)", "weights.bin (over 10 MB)", "lines.txt (its name)")
    )


@both
def test_too_much_is_refused(pack: Packed, tmp_path: Path) -> None:
    noise = os.urandom(FILE)
    assert "work.py is over 10 MB" in refusal(pack(tmp_path / "a", {"work.py": noise + b"x"}))
    many = {f"{i}.txt": b"" for i in range(COUNT)}
    assert f"over {COUNT} files" in refusal(pack(tmp_path / "c", {"attention.py": b"", **many}))
    deep = "/".join("d" * 12) + "/attention.py"
    assert "over 10 folders" in refusal(pack(tmp_path / "d", {deep: b""}))
    if pack is as_folder:
        assert "over 50 MB in all" in refusal(pack(tmp_path / "b", {f"{i}.bin": noise for i in range(6)}))


def test_a_file_over_the_cap_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "a.py").open("wb") as file:
        file.truncate(TOTAL * 20)
    assert "over 10 MB" in refusal(tmp_path / "a.py")
    (tmp_path / "a.py").rename(tmp_path / "a.zip")
    assert "the zip is over 50 MB" in refusal(tmp_path / "a.zip")


def test_names_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    assert "twice" in refusal(as_folder(tmp_path, {"attention.py": b"a", "Attention.py": b"b"}))


def test_a_folder_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    folder = as_folder(tmp_path, {"attention.py": b"a"})
    (folder / "attention.py").chmod(0)
    assert "cannot be read" in refusal(folder)


# Zip files


def member(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("../attention.py", b"")], "leads out of its folder"),
        ([("a/../../attention.py", b"")], "leads out of its folder"),
        ([("__MACOSX/../../x", b""), ("attention.py", b"")], "leads out of its folder"),
        ([("/etc/attention.py", b"")], "leads out of its folder"),
        ([("..\\attention.py", b"")], "leads out of its folder"),
        ([("a\\attention.py", b"")], "leads out of its folder"),
        ([("C:attention.py", b"")], "leads out of its folder"),
        ([("c:/attention.py", b"")], "leads out of its folder"),
        ([(member("attention.py", stat.S_IFLNK | 0o777), b"/etc/passwd")], "holds a link, attention.py"),
        ([(member("pipe", stat.S_IFIFO), b""), ("attention.py", b"")], "pipe, which is not a plain file"),
        ([(member("device", stat.S_IFCHR), b""), ("attention.py", b"")], "not a plain file"),
        ([("attention.py", b"a"), ("Attention.PY", b"b")], "twice"),
        ([("attention.py", b"a"), ("./attention.py", b"b")], "twice"),
        ([("\u00e9.py", b"a"), ("e\u0301.py", b"b")], "twice"),
        ([("attention.py", b"a"), ("attention.py/x.py", b"b")], "twice"),
        ([("a/x.py", b"a"), ("A", b"b")], "twice"),
        ([("attention.py", b"0" * 2**21)], "far more than it is worth"),
        ([("attention.py", b""), ("data.bin", b"0" * (FILE + 1))], "far more than it is worth"),
        ([(f"{i}.py", b"") for i in range(COUNT + 1)], "over 500 files"),
        ([(f".hidden/{i}", b"") for i in range(10001)], "over 10000 files and folders"),
    ],
)
def test_tricks_with_members_are_refused(
    members: list[tuple[zipfile.ZipInfo | str, bytes]], words: str, tmp_path: Path
) -> None:
    assert words in refusal(archive(tmp_path / "a.zip", members))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    assert "twice" in refusal(archive(tmp_path / "a.zip", [("attention.py", b"a"), ("attention.py", b"b")]))


def patched(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    return path


def test_a_locked_zip_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"attention.py": b"a = 1"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "password" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_cannot_be_read_piece_by_piece_are_refused(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as made:
        made.writestr("attention.py", b"0" * 1000)
    assert "unusual method" in refusal(tmp_path / "a.zip")


@pytest.mark.parametrize("claimed", [0, 10, 2**20, 2**32 - 2])
def test_a_size_in_the_header_is_not_believed(claimed: int, tmp_path: Path) -> None:
    size = 30 * 2**20
    path = archive(tmp_path / "a.zip", {"attention.py": b"0" * size})
    patched(path, struct.pack("<L", size), struct.pack("<L", claimed))
    assert "damaged" in refusal(path) or "far more" in refusal(path)


def test_members_are_capped_together(tmp_path: Path) -> None:
    noise = b"".join(os.urandom(1024) * 20 for _ in range(480))  # compresses about 20 times: no bomb by itself
    assert "over 50 MB in all" in refusal(archive(tmp_path / "a.zip", {f"{i}.bin": noise for i in range(6)}))


@pytest.mark.parametrize("keep", [0, 10, 60, -1, -30])
def test_a_damaged_zip_is_refused(keep: int, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"attention.py": os.urandom(300)})
    path.write_bytes(path.read_bytes()[:keep])
    assert "damaged" in refusal(path)


def test_content_that_was_changed_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("attention.py", b"a = 12345")
    assert "damaged" in refusal(patched(tmp_path / "a.zip", b"12345", b"54321"))


@given(at=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 3))
def test_any_change_of_a_zip_gets_an_answer(at: int, value: int, cut: int) -> None:
    from grader.intake.archive import unpack

    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("attention.py", b"def attention(): pass\n" * 3)
        packed.writestr("data/\u00e9.txt", b"x")
    data = bytearray(made.getvalue())
    data[at % len(data)] = value
    try:
        contents = unpack(bytes(data[: len(data) - cut]))
    except StudentError as error:
        assert error.message.isprintable()  # noqa: PT017 -- either outcome is right
    else:
        assert len(contents.files) <= 2


# The digest and the private copy


def test_the_digest_depends_on_all_that_is_graded(tmp_path: Path) -> None:
    bundles = [
        Bundle({"a.py": b"x"}, "a.py", ()),
        Bundle({"a.py": b"y"}, "a.py", ()),
        Bundle({"b.py": b"x"}, "b.py", ()),
        Bundle({"a.py": b"", "x": b""}, "a.py", ()),
        Bundle({"a.py": b"x", "b.py": b"x"}, "a.py", ()),
        Bundle({"a.py": b"x", "b.py": b"x"}, "b.py", ()),
        Bundle({"a.pyx": b""}, "a.py", ()),
    ]
    assert len({bundle.digest for bundle in bundles}) == len(bundles)
    assert Bundle({"b": b"2", "a": b"1"}, "a", ("note",)).digest == Bundle({"a": b"1", "b": b"2"}, "a", ()).digest
    assert re.fullmatch("[0-9a-f]{64}", bundles[0].digest)
    files = {"alice/attention.py": b"a = 1", "alice/data/x.txt": b"2"}
    assert only(as_folder(tmp_path, files)).digest == only(as_zip(tmp_path, files)).digest


def test_the_copy_is_whole_private_and_read_only(tmp_path: Path) -> None:
    files = {"attention.py": b"a\r\n\0\xff", "parts/deep/layers.py": b"", "parts/\u00e9 b.txt": b"x"}
    stage(Bundle(files, "attention.py", ()), tmp_path / "copy")
    copied = {p.relative_to(tmp_path / "copy").as_posix(): p for p in (tmp_path / "copy").rglob("*")}
    assert {name: path.read_bytes() for name, path in copied.items() if path.is_file()} == files
    modes = {stat.S_IMODE(path.stat().st_mode) for path in copied.values() if path.is_file()}
    folders_modes = {stat.S_IMODE(p.stat().st_mode) for p in [tmp_path / "copy", *copied.values()] if p.is_dir()}
    assert (modes, folders_modes) == ({0o444}, {0o555})


def test_a_copy_goes_into_an_empty_folder_only(tmp_path: Path) -> None:
    bundle = Bundle({"attention.py": b"a"}, "attention.py", ())
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "target").mkdir()
    with pytest.raises(GraderError, match="empty folder"):
        stage(bundle, tmp_path / "link")
    (tmp_path / "target" / "attention.py").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GraderError, match="empty folder"):
        stage(bundle, tmp_path / "target")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("path", ["../x.py", "/x.py", "a/../../x.py", ""])
def test_a_copy_stays_in_its_folder(path: str, tmp_path: Path) -> None:
    with pytest.raises(GraderError, match="leads out"):
        stage(Bundle({path: b""}, path, ()), tmp_path / "copy")
