"""The help pages: one for every node in every language, complete, with pictures that are there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "web" / "docs"
LARGEST_PICTURE = 60 * 1024

TEXTS: dict[str, dict[str, Any]] = {
    folder.name: json.loads((folder / "nodeDefs.json").read_text(encoding="utf-8"))
    for folder in (ROOT / "locales").iterdir()
}
NODES = sorted(TEXTS["en"])


def page_of(node: str, language: str) -> Path:
    """Where the host looks first."""
    return DOCS / node / f"{language}.md"


def page_for_others(node: str) -> Path:
    """Where the host looks when there is no page in the person's language."""
    return DOCS / f"{node}.md"


def read(node: str, language: str) -> str:
    return page_of(node, language).read_text(encoding="utf-8")


def test_the_texts_are_those_of_the_nodes_the_pack_has() -> None:
    root = (ROOT / "__init__.py").read_text(encoding="utf-8")
    assert sorted(set(re.findall(r'"(LoraRack\w+)"', root))) == NODES


def test_the_list_of_nodes_has_every_node_by_the_name_people_see() -> None:
    listed = (ROOT / "docs" / "nodes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \*\*(.+?)\*\* `(\w+)` \|", listed, re.MULTILINE)
    assert sorted(rows) == sorted((TEXTS["en"][node]["display_name"], node) for node in NODES)


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("node", NODES)
def test_a_page_says_all_there_is_to_a_node(node: str, language: str) -> None:
    page, english = read(node, language), TEXTS["en"][node]
    assert page.startswith(f"# {TEXTS[language][node]['display_name']}\n")
    names = [*english["inputs"], *(output["name"] for output in english["outputs"].values())]
    assert [name for name in names if f"| `{name}`" not in page] == []
    assert len(re.findall("^## ", page, re.MULTILINE)) == 4, "inputs, outputs, an example, errors"


@pytest.mark.parametrize("node", NODES)
def test_all_other_languages_get_the_english_page(node: str) -> None:
    """A copy: the host asks for en.md by name, and follows no links between pages."""
    copy = f"cp web/docs/{node}/en.md web/docs/{node}.md"
    assert page_for_others(node).read_bytes() == page_of(node, "en").read_bytes(), copy


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("node", NODES)
def test_pictures_are_there_and_small(node: str, language: str) -> None:
    """The host resolves them against web/docs/ in every language, and a page links to nothing else here."""
    links = re.findall(r"\]\(([^)]+)\)", read(node, language))
    pictures = [link for link in links if not link.startswith("https://")]
    assert pictures
    for picture in pictures:
        assert (DOCS / picture).stat().st_size <= LARGEST_PICTURE


def test_no_page_and_no_picture_is_left_over() -> None:
    pages = {page_of(node, language) for node in NODES for language in TEXTS}
    assert set(DOCS.rglob("*.md")) == pages | {page_for_others(node) for node in NODES}
    linked = {link for page in pages for link in re.findall(r"\(images/([^)]+)\)", page.read_text("utf-8"))}
    assert {path.name for path in (DOCS / "images").iterdir()} == linked
