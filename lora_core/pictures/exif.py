"""The texts of EXIF: ASCII tags of the first directory, and the user's comment (Exif 2.3, 4.5, 4.6)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice

_BYTE, _ASCII, _LONG, _UNDEFINED = 1, 2, 4, 7
_EXIF_DIRECTORY, _USER_COMMENT = 0x8769, 0x9286
_ENTRY = 12  # bytes: tag, type, count, and the value or where it lies
_MOST_ENTRIES = 1000  # of both directories; cameras write about a hundred
_MOST_BYTES = 2**25  # of all values: entries may name the same bytes again and again
_NAMED = ("prompt", "workflow", "lora_rack")


def exif_fields(data: bytes) -> list[tuple[str, str]]:
    """(name, text) of every text, in the order of the tags; what lies outside the data is left out.

    ComfyUI writes "prompt:{…}" into tags that mean something else. The user's comment, where A1111 writes, is
    called `parameters`; other texts have no name.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return []
    fields: list[tuple[str, str]] = []
    (first,) = struct.unpack_from(f"{order}I", data, 4)
    directories = [first]
    for tag, kind, value in _within_bounds(_every_entry(data, order, directories)):
        if kind == _ASCII:
            fields += [_named(value.split(b"\0")[0].decode("utf-8", "replace"))]
        elif (tag, kind) == (_EXIF_DIRECTORY, _LONG) and len(value) == 4 and len(directories) == 1:
            directories += struct.unpack(f"{order}I", value)
        elif tag == _USER_COMMENT and kind in (_BYTE, _UNDEFINED):  # the standard says the latter
            fields += [("parameters", _comment(value, order))]
    return [(name, text) for name, text in fields if text]


def _within_bounds(entries: Iterator[tuple[int, int, bytes]]) -> Iterator[tuple[int, int, bytes]]:
    """Those that are read before there are too many, or too many bytes in them."""
    left = _MOST_BYTES
    for entry in islice(entries, _MOST_ENTRIES):
        left -= len(entry[2])
        if left < 0:
            return
        yield entry


def _every_entry(data: bytes, order: str, directories: list[int]) -> Iterator[tuple[int, int, bytes]]:
    """The entries of all directories; one that is added meanwhile comes at the end."""
    for start in directories:
        yield from _entries(data, order, start)


def _entries(data: bytes, order: str, start: int) -> Iterator[tuple[int, int, bytes]]:
    """(tag, type, bytes) of a directory's entries of the types above."""
    if start + 2 > len(data):
        return
    (count,) = struct.unpack_from(f"{order}H", data, start)
    for place in range(start + 2, min(start + 2 + count * _ENTRY, len(data) - _ENTRY + 1), _ENTRY):
        tag, kind, number = struct.unpack_from(f"{order}HHI", data, place)
        if kind not in (_BYTE, _ASCII, _LONG, _UNDEFINED):
            continue
        size = number * (4 if kind == _LONG else 1)
        at = place + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, place + 8)[0]
        yield tag, kind, data[at : at + size]


def _named(text: str) -> tuple[str, str]:
    name, colon, rest = text.partition(":")
    return (name.lower(), rest) if colon and name.lower() in _NAMED else ("", text)


def _comment(value: bytes, order: str) -> str:
    """UserComment begins with the name of its character code. Writers disagree on the order of UTF-16."""
    kind, text = value[:8], value[8:]
    if not kind.startswith(b"UNICODE"):
        return text.decode("utf-8", "replace").strip("\0")
    swapped = text[:1] != b"\0" and text[1:2] == b"\0"  # a Latin letter first, as prompts begin
    return text.decode("utf-16-le" if swapped else "utf-16-be", "replace").strip("\0")
