"""Which pictures of earlier runs stay in the temp folder."""

from __future__ import annotations

import os
from pathlib import Path

from pack_modules import pack_module

shown = pack_module("nodes.page.shown")


def _run(kept: object, folder: Path, place: str, number: int, size: int = 1) -> Path:
    path = folder / f"{place}_{number}.png"
    path.touch()
    os.truncate(path, size)
    kept.add(place, [path])  # type: ignore[attr-defined]
    return path


def test_a_thousand_runs_leave_the_last_of_each_node_and_a_bounded_rest(tmp_path: Path) -> None:
    kept = shown.Shown()
    still = _run(kept, tmp_path, "another node", 0)
    for number in range(1000):
        newest = _run(kept, tmp_path, "7", number)
    assert {still, newest} <= {*tmp_path.iterdir()}
    left = {path.name for path in tmp_path.glob("7_*")}
    assert left == {f"7_{number}.png" for number in range(999 - shown.MOST_EARLIER, 1000)}


def test_the_bytes_of_what_was_replaced_are_bounded(tmp_path: Path) -> None:
    kept = shown.Shown()
    each = shown.MOST_EARLIER_BYTES // 4
    paths = [_run(kept, tmp_path, "7", number, each) for number in range(8)]
    assert [path.exists() for path in paths] == [False] * 3 + [True] * 5
    large = _run(kept, tmp_path, "8", 0, 5 * each)
    assert large.exists()  # what a node shows is never too large
    _run(kept, tmp_path, "8", 1)
    assert not large.exists()


def test_nodes_that_never_run_again_do_not_add_up(tmp_path: Path) -> None:
    kept = shown.Shown()
    count = shown.MOST_PLACES + shown.MOST_EARLIER
    paths = [_run(kept, tmp_path, str(number), 0) for number in range(count + 10)]
    assert [path.exists() for path in paths] == [False] * 10 + [True] * count


def test_files_the_host_has_removed_are_no_trouble(tmp_path: Path) -> None:
    kept = shown.Shown()
    for number in range(shown.MOST_EARLIER + 10):
        _run(kept, tmp_path, "7", number).unlink()
    assert _run(kept, tmp_path, "7", 9999).exists()
