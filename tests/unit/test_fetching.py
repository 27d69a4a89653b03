"""LoRAs got from fakes of the two sites: references, look-ups, tokens and the command."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from fake_sites import CONTENT, IT, MODEL, SHA256, TOKEN, VERSION, Fakes, Fault, fake_sites, fetcher_of, get

from lora_core import errors
from lora_core.cli import main
from lora_core.fetching import (
    Answers,
    ByHash,
    Candidate,
    Civitai,
    Fetcher,
    HuggingFace,
    OnCivitai,
    OnHub,
    read_reference,
    token,
)

# what a person writes


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("hash=3F2A91C0DE", ByHash("3f2a91c0de")),
        ("3f2a91c0de", ByHash("3f2a91c0de")),
        ("civitai:4711", OnCivitai(4711)),
        ("4711", OnCivitai(4711)),
        ("civitai:4711@815", OnCivitai(4711, 815)),
        ("urn:air:sdxl:lora:civitai:4711@815", OnCivitai(4711, 815)),
        ("https://civitai.com/models/4711/ink-wash?modelVersionId=815", OnCivitai(4711, 815)),
        ("https://civitai.com/models/4711", OnCivitai(4711)),
        ("https://civitai.com/api/download/models/815?type=Model", OnCivitai(None, 815)),
        ("hf:artist/ink", OnHub("artist/ink")),
        ("hf:artist/ink/sub/ink.safetensors@v2", OnHub("artist/ink", "sub/ink.safetensors", "v2")),
        ("https://huggingface.co/artist/ink", OnHub("artist/ink")),
        (
            "https://huggingface.co/artist/ink/resolve/main/a%20b.safetensors?download=true",
            OnHub("artist/ink", "a b.safetensors"),
        ),
    ],
)
def test_references_are_read(text: str, reference: object) -> None:
    assert read_reference(text) == reference


@pytest.mark.parametrize(
    "text",
    [
        *("", "ink", "hf:", "hf:artist", "hf:../..", "hf:artist/ink/../x", "https://example.org/models/1"),
        *("https://civitai.com/user/x", "https://[", "civitai:", "x" * 5000, "https://huggingface.co/a"),
        "https://civitai.com.evil.org/models/1",
    ],
)
def test_what_names_no_file_is_refused(text: str) -> None:
    with pytest.raises(errors.BadReference, match="expected"):
        read_reference(text)


# look-ups


@pytest.mark.parametrize(
    "reference", [IT, OnCivitai(MODEL), OnCivitai(MODEL, VERSION), OnCivitai(None, VERSION)]
)
def test_an_offer_says_what_the_file_is_before_a_byte_of_it(reference: Any) -> None:
    with fake_sites(CONTENT) as fakes:
        offer = fetcher_of(fakes).look_up(reference)
        assert fakes.paths("store") == []
    found = offer.candidate
    assert (found.safe_name, found.sha256, found.family) == ("Ink Wash.safetensors", SHA256, "SDXL")
    assert found.size == pytest.approx(len(CONTENT), abs=1)
    assert found.licence.forbids == ("renting it out", "selling the file", "sharing merges")
    assert found.page == f"https://civitai.com/models/{MODEL}?modelVersionId={VERSION}"
    assert offer.claims_it is (True if reference == IT else None)


def test_a_repository_is_looked_up_through_its_own_library() -> None:
    with fake_sites(CONTENT) as fakes:
        found = fetcher_of(fakes).look_up(OnHub("artist/ink")).candidate
    assert (found.safe_name, found.sha256) == ("ink.safetensors", SHA256)
    assert found.licence.forbids == ("commercial use",)
    assert "a" * 40 in found.url


def test_what_no_site_has_is_said() -> None:
    with fake_sites(CONTENT) as fakes:
        with pytest.raises(errors.NotOffered, match="Civitai"):
            fetcher_of(fakes).look_up(ByHash("0123456789"))
        with pytest.raises(errors.NotOffered, match="HF_TOKEN"):
            fetcher_of(fakes).look_up(OnHub("nobody/nothing"))


def test_a_thousand_references_ask_ten_at_a_time_and_none_twice(tmp_path: Path) -> None:
    references = [ByHash(f"{number % 500:010x}") for number in range(1000)]
    answers = Answers(tmp_path / "answers.sqlite3")
    with fake_sites(CONTENT) as fakes:
        fetcher = fetcher_of(fakes, answers=answers)
        found = fetcher.look_up_all(references)
        assert len(found) == 500
        paths = fakes.paths("civitai")
        assert len(paths) == len(set(paths)) == 500
        assert fakes.most_in_flight <= 10
        fetcher.look_up_all(references)
        assert len(fakes.paths("civitai")) == 500


def test_an_answer_is_kept_for_a_day(tmp_path: Path) -> None:
    clock = [0.0]
    answers = Answers(tmp_path / "answers.sqlite3", lambda: clock[0])
    with fake_sites(CONTENT) as fakes:
        first = fetcher_of(fakes, answers=answers).look_up(IT)
        asked = len(fakes.paths("civitai"))
        answers.close()
        again = Answers(tmp_path / "answers.sqlite3", lambda: clock[0])
        assert fetcher_of(fakes, answers=again).look_up(IT).candidate == first.candidate
        assert len(fakes.paths("civitai")) == asked
        clock[0] = 25 * 3600
        fetcher_of(fakes, answers=again).look_up(IT)
        assert len(fakes.paths("civitai")) == 2 * asked


# names


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("a/b\\..\\ink.safetensors", "ink.safetensors"),
        ("../../etc/passwd", "passwd.safetensors"),
        ("ratio 3:2 <x>.SafeTensors", "ratio 3_2 _x_.safetensors"),
        ("..", "lora.safetensors"),
        ("con.safetensors", "_con.safetensors"),
        ("x" * 400 + ".safetensors", "x" * 120 + ".safetensors"),
        ("ink\n\x00.safetensors", "ink_.safetensors"),
    ],
)
def test_a_name_of_a_site_stays_in_the_folder_and_fits_a_tag(theirs: str, ours: str) -> None:
    assert Candidate("Civitai", theirs, "", "").safe_name == ours


# tokens


def test_a_token_goes_to_its_site_and_no_further(tmp_path: Path) -> None:
    with fake_sites(CONTENT, Fault(needs_token=True)) as fakes:
        get(fakes, tmp_path, TOKEN)
        by_server = {asked.server: asked.authorization for asked in fakes.asked}
    assert by_server == {"civitai": f"Bearer {TOKEN}", "store": None}
    for path in tmp_path.iterdir():
        assert TOKEN.encode() not in path.read_bytes()


def test_a_token_comes_from_the_environment_or_a_file_of_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert token("HF_TOKEN", tmp_path) == ""
    file = tmp_path / "lora_rack_tokens.json"
    file.write_text('{"HF_TOKEN": "abc"}', encoding="utf-8")
    file.chmod(0o600)
    assert token("HF_TOKEN", tmp_path) == "abc"
    monkeypatch.setenv("HF_TOKEN", "def")
    assert token("HF_TOKEN", tmp_path) == "def"
    monkeypatch.delenv("HF_TOKEN")
    file.write_text("[", encoding="utf-8")
    with pytest.raises(errors.FetchError, match="cannot be read"):
        token("HF_TOKEN", tmp_path)
    if os.name != "nt":
        file.chmod(0o644)
        with pytest.raises(errors.FetchError, match="chmod 600"):
            token("HF_TOKEN", tmp_path)


# the command


def _run(fakes: Fakes, monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setenv("LORA_RACK_CIVITAI", fakes.urls["civitai"])
    monkeypatch.setenv("HF_ENDPOINT", fakes.urls["hub"])
    for variable in ("HF_TOKEN", "CIVITAI_API_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    return main(["get", *map(str, words)])


def test_the_command_gets_what_a_stack_misses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here.safetensors").write_bytes(CONTENT[:-8] + b"\0" * 8)
    stack = f"<lora:here:1>\n<lora:old name:0.8:hash={SHA256[:10]}>\n<lora:gone:1>\n# <lora:off:1>"
    with fake_sites(CONTENT) as fakes:
        assert _run(fakes, monkeypatch, stack, "--to", tmp_path, "--json") == 1
    told = capsys.readouterr()
    gone, got = json.loads(told.out)
    assert gone["asked"] == "gone"
    assert gone["kind"] in ("BadReference", "MissingLora")
    assert (got["asked"], got["path"]) == ("old name", str(tmp_path / "Ink Wash.safetensors"))
    assert got["verified"] is True
    assert "forbids renting it out" in told.err
    assert (tmp_path / "Ink Wash.safetensors").read_bytes() == CONTENT


def test_the_command_ends_with_what_became_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_sites(CONTENT) as fakes:
        assert _run(fakes, monkeypatch, "hf:artist/ink", "--to", tmp_path) == 0
        assert "its SHA256 is the one promised" in capsys.readouterr().out
        assert _run(fakes, monkeypatch, "civitai:4711", "--to", tmp_path, "--dry-run") == 0
        assert _run(fakes, monkeypatch, "hash=0123456789", "--to", tmp_path) == 2
        assert _run(fakes, monkeypatch, "nonsense", "--to", tmp_path) == 2
        assert _run(fakes, monkeypatch, "civitai:4711", "--to", tmp_path / "no") == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".safetensors") == [
        "ink.safetensors"
    ]


def test_nothing_is_asked_before_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    fetcher = Fetcher([Civitai(), HuggingFace()], Answers(None))
    assert read_reference("civitai:4711") == OnCivitai(4711)
    assert fetcher.look_up_all([]) == {}
