"""One version, one list of releases, one list of Python versions: what stands twice says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lora_core.cli import main
from lora_core.version import VERSION, read_version

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert f'\nversion = "{VERSION}"\n' in _text("pyproject.toml")
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"LoRA Rack {VERSION}\n"


@pytest.mark.parametrize("content", [None, b"", b"[project]\nversion = 3\n", b"\xff\xfe"])
def test_a_project_that_states_no_version_stops_nothing(tmp_path: Path, content: bytes | None) -> None:
    project = tmp_path / "pyproject.toml"
    if content is not None:
        project.write_bytes(content)
    assert read_version(project) == "unknown"


def test_the_changelog_begins_with_what_is_to_come_and_dates_the_rest() -> None:
    releases = re.findall(r"^## (.+)$", _text("CHANGELOG.md"), re.MULTILINE)
    assert releases[0] == "[Unreleased]"
    dated = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", release) for release in releases[1:]]
    assert all(dated)
    dates = [release[2] for release in dated if release]
    assert dates == sorted(dates, reverse=True)
    assert dated[0] is not None
    assert dated[0][1] == VERSION


def test_the_groups_of_what_is_to_come_are_those_of_keep_a_changelog() -> None:
    to_come = _text("CHANGELOG.md").split("\n## ")[1]
    groups = re.findall(r"^### (.+)$", to_come, re.MULTILINE)
    assert groups == [
        name for name in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security") if name in groups
    ]


def test_every_python_the_project_names_is_tested() -> None:
    workflow = _text(".github/workflows/test.yml")
    assert f"python: [{', '.join(f'{chr(34)}{python}{chr(34)}' for python in PYTHONS)}]" in workflow
    assert f'requires-python = ">={PYTHONS[0]}"' in _text("pyproject.toml")


def test_the_rules_fit_a_page_and_name_every_ring() -> None:
    from tools.dev.rings import RINGS

    rules = _text("CONTRIBUTING.md")
    assert len(rules.splitlines()) <= 80
    assert [ring.name for ring in RINGS if f"`{ring.name}`" not in rules] == []


def test_the_reading_map_names_every_folder() -> None:
    folders = {
        path.parent.relative_to(ROOT).as_posix()
        for home in ("lora_core", "nodes")
        for path in (ROOT / home).rglob("__init__.py")
    }
    readme = _text("README.md")
    assert [folder for folder in folders - {"lora_core"} if f"]({folder})" not in readme] == []


@pytest.mark.parametrize("home", ["lora_core", "nodes", "tools"])
def test_every_folder_says_its_question(home: str) -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / home).rglob("__init__.py")
        if not re.match(r'"""[A-Z]', path.read_text(encoding="utf-8"))
    ]
    assert silent == []
