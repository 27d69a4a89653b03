"""What the nodes of this pack applied, as JSON inside a picture.

    {"version": 1, "applied": [{"node": "4", "type": "LoraRackApply", "stack": "<lora:ink:0.8:hash=…>"}]}

`stack` is the text of a stack with every strength, window and block weight as it was applied, and the hash of
every file that acted; the rows that were off are in it, switched off. `axes` is there for what a sweep or a
preview varied, one axis a line as LoRA Strength Sweep takes it. Nodes stand in the order in which they act.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..axes import Axis
from ..blocks import write_number
from ..errors import BadJson, BadRow
from ..grammar import write_entry
from ..stack import Entry
from ..untrusted import MAX_WORKFLOW_BYTES, read_json

_VERSION = 1
_UNWRITABLE = re.compile(r"[<>:\r\n]+")


@dataclass(frozen=True)
class Applied:
    """What one node applied. `node` is its number in the prompt, `type` its class."""

    node: str
    type: str
    stack: str
    axes: str = ""


def stack_text(entries: Iterable[Entry]) -> str:
    """The text of entries, one a line. A name that no tag can hold is written without what it cannot hold:
    the hash beside it finds the file.
    """
    return "\n".join(map(_line, entries))


def axes_text(axes: Iterable[Axis]) -> str:
    """The text of axes, one a line, as LoRA Strength Sweep takes it; names as in `stack_text`."""
    return "\n".join(f"{_line(axis.entry)} {', '.join(map(write_number, axis.values))}" for axis in axes)


def applied_to_json(applied: Sequence[Applied]) -> dict[str, Any]:
    """The record of a picture; `read_applied` takes it back."""
    nodes = [{name: value for name, value in asdict(one).items() if value} for one in applied]
    return {"version": _VERSION, "applied": nodes}


def read_applied(text: str) -> tuple[Applied, ...]:
    """The nodes of a record. Raises BadJson for what is none."""
    value = read_json(text, MAX_WORKFLOW_BYTES)
    nodes = value.get("applied", []) if isinstance(value, dict) else None
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise BadJson("is not the record of this pack: expected an object with a list of 'applied' nodes")
    return tuple(
        Applied(*(_text(node, name) for name in ("node", "type", "stack", "axes"))) for node in nodes
    )


def _line(entry: Entry) -> str:
    try:
        return write_entry(entry)
    except BadRow:
        return write_entry(replace(entry, name=_UNWRITABLE.sub("_", entry.name).strip() or "_"))


def _text(node: dict[str, Any], name: str) -> str:
    value = node.get(name, "")
    if not isinstance(value, str):
        raise BadJson(f"is not the record of this pack: {name!r} of a node is not a text")
    return value
