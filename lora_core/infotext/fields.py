"""The fields of a text that a program writes about a picture, whichever way it writes them.

A1111, Forge, SD.Next, Fooocus and Civitai write the prompt, a line `Negative prompt:`, and a line of
`Steps: 20, Sampler: Euler a, Lora hashes: "ink: 3f2a91c0de"`, whose values are bare, quoted, or JSON.
InvokeAI, Fooocus and SwarmUI write a JSON object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BadInfotext, BadJson
from ..untrusted import read_json, shown

MAX_BYTES = 2**20
_NEGATIVE = re.compile(r"^[ \t]*Negative prompt:[ \t]?", re.MULTILINE | re.IGNORECASE)
_SETTINGS = re.compile(r"^[ \t]*Steps:[ \t]*\d", re.MULTILINE | re.IGNORECASE)
_TEMPLATE = re.compile(r"^(?:Negative )?Template:.*", re.MULTILINE | re.DOTALL)
_GAP = re.compile(r"[\s,]*")
_FIELD = re.compile(r"([A-Za-z][\w \-/.+()]{0,60}?)[ \t]*:[ \t]*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BARE = re.compile(r"[^,\n]*")


class Field(NamedTuple):
    """What a text calls a field, and what it says."""

    label: str
    value: Any


Fields = dict[str, Field]  # by their `name_of`


@cache
def field_table() -> Mapping[str, Any]:
    """The table beside the code: our names of fields with what programs call them, those that say nothing of
    the picture, and values that stand for none.
    """
    table: dict[str, Any] = json.loads(Path(__file__).with_name("fields.json").read_text("utf-8"))
    names = {ours: tuple(map(name_of, theirs)) for ours, theirs in table["names"].items()}
    return {"names": names} | {key: frozenset(map(name_of, table[key])) for key in ("silent", "nothing")}


def read_fields(text: str) -> Fields:
    """Every field by its `name_of`. Raises BadInfotext for a text of another kind."""
    if len(text) > MAX_BYTES:
        raise BadInfotext(f"this text has {len(text)} letters, at most {MAX_BYTES} are read")
    text = text.replace("\r\n", "\n").replace("\x00", "").strip("\ufeff \t\n")
    return _of_json(text) if text.startswith("{") else _of_lines(text)


def _of_json(text: str) -> Fields:
    try:
        found = read_json(text, MAX_BYTES, lenient=True)
    except BadJson as error:
        raise BadInfotext(f"this text begins as JSON and {error.problem}. Copy all of it") from None
    assert isinstance(found, dict)
    for inside in ("sui_image_params", "meta", "metadata", "invokeai_metadata"):
        if isinstance(found.get(inside), dict):
            found = found[inside]
    if "nodes" in found or any(isinstance(one, dict) and "class_type" in one for one in found.values()):
        raise BadInfotext("this text is a workflow of ComfyUI: paste or open it as one")
    return {name_of(key): Field(key, value) for key, value in found.items()}


def _of_lines(text: str) -> Fields:
    starts = [*_SETTINGS.finditer(text)]
    if not starts:
        raise BadInfotext(
            f"this text is not what A1111 writes about a picture: {shown(text)} has no line that begins with "
            "'Steps:'. Copy the prompt and all lines under it"
        )
    prompts, settings = text[: starts[-1].start()], text[starts[-1].start() :]
    negative = _NEGATIVE.search(prompts)
    positive = prompts[: negative.start()] if negative else prompts
    unwanted = prompts[negative.end() :] if negative else ""
    fields = {name_of(label): Field(label, value) for label, value in _settings(_TEMPLATE.sub("", settings))}
    for label, prompt in (("prompt", positive), ("negative prompt", unwanted)):
        fields[name_of(label)] = Field(label, prompt.strip("\n"))
    return fields


def _settings(text: str) -> Iterator[tuple[str, Any]]:
    position = 0
    while (position := _after(_GAP, text, position)) < len(text):
        found = _FIELD.match(text, position)
        if not found:  # no name before a colon: on with what follows the next comma or line
            position = _after(_BARE, text, position)
            continue
        value, position = _value(text, found.end())
        yield found[1], value


def _value(text: str, start: int) -> tuple[Any, int]:
    """The value that begins here, and where it ends."""
    quoted = _QUOTED.match(text, start)
    if quoted and text[quoted.end() : quoted.end() + 1] in ("", ",", "\n"):
        return _unquoted(quoted[0]), quoted.end()
    if text[start : start + 1] in ("[", "{"):
        try:
            return json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            pass  # brackets of a bare value
    end = _after(_BARE, text, start)
    return text[start:end].strip(), end


def _after(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where what matches here ends; the patterns given match nothing too."""
    found = pattern.match(text, position)
    return found.end() if found else position


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except (ValueError, RecursionError):
        return text[1:-1]


def name_of(key: str) -> str:
    """A field's name by its letters and digits: "CFG scale", "cfg_scale" and "cfgScale" are one."""
    return re.sub(r"[^a-z0-9]", "", key.lower())
