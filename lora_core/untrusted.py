"""The one door for JSON and texts from outside: headers, sidecars, configs, requests, pictures, workflows.

Python's own reader has limits that depend on its version and build, raises three kinds of error for what is
beyond them, and takes the last of two equal keys for the only one. Here they are the same everywhere, and
what is refused is a BadJson.
"""

from __future__ import annotations

import json
import math
import os
import re
import reprlib
from collections import Counter
from pathlib import Path
from typing import Any

from .errors import BadJson

MAX_BYTES = 2**25  # of a text beside a file or in a request; Civitai's longest answers have some hundred KiB
MAX_WORKFLOW_BYTES = 2**24  # the largest known have 3 MiB
MAX_DEPTH = 100  # objects and lists inside one another; the deepest known workflows have 20
MAX_DIGITS = 40  # of a whole number; the largest seed has 20, and no float has more than 309
MAX_VALUES = 1_000_000  # numbers, texts, objects and lists in one document: memory of some 100 MiB
MAX_STRENGTH = 1000.0  # of a LoRA or a block, either way; ComfyUI's nodes offer 100, people use up to 20

_TEXT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_TO_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_LONG = b"0" * (MAX_DIGITS + 1)
_CONTAINERS = frozenset({dict, list})  # what the reader makes, and no class of their kind
_SHOWN = 60


def read_json(source: str | bytes, max_bytes: int = MAX_BYTES, lenient: bool = False) -> Any:
    """The value of a JSON document, as Python's own reader gives it.

    A document in bytes is UTF-8, with or without a byte order mark. `lenient` reads NaN and Infinity, which
    ComfyUI writes into pictures, as null; they are refused otherwise. Raises BadJson.
    """
    if len(source) > max_bytes:
        raise BadJson(f"has {len(source)} bytes, at most {max_bytes} are read")
    text = source if isinstance(source, str) else _decoded(source, "is not JSON, which is")
    if _marks(text) > MAX_VALUES and _marks(_TEXT.sub("", text)) > MAX_VALUES:
        raise BadJson(f"holds more than {MAX_VALUES} values")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_whole if _has_long(text) else None,  # a call for each number is most of the time
            parse_float=_number,
            parse_constant=_nothing if lenient else _refused,
        )
    except BadJson:
        raise
    except RecursionError:
        raise BadJson(_TOO_DEEP) from None
    except ValueError as error:
        raise BadJson(f"is not JSON ({error})") from None
    _check_depth(value)
    return value


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """A UTF-8 text on disk, without a byte order mark. Raises BadJson, or OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(max_bytes + 1) if size <= max_bytes else b""
    if max(size, len(data)) > max_bytes:
        raise BadJson(f"has {max(size, len(data))} bytes, at most {max_bytes} are read")
    return _decoded(data, "cannot be read as")


def is_strength(number: float) -> bool:
    """Whether a number can be the strength of a LoRA or the weight of a block: finite, and with a meaning."""
    return abs(number) <= MAX_STRENGTH  # never true of NaN


def shown(value: object, most: int = _SHOWN) -> str:
    """A value from outside as an error shows it: its beginning, on one line."""
    if isinstance(value, str | bytes):
        return repr(value) if len(value) <= most else f"{value[:most]!r}…"
    text = reprlib.repr(value)  # of a list or an object its first few, however large it is
    return text if len(text) <= most else f"{text[:most]}…"


_TOO_DEEP = f"is not JSON that is read: objects and lists are more than {MAX_DEPTH} deep inside one another"


def _decoded(data: bytes, verb: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadJson(f"{verb} a text in UTF-8 (byte {error.start} is none)") from None


def _marks(text: str) -> int:
    """At least as many as the text has values, where it holds more than one."""
    return text.count(",") + text.count("[") + text.count("{")


def _has_long(text: str) -> bool:
    """Whether more digits stand in a row than a number may have."""
    return _LONG in text.encode("utf-8", "replace").translate(_TO_ZEROS)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise BadJson(f"has {shown(twice)} twice in one object", key=twice)
    return found


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise BadJson(f"holds a number of {len(digits.lstrip('-'))} digits, at most {MAX_DIGITS} are read")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise BadJson(f"holds {shown(digits)}, a number that is too large")
    return value


def _nothing(_: str) -> None:
    return None


def _refused(constant: str) -> None:
    raise BadJson(f"holds {constant}, which is not a number")


def _check_depth(value: Any) -> None:
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) in _CONTAINERS
        ]
        if not level:
            return
    raise BadJson(_TOO_DEEP)
