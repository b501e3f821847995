"""Can the child run as another user? An interpreter of root's often lies under /root, which is closed to all others.

The choice made here: where that is so, the warm process takes a mount namespace of its own and covers the closed
folder with an empty, open one that holds nothing but the library folders, at their own paths. The child then needs no
capability, every late import works, and the rest of the closed folder is not even there any more. Nothing on the
machine changes; the cover goes with the process. Where mounting is not allowed (Docker's default), the child stays
root's user id, without capabilities, and Landlock and seccomp guard alone, as they do for a grader started by an
ordinary user.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from grader.sandbox.libc import call
from grader.sandbox.lock import change_user

_CLONE_NEWNS, _MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x20000, 2, 4, 0x1000, 0x4000, 1 << 18


def can_become(uid: int, paths: tuple[str, ...]) -> bool:
    """Whether a child may run as user `uid` and still load what lies in `paths`. Tried, not guessed; only root may.

    May cover closed folders on the way to `paths`, for this process and its children only: once, in the warm process.
    """
    if os.geteuid() != 0:
        return False
    if _reaches(uid, paths):
        return True
    try:
        _cover(paths)
    except OSError:
        return False
    return _reaches(uid, paths)


def _reaches(uid: int, paths: tuple[str, ...]) -> bool:
    """Become `uid` in a throw-away child and open all that this process itself has loaded from `paths`."""
    loaded = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    files = [file for file in loaded if file and os.path.realpath(file).startswith(tuple(f"{path}/" for path in paths))]
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    try:
        change_user(uid)
        for path in (*paths, *files):
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        os._exit(0)
    finally:
        os._exit(1)


def _cover(paths: tuple[str, ...]) -> None:
    """Put an open folder over each closed one, and `paths` back into it. Raises OSError when mounting is refused."""
    under = {path: top for path in paths if (top := _closed(Path(path))) is not None}
    call("unshare", _CLONE_NEWNS)
    call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    # after unshare: only own mounts can be bound
    held = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in under}
    for top in set(under.values()):
        call("mount", b"tmpfs", os.fsencode(top), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=0755,size=64k")
    before = os.umask(0o022)  # the folders on the way are for others to pass through
    for path, descriptor in held.items():
        Path(path).mkdir(mode=0o755, parents=True)
        call("mount", f"/proc/self/fd/{descriptor}".encode(), os.fsencode(path), None, _MS_BIND | _MS_REC, None)
        os.close(descriptor)
    os.umask(before)


def _closed(path: Path) -> Path | None:
    """Return the outermost folder above `path` that other users may not pass through."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None
