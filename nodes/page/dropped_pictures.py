"""The LoRAs a picture or a workflow was made with, from what generators write into their files."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import ExifTags, Image

from ...lora_core.errors import RackError
from ...lora_core.grammar import read_prompt
from ...lora_core.stack import Stack
from ...lora_core.workflows import Named, rows_in_text

# Where generators put it: A1111 in PNG text and in EXIF, ComfyUI the API prompt and the workflow as JSON.
_USER_COMMENT = 0x9286


def tags_in(text: str) -> Stack:
    """The tags that stand anywhere in a prompt, in their order. Raises BadStackText for a bad one."""
    return read_prompt(text).stack


def rows_in_file(data: bytes) -> Named:
    """The LoRAs named in a picture's metadata, in a workflow or in a text; empty when there are none.

    Of several texts in a picture the first that names any counts; the remarks are then those about it alone.
    Raises RackError for what is neither.
    """
    remarks: list[str] = []
    problem: RackError | None = None
    for text in _texts(data):
        try:
            named = rows_in_text(text)
        except RackError as error:  # another text of the picture may be whole
            problem = problem or error
            continue
        if named.stack.rows:
            return named
        remarks += named.remarks
    if problem is not None and not remarks:
        raise problem
    return Named(Stack(), tuple(remarks))


def _texts(data: bytes) -> Iterator[str]:
    """What may name LoRAs, the surest first."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            fields: Mapping[str, Any] = {**picture.info, **getattr(picture, "text", {})}
            yield from (str(fields[name]) for name in ("prompt", "workflow", "parameters") if name in fields)
            yield from _exif_texts(picture.getexif())
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        try:
            yield data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise RackError(
                "this file is neither a picture nor a text: drop a picture or a workflow"
            ) from None


def _exif_texts(exif: Image.Exif) -> Iterator[str]:
    for value in (*exif.values(), exif.get_ifd(ExifTags.IFD.Exif).get(_USER_COMMENT)):
        if isinstance(value, bytes):
            kind, text = value[:8], value[8:]
            yield text.decode("utf-16-be" if kind.startswith(b"UNICODE") else "utf-8", "replace")
        elif isinstance(value, str):
            # ComfyUI's WebP: "prompt:{…}" and "workflow:{…}".
            yield re.sub(r"^(?:prompt|workflow):", "", value, flags=re.IGNORECASE)
