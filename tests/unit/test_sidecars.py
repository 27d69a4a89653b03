"""What the files beside a LoRA and its header say of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lora_core.library.listing import Listing
from lora_core.library.sidecars import About, about, names_beside, trigger_words, words_stamp

SOURCES: list[tuple[str, Any]] = [
    ("ink.json", {"activation text": "by user, two words"}),
    ("ink.metadata.json", {"trainedWords": ["by manager", "more"]}),
    ("ink.safetensors.rgthree-info.json", {"trainedWords": [{"word": "by rgthree"}, {"word": "more"}]}),
    ("ink.civitai.info", {"trainedWords": ["by civitai, more", "more"]}),
]
FIRST_WORDS = ["by user", "by manager", "by rgthree", "by civitai"]


def _write(folder: Path, name: str, content: Any) -> None:
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("best", range(len(SOURCES)))
def test_the_best_source_decides(tmp_path: Path, best: int) -> None:
    for name, content in SOURCES[best:]:
        _write(tmp_path, name, content)
    header = {"modelspec.trigger_phrase": "by header"}
    words = trigger_words(tmp_path / "ink.safetensors", header)
    assert about(tmp_path / "ink.safetensors", header).trigger_words == words
    assert words[0] == FIRST_WORDS[best]
    assert len(set(words)) == len(words) == 2


def test_the_header_is_the_last_source(tmp_path: Path) -> None:
    path = tmp_path / "ink.safetensors"
    assert trigger_words(path, {"modelspec.trigger_phrase": "by header"}) == ("by header",)
    assert trigger_words(path, {}) == ()


def test_civitai_words_inside_the_managers_sidecar(tmp_path: Path) -> None:
    _write(tmp_path, "ink.metadata.json", {"civitai": {"trainedWords": ["ink wash"]}})
    assert trigger_words(tmp_path / "ink.safetensors", {}) == ("ink wash",)


@pytest.mark.parametrize(
    "content", ["", "[]", "not json", '{"activation text": 7}', '{"activation text": " , "}']
)
def test_a_damaged_or_empty_sidecar_is_passed_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "ink.json").write_text(content, encoding="utf-8")
    _write(tmp_path, "ink.civitai.info", {"trainedWords": ["by civitai"]})
    assert trigger_words(tmp_path / "ink.safetensors", {}) == ("by civitai",)


def test_a_name_with_dots_keeps_them(tmp_path: Path) -> None:
    _write(tmp_path, "ink.v1.5.json", {"activation text": "dotted"})
    assert trigger_words(tmp_path / "ink.v1.5.safetensors", {}) == ("dotted",)


VERSION = {
    "id": 62833,
    "modelId": 58390,
    "name": "v1",
    "baseModel": "SD 1.5",
    "trainedWords": ["detail"],
    "model": {"name": "Detail Tweaker"},
    "files": [{"name": "ink.safetensors", "hashes": {"SHA256": "AB" * 32, "AutoV1": "12345678"}}],
}
PAGE = "https://civitai.com/models/58390?modelVersionId=62833"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "ink.json",
            {
                "description": "text",
                "sd version": "SDXL",
                "activation text": "one, two",
                "preferred weight": 0.7,
                "negative text": "bad",
                "notes": "mine",
            },
            About(
                trigger_words=("one", "two"),
                strength=0.7,
                base_model="SDXL",
                notes="mine",
            ),
        ),
        (
            "ink.json",
            {"sd version": "Unknown", "preferred weight": 0, "activation text": "", "notes": ""},
            About(),
        ),
        (  # SD.Next's
            "ink.json",
            {"id": 58390, "name": "Detail Tweaker", "modelVersions": [VERSION]},
            About(
                trigger_words=("detail",),
                base_model="SD 1.5",
                page=PAGE,
                title="Detail Tweaker",
                hashes={"sha256": "ab" * 32, "autov1": "12345678"},
            ),
        ),
        (
            "ink.metadata.json",
            {
                "model_name": "Ink",
                "sha256": "cd" * 32,
                "base_model": "Illustrious",
                "notes": "mine",
                "civitai": VERSION,
                "usage_tips": '{"strength": "0.8", "clip_strength": "0.5", '
                '"strength_min": -2, "strength_max": "2"}',
            },
            About(
                trigger_words=("detail",),
                strength=0.8,
                strength_clip=0.5,
                base_model="Illustrious",
                page=PAGE,
                title="Ink",
                notes="mine",
                hashes={"sha256": "cd" * 32, "autov1": "12345678"},
            ),
        ),
        (
            "ink.metadata.json",
            {"usage_tips": '{"clipStrength": 0.4, "strength_range": "0.5-1.2"}'},
            About(strength_clip=0.4),
        ),
        (
            "ink.safetensors.rgthree-info.json",
            {
                "name": "Ink",
                "baseModel": "SDXL 1.0",
                "trainedWords": [{"word": "ink", "count": 3}],
                "sha256": "ab" * 32,
                "links": ["https://example.com", PAGE],
            },
            About(
                trigger_words=("ink",),
                base_model="SDXL 1.0",
                page=PAGE,
                title="Ink",
                hashes={"sha256": "ab" * 32},
            ),
        ),
        (
            "ink.civitai.info",
            VERSION,
            About(
                trigger_words=("detail",),
                base_model="SD 1.5",
                page=PAGE,
                title="Detail Tweaker",
                hashes={"sha256": "ab" * 32, "autov1": "12345678"},
            ),
        ),
        (
            "ink.cm-info.json",
            {
                "ModelName": "Ink",
                "BaseModel": "SDXL 1.0",
                "TrainedWords": ["ink"],
                "ModelId": 58390,
                "VersionId": 62833,
                "Hashes": {"SHA256": "AB" * 32},
            },
            About(
                trigger_words=("ink",),
                base_model="SDXL 1.0",
                page=PAGE,
                title="Ink",
                hashes={"sha256": "ab" * 32},
            ),
        ),
    ],
)
def test_the_file_of_each_tool(tmp_path: Path, name: str, content: Any, expected: About) -> None:
    _write(tmp_path, name, content)
    assert about(tmp_path / "ink.safetensors", {}) == expected


def test_plain_text_files(tmp_path: Path) -> None:
    (tmp_path / "ink.txt").write_text("a note\n", encoding="utf-8")
    (tmp_path / "ink.sha256").write_text("AB" * 32, encoding="utf-8")
    found = about(tmp_path / "ink.safetensors", {})
    assert found == About(notes="a note", hashes={"sha256": "ab" * 32})


def test_a_byte_order_mark_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "ink.json").write_text(json.dumps({"notes": "mine"}), encoding="utf-8-sig")
    assert about(tmp_path / "ink.safetensors", {}) == About(notes="mine")


def test_what_the_header_says(tmp_path: Path) -> None:
    tags = {"10_a": {"cat": 3, "dog": 1}, "5_b": {"dog": 4, "": 9}}
    metadata = {"modelspec.title": "Ink", "ss_tag_frequency": json.dumps(tags)}
    found = about(tmp_path / "ink.safetensors", metadata)
    assert found == About(title="Ink")
    assert found.trigger_words == ()  # what pictures show often is not what a LoRA answers to


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("ink.json", b"{", "ink.json: is not JSON"),
        ("ink.json", b"[" * 100_000, "ink.json: is not JSON"),
        ("ink.civitai.info", b"[1]", "ink.civitai.info: is not a JSON object"),
        ("ink.metadata.json", b"\xff\xfe", "ink.metadata.json: cannot be read"),
        ("ink.metadata.json", b'{"usage_tips": "{"}', "ink.metadata.json: its usage_tips are not JSON"),
    ],
)
def test_a_damaged_sidecar_is_listed(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "ink.txt").write_text("a note", encoding="utf-8")
    found = about(tmp_path / "ink.safetensors", {})
    assert found.notes == "a note"
    assert [text.startswith(problem) for text in found.problems] == [True]


def test_a_sidecar_too_large_to_be_one_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "ink.json").open("wb") as file:
        file.truncate(2**25 + 1)
    found = about(tmp_path / "ink.safetensors", {})
    assert [text.startswith("ink.json: has 33554433 bytes") for text in found.problems] == [True]


FIELDS = [
    "activation text",
    "preferred weight",
    "sd version",
    "notes",
    "usage_tips",
    "base_model",
    "model_name",
    "trainedWords",
    "civitai",
    "sha256",
    "size",
    "autov3",
    "modelVersions",
    "files",
    "model",
    "modelId",
    "id",
    "links",
    "raw",
    "ModelName",
    "Hashes",
    "ModelId",
    "VersionId",
    "TrainedWords",
]


@pytest.mark.parametrize(
    "value", [None, 0.5, "text", [], {}, [None], {"a": [1]}, True, float("nan"), 10**400]
)
@pytest.mark.parametrize("name", ["ink.json", "ink.metadata.json", "ink.civitai.info", "ink.cm-info.json"])
def test_values_of_another_type_are_passed_over(tmp_path: Path, name: str, value: Any) -> None:
    (tmp_path / name).write_text(json.dumps(dict.fromkeys(FIELDS, value)), encoding="utf-8")
    found = about(tmp_path / "ink.safetensors", {})
    assert found.page == ""
    assert found.hashes == {}


@pytest.mark.parametrize("model_id", [True, -1, 0, "58390", "58390/../x", None])
def test_only_ids_make_a_page(tmp_path: Path, model_id: Any) -> None:
    _write(tmp_path, "ink.civitai.info", {"id": 62833, "modelId": model_id})
    assert about(tmp_path / "ink.safetensors", {}).page == ""


def test_of_several_files_of_a_version_the_one_of_this_size_is_meant(tmp_path: Path) -> None:
    (tmp_path / "ink.safetensors").write_bytes(b"x" * 4096)
    files = [
        {"sizeKB": 200.5, "hashes": {"SHA256": "AB" * 32}},
        {"sizeKB": 4.0, "hashes": {"SHA256": "CD" * 32}},
    ]
    _write(tmp_path, "ink.civitai.info", {"files": files})
    assert about(tmp_path / "ink.safetensors", {}).hashes == {"sha256": "cd" * 32}


@pytest.mark.parametrize(
    ("names", "preview"),
    [
        (["ink.png", "ink.preview.png"], "ink.png"),
        (["ink.PNG"], "ink.PNG"),
        (["Ink.Preview.Jpeg"], "Ink.Preview.Jpeg"),
        (["ink.mp4", "ink.webp"], "ink.webp"),
        (["ink.thumb.jpg"], "ink.thumb.jpg"),
        (["ink.example.0.jpeg"], "ink.example.0.jpeg"),
        (["inks.png", "in.png", "ink.safetensors.png"], ""),
    ],
)
def test_the_preview_picture(tmp_path: Path, names: list[str], preview: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert about(tmp_path / "ink.safetensors", {}).preview == preview


def test_what_is_looked_at_is_what_is_watched(tmp_path: Path) -> None:
    names = ["ink.json", "ink.metadata.json", "ink.civitai.info", "ink.cm-info.json", "ink.txt", "ink.sha256"]
    names += ["ink.safetensors.rgthree-info.json", "ink.description.txt", "ink.png"]
    for name in [*names, "ink.safetensors", "inks.json", "ink.webp"]:
        (tmp_path / name).touch()
    assert names_beside(tmp_path / "ink.safetensors", Listing.of(tmp_path)) == tuple(sorted(names))


@pytest.mark.parametrize("nothing", ["None", " none ", "null", ""])
def test_a_header_that_says_nothing_gives_no_words_and_no_title(tmp_path: Path, nothing: str) -> None:
    metadata = {"modelspec.trigger_phrase": nothing, "modelspec.title": nothing}
    assert trigger_words(tmp_path / "ink.safetensors", metadata) == ()
    assert about(tmp_path / "ink.safetensors", metadata).title == ""


def test_the_stamp_of_words_changes_with_every_file_they_may_come_from(tmp_path: Path) -> None:
    stamps = [words_stamp(tmp_path / "ink.safetensors")]
    for name, content in [*SOURCES, ("ink.json", {"activation text": "others, now"})]:
        _write(tmp_path, name, content)
        stamps.append(words_stamp(tmp_path / "ink.safetensors"))
    assert len(set(stamps)) == len(stamps)
