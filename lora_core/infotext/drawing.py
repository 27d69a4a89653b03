"""Nodes in columns and the wires between them, in both of ComfyUI's formats.

The table beside the code has the sockets, the widgets in the editor's order and the sizes of the nodes that
are drawn; a test holds it to a running ComfyUI.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_COLUMNS, _TOP = (100, 500, 1020, 1420), 140  # px, clear of what the page shows at its edges
_GAP = 80  # px between two nodes of a column, the title of the lower one in it
_MARKED = {"color": "#322", "bgcolor": "#533"}  # the editor's own red


@dataclass(frozen=True)
class Wire:
    """An output of a part, from 0."""

    part: Part
    slot: int = 0


@dataclass(eq=False)
class Part:
    """A node: its widgets by name, what its inputs are connected to, and a title where it is marked."""

    number: int
    type: str
    widgets: Json
    wires: Mapping[str, Wire]
    marks: list[str] = field(default_factory=list)

    def out(self, slot: int = 0) -> Wire:
        """One of its outputs."""
        return Wire(self, slot)


class Drawing:
    """A graph under construction."""

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def add(self, type: str, widgets: Json, **wires: Wire) -> Part:
        """A node behind those there are."""
        part = Part(len(self.parts) + 1, type, widgets, wires)
        self.parts.append(part)
        return part

    def as_prompt(self) -> Json:
        """The API format. What is only for people is not in it."""
        return {
            str(part.number): {
                "class_type": part.type,
                "inputs": {
                    name: value for name, value in part.widgets.items() if name != "control_after_generate"
                }
                | {name: [str(wire.part.number), wire.slot] for name, wire in part.wires.items()},
            }
            for part in self.parts
            if part.type != "Note"
        }

    def as_workflow(self) -> Json:
        """The editor's format."""
        links = [(part, name, wire) for part in self.parts for name, wire in part.wires.items()]
        below = dict.fromkeys(range(len(_COLUMNS)), _TOP)
        return {
            "last_node_id": len(self.parts),
            "last_link_id": len(links),
            "nodes": [_node(part, links, below) for part in self.parts],
            "links": [_link(number, *link) for number, link in enumerate(links, start=1)],
            "groups": [],
            "config": {},
            "extra": {},
            "version": 0.4,
        }


@cache
def node_table() -> Mapping[str, Any]:
    """The table beside the code."""
    table: dict[str, Any] = json.loads(Path(__file__).with_name("nodes.json").read_text("utf-8"))
    return table


_Links = list[tuple[Part, str, Wire]]


def _node(part: Part, links: _Links, below: dict[int, int]) -> Json:
    kind = node_table()[part.type]
    (width, height), column = kind["size"], kind["column"]
    top, below[column] = below[column], below[column] + height + _GAP
    node: Json = {
        "id": part.number,
        "type": part.type,
        "pos": [_COLUMNS[column], top],
        "size": [width, height],
        "flags": {},
        "order": part.number - 1,
        "mode": 0,
        "inputs": [
            {"name": name, "type": type, "link": _number(links, part, name)}
            for name, type in kind["inputs"].items()
        ],
        "outputs": [
            {"name": name, "type": type, "slot_index": slot, "links": _leaving(links, part, slot)}
            for slot, (name, type) in enumerate(
                zip(kind.get("names", kind["outputs"]), kind["outputs"], strict=True)
            )
        ],
        "properties": {"Node name for S&R": part.type},
        "widgets_values": [part.widgets[name] for name in kind["widgets"]],
    }
    return node | _MARKED | {"title": "; ".join(part.marks)} if part.marks else node


def _number(links: _Links, part: Part, name: str) -> int | None:
    return next((at for at, link in enumerate(links, start=1) if link[:2] == (part, name)), None)


def _leaving(links: _Links, part: Part, slot: int) -> list[int]:
    return [at for at, (_, _, wire) in enumerate(links, start=1) if (wire.part, wire.slot) == (part, slot)]


def _link(number: int, part: Part, name: str, wire: Wire) -> list[Any]:
    inputs = node_table()[part.type]["inputs"]
    return [number, wire.part.number, wire.slot, part.number, [*inputs].index(name), inputs[name]]
