"""Trigger words from the files beside a LoRA and from its header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lora_core.sidecars import trigger_words

SOURCES: list[tuple[str, Any]] = [
    ("ink.json", {"activation text": "by user, two words"}),
    ("ink.metadata.json", {"trainedWords": ["by manager", "more"]}),
    ("ink.safetensors.rgthree-info.json", {"trainedWords": [{"word": "by rgthree"}, {"word": "more"}]}),
    ("ink.civitai.info", {"trainedWords": ["by civitai, more", "more"]}),
]
FIRST_WORDS = ["by user", "by manager", "by rgthree", "by civitai"]


def _write(folder: Path, name: str, content: Any) -> None:
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("best", range(len(SOURCES)))
def test_the_best_source_decides(tmp_path: Path, best: int) -> None:
    for name, content in SOURCES[best:]:
        _write(tmp_path, name, content)
    words = trigger_words(tmp_path / "ink.safetensors", {"modelspec.trigger_phrase": "by header"})
    assert words[0] == FIRST_WORDS[best]
    assert len(set(words)) == len(words) == 2


def test_the_header_is_the_last_source(tmp_path: Path) -> None:
    path = tmp_path / "ink.safetensors"
    assert trigger_words(path, {"modelspec.trigger_phrase": "by header"}) == ("by header",)
    assert trigger_words(path, {}) == ()


def test_civitai_words_inside_the_managers_sidecar(tmp_path: Path) -> None:
    _write(tmp_path, "ink.metadata.json", {"civitai": {"trainedWords": ["ink wash"]}})
    assert trigger_words(tmp_path / "ink.safetensors", {}) == ("ink wash",)


@pytest.mark.parametrize(
    "content", ["", "[]", "not json", '{"activation text": 7}', '{"activation text": " , "}']
)
def test_a_damaged_or_empty_sidecar_is_passed_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "ink.json").write_text(content, encoding="utf-8")
    _write(tmp_path, "ink.civitai.info", {"trainedWords": ["by civitai"]})
    assert trigger_words(tmp_path / "ink.safetensors", {}) == ("by civitai",)


def test_a_name_with_dots_keeps_them(tmp_path: Path) -> None:
    _write(tmp_path, "ink.v1.5.json", {"activation text": "dotted"})
    assert trigger_words(tmp_path / "ink.v1.5.safetensors", {}) == ("dotted",)
