"""Nodes of ComfyUI and of other packs that name LoRAs: which there are, and what each of them says.

The table beside the code holds facts read in the packs' own node definitions. `widgets` is the order in which
the editor stores values; `{}` in a name stands for each of `places`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .graph import Node
from .readers import READERS
from .slots import RowFields, read_rows
from .values import Said, Values


@dataclass(frozen=True)
class Kind:
    """A kind of node: what it is for, how to read it, and its sockets.

    `role` is what it does with its LoRAs: a `loader` puts them onto a model, a `stacker` onto a stack, a
    `hook` onto conditioning, an `other` node does more than name them, `ours` is a node of this pack; a
    `silent` one names none that act, a `note` is words for people. `kept` are the outputs, from 0, that have
    a counterpart here, `words` is that of the trigger words. `stays` says why a conversion leaves the node.
    """

    role: str
    widgets: tuple[str, ...] = ()
    rows: RowFields | None = None
    reader: str = ""
    clip: str = "clip"
    stack: str = ""
    kept: int = 2
    words: int | None = None
    own_first: bool = False
    stays: str = ""
    note: str = ""

    @property
    def has_clip(self) -> bool:
        """Whether it takes a text encoder and gives one."""
        return bool(self.clip)

    def read(self, node: Node, constants: Values | None = None) -> Said:
        """The LoRAs of a node of this kind, by its own switches, whatever its mode.

        `constants` are values that come over wires and are known nevertheless.
        """
        values = {**self.values(node), **(constants or {})}
        if self.reader:
            said = READERS[self.reader](node, values)
        else:
            said = read_rows(self.rows, values) if self.rows else Said()
        return said.with_notes(self.note) if self.note and said.entries else said

    def values(self, node: Node) -> Values:
        """The widget values of a node by name."""
        return node.widgets(self.widgets)


def _expanded(widgets: list[str], places: list[Any]) -> tuple[str, ...]:
    """The order of widgets, every run of names with `{}` repeated for each place."""
    names: list[str] = []
    run: list[str] = []
    for name in [*widgets, ""]:
        if "{}" in name:
            run.append(name)
            continue
        names += [part.format(place) for place in places for part in run]
        names += [name] if name else []
        run = []
    return tuple(names)


def _kind(stored: dict[str, Any]) -> Kind:
    fields = dict(stored)
    rows = fields.pop("rows", None)
    places = _places(rows or {})
    widgets = _expanded(fields.pop("widgets", []), places)
    if rows is not None:
        rows = RowFields(**{**rows, "places": tuple(places), "on": tuple(rows.get("on", (True,)))})
    return Kind(widgets=widgets, rows=rows, **fields)


def _places(rows: Mapping[str, Any]) -> list[Any]:
    places = rows.get("places", [""])
    is_range = all(isinstance(place, int) for place in places)
    return list(range(places[0], places[1] + 1)) if is_range else list(places)


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind that is known, by the type a workflow stores."""
    text = Path(__file__).with_name("node_kinds.json").read_text(encoding="utf-8")
    return {name: _kind(stored) for name, stored in json.loads(text).items()}


def is_unknown_lora_node(node: Node) -> bool:
    """Whether a node has to do with LoRAs, by its name, and is of no kind that is known."""
    return "lora" in node.type.lower() and node.type not in kinds() and not node.type.startswith("LoraRack")
