"""The LoRAs a picture or a workflow was made with, from what generators write into their files."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import ExifTags, Image

from ...lora_core.errors import RackError
from ...lora_core.grammar import read_prompt
from ...lora_core.stack import Entry, Stack

# Where generators put it: A1111 in PNG text and in EXIF, ComfyUI the API prompt and the workflow as JSON.
_USER_COMMENT = 0x9286
_STRENGTHS = ("strength_model", "strength_clip")


def tags_in(text: str) -> Stack:
    """The tags that stand anywhere in a prompt, in their order. Raises BadStackText for a bad one."""
    return read_prompt(text).stack


def stack_in_file(data: bytes) -> Stack:
    """The LoRAs named in a picture's metadata, in a workflow or in a text; empty when there are none.

    Raises RackError for what is neither.
    """
    for text in _texts(data):
        if (stack := _stack_in(text)).rows:
            return stack
    return Stack()


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


def _stack_in(text: str) -> Stack:
    try:
        content = json.loads(text)
    except ValueError:
        return tags_in(text)
    return Stack(tuple(row for found in _walk(content) for row in found.rows))


def _walk(value: Any) -> Iterator[Stack]:
    """The LoRAs of a graph: loader nodes of an API prompt, and tags in any of its texts."""
    if isinstance(value, str):
        yield tags_in(value)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item)
    elif isinstance(value, dict):
        if isinstance(value.get("lora_name"), str):
            yield Stack((_loader(value),))
        for item in value.values():
            yield from _walk(item)


def _loader(inputs: Mapping[str, Any]) -> Entry:
    model, clip = (inputs.get(name) for name in _STRENGTHS)
    model = float(model) if isinstance(model, int | float) else 1.0
    return Entry(inputs["lora_name"].strip(), model, float(clip) if isinstance(clip, int | float) else model)
