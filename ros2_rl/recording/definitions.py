"""Message definitions as text, to be embedded in a record, so that it can be read anywhere.

Read from the ``.msg`` files that every message package installs.
"""

import json
import os
import re
import sys
from functools import cache
from pathlib import Path

_SEPARATOR = "=" * 80
_PRIMITIVES = ("bool", "byte", "char", "string", "wstring") + tuple(
    f"{kind}{bits}" for kind in ("float", "int", "uint") for bits in (8, 16, 32, 64)
)


def definition(msg_type: str) -> str:
    """The definition of a type and of all that it contains, as rosbag2 and Foxglove join them.

    Empty where the files of its package are not installed; then a record holds no definition of it.
    """
    text = _text(msg_type)
    if text is None:
        return ""
    parts, seen, todo = [text], {msg_type}, _contained(text, msg_type)
    while todo:
        name = todo.pop(0)
        if name in seen:
            continue
        seen.add(name)
        text = _text(name)
        if text is None:
            return ""
        package, _, short = name.split("/")
        parts.append(f"{_SEPARATOR}\nMSG: {package}/{short}\n{text}")
        todo += _contained(text, name)
    return "\n".join(parts)


def type_hash(msg_type: str) -> str:
    """The type's hash (REP-2011), as in ``RIHS01_...``; empty where it is not known."""
    path = _installed(msg_type, ".json")
    if path is None:
        return ""
    hashes = json.loads(path.read_text())["type_hashes"]
    return next((entry["hash_string"] for entry in hashes if entry["type_name"] == msg_type), "")


@cache
def _text(msg_type: str) -> str | None:
    path = _installed(msg_type, ".msg")
    return None if path is None else path.read_text()


def _installed(msg_type: str, suffix: str) -> Path | None:
    package, folder, name = msg_type.split("/")
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    paths = (Path(prefix) / "share" / package / folder / f"{name}{suffix}" for prefix in prefixes)
    return next((path for path in paths if path.is_file()), None)


def _contained(text: str, msg_type: str) -> list[str]:
    """Types of the fields that are messages themselves."""
    found = []
    for line in text.splitlines():
        words = line.split("#")[0].split()
        name = re.sub(r"\[.*|<=.*", "", words[0]) if len(words) > 1 else ""
        if name and name not in _PRIMITIVES:
            package, _, short = name.rpartition("/")
            found.append(f"{(package or msg_type).split('/')[0]}/msg/{short}")
    return found
