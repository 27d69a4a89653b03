"""Pictures from strangers: which formats are ever decoded, of how many pixels, and one at a time.

Pillow tells a format by its content, and some it hands to other programs (PostScript to Ghostscript), so the
formats are named here whatever a file is called. Its readers raise anything on damaged bytes.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import ExifTags, Image, ImageOps

from ...lora_core.errors import BadPicture, RackError
from .png_texts import is_png, png_fields

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_PIXELS = 2**25  # 128 MiB of the widest format's pixels
_MAX_FILE_BYTES = 2**26
_USER_COMMENT = 0x9286
_NAMES = ("prompt", "workflow", "parameters")

_DECODING = threading.Lock()  # pixels of one picture in memory at a time


@contextmanager
def _opened(source: Path | io.BytesIO) -> Iterator[Image.Image]:
    """A picture whose pixels have not been read. Raises BadPicture, for what is raised inside too."""
    try:
        with Image.open(source, formats=FORMATS) as picture:
            yield picture
    except RackError:
        raise
    except MemoryError:
        raise BadPicture("the picture takes more memory than there is") from None
    except Exception as error:
        told = str(error).partition("\n")[0][:200] or type(error).__name__
        raise BadPicture(f"the picture cannot be read ({told})") from None


def small_webp(path: Path, edge: int) -> bytes:
    """The picture at a path as WebP of at most `edge` × `edge` pixels. Raises BadPicture."""
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise BadPicture(f"the picture has more than {_MAX_FILE_BYTES} bytes. Make it smaller")
    with _DECODING, _opened(path) as picture:
        picture.draft("RGB", (edge * 2, edge * 2))  # of a JPEG only as many pixels as are wanted are decoded
        if picture.width * picture.height > MAX_PIXELS:
            size = f"{picture.width} × {picture.height} pixels"
            raise BadPicture(f"the picture has {size}, at most {MAX_PIXELS} are decoded. Make it smaller")
        if picture.mode in ("P", "1", "I;16"):
            picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
        picture.thumbnail(
            (edge * 2, edge * 2)
        )  # in place, by blocks of pixels: no second picture in full size
        small = _upright(picture.convert("RGBA" if "A" in picture.getbands() else "RGB"))
        small.thumbnail((edge, edge))
        out = io.BytesIO()
        small.save(out, "WEBP", quality=82)
    return out.getvalue()


def texts_in(data: bytes) -> list[str] | None:
    """What generators wrote into a picture, the surest first, without one pixel decoded; None for no picture.

    A1111 writes into PNG text and EXIF, ComfyUI the API prompt and the workflow as JSON. Raises BadPicture.
    """
    if is_png(data):
        fields, exif = png_fields(data)
        return [*(fields[name] for name in _NAMES if name in fields), *_exif_texts(exif)]
    if not data.startswith((b"\xff\xd8", b"GIF8")) and not (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        return None
    with _opened(io.BytesIO(data)) as picture:
        fields = {name: str(picture.info[name]) for name in _NAMES if name in picture.info}
        exif = picture.info.get("exif", b"")
    return [*fields.values(), *(_exif_texts(exif) if isinstance(exif, bytes) else ())]


def _upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says; as it is where that is damaged."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # the reader of EXIF raises anything too, and only the turn is lost
        return picture


def _exif_texts(data: bytes) -> list[str]:
    if not data:
        return []
    exif = Image.Exif()
    try:
        exif.load(data)
        values = [*exif.values(), exif.get_ifd(ExifTags.IFD.Exif).get(_USER_COMMENT)]
    except Exception:  # on damaged bytes; there is no text in them that could be told from noise
        return []
    return [text for value in values if (text := _exif_text(value))]


def _exif_text(value: object) -> str:
    if isinstance(value, bytes):
        kind, text = value[:8], value[8:]
        return text.decode("utf-16-be" if kind.startswith(b"UNICODE") else "utf-8", "replace")
    if not isinstance(value, str):
        return ""
    # ComfyUI's WebP: "prompt:{…}" and "workflow:{…}".
    name, colon, rest = value.partition(":")
    return rest if colon and name.lower() in ("prompt", "workflow") else value
