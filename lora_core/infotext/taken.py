"""Fields taken one after the other: what cannot be read gets a remark, and what is left at the end too."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from ..errors import BadHash
from ..reading import read_hash
from ..untrusted import shown
from .fields import Fields, field_table, name_of
from .record import FileName

LEAST_SIDE, MOST_SIDE, _STEP = 16, 16_384, 8  # px, of the host's empty latent
_PAIR = re.compile(r"\(?\s*(\d{1,6})\s*[x×*,]\s*(\d{1,6})\s*\)?")
_NUMBER = re.compile(r"[-+]?\d{1,40}(?:\.\d{0,40})?(?:[eE][-+]?\d{1,3})?")
_MOST_NAMED = 20


class Taken:
    """The fields of one text. `remarks` grow while they are taken."""

    def __init__(self, fields: Fields) -> None:
        self.remarks: list[str] = []
        self._fields = fields
        self._left = {name for name in fields if name not in field_table()["silent"]}

    def take(self, name: str) -> Any:
        """A field by its own name, or None."""
        self._left.discard(name)
        found = self._fields.get(name)
        return None if found is None else found.value

    def like(self, pattern: str) -> Iterator[tuple[str, str]]:
        """The texts of all fields whose name is of a pattern, in the order of their names."""
        for name in sorted(filter(re.compile(pattern).fullmatch, self._fields)):
            if isinstance(value := self.take(name), str) and value.strip():
                yield name, value.strip()

    def value(self, ours: str) -> Any:
        """The first field of ours that says something, or None."""
        found = [self.take(name) for name in field_table()["names"][ours]]
        return next((value for value in found if value not in (None, "", [], {})), None)

    def prompt(self, ours: str) -> str:
        """A text as it stands; a list of texts as lines."""
        value = self.value(ours)
        if isinstance(value, list):
            value = "\n".join(part for part in value if isinstance(part, str))
        return value if isinstance(value, str) else ""

    def text(self, ours: str) -> str:
        """A text or a number as text, empty for what stands for none."""
        value = self.value(ours)
        if isinstance(value, dict):
            value = value.get("name", value.get("model_name"))
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return ""
        text = str(value).strip()
        return "" if name_of(text) in field_table()["nothing"] else text

    def number(self, ours: str, default: float, least: float, most: float) -> float:
        """A number within bounds, with a remark where it is not there or not within them."""
        name, value = ours.replace("_", " "), self.value(ours)
        found = number(value)
        if found is None:
            why = "the text does not say it" if value is None else f"{shown(value)} is no number"
            self.remarks.append(f"{name} is {default:g}: {why}")
            return default
        kept = min(max(found, least), most)
        if kept != found:
            self.remarks.append(f"{name} is {kept:.20g}: {shown(value)} is not from {least:g} to {most:g}")
        return kept

    def pair(self, ours: str) -> tuple[int, int] | None:
        """Width and height as the host takes them, None where there are none."""
        value = self.value(ours)
        if isinstance(value, list):
            value = ",".join(map(str, value[:3]))
        found = _PAIR.fullmatch(value.strip()) if isinstance(value, str) else None
        return self.sides(float(found[1]), float(found[2])) if found and found[1] != "0" else None

    def sides(self, width: float, height: float) -> tuple[int, int]:
        """A size the host can make, with a remark where it is another."""
        kept = _side(width), _side(height)
        if kept != (width, height):
            said = f"{width:g} x {height:g} is no size of ComfyUI's"
            self.remarks.append(f"the size is {kept[0]} x {kept[1]}: {said}")
        return kept

    def file(self, ours: str, known: str = "") -> FileName:
        """A model file by its name, its hash, or the hash `known` from elsewhere."""
        value, name = self.value(ours), self.text(ours)
        hash = digest(value.get("hash") if isinstance(value, dict) else self.text(f"{ours}_hash"))
        return FileName(name, hash or known)

    def left(self) -> Iterator[str]:
        """A remark about the fields that nobody took and that say something."""
        fields = (self._fields[name] for name in self._left)
        said = (label for label, value in fields if name_of(str(value)) not in ("", "none", "false"))
        if names := sorted(said):
            more = f" and {len(names) - _MOST_NAMED} more" * (len(names) > _MOST_NAMED)
            yield f"not taken over: {', '.join(names[:_MOST_NAMED])}{more}"


def number(value: Any) -> float | None:
    """A finite number, or a text that is one; whole ones stay whole."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value if abs(value) < 1e300 and math.isfinite(value) else None
    if not isinstance(value, str) or not _NUMBER.fullmatch(text := value.strip()):
        return None
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


def digest(value: Any) -> str:
    """A hash in small hex digits; empty for what is none, as InvokeAI's BLAKE3."""
    if not isinstance(value, str):
        return ""
    try:
        return read_hash(value.strip().lower().removeprefix("0x").removeprefix("sha256:"))
    except BadHash:
        return ""


def _side(pixels: float) -> int:
    return min(max(int(pixels) // _STEP * _STEP, LEAST_SIDE), MOST_SIDE)
