"""What people and tools wrote about a LoRA: its trigger words, from its header and the files beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def trigger_words(path: Path, metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The words a LoRA answers to, best source first, each once.

    Order: what the user wrote (A1111's `name.json`), what the publisher said (LoRA Manager's
    `name.metadata.json`, rgthree's `name.safetensors.rgthree-info.json`, Civitai Helper's
    `name.civitai.info`), what the trainer stored (`modelspec.trigger_phrase`). The first source that has
    any decides. Damaged sidecars are passed over: they describe the LoRA, they are not it.
    """
    for words in _sources(path, metadata):
        if words:
            return tuple(dict.fromkeys(words))
    return ()


def _sources(path: Path, metadata: Mapping[str, str]) -> Iterator[list[str]]:
    yield _split(_read_json(path.with_suffix(".json")).get("activation text"))
    manager = _read_json(path.with_suffix(".metadata.json"))
    yield _split(manager.get("trainedWords"))
    yield _split(_mapping(manager.get("civitai")).get("trainedWords"))
    yield _split(_read_json(path.with_name(path.name + ".rgthree-info.json")).get("trainedWords"))
    yield _split(_read_json(path.with_suffix(".civitai.info")).get("trainedWords"))
    yield _split(metadata.get("modelspec.trigger_phrase"))


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _split(value: Any) -> list[str]:
    """Words from a comma-separated string, a list of such strings, or a list of {"word": …}."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    if isinstance(value, list):
        return [
            word for item in value for word in _split(item.get("word") if isinstance(item, dict) else item)
        ]
    return []
