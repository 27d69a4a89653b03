"""What other nodes put on a model that mixes the rows of a batch; the known ones are in batch_mixers.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ..protocols import Guider

_TABLE = Path(__file__).with_name("batch_mixers.json")


def why_mixed(guider: Guider) -> str:
    """What on a guider, or on its model, mixes the rows of a batch; empty where nothing known does."""
    for code in (type(guider), *_functions(guider.model_options)):
        found = _mixer(f"{code.__module__}.{code.__qualname__}")
        if found:
            return f"{found} looks at all pictures of a batch together"
    return ""


def _functions(value: Any) -> Iterator[Any]:
    """The functions, and the classes of callable objects, in the nested options of a model."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _functions(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _functions(inner)
    elif isinstance(value, partial):
        yield from _functions(value.func)
    elif callable(value):
        yield value if hasattr(value, "__qualname__") else type(value)


@lru_cache(maxsize=256)
def _mixer(code: str) -> str:
    return next((name for pattern, name in _known() if pattern.search(code)), "")


@lru_cache(maxsize=1)
def _known() -> tuple[tuple[re.Pattern[str], str], ...]:
    table = json.loads(_TABLE.read_text(encoding="utf-8"))["mixers"]
    return tuple((re.compile(entry["code"]), entry["name"]) for entry in table)
