"""The small pictures beside LoRA files: found, made smaller, kept."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from ..lora_core.cache import ByteCache
from ..lora_core.errors import BrokenFile

# How the field names previews, best first: LoRA Manager, Civitai Helper, SD.Next, A1111.
_ENDINGS = tuple(
    f"{kind}.{extension}"
    for kind in (".preview", ".thumb", "")
    for extension in ("webp", "png", "jpeg", "jpg", "gif")
)
_EDGE_PX = 256
_MAX_PIXELS = 64_000_000
_CACHE_BYTES = 32 * 2**20


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


class Previews:
    """Looks for previews with one listing per folder, made again when the folder changes."""

    def __init__(self) -> None:
        self._listings: dict[Path, tuple[int, dict[str, str]]] = {}
        self._thumbnails = ByteCache(_CACHE_BYTES)

    def find(self, lora: Path) -> Preview | None:
        """The preview of a LoRA file, capitals in its ending or not."""
        files = self._files(lora.parent)
        for ending in _ENDINGS:
            if name := files.get((lora.stem + ending).casefold()):
                path = lora.with_name(name)
                try:
                    return Preview(path, format(path.stat().st_mtime_ns, "x"))
                except OSError:
                    continue
        return None

    def thumbnail(self, preview: Preview) -> Thumbnail:
        """The preview made small. Raises BrokenFile for what is no picture."""
        return self._thumbnails.get(preview, lambda: Thumbnail(_small(preview.path)))

    def _files(self, folder: Path) -> dict[str, str]:
        try:
            changed = folder.stat().st_mtime_ns
            if folder not in self._listings or self._listings[folder][0] != changed:
                self._listings[folder] = changed, {p.name.casefold(): p.name for p in folder.iterdir()}
        except OSError:
            return {}
        return self._listings[folder][1]


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
