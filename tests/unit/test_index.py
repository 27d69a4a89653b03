"""What the index keeps, when it reads again, and what it survives."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from disk_reads import opened_under
from small_files import UNET_LAYER, pair, save_lora

from lora_core.errors import BrokenFile, SearchUnfinished
from lora_core.library.file_facts import FileFacts, read_facts
from lora_core.library.index import Index
from lora_core.reading.hashes import measure

COUNT = 120  # more than are looked up one by one, and more than one batch


@pytest.fixture
def loras(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "loras" / f"{n % 3}" / f"{n}.safetensors" for n in range(COUNT)]
    for n, path in enumerate(paths):
        save_lora(
            path, pair(UNET_LAYER, 8, 8), ss_output_name=f"trained {n}", sshs_model_hash=f"{n + 16:064x}"
        )
        if n % 2:
            path.with_suffix(".json").write_text(
                json.dumps({"activation text": f"word {n}"}), encoding="utf-8"
            )
    return paths


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "user" / "lora_rack" / "index.sqlite3"


def _touch(path: Path) -> None:
    """Another mtime, however coarse the clock of the disk is."""
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))


def test_the_facts_of_a_file(tmp_path: Path) -> None:
    path = save_lora(
        tmp_path / "a.safetensors",
        pair(UNET_LAYER, 8, 768),
        ss_output_name="Ink",
        ss_base_model_version="sd_v1",
    )
    path.with_suffix(".json").write_text(json.dumps({"activation text": "ink"}), encoding="utf-8")
    facts = Index(None).facts_of([path])[path]
    assert facts.alias == "Ink"
    assert facts.family.names == ("Stable Diffusion 1",)
    assert facts.about.trigger_words == ("ink",)
    assert facts.problem == ""


def test_facts_come_out_of_the_disk_as_they_went_in(loras: list[Path], database: Path) -> None:
    Index(database).refresh(loras)
    kept = Index(database).facts_of(loras)
    assert kept == {path: read_facts(path) for path in loras}


def test_an_unchanged_file_is_not_opened_again(loras: list[Path], database: Path, tmp_path: Path) -> None:
    with opened_under(tmp_path / "loras") as cold:
        Index(database).refresh(loras)
    assert {*cold} >= {*loras}
    index = Index(database)
    with opened_under(tmp_path / "loras") as warm:
        index.refresh(loras)
        index.facts_of(loras)
        assert index.with_alias("trained 7", loras) == [loras[7]]
        assert [match.path for match in index.matching(f"{23:064x}", loras)] == [loras[7]]
    assert warm == []


def test_a_changed_file_is_read_again_and_no_other(loras: list[Path], database: Path, tmp_path: Path) -> None:
    index = Index(database)
    index.refresh(loras)
    save_lora(loras[5], pair(UNET_LAYER, 8, 8), ss_output_name="renamed")
    _touch(loras[5])
    with opened_under(tmp_path / "loras") as opened:
        index.refresh(loras)
    assert {path.stem for path in opened} == {"5"}
    assert index.with_alias("renamed", loras) == [loras[5]]
    assert index.with_alias("trained 5", loras) == []
    assert index.matching(f"{21:064x}", loras) == []


@pytest.mark.parametrize("change", ["new", "edited", "gone"])
def test_a_changed_sidecar_is_read_again(loras: list[Path], database: Path, change: str) -> None:
    path = loras[0] if change == "new" else loras[1]
    index = Index(database)
    before = index.facts_of([path])[path].about.trigger_words
    sidecar = path.with_suffix(".json")
    if change == "gone":
        sidecar.unlink()
    else:
        sidecar.write_text(json.dumps({"activation text": "fresh"}), encoding="utf-8")
        _touch(sidecar)
    after = index.facts_of([path])[path].about.trigger_words
    assert (before, after) == {
        "new": ((), ("fresh",)),
        "edited": (("word 1",), ("fresh",)),
        "gone": (("word 1",), ()),
    }[change]


def test_a_file_is_hashed_once(loras: list[Path], database: Path, tmp_path: Path) -> None:
    expected = measure(loras[0])
    assert Index(database).measure(loras[0]) == expected
    with opened_under(tmp_path / "loras") as opened:
        assert Index(database).measure(loras[0]) == expected
    assert opened == []
    save_lora(loras[0], pair(UNET_LAYER, 16, 8))
    _touch(loras[0])
    assert Index(database).measured(loras[0]) is None
    assert Index(database).measure(loras[0]) == measure(loras[0]) != expected


def test_a_sidecar_that_changes_leaves_the_hashes_measured(loras: list[Path], database: Path) -> None:
    index = Index(database)
    index.measure(loras[0])
    loras[0].with_suffix(".json").write_text("{}", encoding="utf-8")
    index.refresh(loras)
    assert index.measured(loras[0]) is not None


def test_a_file_that_changes_while_it_is_hashed_is_an_error(loras: list[Path]) -> None:
    index = Index(None)
    with pytest.raises(BrokenFile, match="changed while it was being read"):
        index.measure(loras[0], lambda _: _touch(loras[0]))
    assert index.measured(loras[0]) is None


def test_what_is_gone_has_no_facts(loras: list[Path], database: Path) -> None:
    index = Index(database)
    index.refresh(loras)
    loras[3].unlink()
    assert loras[3] not in index.facts_of(loras)
    assert f"{loras[3]}: cannot be read" in read_facts(loras[3]).problem
    assert index.matching(f"{19:064x}", loras) == []


def test_a_file_that_is_no_lora_has_its_problem_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"not a safetensors file")
    facts = Index(None).facts_of([path])[path]
    assert str(path) in facts.problem
    assert facts == FileFacts(problem=facts.problem)


def test_names_that_are_no_text_are_kept(tmp_path: Path, database: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.safetensors"))
    try:
        save_lora(tmp_path / "a.safetensors", pair("x", 4, 4), ss_output_name="odd").rename(path)
    except OSError:
        pytest.skip("this disk wants names in UTF-8")
    index = Index(database)
    index.refresh([path])
    assert index.with_alias("odd", [path]) == [path]


def test_too_many_new_files_are_left_alone(loras: list[Path], tmp_path: Path) -> None:
    index = Index(None)
    with (
        opened_under(tmp_path / "loras") as opened,
        pytest.raises(SearchUnfinished, match=f"{COUNT} LoRA files"),
    ):
        index.refresh(loras, at_most=COUNT - 1)
    assert opened == []
    index.refresh(loras, at_most=COUNT)
    index.refresh(loras, at_most=0)


def test_what_was_read_before_an_interruption_is_kept(loras: list[Path], database: Path) -> None:
    def stop(done: int, total: int) -> None:
        assert total == COUNT
        if done == COUNT:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Index(database).refresh(loras, progress=stop)
    Index(database).refresh(loras, at_most=COUNT - 100)


@pytest.mark.parametrize(
    "damage", ["garbage", "truncated", "overwritten", "empty", "another version", "bad row"]
)
def test_a_damaged_index_is_made_anew(loras: list[Path], database: Path, damage: str) -> None:
    first = Index(database)
    first.refresh(loras)
    expected = first.facts_of(loras)
    first.close()
    _damage(database, damage)
    told: list[str] = []
    index = Index(database, told.append)
    assert index.facts_of(loras) == expected
    assert index.with_alias("trained 7", loras) == [loras[7]]
    is_said = damage in ("garbage", "truncated", "overwritten")
    assert [str(database) in note and "damaged" in note for note in index.notes] == [True] * is_said
    assert told == [*index.notes]
    Index(database).refresh(loras, at_most=0)


def _damage(database: Path, damage: str) -> None:
    content = database.read_bytes()
    if damage == "garbage":
        database.write_bytes(b"garbage" * 1000)
    elif damage == "truncated":
        database.write_bytes(content[: len(content) // 2])
    elif damage == "overwritten":
        database.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    elif damage == "empty":
        database.write_bytes(b"")
    else:
        with sqlite3.connect(database) as db:
            if damage == "another version":
                db.execute("pragma user_version = 999")
                db.execute("drop table aliases")
                db.execute("create table aliases (something integer)")
            else:
                db.execute("update files set facts = '{}'")
        db.close()


def test_damage_done_under_a_running_index_is_survived(loras: list[Path], database: Path) -> None:
    index = Index(database)
    index.refresh(loras)
    database.write_bytes(b"garbage" * 1000)
    assert len(index.facts_of(loras)) == COUNT
    assert len(index.notes) == 1


def test_where_nothing_can_be_written_the_index_lives_in_memory(loras: list[Path], tmp_path: Path) -> None:
    (tmp_path / "user").write_text("a file where the folder should be", encoding="utf-8")
    index = Index(tmp_path / "user" / "index.sqlite3")
    index.refresh(loras)
    index.refresh(loras, at_most=0)
    (note,) = index.notes
    assert "cannot be used" in note
    assert "Make its folder writable" in note


def test_threads_share_an_index(loras: list[Path], database: Path) -> None:
    index = Index(database)

    def use(n: int) -> bool:
        index.refresh(loras[n:] + loras[:n])
        index.measure(loras[n])
        return index.with_alias(f"trained {n}", loras) == [loras[n]]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(16)))
    assert index.notes == ()


def _use_in_process(database: str, paths: list[str], n: int) -> tuple[list[str], tuple[str, ...]]:
    index = Index(Path(database))
    files = [Path(path) for path in paths]
    index.refresh(files)
    index.measure(files[n])
    return [str(path) for path in index.with_alias(f"trained {n}", files)], index.notes


def test_processes_share_an_index(loras: list[Path], database: Path) -> None:
    paths = [*map(str, loras)]
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(_use_in_process, str(database), paths, n) for n in range(6)]
        results = [job.result() for job in jobs]
    assert results == [([paths[n]], ()) for n in range(6)]
    index = Index(database)
    assert all(index.measured(path) is not None for path in loras[:6])


def test_rows_of_files_long_gone_are_dropped(
    loras: list[Path], database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lora_core.library.index._SPARE_ROWS", -COUNT)
    index = Index(database)
    index.refresh(loras)
    index.refresh(loras[:51])  # 120 rows are more than 2 · 51 - 120
    assert index.claimants(f"{16:064x}") == [loras[0]]
    assert index.claimants(f"{16 + COUNT - 1:064x}") == []
