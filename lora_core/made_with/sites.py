"""What was applied, in the words that sites and other programs read.

A1111 writes a tag for each LoRA into the prompt, and `Lora hashes: "name: AutoV3, …"` behind its parameters
(extensions-builtin/Lora, networks.py and extra_networks_lora.py). Civitai lists its resources as JSON
objects of type, weight and the number of the version, where that is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..blocks import write_number
from ..library import file_stem
from ..stack import Entry

_AUTOV2, _AUTOV3 = 10, 12  # digits
_VERSION = re.compile(r"[?&]modelVersionId=(\d+)")
_UNWRITABLE = re.compile(r'[<>:,"\r\n]+')  # what would end a tag, or an item of the list of hashes


@dataclass(frozen=True)
class Used:
    """An entry that acted, and what its file is known by elsewhere: hashes as 64 hex digits, its page."""

    entry: Entry
    sha256: str = ""
    tensors: str = ""
    page: str = ""

    @property
    def name(self) -> str:
        """The file's name without folder and ending, as tags of A1111 have it."""
        return _UNWRITABLE.sub("_", file_stem(self.entry.name))


def infotext(used: Sequence[Used]) -> str:
    """A line with A1111's tags, and a line with its hashes; empty where nothing acted.

    A1111 has no words for block weights and windows: those are in the picture's own record alone.
    """
    if not used:
        return ""
    tags = " ".join(f"<lora:{one.name}:{_strengths(one.entry)}>" for one in used)
    hashes = {one.name: one.tensors[:_AUTOV3] or one.sha256[:_AUTOV3] for one in used}
    listed = ", ".join(f"{name}: {hash}" for name, hash in hashes.items() if hash)
    return f'{tags}\nLora hashes: "{listed}"' if listed else tags


def civitai_resources(used: Sequence[Used]) -> str:
    """A JSON list, an object for each LoRA that acted. A file of no known version has its AutoV2."""
    return json.dumps([_resource(one) for one in used], ensure_ascii=False)


def _resource(one: Used) -> dict[str, Any]:
    found = {"type": "lora", "weight": one.entry.strength_model or one.entry.strength_clip}
    version = _VERSION.search(one.page)
    if version:
        found["modelVersionId"] = int(version[1])
    found["modelName"] = file_stem(one.entry.name)
    return found | ({"hash": one.sha256[:_AUTOV2]} if one.sha256 else {})


def _strengths(entry: Entry) -> str:
    """A1111's order: the text encoder's first, and once where both are the same."""
    model, clip = write_number(entry.strength_model), write_number(entry.strength_clip)
    return model if model == clip else f"{clip}:{model}"
