"""The EXIF of a JPEG (ITU T.81, annex B; Exif 2.3, section 4.7.2) and of a WebP (RFC 9649, section 2)."""

from __future__ import annotations

import struct

_MARK = b"Exif\0\0"
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RST0 to RST7, SOI
_SCAN, _END, _APP1 = 0xDA, 0xD9, 0xE1


def is_jpeg(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8")


def is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def is_gif(data: bytes) -> bool:
    return data.startswith((b"GIF87a", b"GIF89a"))


def jpeg_exif(data: bytes) -> bytes:
    """The TIFF structure of the first EXIF segment before the pixels; empty where there is none."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        kind = data[position + 1]
        if kind in (_SCAN, _END):
            break
        if kind == 0xFF or kind in _WITHOUT_LENGTH:  # fill bytes may stand before a marker
            position += 1 if kind == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        body = data[position + 4 : position + 2 + length]
        if kind == _APP1 and body.startswith(_MARK):
            return body[len(_MARK) :]
        position += 2 + max(2, length)
    return b""


def webp_exif(data: bytes) -> bytes:
    """The TIFF structure of the EXIF chunk; empty where there is none."""
    position = 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind == b"EXIF":
            return data[position + 8 : position + 8 + length].removeprefix(_MARK)
        position += 8 + length + length % 2
    return b""
