"""What docs/tags.md says about tags is what the parser does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lora_core.grammar import parse, scan, write

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "tags.md").read_text(encoding="utf-8")
_, _, _BAD = TEXT.partition("## Ten bad rows")
BAD_ROWS = re.findall(r"^\| `(.+)` \| `(line .+)` \|$", _BAD, re.MULTILINE)
EXAMPLES = re.findall(r"^(#? ?<lora:[^>\n]+>)  ", TEXT, re.MULTILINE)
_, _, _OTHERS = TEXT.partition("## What other programs write")
_ROWS = re.findall(r"^\| [\w., -]+ \| (.+) \| (.+) \|$", _OTHERS.partition("## ")[0], re.MULTILINE)
REFUSED = [tag for written, read in _ROWS if "refused" in read for tag in re.findall(r"`(.+?)`", written)]
READ = [
    tag
    for written, read in _ROWS
    if "refused" not in read
    for tag in re.findall(r"`(<.+?>)`", written)
    if "…" not in tag
]


def _tag(written: str) -> str:
    return written if written.startswith("<") else f"<lora:ink:0.8:{written}>"


def test_there_are_ten_bad_rows() -> None:
    assert len(BAD_ROWS) == 10


@pytest.mark.parametrize(("row", "error"), BAD_ROWS)
def test_a_bad_row_gets_the_error_of_the_table(row: str, error: str) -> None:
    assert [str(found) for found in scan(row).errors] == [error]


def test_every_example_is_a_row() -> None:
    assert len(EXAMPLES) >= 9
    for example in EXAMPLES:
        assert parse(write(parse(example))) == parse(example)
        assert parse(example).entries[0].enabled is not example.startswith("#")


@pytest.mark.parametrize("written", REFUSED)
def test_what_is_called_refused_is_refused(written: str) -> None:
    assert scan(_tag(written)).errors


@pytest.mark.parametrize("written", READ)
def test_what_is_called_read_is_read(written: str) -> None:
    assert scan(_tag(written)).stack().entries


def test_the_tables_were_found() -> None:
    assert len(REFUSED) >= 6
    assert len(READ) >= 8
