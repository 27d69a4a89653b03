"""Which texts are in a picture? Read from the bytes of its container, without one pixel decoded.

PNG has texts of its own (`png`); JPEG, WebP and AVIF carry EXIF (`containers`, `avif`), whose texts `exif`
reads. What is damaged is left out: a picture that lost its texts is still a picture.
"""

from __future__ import annotations

from .avif import avif_exif, is_avif
from .containers import is_gif, is_jpeg, is_webp, jpeg_exif, webp_exif
from .exif import exif_fields
from .png import is_png, png_fields

__all__ = ["RECORD", "fields_in", "texts_in"]

RECORD = "lora_rack"
"""The name under which the nodes of this pack say what they applied."""

_NAMES = ("prompt", "workflow", "parameters")  # the surest first


def fields_in(data: bytes) -> list[tuple[str, str]] | None:
    """The texts that programs wrote into a picture, each with its name; None for what is no picture.

    The names are `lora_rack`, `prompt`, `workflow` and `parameters`, in this order; a text of EXIF that names
    none of them has an empty one. ComfyUI writes the prompt and the workflow as JSON, A1111 its parameters.
    """
    if is_png(data):
        named, exif = png_fields(data)
        known = [(name, named[name]) for name in (RECORD, *_NAMES) if name in named]
        return [*known, *_in_order(exif_fields(exif))]
    for is_one, exif_in in ((is_jpeg, jpeg_exif), (is_webp, webp_exif), (is_avif, avif_exif)):
        if is_one(data):
            return _in_order(exif_fields(exif_in(data)))
    return [] if is_gif(data) else None


def texts_in(data: bytes) -> list[str] | None:
    """What generators wrote into a picture, the surest first; None for what is no picture."""
    found = fields_in(data)
    return None if found is None else [text for name, text in found if name != RECORD]


def _in_order(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    places = {name: place for place, name in enumerate((RECORD, *_NAMES))}
    return sorted(fields, key=lambda field: places.get(field[0], len(places)))
