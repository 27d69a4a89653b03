"""Nodes whose rows are no numbered widgets: lists of objects, texts with tags, block vectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from ..errors import MissingRack, NotConvertible
from ..grammar import Scan, scan, scan_prompt
from ..stack import Entry, not_in
from .block_vectors import read_inspire
from .graph import Node
from .schedules import scheduled_tags
from .values import Said, Values, entry, gather, is_empty, number, required


def _power_rows(node: Node, values: Values) -> Said:
    """rgthree: one object a row; `strengthTwo`, if it is there, is the text encoder's."""
    stored = node.values.values() if isinstance(node.values, Mapping) else node.values
    rows = [row for row in stored if isinstance(row, dict) and not is_empty(row.get("lora"))]
    return gather(partial(_power_row, row) for row in rows)


def _power_row(row: Mapping[str, Any]) -> Entry:
    model = row.get("strength", 1.0)
    clip = model if row.get("strengthTwo") is None else row["strengthTwo"]
    return entry(row["lora"], model, clip, bool(row.get("on", True)))


def _list_of_rows(node: Node, values: Values) -> Said:
    """LoRA Manager: a list of objects, in the API format perhaps under `__value__`."""
    stored = list(node.values.values()) if isinstance(node.values, Mapping) else list(node.values)
    lists = [value.get("__value__") if isinstance(value, dict) else value for value in stored]
    rows = next((rows for rows in lists if isinstance(rows, list)), None)
    if rows is None:
        raise NotConvertible("it has no list of LoRAs")
    return gather(partial(_listed_row, row) for row in rows if isinstance(row, dict) and "name" in row)


def _listed_row(row: Mapping[str, Any]) -> Entry:
    model = row.get("strength", 1.0)
    return entry(row["name"], model, row.get("clipStrength", model), bool(row.get("active", False)))


_INSPIRE = (
    "category_filter",
    "lora_name",
    "strength_model",
    "strength_clip",
    "inverse",
    "seed",
    "control_after_generate",
    "A",
    "B",
    "preset",
    "block_vector",
    "bypass",
)
_CONTROLS = frozenset({"fixed", "increment", "decrement", "randomize"})


def _inspire(node: Node, values: Values) -> Said:
    """Inspire's LoraLoaderBlockWeight; the editor puts a control behind its seed, older ones do not."""
    order: tuple[str, ...] = _INSPIRE
    if not isinstance(node.values, Mapping) and not _CONTROLS & {
        value for value in node.values if isinstance(value, str)
    }:
        order = tuple(name for name in _INSPIRE if name != "control_after_generate")
    widgets = {**node.widgets(order), **values}
    letters = {name: number(required(widgets, name), f"its {name}") for name in ("A", "B")}
    blocks, notes = read_inspire(
        str(required(widgets, "block_vector")), letters, bool(widgets.get("inverse"))
    )
    name, model, clip = (required(widgets, name) for name in ("lora_name", "strength_model", "strength_clip"))
    is_on = not widgets.get("bypass", False)
    return gather([partial(entry, name, model, clip, is_on, blocks)], notes)


def _stack_text(node: Node, values: Values) -> Said:
    """The rows of our own rack, those that are off among them."""
    return _said(scan(str(required(values, "text"))))


def _prompt_tags(node: Node, values: Values) -> Said:
    """The tags of our own prompts; one that stands in the positive and in the negative acts once."""
    found = [tags_of(value) for value in values.values() if isinstance(value, str)]
    rows: list[Entry] = []
    for said in found:
        rows += not_in(rows, said.entries)[0]
    return Said(tuple(rows), (), tuple(problem for said in found for problem in said.problems))


def tags_of(text: str) -> Said:
    """The tags that stand anywhere in a text, and what cannot be read of them."""
    return _said(scan_prompt(text).found)


def _said(found: Scan) -> Said:
    """A rack that is kept under a name is known where it was saved, and what is in it is not in the text."""
    racks = [str(MissingRack(tag.rack.name, None)) for tag in found.racks if tag.rack.is_active]
    return Said(tuple(tag.entry for tag in found.tags), (), (*map(str, found.errors), *racks))


_MODEL_FIRST = re.compile(r"<lora:([^:<>]+):([^:<>]+)(?::([^:<>]+))?>", re.IGNORECASE)


def _model_first_tags(node: Node, values: Values) -> Said:
    """LoRA Manager's text: of two strengths the first is the model's, other than in A1111."""
    found = _MODEL_FIRST.findall(str(required(values, "lora_syntax")))
    return gather(partial(entry, name, model, clip or model) for name, model, clip in found)


def _schedule(node: Node, values: Values) -> Said:
    """prompt-control: tags inside [before:after:0.5] are on for a part of the sampling."""
    if str(values.get("tags") or "").strip():
        raise NotConvertible("it chooses among its tags by name")
    if values.get("num_steps"):
        raise NotConvertible("its schedule counts steps, which are other fractions in each sampler")
    first, last = (number(values.get(name, end), f"its {name}") for name, end in (("start", 0), ("end", 1)))
    if (first, last) != (0, 1):
        raise NotConvertible("it takes a part of its schedule only")
    text = required(values, "text")
    return gather(_scheduled(str(text)))


def _scheduled(text: str) -> Iterator[Callable[[], Entry]]:
    for tag, start, stop in scheduled_tags(text):
        yield partial(_scheduled_row, tag, start, stop)


def _scheduled_row(tag: str, start: float, stop: float) -> Entry:
    if not (found := _MODEL_FIRST.fullmatch(tag)):
        raise NotConvertible(f"its tag {tag} is none we know")
    name, model, clip = found.groups()
    return entry(name, model, clip or model, start=start, stop=stop)


READERS: Mapping[str, Callable[[Node, Values], Said]] = {
    "power_rows": _power_rows,
    "list_of_rows": _list_of_rows,
    "inspire": _inspire,
    "stack_text": _stack_text,
    "prompt_tags": _prompt_tags,
    "model_first_tags": _model_first_tags,
    "schedule": _schedule,
}
"""By the name the table of kinds calls them."""
