"""The EXIF of an AVIF: an item of its `meta` box (ISO 14496-12, section 8.11; ISO 23008-12, annex A)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice

_MOST = 2**25  # bytes of EXIF that are read
_MOST_EXTENTS = 1000  # of all items: they may take no byte each, and name the same bytes again and again
_BRANDS = (b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix")


def is_avif(data: bytes) -> bool:
    """Whether it is an AVIF, or a HEIF, which stores its EXIF in the same way."""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def avif_exif(data: bytes) -> bytes:
    """The TIFF structure of the EXIF item; empty where there is none or it is damaged."""
    try:
        return _exif(data)
    except (struct.error, IndexError, ValueError):
        return b""


def _exif(data: bytes) -> bytes:
    meta = next((body for kind, body in _boxes(data) if kind == b"meta"), b"")[4:]
    inside = dict(_boxes(meta))
    number = next((item for item, kind in _items(inside.get(b"iinf", b"")) if kind == b"Exif"), None)
    if number is None:
        return b""
    every = islice(_places(inside.get(b"iloc", b"")), _MOST_EXTENTS)
    found = b""
    for method, start, size in [place for item, place in every if item == number]:
        source = inside.get(b"idat", b"") if method == 1 else data
        end = start + size if size else len(source)
        found += source[start : min(end, start + _MOST - len(found))]
    (skipped,) = struct.unpack_from(">I", found)  # to the TIFF header, over "Exif\0\0" where it is there
    return found[4 + skipped :]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, content) of each box."""
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, position + 8)
            header = 16
        size = size or len(data) - position
        if size < header:
            return
        yield kind, data[position + header : position + size]
        position += size


def _items(iinf: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, type) of each item that has a type."""
    for kind, body in _boxes(iinf[8 if iinf[:1] >= b"\1" else 6 :]):
        if kind == b"infe" and body[0] >= 2:
            is_wide = body[0] >= 3
            (number,) = struct.unpack_from(">I" if is_wide else ">H", body, 4)
            at = 4 + (4 if is_wide else 2) + 2
            yield number, body[at : at + 4]


def _places(iloc: bytes) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """(number, (method, offset, size)) of each extent of each item."""
    version = iloc[0]
    offset_size, length_size = iloc[4] >> 4, iloc[4] & 15
    base_size, index_size = iloc[5] >> 4, iloc[5] & 15 if version else 0
    position = 6

    def take(size: int) -> int:
        nonlocal position
        if position + size > len(iloc):
            raise ValueError("the box ends early")
        position += size
        return int.from_bytes(iloc[position - size : position], "big")

    for _ in range(take(4 if version == 2 else 2)):
        number = take(4 if version == 2 else 2)
        method = take(2) & 15 if version else 0
        take(2)
        base = take(base_size)
        for _ in range(take(2)):
            take(index_size)
            start, size = take(offset_size), take(length_size)
            yield number, (method, base + start, size)
