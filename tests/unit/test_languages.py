"""The languages of locales/: the same keys in each, the page's own texts, nothing the host would misread."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCALES = ROOT / "locales"
FILES = ("main.json", "nodeDefs.json", "commands.json")
OTHERS = sorted(folder.name for folder in LOCALES.iterdir() if folder.name != "en")

_TEXTS = re.compile(r'localised\("(\w+)", \{\n(.*?)\n\}\)', re.DOTALL)
_LINE = re.compile(r'  (\w+): ("(?:[^"\\]|\\.)*"),')
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_PLACE = re.compile(r"\{\w+\}")


def read(language: str, name: str) -> dict[str, Any]:
    return dict(json.loads((LOCALES / language / name).read_text(encoding="utf-8")))


def leaves(texts: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, value in texts.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def page_texts() -> dict[str, dict[str, str]]:
    """The English texts in the page's modules."""
    found: dict[str, dict[str, str]] = {}
    for module in sorted((ROOT / "web").rglob("texts.*js")):
        text = module.read_text(encoding="utf-8")
        for match in _TEXTS.finditer(text):
            lines = [_LINE.fullmatch(line) for line in match[2].splitlines()]
            assert all(lines), f"{module}: one key and one string a line"
            found[match[1]] = {line[1]: json.loads(line[2]) for line in lines if line}
        assert not re.search(r"[A-Za-z]{2}", _literals(_TEXTS.sub("", text))), f"{module}: a text of its own"
    return found


def _literals(text: str) -> str:
    """What stands in strings and templates outside imports, comments and the places of templates."""
    code = re.sub(r"^import [^;]*;|//[^\n]*|/\*.*?\*/", "", text, flags=re.MULTILINE | re.DOTALL)
    strings = re.findall(r'"[^"\n]*"|`[^`]*`', code)
    return " ".join(re.sub(r"\$\{[^}]*\}", "", string) for string in strings)


def test_there_is_chinese() -> None:
    assert "zh" in OTHERS


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_there_in_every_language(language: str, name: str) -> None:
    english, other = dict(leaves(read("en", name))), dict(leaves(read(language, name)))
    assert sorted(english.keys() - other.keys()) == []
    assert sorted(other.keys() - english.keys()) == []
    assert [path for path, text in other.items() if not text.strip()] == []


@pytest.mark.parametrize("language", OTHERS)
def test_places_to_fill_are_the_same_in_every_language(language: str) -> None:
    english, other = dict(leaves(read("en", "main.json"))), dict(leaves(read(language, "main.json")))
    different = [
        path
        for path, text in english.items()
        if sorted(_PLACE.findall(text)) != sorted(_PLACE.findall(other[path]))
    ]
    assert different == []


def test_the_english_of_the_page_is_that_of_its_modules() -> None:
    assert read("en", "main.json")["loraRack"] == page_texts()


def test_chinese_is_chinese() -> None:
    """A text without one Chinese character was forgotten, but for names, marks and examples."""
    same = {"CLIP", "VAE", "CFG", "Latent", "TE", "LoRA {name}", "{place} / {count}"}
    forgotten = [
        (path, text)
        for name in FILES
        for path, text in leaves(read("zh", name))
        if not _CHINESE.search(text) and text not in same and not re.fullmatch(r"[{}\w\s，：？]+", text)
    ]
    assert forgotten == []


@pytest.mark.parametrize("language", ["en", *OTHERS])
@pytest.mark.parametrize("name", ["nodeDefs.json", "commands.json"])
def test_nothing_in_a_text_means_something_to_the_host(language: str, name: str) -> None:
    """vue-i18n reads {…}, @:… and | in the texts the host shows itself."""
    special = [path for path, text in leaves(read(language, name)) if re.search(r"[{}@|]", text)]
    assert special == []


def test_examples_are_the_same_in_every_language() -> None:
    """What is to be typed as it stands: tags, block ids and options."""
    literal = re.compile(
        r"<lora:[^>]*>|\b(?:OUTALL|IN\d\d[\w/-]*|auto|merged|live|error|warn|unet=\d|te=\d)\b"
    )
    for language in OTHERS:
        english, other = (
            dict(leaves(read("en", "nodeDefs.json"))),
            dict(leaves(read(language, "nodeDefs.json"))),
        )
        for path, text in english.items():
            assert set(literal.findall(text)) == set(literal.findall(other[path])), path
