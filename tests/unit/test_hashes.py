"""Hashes of a file against the formulas as other tools' documentation states them, and references to them."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest
from small_files import pair, save_lora

from lora_core.errors import BadHash, BrokenFile
from lora_core.reading.hashes import claimed_hashes, is_match, measure, read_hash

MIB = 2**20
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [700, MIB - 1, MIB + 5, MIB + 2**16, 3 * MIB + 123])
def test_every_hash_of_a_file_is_what_its_definition_says(tmp_path: Path, size: int) -> None:
    header = json.dumps({"t": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    tensors = bytes(i * 7 % 251 for i in range(size))
    whole = struct.pack("<Q", len(header)) + header + tensors
    path = tmp_path / "a.safetensors"
    path.write_bytes(whole)
    read: list[int] = []
    found = measure(path, read.append)
    assert found.sha256 == _digest(whole)
    assert found.tensors == _digest(tensors)
    assert found.autov1 == (_digest(whole[0x100000:0x110000])[:8] if len(whole) > MIB else "")
    assert sum(read) == len(whole)
    assert ("autov1" in found.by_kind) == (len(whole) > MIB)


def test_a_header_longer_than_a_piece_is_left_out_of_the_tensors(tmp_path: Path) -> None:
    header = json.dumps({"__metadata__": {"text": "x" * (2 * MIB)}}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"tensors")
    assert measure(path).tensors == _digest(b"tensors")


def test_another_format_has_no_hash_of_tensors(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"PK\x03\x04 anything")
    found = measure(path)
    assert found.tensors == ""
    assert found.by_kind == {"sha256": _digest(b"PK\x03\x04 anything")}


def test_metadata_may_change_without_the_hash_of_the_tensors(tmp_path: Path) -> None:
    before = measure(save_lora(tmp_path / "a.safetensors", pair("x", 4, 4)))
    after = measure(save_lora(tmp_path / "b.safetensors", pair("x", 4, 4), note="edited"))
    assert before.sha256 != after.sha256
    assert before.tensors == after.tensors


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenFile, match=r"gone\.safetensors: cannot be read"):
        measure(tmp_path / "gone.safetensors")


@pytest.mark.parametrize(
    ("text", "value"),
    [("3F2A91C0DE", "3f2a91c0de"), (" 0x3f2a91c0 ", "3f2a91c0"), ("a" * 64, "a" * 64)],
)
def test_hashes_are_read_in_any_case(text: str, value: str) -> None:
    assert read_hash(text) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("3f2a91c", "7 digits"),
        ("a" * 65, "65 digits"),
        ("3f2a91g0", "only the digits"),
        ("", "only the digits"),
        ("e3b0c442", "hash of nothing"),
        ("E3B0C44298FC", "hash of nothing"),
        (EMPTY, "hash of nothing"),
    ],
)
def test_what_is_no_hash_is_refused(text: str, problem: str) -> None:
    with pytest.raises(BadHash, match=problem):
        read_hash(text)


def test_what_begins_like_the_hash_of_nothing_is_a_hash() -> None:
    assert read_hash("e3b0c44298fd") == "e3b0c44298fd"


@pytest.mark.parametrize(
    ("kind", "known", "wanted", "fits"),
    [
        ("sha256", "ab" * 32, "abababab", True),
        ("sha256", "ab" * 32, "ab" * 5, True),
        ("sha256", "ab" * 32, "babababa", False),
        ("autov2", "ab" * 5, "ab" * 32, True),  # a site told ten digits, the reference has all
        ("tensors", "ab" * 6, "ab" * 5, True),
        ("autov1", "abababab", "abababab", True),
        ("autov1", "abababab", "ab" * 32, False),  # eight digits are too few to stand for a longer hash
        ("legacy", "abababab", "ab" * 6, False),
    ],
)
def test_a_hash_fits_by_its_beginning(kind: str, known: str, wanted: str, fits: bool) -> None:
    assert is_match(kind, known, wanted) is fits


def test_a_headers_claims() -> None:
    metadata = {
        "sshs_model_hash": "AB" * 32,
        "sshs_legacy_hash": "12345678",
        "modelspec.hash_sha256": "0x" + "cd" * 32,
    }
    assert claimed_hashes(metadata) == {
        "tensors": "ab" * 32,
        "legacy": "12345678",
        "modelspec": "cd" * 32,
    }


@pytest.mark.parametrize("value", [EMPTY, "e3b0c44298fc", "None", "", "0x", "zz" * 32])
def test_placeholders_are_no_claims(value: str) -> None:
    assert claimed_hashes({"sshs_model_hash": value, "modelspec.hash_sha256": value}) == {}
