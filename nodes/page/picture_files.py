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

from PIL import Image, ImageOps

from ...lora_core.errors import BadPicture, RackError
from ...lora_core.pictures import texts_in

__all__ = ["FORMATS", "MAX_PIXELS", "small_webp", "texts_in"]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_PIXELS = 2**25  # 128 MiB of the widest format's pixels
_MAX_FILE_BYTES = 2**26

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


def _upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says; as it is where that is damaged."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # the reader of EXIF raises anything too, and only the turn is lost
        return picture
