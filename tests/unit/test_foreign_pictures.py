"""Pictures made to do harm: four formats are decoded, of bounded size, and texts take no pixels."""

from __future__ import annotations

import io
import json
import random
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from pack_modules import pack_module
from PIL import Image, PngImagePlugin

pictures = pack_module("nodes.page.picture_files")
BadPicture = pack_module("lora_core.errors").BadPicture

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n9 9 scale showpage\n%%EOF\n"
_FLAGS = (32, 0xFFFF, 0, 0, 0, 0, 0, 0)  # of pixels no reader knows
DDS = b"DDS " + struct.pack("<31I", 124, 0x1007, 4, 4, 0, 0, 0, *[0] * 11, *_FLAGS, *[0] * 5)
PROMPT = json.dumps({"1": {"class_type": "LoraLoader", "inputs": {"lora_name": "ink"}}})


def _bytes(kind: str, mode: str = "RGB", size: tuple[int, int] = (40, 30), **how: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind, **how)
    return out.getvalue()


def _png_of(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), *chunks, (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "1"])
def test_the_four_formats_become_small(kind: str, mode: str, tmp_path: Path) -> None:
    if kind == "JPEG" and mode in ("RGBA", "P"):
        return
    path = tmp_path / "a.png"
    path.write_bytes(_bytes(kind, mode, (900, 600)))
    with Image.open(io.BytesIO(pictures.small_webp(path, 256))) as small:
        assert (small.format, small.size) == ("WEBP", (256, 171))


@pytest.mark.parametrize(
    "data",
    [EPS, DDS, _bytes("BMP"), _bytes("TIFF"), _bytes("PPM"), _bytes("ICO"), _bytes("PCX"), b"", b"\x89PNG"],
)
def test_no_other_format_is_decoded_whatever_it_is_called(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(BadPicture):
        pictures.small_webp(path, 256)


def test_a_picture_of_too_many_pixels_is_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_png_of(8_000, 8_000, (b"IDAT", zlib.compress(bytes(24_001 * 100)))))
    started = time.process_time()
    with pytest.raises(BadPicture, match="8000 × 8000 pixels"):
        pictures.small_webp(path, 256)
    assert time.process_time() - started < 0.5
    assert MOST < 8_000**2


MOST = pictures.MAX_PIXELS


def test_a_turn_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    path.write_bytes(_bytes("JPEG", exif=exif.tobytes()))
    with Image.open(io.BytesIO(pictures.small_webp(path, 20))) as turned:
        assert turned.height > turned.width
    path.write_bytes(_bytes("JPEG", exif=exif.tobytes()[:-7]))
    with Image.open(io.BytesIO(pictures.small_webp(path, 20))) as plain:
        assert plain.width > plain.height


def test_texts_before_and_behind_the_pixels_are_read_and_no_pixel_is() -> None:
    large = _png_of(
        13_300,
        13_300,
        (b"tEXt", b"parameters\0a lake <lora:ink:1>"),
        (b"IDAT", b"no pixels"),
        (b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(b'{"a": "\xc3\xa9"}')),
        (b"zTXt", b"prompt\0\0" + zlib.compress(PROMPT.encode())),
    )
    assert pictures.texts_in(large) == [PROMPT, '{"a": "é"}', "a lake <lora:ink:1>"]
    assert pictures.texts_in(large[:-30]) is not None


def test_what_pillow_writes_is_read_back() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", PROMPT)
    info.add_itxt("workflow", "{}", zip=True)
    assert pictures.texts_in(_bytes("PNG", pnginfo=info)) == [PROMPT, "{}"]
    exif = Image.Exif()
    exif[0x010F] = f"prompt:{PROMPT}"
    assert pictures.texts_in(_bytes("WEBP", exif=exif.tobytes())) == [PROMPT]
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "a <lora:é:1>".encode("utf-16-be")
    assert "a <lora:é:1>" in (pictures.texts_in(_bytes("JPEG", exif=exif.tobytes())) or [])
    assert pictures.texts_in(b'{"no": "picture"}') is None
    assert pictures.texts_in(EPS) is None


def test_a_text_that_unpacks_without_end_is_not_read() -> None:
    bomb = zlib.compress(bytes(2**26), 9)
    assert pictures.texts_in(_png_of(1, 1, (b"zTXt", b"prompt\0\0" + bomb))) == []


def test_damaged_pictures_are_typed_errors(tmp_path: Path) -> None:
    numbers = random.Random(5)
    exif = Image.Exif()
    exif[0x010F] = "prompt:{}"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + b"x" * 20
    sound = [_bytes("PNG", exif=exif.tobytes()), _bytes("WEBP", exif=exif.tobytes()), _bytes("GIF", "P")]
    sound.append(_bytes("JPEG", exif=exif.tobytes()))
    path = tmp_path / "a.png"
    for _ in range(400):
        data = bytearray(numbers.choice(sound))
        for _ in range(numbers.randint(1, 6)):
            data[numbers.randrange(len(data))] = numbers.randrange(256)
        broken = bytes(data[: numbers.randint(0, len(data))] if numbers.random() < 0.3 else data)
        path.write_bytes(broken)
        for read in (lambda: pictures.small_webp(path, 256), lambda: pictures.texts_in(broken)):  # noqa: B023
            try:
                read()
            except BadPicture:
                continue
