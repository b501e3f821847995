"""What the probes mean: from what happened to each forbidden act to a level of protection, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grader.sandbox.probe import ACTS

Level = Literal["STRICT", "PARTIAL", "LIMITS"]


@dataclass(frozen=True, slots=True)
class Probe:
    """One protection, as it was seen to work or not."""

    title: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Protection:
    """STRICT: every act was refused. PARTIAL: some were. LIMITS: resource limits and timeouts only."""

    level: Level
    probes: tuple[Probe, ...]
    missing: tuple[str, ...]
    advice: str | None


def assess(
    outcome: Mapping[str, tuple[bool, str]], *, distinct_uid: bool, landlock_abi: int, readable: Iterable[str] = ()
) -> Protection:
    """Judge what `probe.attempts` returned from a locked child. An act that was not tried counts as not refused.

    `readable` are the library folders that every child may read: no solutions may lie in them.
    """
    tried = {title: outcome.get(title, (False, "not tried")) for title in ACTS}
    probes = [Probe(title, bool(blocked), detail) for title, (blocked, detail) in tried.items()]
    shown = exposed(readable)
    probes.append(Probe("find solutions among the libraries", not shown, shown[0] if shown else "there are none"))
    missing = tuple(probe.title for probe in probes if not probe.ok)
    level: Level = (
        "LIMITS" if len(missing) >= len(ACTS) - 1 else "PARTIAL"
    )  # the memory budget alone is a resource limit
    if not missing and landlock_abi:
        level = "STRICT"
    uid = "another user id than the grader's" if distinct_uid else "the grader's own: Landlock and seccomp guard alone"
    rules = f"version {landlock_abi}" if landlock_abi else "this kernel has none"
    probes += [Probe("Landlock", landlock_abi > 0, rules), Probe("user id of the student's process", distinct_uid, uid)]
    return Protection(level, tuple(probes), missing, _advice(level, landlock_abi))


def _advice(level: Level, landlock_abi: int) -> str | None:
    if level == "STRICT":
        return None
    if not landlock_abi:
        return (
            "Landlock is missing, so files cannot be guarded: grade on Linux 5.13 or newer with landlock among its "
            "security modules (`lsm=`), or in a Docker container there; on macOS and Windows, in Docker or WSL 2."
        )
    return "Landlock works but other acts were not refused: an x86-64 or aarch64 Linux gives STRICT."


def exposed(paths: Iterable[str]) -> tuple[str, ...]:
    """Return folders of solutions that every student's process may read, such as an installed copy of the project."""
    found = []
    for path in map(Path, paths):
        for place in (path, *path.glob("python3*/site-packages"), *path.glob("python3*/dist-packages")):
            if (place / "solutions").is_dir():
                found.append(str(place / "solutions"))
    return tuple(found)
