"""What docs/command-line.md shows is what the commands print."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from lora_core.cli import main

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_EXIT_CODE = re.compile(r"\(exit code (\d)\)\n\Z")


def test_every_example_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "demo" / "models", tmp_path / "demo" / "models")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    blocks = _BLOCK.findall(text)
    assert len(blocks) >= 5
    for block in blocks:
        for example in block.split("$ python -m lora_core ")[1:]:
            command, _, shown = example.partition("\n")
            code = main(shlex.split(command))
            captured = capsys.readouterr()
            expected_code = _EXIT_CODE.search(shown)
            assert code == int(expected_code[1] if expected_code else 0), command
            assert captured.out + captured.err == _EXIT_CODE.sub("", shown), command
