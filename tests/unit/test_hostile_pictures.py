"""Pictures and records that cost more than they weigh: few bytes named many times, and counts of nothing."""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Callable

import pytest

from lora_core.errors import RackError
from lora_core.made_with import rows_in_file
from lora_core.pictures import fields_in

MOST_SECONDS = 2.0  # of processor time


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _jpeg(exif: bytes) -> bytes:
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", 8 + len(exif)) + b"Exif\0\0" + exif + b"\xff\xd9"


def _webp(exif: bytes) -> bytes:
    return b"RIFF" + bytes(4) + b"WEBPEXIF" + struct.pack("<I", len(exif)) + exif


def _entries(count: int, tag: int, kind: int, number: int, value: int) -> bytes:
    return struct.pack("<H", count) + struct.pack("<HHII", tag, kind, number, value) * count


def _same_text_many_times() -> bytes:
    """65,000 tags that all name the same 8 MiB."""
    return _webp(b"II*\0\x08\0\0\0" + _entries(65_000, 0x10F, 2, 2**23, 0) + b"a" * 2**23)


def _directories_in_directories() -> bytes:
    """65,000 tags that all name the directory they stand in."""
    return _webp(b"II*\0\x08\0\0\0" + _entries(65_000, 0x8769, 4, 1, 8))


def _comments_many_times() -> bytes:
    inner = _entries(60_000, 0x9286, 7, 2**22, 0)
    return _webp(b"II*\0\x08\0\0\0" + _entries(1, 0x8769, 4, 1, 26) + bytes(4) + inner + b"b" * 2**22)


def _bombs(kind: bytes) -> bytes:
    """Texts that unpack to more than is read: 2,000 times 20 MiB."""
    packed = zlib.compress(bytes(20 * 2**20), 9)
    body = b"a\0\0" + packed if kind == b"zTXt" else b"a\0\1\0\0\0" + packed
    return _png(*[(kind, body)] * 2_000)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _avif(iloc: bytes, rest: bytes = b"") -> bytes:
    infe = _box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", 1, 0, b"Exif"))
    iinf = _box(b"iinf", bytes(4) + struct.pack(">H", 1) + infe)
    meta = _box(b"meta", bytes(4) + iinf + _box(b"iloc", iloc))
    return _box(b"ftyp", b"avif" + bytes(8)) + meta + rest


def _extents_of_nothing() -> bytes:
    """Items with 65,535 extents that take no byte each."""
    items = b"".join(struct.pack(">HHH", n, 0, 65_535) for n in range(2, 60_000))
    return _avif(bytes(4) + b"\0\0" + struct.pack(">H", 59_998) + items)


def _extents_of_everything() -> bytes:
    """One item with 65,535 extents, each the whole of the file."""
    extents = struct.pack(">II", 0, 2**25) * 65_535
    return _avif(bytes(4) + b"\x44\0" + struct.pack(">HHHH", 1, 1, 0, 65_535) + extents, bytes(2**23))


PICTURES: tuple[Callable[[], bytes], ...] = (
    _same_text_many_times,
    _directories_in_directories,
    _comments_many_times,
    lambda: _bombs(b"zTXt"),
    lambda: _bombs(b"iTXt"),
    _extents_of_nothing,
    _extents_of_everything,
)


@pytest.mark.parametrize("make", PICTURES)
def test_a_picture_costs_what_it_weighs(make: Callable[[], bytes]) -> None:
    data = make()
    started = time.process_time()
    fields = fields_in(data)
    assert time.process_time() - started < MOST_SECONDS
    assert fields is not None
    assert sum(len(text) for _, text in fields) <= 2**25


def test_texts_after_damaged_ones_are_read() -> None:
    damaged = [(b"zTXt", b"a\0\0no zlib"), (b"iTXt", b"a\0\1\0\0\0" + b"x" * 200), (b"iTXt", b"")]
    text = (b"tEXt", b"parameters\0a <lora:ink:1>")
    assert fields_in(_png(*damaged * 20, text)) == [("parameters", "a <lora:ink:1>")]
    exif = b"II*\0\x08\0\0\0" + _entries(1, 0x8769, 4, 1, 26) + bytes(4)
    exif += _entries(1, 0x9286, 7, 20, 44) + bytes(4) + b"ASCII\0\0\0<lora:ink:1>"
    assert fields_in(_jpeg(exif)) == [("parameters", "<lora:ink:1>")]


def _record(nodes: list[dict[str, str]]) -> tuple[bytes, bytes]:
    return b"tEXt", b"lora_rack\0" + json.dumps({"version": 1, "applied": nodes}).encode()


def _workflow(count: int) -> tuple[bytes, bytes]:
    prompt = {str(n): {"class_type": "LoraRackApply", "inputs": {}} for n in range(count)}
    return b"tEXt", b"prompt\0" + json.dumps(prompt).encode()


RECORDS: dict[str, Callable[[], list[tuple[bytes, bytes]]]] = {
    "many nodes": lambda: [
        _record([{"node": str(n), "stack": ""} for n in range(50_000)]),
        _workflow(30_000),
    ],
    "many rows": lambda: [_record([{"node": str(n), "stack": "<lora:a>\n" * 9_000} for n in range(100)])],
    "many mistakes": lambda: [_record([{"node": str(n), "stack": "<lora:a" * 20} for n in range(20_000)])],
    "a long name": lambda: [_record([{"node": "x" * 10**6, "type": "y" * 10**6, "stack": "<lora:" * 20}])],
    "a deep one": lambda: [(b"tEXt", b"lora_rack\0" + b'{"applied":' * 5_000)],
    "senseless numbers": lambda: [
        _record([{"node": "1", "stack": f"<lora:a:{n}>"} for n in ("1e300", "-1e9")])
    ],
    "no texts": lambda: [(b"tEXt", b'lora_rack\0{"applied": [{"node": 1, "stack": {"a": []}}]}')],
    "no list": lambda: [(b"tEXt", b'lora_rack\0{"applied": {"a": 1}}')],
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_read_in_time_and_told_in_short(name: str) -> None:
    data = _png(*RECORDS[name]())
    started = time.process_time()
    try:
        found = rows_in_file(data)
    except RackError as error:
        told = [str(error)]
    else:
        told = [*found.remarks]
        assert len(found.stack.rows) <= 10_000
    assert time.process_time() - started < 2 * MOST_SECONDS
    assert sum(map(len, told)) < 200_000
