"""Every relative link and every anchor in the README, the changelog and docs/ leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def links_of(text: str) -> list[str]:
    """The targets of a page's links and pictures, without those on the network."""
    prose = _CODE.sub("", _FENCE.sub("", text))
    return [target for target in _LINK.findall(prose) if not re.match(r"https?://", target)]


def anchors_of(text: str) -> set[str]:
    """The anchors GitHub gives a page's headings: lower case, no punctuation, hyphens for spaces."""
    headings = _HEADING.findall(_FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """The links of `page` whose file or anchor does not exist."""
    broken = []
    for link in links_of(page.read_text(encoding="utf-8")):
        path, _, anchor = unquote(link).partition("#")
        target = page.parent / path if path else page
        found = target.exists() and (not anchor or anchor in anchors_of(target.read_text(encoding="utf-8")))
        if not found:
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One, two\n[a](#one-two) [b](#three) [c](no.md) [d](page.md#four) `[e](code)`\n", "utf-8"
    )
    assert broken_links(page) == ["#three", "no.md", "page.md#four"]


def test_every_page_in_docs_is_reached_from_the_readme() -> None:
    """A reader who starts at the README finds each page."""
    readme = ROOT / "README.md"
    linked = {
        (ROOT / link.partition("#")[0]).resolve() for link in links_of(readme.read_text(encoding="utf-8"))
    }
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page not in linked] == []
