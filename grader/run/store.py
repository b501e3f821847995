"""OUT on disk: whole files only, no link followed, and records that nobody else can have planted."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from grader.errors import UsageError
from grader.records import Result
from grader.report.shown import Heading

_RECORD, _RUN = "record.json", "run.json"


class Store:
    """The folder of one run. A record is signed with a key of this user's, so a planted one is noticed and graded
    anew.
    """

    def __init__(self, out: Path) -> None:
        """Create the folder when it is not there. Raises UsageError when it is a link or cannot be written."""
        self.out = out
        try:
            out.mkdir(parents=True, exist_ok=True)
            os.close(self._enter(None, create=False))
        except OSError as error:
            raise UsageError(f"{out}: results cannot be written there: {error.strerror}") from None
        self._secret = _secret()

    def save(self, result: Result, files: Mapping[str, str | None]) -> None:
        """Write one submission's record and reports into its folder; what an earlier run left and is None goes."""
        body = json.dumps(result.to_json(), allow_nan=False)
        record = json.dumps({"signature": self._sign(body), "record": body})
        self.write(result.folder, {_RECORD: record, **files})

    def save_class(self, heading: Heading, results: list[Result], files: Mapping[str, str]) -> None:
        """Write the files about all submissions."""
        run = {"name": heading.name, "title": heading.title, "due": heading.due, "folders": [r.folder for r in results]}
        self.write(None, {_RUN: json.dumps(run), **files})

    def reusable(self, folder: str, key: str) -> Result | None:
        """The stored result of unchanged work; None when there is none, or one that we did not write."""
        try:
            stored = json.loads(self._read(folder, _RECORD))
            body = stored["record"]
            if not hmac.compare_digest(stored["signature"], self._sign(body)):
                return None
            result = Result.from_json(json.loads(body))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return result if result.key == key and result.folder == folder else None

    def load(self) -> tuple[Heading, list[Result]]:
        """What the last run left, to be rendered again. Raises UsageError when this is no OUT folder or one is
        damaged.
        """
        try:
            run = json.loads(self._read(None, _RUN))
            heading = Heading(run["name"], run["title"], run["due"])
            results = [
                Result.from_json(json.loads(json.loads(self._read(f, _RECORD))["record"])) for f in run["folders"]
            ]
        except FileNotFoundError as error:
            raise UsageError(
                f"{self.out}: not the OUT folder of a finished `grader grade` ({error.filename} is missing)"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{self.out}: stored results cannot be read ({error}); grade again") from None
        return heading, results

    def _sign(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest()

    def _read(self, folder: str | None, name: str) -> str:
        directory = self._enter(folder, create=False)
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
            with open(fd, encoding="utf-8") as file:  # noqa: PTH123 - by descriptor, so no link is followed
                return file.read()
        finally:
            os.close(directory)

    def write(self, folder: str | None, files: Mapping[str, str | None]) -> None:
        """Each file under another name first, then renamed over: a reader finds the old one or the new one, whole."""
        try:
            directory = self._enter(folder, create=True)
            try:
                for name, text in files.items():
                    if text is not None:
                        self._replace(directory, name, text)
                    else:
                        with suppress(FileNotFoundError):
                            os.unlink(name, dir_fd=directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise UsageError(f"{self.out}/{folder or ''}: cannot be written: {error.strerror}") from None

    def _replace(self, directory: int, name: str, text: str) -> None:
        partial = f".{name}.{secrets.token_hex(6)}"
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=directory)
        with open(fd, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - by descriptor
            file.write(text)
        os.rename(partial, name, src_dir_fd=directory, dst_dir_fd=directory)

    def _enter(self, folder: str | None, *, create: bool) -> int:
        """A descriptor of OUT, or of a folder in it. Raises OSError where either is a link."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        out = os.open(self.out, flags)
        if folder is None:
            return out
        try:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(folder, 0o755, dir_fd=out)
            return os.open(folder, flags, dir_fd=out)
        finally:
            os.close(out)


def _secret() -> bytes:
    """This user's key, made once. Where it cannot be kept, one for this run: nothing is then taken from an earlier
    one.
    """
    state = Path(os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()) / "torchgrade"
    path = state / "key"
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_bytes()
        with open(fd, "wb") as file:  # noqa: PTH123 - by descriptor, so its mode is private from the start
            file.write(key := secrets.token_bytes(32))
        return key
    except (OSError, RuntimeError):
        return secrets.token_bytes(32)
