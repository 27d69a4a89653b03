"""Downloads that go on by themselves: several at once, stopped, taken up after a restart, and what fails."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_sites import CONTENT, IT, SHA256, Fakes, Fault, fake_sites, fetcher_of

from lora_core.errors import BadReference, BadRequest, FetchError
from lora_core.fetching import Downloads, Job, known_sites


class Watch:
    """The downloads of a server, and a way to wait for what they say."""

    def __init__(self, fakes: Fakes | None, folder: Path) -> None:
        self.folder = folder / "loras"
        self.folder.mkdir(exist_ok=True)
        self.folders = [self.folder]
        self.said: list[Job] = []
        self._changed = threading.Condition()
        self.journal = folder / "user" / "downloads.json"
        self.downloads = Downloads(
            lambda: fetcher_of(fakes) if fakes else pytest.fail("a site was asked"),
            self.journal,
            lambda: self.folders,
            self._hear,
        )

    def _hear(self, job: Job) -> None:
        with self._changed:
            self.said.append(job)
            self._changed.notify_all()

    def wait(self, is_it: Callable[[Job], bool]) -> Job:
        """The first word that fits."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(is_it, self.said)), timeout=30)
            return next(filter(is_it, self.said))

    def ended(self, job: Job) -> Job:
        return self.wait(lambda said: said.id == job.id and not said.is_open)


def test_a_download_comes_by_itself(tmp_path: Path) -> None:
    with fake_sites(CONTENT) as fakes:
        watch = Watch(fakes, tmp_path)
        job = watch.downloads.start(str(IT))
        assert watch.downloads.start(str(IT)).id == job.id or not watch.downloads.jobs()[0].is_open
        done = watch.ended(job)
    assert (done.state, done.name, done.sha256, done.is_verified) == (
        "done",
        "Ink Wash.safetensors",
        SHA256,
        True,
    )
    assert Path(done.path).read_bytes() == CONTENT
    assert (done.received, done.total) == (len(CONTENT), len(CONTENT))
    assert next(said.state for said in watch.said if said.id == job.id) == "waiting"
    assert (watch.folder / "Ink Wash.metadata.json").is_file()
    (kept,) = json.loads(watch.journal.read_text())
    assert (kept["state"], kept["path"]) == ("done", done.path)
    watch.downloads.forget(job.id)
    assert watch.downloads.jobs() == []


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (Fault(status=403), "AccessDenied", "set CIVITAI_API_TOKEN"),
        (Fault(status=404), "NotOffered", "Civitai has no /api"),
        (Fault(body=b"PK\x03\x04" + bytes(len(CONTENT) - 4)), "TransferFailed", "a pickle"),
        (Fault(sha256="0" * 64), "NotOffered", "no LoRA"),
        (Fault(content_type="text/html"), "SiteError", "a page instead of the file"),
    ],
)
def test_what_fails_says_why_and_may_be_begun_again(
    tmp_path: Path, fault: Fault, kind: str, said: str
) -> None:
    with fake_sites(CONTENT, fault) as fakes:
        watch = Watch(fakes, tmp_path)
        reference = f"hash={'1' * 10}" if kind == "NotOffered" and fault.sha256 else str(IT)
        failed = watch.ended(watch.downloads.start(reference))
        assert failed.state == "failed"
        assert failed.error is not None
        assert failed.error["type"] == kind
        assert said in failed.error["message"]
        fakes.fault = Fault()
        again = watch.ended(watch.downloads.start(str(IT)))
    assert again.state == "done"


def test_a_stopped_download_keeps_what_came_and_goes_on(tmp_path: Path) -> None:
    with fake_sites(CONTENT, Fault(cuts=[100] * 10**4)) as fakes:
        watch = Watch(fakes, tmp_path)
        job = watch.downloads.start(str(IT))
        watch.wait(lambda said: said.state == "coming" and said.received > 0)
        stopped = watch.downloads.cancel(job.id)
        assert stopped.state == "cancelled"
        for thread in threading.enumerate():
            if thread.name == f"lora_rack_get_{job.id}":
                thread.join(30)
        assert watch.downloads.jobs()[0].state == "cancelled"
        (part,) = watch.folder.glob(".*.part")
        here = part.stat().st_size
        assert 0 < here < len(CONTENT)
        fakes.fault = Fault()
        fakes.asked.clear()
        assert watch.ended(watch.downloads.start(str(IT))).state == "done"
        assert [asked.range for asked in fakes.asked if asked.server == "store" and asked.range] == [
            f"bytes={here}-"
        ]
    assert watch.downloads.cancel(job.id).state == "cancelled"


def test_a_new_process_goes_on_with_what_was_begun(tmp_path: Path) -> None:
    with fake_sites(CONTENT) as fakes:
        first = Watch(fakes, tmp_path)
        left = Job("a1", str(IT), str(first.folder), state="coming", received=9)
        ended = Job("a2", "civitai:1", str(first.folder), state="failed", error={"type": "X", "message": "y"})
        first.journal.parent.mkdir()
        first.journal.write_text(
            json.dumps([left.as_json() | {"left_s": None}, ended.as_json()]).replace(', "left_s": null', "")
        )
        second = Watch(fakes, tmp_path)
        assert [job.id for job in second.downloads.jobs()] == ["a1", "a2"]
        assert fakes.asked == []
        second.downloads.resume()
        assert second.ended(left).state == "done"
        assert second.downloads.jobs()[1] == ended


def test_many_are_brought_a_few_at_a_time(tmp_path: Path) -> None:
    with fake_sites(CONTENT) as fakes:
        watch = Watch(fakes, tmp_path)
        more = [tmp_path / f"loras{number}" for number in range(12)]
        for folder in more:
            folder.mkdir()
        watch.folders += more
        jobs = [watch.downloads.start(str(IT), str(folder)) for folder in more]
        assert {watch.ended(job).state for job in jobs} == {"done"}
        assert fakes.most_in_flight <= 3


def test_what_may_not_be_asked_is_refused_before_any_site_is(tmp_path: Path) -> None:
    watch = Watch(None, tmp_path)
    for folder in (str(tmp_path), "/etc", f"{watch.folder}/..", f"{watch.folder}/sub"):
        with pytest.raises(BadRequest, match="none of the loras folders"):
            watch.downloads.start(str(IT), folder)
    with pytest.raises(BadReference):
        watch.downloads.start("https://example.org/a.safetensors")
    for ask in (watch.downloads.cancel, watch.downloads.forget):
        with pytest.raises(BadRequest, match="no download"):
            ask("nobody")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[3]", b'[{"id": 1}]', b'{"a": 1}', b"\xff", b'[{"problems": 3}]']
)
def test_a_damaged_journal_is_as_none(tmp_path: Path, content: bytes) -> None:
    watch = Watch(None, tmp_path)
    watch.journal.parent.mkdir()
    watch.journal.write_bytes(content)
    watch.downloads.resume()
    assert watch.downloads.jobs() == []


def test_nothing_is_asked_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    watch = Watch(None, tmp_path)
    watch.downloads.resume()
    assert watch.downloads.jobs() == []
    known_sites(tmp_path)


def test_tokens_of_the_server_come_from_a_file_of_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CIVITAI_API_TOKEN", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "lora_rack_tokens.json"
    file.write_text('{"CIVITAI_API_TOKEN": "sesame"}')
    file.chmod(0o600)
    assert "sesame" not in repr(known_sites(tmp_path))
    if os.name != "nt":
        file.chmod(0o644)
        with pytest.raises(FetchError, match="chmod 600"):
            known_sites(tmp_path)
