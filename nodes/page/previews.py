"""The small pictures of LoRA files: read, made smaller, kept."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from ...lora_core.cache import ByteCache
from ...lora_core.errors import BrokenFile

# What previews may also be, and no picture library reads: films.
_READABLE = frozenset((".png", ".jpg", ".jpeg", ".webp", ".gif"))
_EDGE_PX = 256
_MAX_PIXELS = 64_000_000

# Preview → Thumbnail.
_CACHE = ByteCache(32 * 2**20)


@dataclass(frozen=True)
class Preview:
    """A picture beside a LoRA; `version` changes with it."""

    path: Path
    version: str


@dataclass(frozen=True)
class Thumbnail:
    """A WebP picture of at most 256 × 256 pixels."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)


def preview_at(path: Path) -> Preview | None:
    """The picture at a path, if there is one that can be read."""
    if path.suffix.lower() not in _READABLE:
        return None
    try:
        return Preview(path, format(path.stat().st_mtime_ns, "x"))
    except OSError:
        return None


def thumbnail(preview: Preview) -> Thumbnail:
    """The preview made small. Raises BrokenFile for what is no picture."""
    return _CACHE.get(preview, lambda: Thumbnail(_small(preview.path)))


def _small(path: Path) -> bytes:
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                raise BrokenFile(path, f"the preview has more than {_MAX_PIXELS} pixels", "Make it smaller.")
            picture.draft("RGB", (_EDGE_PX * 2, _EDGE_PX * 2))
            small = ImageOps.exif_transpose(picture.convert("RGBA" if "A" in picture.getbands() else "RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BrokenFile(path, f"the preview cannot be read: {error}", "Replace or remove it.") from None
    small.thumbnail((_EDGE_PX, _EDGE_PX))
    out = io.BytesIO()
    small.save(out, "WEBP", quality=82)
    return out.getvalue()
