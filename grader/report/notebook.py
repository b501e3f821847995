"""A notebook in any state in which it could be graded, as one that opens anywhere: valid, of format 4.5.

What fits the format is kept as it is; of the rest as much as the format has a place for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

Json = dict[str, Any]

_KINDS = {"code": "code", "markdown": "markdown", "heading": "markdown", "html": "markdown"}  # anything else is raw
_OUTPUTS = {"pyout": "execute_result", "pyerr": "error"}  # what format 3 says otherwise
_MIME = {
    "text": "text/plain",
    "html": "text/html",
    "latex": "text/latex",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "javascript": "application/javascript",
}
_JSON = re.compile(r"application/(.*\+)?json")
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def notebook_of(metadata: object, cells: Sequence[Json]) -> Json:
    """Return a whole notebook of valid cells."""
    return {"cells": cells, "metadata": _fitting(metadata, _NOTEBOOK), "nbformat": 4, "nbformat_minor": 5}


def identities(cells: Iterable[Json]) -> list[str]:
    """Return an id for each cell: its own where that is one and no earlier cell has it, otherwise "cell-7"."""
    own = [name if isinstance(name := cell.get("id"), str) and _ID.fullmatch(name) else "" for cell in cells]
    taken, made = set(own), dict[str, None]()  # in order, each once
    for number, name in enumerate(own, 1):
        made[name if name and name not in made else fresh(f"cell-{number}", taken)] = None
    return list(made)


def fresh(name: str, taken: set[str]) -> str:
    """Return `name`, with a number where it is taken, and take it."""
    made = next(n for n in (name if k == 1 else f"{name}-{k}" for k in count(1)) if n not in taken)
    taken.add(made)
    return made


def repaired(cell: Json, name: str) -> Json:
    """Return a cell of format 3 or 4, whatever is amiss with it, as a valid one whose id is `name`."""
    kind = _KINDS.get(str(cell.get("cell_type")), "raw")
    source = cell.get("source", cell.get("input", ""))
    made: Json = {
        "cell_type": kind,
        "id": name,
        "metadata": _fitting(cell.get("metadata"), _CELL),
        "source": source if _is_text(source) else "",
    }
    if cell.get("cell_type") == "heading":
        made["source"] = "#" * (_count(cell.get("level")) or 1) + " " + " ".join("".join(made["source"]).split())
    if kind == "code":
        outputs = cell.get("outputs")
        made["outputs"] = [fit for o in (outputs if isinstance(outputs, list) else ()) if (fit := _output(o))]
        made["execution_count"] = _count(cell.get("execution_count", cell.get("prompt_number")))
    elif isinstance(cell.get("attachments"), dict):
        made["attachments"] = {n: _bundle(data) for n, data in cell["attachments"].items() if isinstance(data, dict)}
    return _in_order(made, cell)


def _output(output: Any) -> Json | None:
    if not isinstance(output, dict):
        return None
    said = str(output.get("output_type"))
    kind = _OUTPUTS.get(said, said)
    made: Json = {"output_type": kind}
    if kind == "stream":
        name, text = output.get("name", output.get("stream", "stdout")), output.get("text", "")
        made |= {"name": name if isinstance(name, str) else "stdout", "text": text if _is_text(text) else ""}
    elif kind == "error":
        lines = output.get("traceback")
        made |= {key: word if isinstance(word := output.get(key), str) else "" for key in ("ename", "evalue")}
        made["traceback"] = [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []
    elif kind in ("execute_result", "display_data"):
        data = output.get("data", {_MIME[key]: value for key, value in output.items() if key in _MIME})
        metadata = output.get("metadata")
        made["data"] = _bundle(data) if isinstance(data, dict) else {}
        made["metadata"] = metadata if isinstance(metadata, dict) else {}
        if kind == "execute_result":
            made["execution_count"] = _count(output.get("execution_count", output.get("prompt_number")))
    else:
        return None
    return _in_order(made, output)


def _in_order(made: Json, found: Json) -> Json:
    """`made` with its keys in the order they were found in."""
    return {key: made[key] for key in found if key in made} | made


def _bundle(data: Json) -> Json:
    return {mime: value for mime, value in data.items() if _JSON.fullmatch(mime) or _is_text(value)}


def _fitting(found: object, rules: Mapping[str, Callable[[Any], bool]]) -> Json:
    """Metadata without what the format has another form for, and without anyone's word that it can be trusted."""
    if not isinstance(found, dict):
        return {}
    untold = ("trusted", "signature")
    return {key: value for key, value in found.items() if key not in untold and rules.get(key, _anything)(value)}


def _anything(_: object) -> bool:
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str) or _strings(value)


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _is_language(value: Any) -> bool:
    plain = ("name", "file_extension", "mimetype", "pygments_lexer")
    return (
        isinstance(value, dict)
        and "name" in value
        and all(isinstance(value.get(key, ""), str) for key in plain)
        and isinstance(value.get("codemirror_mode", ""), str | dict)
    )


_CELL: Mapping[str, Callable[[Any], bool]] = {
    "name": lambda v: isinstance(v, str) and re.search("^.+$", v) is not None,
    "tags": lambda v: _strings(v) and len(set(v)) == len(v) and all(tag and "," not in tag for tag in v),
    "format": lambda v: isinstance(v, str),
    "jupyter": lambda v: isinstance(v, dict),
    "collapsed": lambda v: isinstance(v, bool),
    "scrolled": lambda v: isinstance(v, bool) or v == "auto",
    "execution": lambda v: isinstance(v, dict) and all(isinstance(time, str) for time in v.values()),
}
_NOTEBOOK: Mapping[str, Callable[[Any], bool]] = {
    "kernelspec": lambda v: isinstance(v, dict) and all(isinstance(v.get(k), str) for k in ("name", "display_name")),
    "language_info": _is_language,
    "orig_nbformat": lambda v: type(v) is int and v > 0,
    "title": lambda v: isinstance(v, str),
    "authors": lambda v: isinstance(v, list),
}
