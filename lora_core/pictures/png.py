"""The texts of a PNG, read chunk by chunk (PNG specification, third edition, sections 5 and 11.3.3).

Pillow gives texts that stand behind the picture only once every pixel has been decoded.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_TEXT = 2**24  # bytes of one text, unpacked
_MOST_TEXTS = 2**25  # of all
_LONGEST_NAME = 79  # letters of a keyword


def is_png(data: bytes) -> bool:
    return data.startswith(_SIGNATURE)


def png_fields(data: bytes) -> tuple[dict[str, str], bytes]:
    """The texts by their keyword, the last of several alike, and the EXIF. What is cut off is not there."""
    fields: dict[str, str] = {}
    exif, left = b"", _MOST_TEXTS
    for kind, body in _chunks(data):
        if kind == b"eXIf":
            exif = bytes(body)
        if kind not in (b"tEXt", b"zTXt", b"iTXt"):
            continue
        text = _text(kind, bytes(body))
        # What cannot be read may have been unpacked all the same: of a byte come at most 1032.
        left -= min(_MOST_TEXT, 1032 * len(body)) if text is None else len(text[1])
        if left < 0:
            break
        if text is not None:
            fields[text[0].lower()[:_LONGEST_NAME]] = text[1]
    return fields, exif


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, position = memoryview(data), len(_SIGNATURE)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        yield kind, view[position + 8 : position + 8 + length]
        position += 12 + length


def _text(kind: bytes, body: bytes) -> tuple[str, str] | None:
    name, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return name.decode("latin-1"), rest[:_MOST_TEXT].decode("latin-1")
    if kind == b"zTXt":
        found = _unpacked(rest[1:])
        return None if found is None else (name.decode("latin-1"), found.decode("latin-1"))
    is_packed, parts = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
    if len(parts) < 3:
        return None
    found = _unpacked(parts[2]) if is_packed else parts[2][:_MOST_TEXT]
    return None if found is None else (name.decode("latin-1"), found.decode("utf-8", "replace"))


def _unpacked(data: bytes) -> bytes | None:
    """None for what is no zlib stream, or unpacks to more than is read."""
    reader = zlib.decompressobj()
    try:
        found = reader.decompress(data, _MOST_TEXT)
    except zlib.error:
        return None
    return None if reader.unconsumed_tail else found
