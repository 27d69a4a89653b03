"""Values out of other tools' JSON, of which no type can be taken for granted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..reading import clean_hash
from ..untrusted import is_strength

_CIVITAI = "https://civitai.com/models/"
_MOST_ID = 2**53  # what a program in JavaScript can have written
_KIB_TOLERANCE = 1  # Civitai rounds sizeKB
_KINDS = {"SHA256": "sha256", "AutoV1": "autov1", "AutoV2": "autov2", "AutoV3": "tensors"}


@dataclass(frozen=True)
class Model:
    """A model, or a version of one, as a publisher's site describes it."""

    name: str
    base_model: str
    words: Any
    page: str
    files: tuple[Mapping[str, Any], ...]


def model_of(value: Mapping[str, Any]) -> Model:
    """Read Civitai's answer about a version, or about a model with a single one."""
    versions = [mapping(version) for version in items(value.get("modelVersions"))]
    only = versions[0] if len(versions) == 1 else {}
    version = value if not versions else only
    model_id = value.get("id") if versions else value.get("modelId")
    return Model(
        name=text_of(mapping(value.get("model")).get("name"))
        or (text_of(value.get("name")) if versions else ""),
        base_model=text_of(version.get("baseModel")),
        words=version.get("trainedWords"),
        page=_page(model_id, version.get("id")) or _link(value.get("links")),
        files=tuple(mapping(file) for file in items(version.get("files"))),
    )


def hashes_of(files: tuple[Mapping[str, Any], ...], size: int | None) -> dict[str, str]:
    """The hashes of the one of a version's files that has `size` bytes, or of the only one that says none."""
    fitting = [file for file in files if _has_size(file, size)]
    if len(fitting) != 1:
        return {}
    stated = mapping(fitting[0].get("hashes"))
    found = {kind: clean_hash(stated.get(name)) for name, kind in _KINDS.items()}
    return {kind: value for kind, value in found.items() if value}


def mapping(value: Any) -> Mapping[str, Any]:
    """A JSON object, empty for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """A JSON array, empty for anything else."""
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """A string without the space around it, empty for anything else."""
    return value.strip() if isinstance(value, str) else ""


def header_text(metadata: Mapping[str, str], key: str) -> str:
    """A value of a file's header; trainers write Python's None, or JSON's null, where there is none."""
    text = text_of(metadata.get(key))
    return "" if text.lower() in ("none", "null") else text


def number(value: Any) -> float | None:
    """A finite number, or a string that holds one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def strength(value: Any) -> float | None:
    """A number that can be a LoRA's strength, or a string that holds one."""
    found = number(value)
    return found if found is not None and is_strength(found) else None


def split_words(value: Any) -> list[str]:
    """Words from a comma-separated string, a list of such strings, or a list of {"word": …}."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    words = (item.get("word") if isinstance(item, dict) else item for item in items(value))
    return [word for text in words if isinstance(text, str) for word in split_words(text)]


def _page(model_id: Any, version_id: Any) -> str:
    """An address made of the ids alone: nothing of a sidecar's text becomes a link."""
    ids = [found for found in (model_id, version_id) if type(found) is int and 0 < found < _MOST_ID]
    if not ids or ids[0] != model_id:
        return ""
    return f"{_CIVITAI}{model_id}" + (f"?modelVersionId={version_id}" if len(ids) == 2 else "")


def _link(links: Any) -> str:
    """A page on Civitai among links, with its ids read and written anew."""
    for link in items(links):
        pattern = r"https://civitai\.com/models/(\d{1,16})(?:/[^?]*)?(?:\?modelVersionId=(\d{1,16}))?"
        if isinstance(link, str) and (found := re.fullmatch(pattern, link)):
            return _page(int(found[1]), int(found[2]) if found[2] else None)
    return ""


def _has_size(file: Mapping[str, Any], size: int | None) -> bool:
    stated = number(file.get("sizeKB"))
    return stated is None or size is None or abs(stated - size / 1024) <= _KIB_TOLERANCE
