"""Which file a reference means: by hash, path, stem, alias."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from disk_reads import opened_under
from small_files import UNET_LAYER, pair, save_lora

from lora_core.errors import AmbiguousLora, BadHash, MissingLora, OtherContent, SearchUnfinished
from lora_core.library.index import Index
from lora_core.library.library import Library, Limits


@dataclass(frozen=True)
class Rack:
    """A loras folder and a library of it, made anew for every question, as a node does."""

    folder: Path
    index: Index

    @property
    def library(self) -> Library:
        names = sorted(p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*.safetensors"))
        return Library(
            names, lambda name: found if (found := self.folder / name).is_file() else None, self.index
        )

    def add(self, name: str, out: int = 8, **metadata: str) -> Path:
        """A file whose tensors `out` tells from others."""
        return save_lora(self.folder / name, pair(UNET_LAYER, out, 8), **metadata)


@pytest.fixture
def rack(tmp_path: Path) -> Rack:
    return Rack(tmp_path / "loras", Index(tmp_path / "index.sqlite3"))


def _autov2(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]


def _addnet(path: Path) -> str:
    data = path.read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def _beside(path: Path, ending: str, content: object) -> None:
    path.with_suffix(ending).write_text(json.dumps(content), encoding="utf-8")


def test_a_name_alone_opens_no_file(rack: Rack) -> None:
    rack.add("styles/ink.safetensors")
    with opened_under(rack.folder.parent) as opened:
        library = rack.library
        opened.clear()  # listing the folder is the test's own doing
        for name in ("styles/ink.safetensors", "styles\\ink", "ink", "ink.safetensors"):
            assert library.find(name) == "styles/ink.safetensors"
    assert opened == []


def test_an_alias_is_the_last_resort(rack: Rack) -> None:
    rack.add("a.safetensors", ss_output_name="b")
    rack.add("b.safetensors", ss_output_name="nickname")
    assert rack.library.find("b") == "b.safetensors"
    assert rack.library.find("nickname") == "b.safetensors"


def test_an_alias_of_several_files_lists_them(rack: Rack) -> None:
    for name in ("a", "b"):
        rack.add(f"x/{name}.safetensors", ss_output_name="last")
    with pytest.raises(AmbiguousLora) as caught:
        rack.library.find("last")
    assert caught.value.candidates == ("x/a.safetensors", "x/b.safetensors")


@pytest.mark.parametrize("name", ["nick", "nicknames", "NICKNAME", "None", ""])
def test_no_part_of_an_alias_is_taken(rack: Rack, name: str) -> None:
    rack.add("a.safetensors", ss_output_name="nickname")
    rack.add("b.safetensors", ss_output_name="None")
    with pytest.raises(MissingLora):
        rack.library.find(name)


@pytest.mark.parametrize("length", [8, 10, 12, 64])
@pytest.mark.parametrize("name", ["renamed", "other/folder/renamed", "other\\folder\\renamed.safetensors"])
def test_a_renamed_file_is_found_by_its_hash(rack: Rack, name: str, length: int) -> None:
    rack.add("decoy.safetensors", out=4)
    path = rack.add("styles/ink.safetensors")
    hash = _addnet(path)[:length]
    assert rack.library.find(name, hash) == "styles/ink.safetensors"
    assert rack.library.find(name, hash.upper()) == "styles/ink.safetensors"


@pytest.mark.parametrize("kind", ["sha256", "autov2", "a part of sha256"])
def test_the_hash_of_the_whole_file_does_as_well(rack: Rack, kind: str) -> None:
    path = rack.add("ink.safetensors")
    whole = hashlib.sha256(path.read_bytes()).hexdigest()
    wanted = {"sha256": whole, "autov2": whole[:10], "a part of sha256": whole[:17]}[kind]
    assert rack.library.find("renamed", wanted) == "ink.safetensors"


def test_autov1_is_read_off_the_second_mebibyte(rack: Rack) -> None:
    path = save_lora(rack.folder / "big.safetensors", pair(UNET_LAYER, 200_000, 8))
    autov1 = hashlib.sha256(path.read_bytes()[0x100000:0x110000]).hexdigest()[:8]
    assert rack.library.find("renamed", autov1) == "big.safetensors"


def test_the_hash_decides_over_the_name(rack: Rack) -> None:
    rack.add("ink.safetensors", out=4)
    path = rack.add("moved/ink_v2.safetensors")
    assert rack.library.find("ink", _autov2(path)) == "moved/ink_v2.safetensors"


def test_an_ambiguous_name_is_settled_by_its_hash(rack: Rack) -> None:
    rack.add("a/ink.safetensors", out=4)
    path = rack.add("b/ink.safetensors")
    assert rack.library.find("ink", _autov2(path)) == "b/ink.safetensors"


@pytest.mark.parametrize(
    ("key", "hash"),
    [
        ("sshs_model_hash", "ab" * 32),
        ("sshs_legacy_hash", "abababab"),
        ("modelspec.hash_sha256", "0x" + "ab" * 32),
    ],
)
def test_a_hash_the_header_claims_needs_no_reading(rack: Rack, key: str, hash: str) -> None:
    rack.add("decoy.safetensors", out=4)
    rack.add("ink.safetensors", **{key: hash})
    for length in {8, 12, 64} if len(hash) > 8 else {8}:
        wanted = hash.removeprefix("0x")[:length]
        assert rack.library.find("renamed", wanted, Limits(bytes=0)) == "ink.safetensors"


def test_the_placeholder_of_repackaged_files_finds_none_of_them(rack: Rack) -> None:
    rack.add("ink.safetensors", sshs_model_hash=hashlib.sha256().hexdigest())
    with pytest.raises(BadHash, match="hash of nothing"):
        rack.library.find("ink", "e3b0c44298fc")


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        (".civitai.info", {"files": [{"hashes": {"SHA256": "AB" * 32}}]}),
        (".civitai.info", {"files": [{"hashes": {"AutoV2": "AB" * 5}}]}),
        (".civitai.info", {"files": [{"hashes": {"AutoV3": "AB" * 6}}]}),
        (".metadata.json", {"sha256": "ab" * 32}),
        (".metadata.json", {"autov3": "ab" * 6}),
        (".cm-info.json", {"Hashes": {"SHA256": "AB" * 32}}),
        (".safetensors.rgthree-info.json", {"sha256": "ab" * 32}),
    ],
)
def test_a_hash_a_sidecar_claims_needs_no_reading(rack: Rack, ending: str, content: object) -> None:
    rack.add("decoy.safetensors", out=4)
    _beside(rack.add("ink.safetensors"), ending, content)
    assert rack.library.find("renamed", "ab" * 5, Limits(bytes=0)) == "ink.safetensors"


def test_a_sidecar_of_an_earlier_file_claims_nothing(rack: Rack) -> None:
    path = rack.add("ink.safetensors")
    _beside(path, ".civitai.info", {"files": [{"sizeKB": 144_000.0, "hashes": {"SHA256": "AB" * 32}}]})
    _beside(path, ".metadata.json", {"size": 144_000_000, "sha256": "ab" * 32})
    with pytest.raises(OtherContent):
        rack.library.find("ink", "ab" * 5)


def test_a_measured_hash_silences_a_false_sidecar(rack: Rack) -> None:
    path = rack.add("ink.safetensors")
    _beside(path, ".metadata.json", {"sha256": "ab" * 32})
    assert rack.library.find("ink", "ab" * 5) == "ink.safetensors"
    rack.index.measure(path)
    with pytest.raises(OtherContent):
        rack.library.find("ink", "ab" * 5)


def test_of_copies_the_named_one_is_taken(rack: Rack) -> None:
    for name in ("a/ink", "b/ink_copy", "c/zebra"):
        path = rack.add(f"{name}.safetensors")
    assert rack.library.find("ink_copy", _autov2(path)) == "b/ink_copy.safetensors"
    fresh = Rack(rack.folder, Index(None))
    assert fresh.library.find("renamed", _autov2(path)) == "a/ink.safetensors"


def test_copies_with_other_metadata_are_the_same_lora(rack: Rack) -> None:
    rack.add("a.safetensors", sshs_model_hash="ab" * 32)
    rack.add("b.safetensors", sshs_model_hash="ab" * 32, note="edited")
    assert rack.library.find("renamed", "ab" * 6) == "a.safetensors"


def test_a_claim_is_weaker_than_the_bytes(rack: Rack) -> None:
    path = rack.add("true.safetensors")
    rack.add("a_merge_that_kept_the_metadata.safetensors", out=4, sshs_model_hash=_addnet(path))
    _beside(path, ".metadata.json", {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    rack.index.measure(path)
    assert rack.library.find("renamed", _addnet(path)[:12]) == "true.safetensors"


def test_two_files_that_claim_one_hash_falsely_are_listed(rack: Rack) -> None:
    rack.add("a.safetensors", out=4, sshs_model_hash="ab" * 32)
    rack.add("b.safetensors", out=8, sshs_model_hash="ab" * 32)
    with pytest.raises(
        AmbiguousLora, match=r"with the hash abababababab could be any of: a\.safetensors, b\.saf"
    ):
        rack.library.find("renamed", "ab" * 6)


def test_a_file_of_the_name_with_another_content_is_not_taken(rack: Rack) -> None:
    path = rack.add("styles/ink.safetensors")
    with pytest.raises(OtherContent) as caught:
        rack.library.find("ink", "ab" * 5)
    for part in (
        "no file has the hash ababababab",
        "styles/ink.safetensors",
        _autov2(path),
        "remove the hash",
    ):
        assert part in str(caught.value)
    assert "https://civitai.com/api/v1/model-versions/by-hash/ababababab" in str(caught.value)


def test_a_missing_file_is_reported_with_hash_nearest_names_and_page(rack: Rack) -> None:
    rack.add("styles/ink.safetensors")
    with pytest.raises(MissingLora) as caught:
        rack.library.find("imk", "ab" * 5)
    for part in ("'imk'", "ababababab", "styles/ink.safetensors", "by-hash/ababababab"):
        assert part in str(caught.value)


@pytest.mark.parametrize("hash", ["", "ab" * 5])
def test_a_sidecar_that_outlived_its_file_tells_the_page(rack: Rack, hash: str) -> None:
    rack.add("styles/other.safetensors")
    _beside(rack.folder / "styles" / "ink.safetensors", ".civitai.info", {"id": 62833, "modelId": 58390})
    with pytest.raises(MissingLora, match=r"https://civitai\.com/models/58390\?modelVersionId=62833"):
        rack.library.find("old/ink.safetensors", hash)


def test_the_index_remembers_where_a_deleted_file_came_from(rack: Rack) -> None:
    path = rack.add("ink.safetensors", sshs_model_hash="ab" * 32)
    rack.add("other.safetensors")
    _beside(path, ".civitai.info", {"id": 62833, "modelId": 58390})
    assert rack.library.find("renamed", "ab" * 6) == "ink.safetensors"
    path.unlink()
    path.with_suffix(".civitai.info").unlink()
    with pytest.raises(MissingLora, match=r"models/58390\?modelVersionId=62833"):
        rack.library.find("ink", "ab" * 6)


def test_nothing_is_hashed_that_need_not_be(rack: Rack) -> None:
    for n in range(5):
        rack.add(f"{n}.safetensors", out=n + 1)
    path = rack.folder / "3.safetensors"
    told: list[tuple[int, int]] = []
    wanted = _autov2(path)
    assert rack.library.find("3", wanted, progress=lambda *now: told.append(now)) == "3.safetensors"
    measured = [path.stem for path in rack.folder.iterdir() if rack.index.measured(path)]
    assert measured == ["3"]
    assert told[-1] == (path.stat().st_size, path.stat().st_size)


def test_a_search_beyond_its_limits_is_left_unfinished(rack: Rack) -> None:
    path = rack.add("ink.safetensors")
    wanted = _autov2(path)
    with pytest.raises(SearchUnfinished, match="hashed"):
        rack.library.find("renamed", wanted, Limits(bytes=path.stat().st_size - 1))
    with pytest.raises(SearchUnfinished, match="headers"):
        Rack(rack.folder, Index(None)).library.find("an alias", limits=Limits(headers=0))
    assert rack.index.measured(path) is None
    assert rack.library.find("renamed", wanted, Limits(bytes=path.stat().st_size)) == "ink.safetensors"
    assert rack.library.find("renamed", wanted, Limits(0, 0, 0)) == "ink.safetensors"


def test_an_unreadable_file_does_not_stop_the_search(rack: Rack) -> None:
    (rack.folder / "a").mkdir(parents=True)
    (rack.folder / "a" / "broken.safetensors").write_bytes(b"broken")
    path = rack.add("b/ink.safetensors")
    assert rack.library.find("renamed", _autov2(path)) == "b/ink.safetensors"


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "..\\outside", "C:\\outside.safetensors"])
def test_nothing_outside_the_listed_names_is_found(rack: Rack, name: str) -> None:
    save_lora(rack.folder.parent / "outside.safetensors", pair(UNET_LAYER, 8, 8))
    rack.add("ink.safetensors")
    with pytest.raises(MissingLora):
        rack.library.find(name)


def test_composed_and_decomposed_letters_are_the_same(rack: Rack) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    rack.add(f"styles/{decomposed}.safetensors")
    assert rack.library.find(composed) == f"styles/{decomposed}.safetensors"
    assert rack.library.find(f"styles/{composed}.safetensors") == f"styles/{decomposed}.safetensors"
    rack.add(f"styles/{composed}.safetensors", out=16)  # now as written decides
    assert rack.library.find(composed) == f"styles/{composed}.safetensors"
    assert rack.library.find(decomposed) == f"styles/{decomposed}.safetensors"


def test_case_alone_decides_where_the_disk_tells_it_apart(
    rack: Rack, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rack.add("Ink.safetensors")
    if not path.with_name("iNK.SAFETENSORS").exists():
        with pytest.raises(MissingLora):
            rack.library.find("ink")
    monkeypatch.setattr(Path, "samefile", lambda self, other: str(self).lower() == str(other).lower())
    assert rack.library.find("ink") == "Ink.safetensors"
    rack.add("INK.safetensors")
    with pytest.raises(AmbiguousLora):
        rack.library.find("ink")


def test_two_links_to_one_file_are_one(rack: Rack) -> None:
    path = rack.add("a/ink.safetensors")
    (rack.folder / "b").mkdir()
    (rack.folder / "b" / "ink.safetensors").symlink_to(path)
    (rack.folder / "c").mkdir()
    (rack.folder / "c" / "ink.safetensors").hardlink_to(path)
    assert rack.library.find("ink") == "a/ink.safetensors"
    rack.add("d/ink.safetensors", out=16)
    with pytest.raises(AmbiguousLora):
        rack.library.find("ink")
