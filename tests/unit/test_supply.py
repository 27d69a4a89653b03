"""What is installed: pinned by hash, listed with its licence, and running nothing at an installation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.dev.layout import this_checkout
from tools.dev.licences import UNKNOWN, names_in, sections
from tools.dev.stamps import pinned_lines

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "tools" / "pins"
HASH = re.compile(r" --hash=sha256:[0-9a-f]{64}")


def _entries(path: Path) -> dict[str, str]:
    """Name==version → the whole requirement, which may go over lines."""
    joined = pinned_lines(path).replace("\\\n", " ")
    return {re.split(r"[\s;]", line, maxsplit=1)[0]: line for line in joined.splitlines()}


def test_every_tool_of_the_tests_is_installed_by_its_hash() -> None:
    wanted, locked = _entries(PINS / "tests.in"), _entries(PINS / "tests.txt")
    assert wanted.keys() == locked.keys()
    for entry in locked.values():
        assert HASH.search(entry), entry
        assert not HASH.sub("", entry).replace("\\", "").strip().count("--"), entry
    installing = (ROOT / "tools" / "dev" / "host_environment.py").read_text(encoding="utf-8")
    assert '"--require-hashes"' in installing


@pytest.mark.parametrize("section", [*sections(this_checkout())], ids=lambda section: section[0])
def test_every_package_is_listed_with_its_licence(section: tuple[str, list[str]]) -> None:
    title, names = section
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    section_text = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (\S+) \| (.+) \|$", section_text, re.MULTILINE))
    rows.pop("package", None)
    assert sorted(rows) == names
    assert UNKNOWN not in rows.values()


def test_nothing_is_run_at_an_installation() -> None:
    """Managers run install.py, ComfyUI itself prestartup_script.py, pip a setup.py or a build backend."""
    for name in ("install.py", "setup.py", "setup.cfg", "prestartup_script.py", "uninstall.py"):
        assert not (ROOT / name).exists()
    assert "[build-system]" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert names_in(ROOT / "requirements.txt") == ["numpy", "pillow", "safetensors", "torch"]
