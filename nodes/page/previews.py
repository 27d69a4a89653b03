"""The small pictures of LoRA files: read, made smaller, kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...lora_core.cache import ByteCache
from ...lora_core.errors import BadPicture, BrokenFile
from .picture_files import small_webp

# What previews may also be, and no picture library reads: films.
_READABLE = frozenset((".png", ".jpg", ".jpeg", ".webp", ".gif"))
_EDGE_PX = 256
_REMEDY = "Replace or remove it"

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
        return small_webp(path, _EDGE_PX)
    except OSError as error:
        raise BrokenFile(path, f"the preview cannot be read ({error.strerror})", _REMEDY) from None
    except BadPicture as error:
        raise BrokenFile(path, f"as a preview: {error}", _REMEDY) from None
