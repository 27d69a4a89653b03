"""Files that come from fakes of the two sites: every fault of a transfer, and what is written beside."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fake_sites import CONTENT, IT, MODEL, SHA256, VERSION, Fault, fake_sites, fetcher_of, get

from lora_core import errors
from lora_core.fetching import (
    Answers,
    ByHash,
    Civitai,
    Fetcher,
    OnCivitai,
    clean_parts,
)
from lora_core.library import trigger_words
from lora_core.library.sidecars import about


def test_a_file_comes_whole_with_what_is_said_of_it(tmp_path: Path) -> None:
    with fake_sites(CONTENT) as fakes:
        got = get(fakes, tmp_path).got
    assert got.path.read_bytes() == CONTENT
    assert (got.sha256, got.is_verified, got.was_here) == (SHA256, True, False)
    assert trigger_words(got.path, {}) == ("ink wash", "brush")
    said = about(got.path, {})
    assert (said.base_model, said.page) == (
        "SDXL 1.0",
        f"https://civitai.com/models/4711?modelVersionId={VERSION}",
    )
    assert said.preview == "Ink Wash.preview.png"
    assert "sharing merges" in json.loads(got.path.with_suffix(".json").read_text(encoding="utf-8"))["notes"]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".json", ".png", ".safetensors"]


def test_a_second_time_it_is_there_already(tmp_path: Path) -> None:
    with fake_sites(CONTENT) as fakes:
        get(fakes, tmp_path)
        assert get(fakes, tmp_path).got.was_here
        assert fakes.paths("store").count("/file") == 1


def test_the_second_name_a_killed_process_left_goes(tmp_path: Path) -> None:
    """A file gets its place by a link; whoever dies before the part goes leaves it under two names."""
    with fake_sites(CONTENT) as fakes:
        place = get(fakes, tmp_path).got.path
        part = tmp_path / f".Ink Wash.safetensors.{SHA256[:16]}.part"
        os.link(place, part)
        assert get(fakes, tmp_path).got.was_here
    assert not part.exists()
    assert place.read_bytes() == CONTENT


def test_no_other_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "Ink Wash.safetensors").write_bytes(b"mine")
    (tmp_path / "Ink Wash.json").write_text('{"notes": "mine"}', encoding="utf-8")
    with fake_sites(CONTENT) as fakes, pytest.raises(errors.CannotStore, match="nothing is replaced"):
        get(fakes, tmp_path)
    assert (tmp_path / "Ink Wash.safetensors").read_bytes() == b"mine"
    assert (tmp_path / "Ink Wash.json").read_text(encoding="utf-8") == '{"notes": "mine"}'


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("ignores_ranges", [False, True])
def test_a_connection_cut_anywhere_is_taken_up_again(
    tmp_path: Path, tenth: int, ignores_ranges: bool
) -> None:
    place = len(CONTENT) * tenth // 10
    with fake_sites(CONTENT, Fault(cuts=[place], ignores_ranges=ignores_ranges)) as fakes:
        assert get(fakes, tmp_path).got.path.read_bytes() == CONTENT
        ranges = [asked.range for asked in fakes.asked if asked.server == "store" and asked.path == "/file"]
    assert ranges == [None, f"bytes={place}-" if place else None]


def test_a_later_run_goes_on_where_the_first_one_stopped(tmp_path: Path) -> None:
    with fake_sites(CONTENT, Fault(cuts=[100] + [0] * 20)) as fakes:
        with pytest.raises(errors.TransferFailed, match="goes on where it stopped"):
            get(fakes, tmp_path)
        (part,) = tmp_path.iterdir()
        assert part.read_bytes() == CONTENT[:100]
        fakes.fault.cuts.clear()
        fakes.asked.clear()
        assert get(fakes, tmp_path).got.path.read_bytes() == CONTENT
        assert [asked.range for asked in fakes.asked if asked.path == "/file"] == ["bytes=100-"]
    assert not part.exists()


@pytest.mark.parametrize("left", [CONTENT, CONTENT + b"more", b"x" * 50, CONTENT[:50] + b"x" * 20])
def test_a_part_that_is_whole_or_anothers_ends_well(tmp_path: Path, left: bytes) -> None:
    with fake_sites(CONTENT) as fakes:
        (tmp_path / f".Ink Wash.safetensors.{SHA256[:16]}.part").write_bytes(left)
        assert get(fakes, tmp_path).got.path.read_bytes() == CONTENT


def test_a_file_whose_length_nobody_says_comes_too(tmp_path: Path) -> None:
    with fake_sites(CONTENT, Fault(no_length=True)) as fakes:
        assert get(fakes, tmp_path).got.path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (Fault(sha256="0" * 64), errors.TransferFailed, "promised was 0000000000"),
        (Fault(status=404), errors.NotOffered, "has no /api/download"),
        (Fault(status=500), errors.SiteError, "HTTP 500"),
        (Fault(status=403), errors.AccessDenied, "CIVITAI_API_TOKEN"),
        (Fault(status=429, retry_after="3600"), errors.SiteError, "in 3600 s"),
        (Fault(needs_token=True), errors.AccessDenied, "HTTP 401"),
        (Fault(body=b"<!doctype html>", content_type="text/html; charset=utf-8"), errors.SiteError, "a page"),
        (Fault(body=b"PK\x03\x04" + b"0" * len(CONTENT[4:])), errors.TransferFailed, "pickle"),
        (Fault(body=b"\x80\x02" + b"0" * len(CONTENT[2:])), errors.TransferFailed, "pickle"),
        (Fault(body=CONTENT[:-8]), errors.TransferFailed, "promised"),
        (Fault(body=CONTENT[:-1]), errors.TransferFailed, "promised"),
        (Fault(body=CONTENT + b"0" * 4096), errors.TransferFailed, "promised"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_no_file(
    tmp_path: Path, fault: Fault, error: type[Exception], message: str
) -> None:
    wanted = ByHash("0" * 9 + "1") if fault.sha256 else IT
    with fake_sites(CONTENT, fault) as fakes, pytest.raises(error, match=message):
        get(fakes, tmp_path, reference=OnCivitai(MODEL) if fault.sha256 else wanted)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".part"]


def test_a_busy_site_is_asked_again_when_it_says(tmp_path: Path) -> None:
    waited: list[float] = []
    with fake_sites(CONTENT, Fault(status=429, times=2, retry_after="2")) as fakes:
        site = Civitai("", fakes.urls["civitai"])
        object.__setattr__(site._client, "wait", waited.append)
        fetcher = Fetcher([site], Answers(None))
        got = fetcher.fetch(fetcher.look_up(IT), tmp_path, lambda done, total: None).got
    assert waited == [2.0, 2.0]
    assert got.path.read_bytes() == CONTENT


@pytest.mark.parametrize(("limit", "message"), [(10, "are allowed"), (2**62, "MiB are free")])
def test_size_and_room_are_looked_at_first(
    tmp_path: Path, limit: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit > 10:
        monkeypatch.setattr("shutil.disk_usage", lambda folder: type("", (), {"free": 10})())
    with fake_sites(CONTENT) as fakes:
        with pytest.raises(errors.CannotStore, match=message):
            get(fakes, tmp_path, max_bytes=limit)
        assert fakes.paths("store") == []


def test_who_stops_a_download_keeps_what_came(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with fake_sites(CONTENT) as fakes:
        fetcher = fetcher_of(fakes)
        with pytest.raises(KeyboardInterrupt):
            fetcher.fetch(fetcher.look_up(IT), tmp_path, stop)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]


def test_parts_nobody_goes_on_with_are_removed(tmp_path: Path) -> None:
    old, new = tmp_path / ".a.safetensors.0.part", tmp_path / ".b.safetensors.0.part"
    for part in (old, new):
        part.write_bytes(b"0")
    os.utime(old, (0, 0))
    clean_parts(tmp_path)
    assert [*tmp_path.iterdir()] == [new]
