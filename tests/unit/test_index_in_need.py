"""The index where others hold it or have changed its tables, and what killed writers leave behind."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from pathlib import Path

import pytest
from small_files import UNET_LAYER, pair, save_lora

from lora_core.library.index import Index
from lora_core.reading.stream import PART, replacing


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    return save_lora(tmp_path / "loras" / "a.safetensors", pair(UNET_LAYER, 8, 8), ss_output_name="Ink")


def _alias(index: Index, lora: Path) -> list[Path]:
    index.refresh([lora])
    return index.with_alias("Ink", [lora])


def test_a_lock_of_another_program_is_not_waited_for(
    lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lora_core.library.index_store._BUSY_S", 0.2)
    monkeypatch.setattr("lora_core.library.index_store._RETRY_S", 0.5)
    index = Index(tmp_path / "index.sqlite3")
    index.refresh([lora])
    holder = sqlite3.connect(tmp_path / "index.sqlite3", isolation_level=None)
    holder.execute("begin exclusive")
    started = time.monotonic()
    assert _alias(index, lora) == [lora]
    assert index.measure(lora).sha256
    assert time.monotonic() - started < 8
    (note,) = index.notes
    assert "in use by another program" in note
    holder.execute("rollback")
    holder.close()
    time.sleep(0.5)
    assert _alias(index, lora) == [lora]
    assert index.measured(lora) is None  # what was found meanwhile is not lost in silence: it is found again
    assert index.measure(lora).sha256
    other = Index(tmp_path / "index.sqlite3")
    assert other.measured(lora) is not None
    assert index.notes == (note,)


DAMAGE = [
    "drop table files",
    "drop table aliases",
    "drop table hashes",
    "alter table files drop column facts",
    "alter table files rename column state to status",
    "alter table hashes drop column source",
    "alter table aliases add column more text not null default ''",
    "drop table files; create view files as select 1 as path, 2 as state, 3 as facts",
    "drop table files; create table files (x)",
]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("is_open", [True, False])
def test_tables_that_are_not_ours_are_made_anew(
    damage: str, is_open: bool, lora: Path, tmp_path: Path
) -> None:
    index = Index(tmp_path / "index.sqlite3")
    index.refresh([lora])
    if not is_open:
        index.close()
    other = sqlite3.connect(tmp_path / "index.sqlite3")
    other.executescript(damage)
    other.close()
    assert index.facts_of([lora])[lora].alias == "Ink"
    assert _alias(index, lora) == [lora]
    assert index.measure(lora).sha256
    index.close()
    fresh = Index(tmp_path / "index.sqlite3")
    assert fresh.measured(lora) is not None
    assert fresh.notes == ()


def test_rows_of_other_types_are_read_again(lora: Path, tmp_path: Path) -> None:
    index = Index(tmp_path / "index.sqlite3")
    index.refresh([lora])
    other = sqlite3.connect(tmp_path / "index.sqlite3")
    other.execute("update files set facts = '[' where 1")
    other.execute("insert into files values (7, 'x', 'y')")
    other.execute("insert into aliases values ('Ink', 7)")
    other.commit()
    other.close()
    assert index.facts_of([lora])[lora].alias == "Ink"
    assert _alias(index, lora) == [lora]


@pytest.mark.skipif(sys.platform == "win32", reason="there a running program's files cannot be removed")
def test_what_a_killed_writer_left_is_removed_and_what_a_running_one_writes_is_not(tmp_path: Path) -> None:
    for name in ("one.safetensors", "two.safetensors"):
        (tmp_path / f".{name}.abc{PART}").write_bytes(b"half")  # with its process gone, its lock is too
    os.mkfifo(tmp_path / f".pipe{PART}")
    (tmp_path / ".another program's.part").write_bytes(b"")
    with replacing(tmp_path / "three.safetensors", 10, False) as outer:
        outer.write(b"outer")
        with replacing(tmp_path / "four.safetensors", 10, False) as inner:
            inner.write(b"inner")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "three.safetensors": b"outer",
        "four.safetensors": b"inner",
        ".another program's.part": b"",
    }
