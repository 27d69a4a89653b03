"""The layout of web/, held by a test: who may import whom, nothing done on import, no markup from names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "web"
AT_START = sorted(WEB.rglob("*.js"))
MODULES = sorted([*AT_START, *WEB.rglob("*.mjs")])
DOOR = WEB / "extension.js"

MAX_FILE_LINES = 350
MAX_START_BYTES = 150_000
_IMPORT = re.compile(r"^(?:import|export)\b[^;]*?\bfrom\s+\"([^\"]+)\"", re.MULTILINE)
_DOES_NOTHING = re.compile(r"(?:import|export|const|let|class|function|async function|/\*|//|\*|[\]})]|$)")
_MARKUP = re.compile(r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|new Function)\b")


def _name(path: Path) -> str:
    return path.relative_to(WEB).as_posix()


def _imported(path: Path) -> set[Path]:
    return {(path.parent / name).resolve() for name in _IMPORT.findall(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_one_module_touches_the_host(path: Path) -> None:
    outside = {found for found in _imported(path) if WEB not in found.parents}
    assert not outside or path == DOOR
    assert all(found.is_file() for found in _imported(path) - outside)


def test_nothing_imports_in_a_circle_or_through_the_door() -> None:
    remaining = {path: _imported(path) & {*MODULES} for path in MODULES}
    assert not any(DOOR in imported for imported in remaining.values())
    while free := {path for path, imported in remaining.items() if not imported & remaining.keys()}:
        remaining = {path: imported for path, imported in remaining.items() if path not in free}
    assert remaining == {}


@pytest.mark.parametrize("path", sorted((WEB / "parts").glob("*.*js")), ids=_name)
def test_generic_parts_know_no_widget(path: Path) -> None:
    assert {found.parent for found in _imported(path)} <= {WEB / "parts"}


@pytest.mark.parametrize("path", [path for path in MODULES if path != DOOR], ids=_name)
def test_a_module_does_nothing_when_the_host_imports_it(path: Path) -> None:
    # The host imports every module of web/ by itself, in no promised order.
    lines = path.read_text(encoding="utf-8").splitlines()
    acting = [line for line in lines if not line.startswith((" ", "\t")) and not _DOES_NOTHING.match(line)]
    assert acting == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_texts_never_become_markup_and_files_fit_the_eye(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert _MARKUP.findall(text) == []
    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert max(map(len, text.splitlines())) <= 130


def test_what_the_page_loads_before_a_widget_is_needed_stays_small() -> None:
    """The host imports every .js, and the door links one sheet. A browser test counts what is fetched."""
    fetched = [*AT_START, WEB / "style.css"]
    assert sum(path.stat().st_size for path in fetched) < MAX_START_BYTES


@pytest.mark.parametrize("path", AT_START, ids=_name)
def test_what_comes_later_is_not_imported_at_the_start(path: Path) -> None:
    assert {found.suffix for found in _imported(path)} <= {".js"}


def test_every_text_of_the_rack_is_used() -> None:
    texts = (WEB / "texts.js").read_text(encoding="utf-8")
    keys = re.findall(r"^  (\w+): \"", texts, re.MULTILINE)
    assert keys
    code = "\n".join(module.read_text(encoding="utf-8") for module in MODULES)
    assert [key for key in keys if not re.search(rf"\bTEXTS\.{key}\b|[(\[ ]\"{key}\"", code)] == []
