"""Whether a workflow has the form its format promises, before anything in it is touched.

A file may be cut off, edited by hand, or written by a tool that knows better; what is wrong is said with its
place, and what the rewriting reads is known to be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import BadWorkflow

Json = dict[str, Any]

_MOST_SLOTS = 1000  # no node has as many
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)  # a whole number in JavaScript


def check_editor(workflow: Json) -> None:
    """Raises BadWorkflow for a workflow in the editor's format that is not whole."""
    definitions = _field(workflow, "definitions", dict, "the workflow", {})
    for level in [workflow, *_objects(definitions, "subgraphs", "'definitions'")]:
        place = "the workflow" if level is workflow else f"subgraph {level.get('id')!r}"
        _check_level(level, place)


def is_slot(value: object, count: int = _MOST_SLOTS) -> bool:
    """Whether a value can be the number of one of `count` inputs or outputs."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def highest_number(names: Iterable[object]) -> int:
    """The highest number among names of nodes, 0 where none is one that an editor counts on from."""
    texts = (str(name) for name in names)
    return max((int(text) for text in texts if _NUMBER.fullmatch(text)), default=0)


def _check_level(level: Json, place: str) -> None:
    if not isinstance(level.get("nodes"), list):
        raise _bad(place, "no list of 'nodes'", level)
    nodes: dict[str, Json] = {}
    for node in _objects(level, "nodes", place):
        _check_node(node, place)
        nodes[str(node["id"])] = node
    for side in ("inputs", "outputs") if place != "the workflow" else ():
        nodes[{"inputs": "-10", "outputs": "-20"}[side]] = {
            {"inputs": "outputs", "outputs": "inputs"}[side]: [
                _with_links(socket, "linkIds", place) for socket in _objects(level, side, place)
            ]
        }
    for link in _field(level, "links", list, place, []):
        _check_link(link, nodes, place)
    _check_counters(level, place)


def _check_counters(level: Json, place: str) -> None:
    """The highest numbers, and what else keeps numbers of wires."""
    for holder in (level, _field(level, "state", dict, place, {})):
        for name in ("last_node_id", "last_link_id", "lastNodeId", "lastLinkId"):
            _field(holder, name, int, place, 0)
    extra = _field(level, "extra", dict, place, {})
    for holder, name in ((level, "reroutes"), (extra, "reroutes"), (extra, "linkExtensions")):
        for item in _objects(holder, name, place):
            _field(item, "linkIds", list, place, [])
    if any("id" not in item for item in _objects(extra, "linkExtensions", place)):
        raise _bad(place, "a link extension without id", extra["linkExtensions"])


def _check_node(node: Json, place: str) -> None:
    number, kind = node.get("id"), node.get("type")
    if not isinstance(number, int | str) or isinstance(number, bool) or not isinstance(kind, str):
        raise _bad(place, "a node without id or type", node)
    place = f"{place}, node {number}"
    for socket in _objects(node, "inputs", place):
        if not isinstance(socket.get("name"), str):
            raise _bad(place, "an input without name", socket)
        _field(socket, "link", int, place, None)
    for socket in _objects(node, "outputs", place):
        _with_links(socket, "links", place)
    _field(node, "mode", int, place, 0)
    _field(node, "widgets_values", list | dict, place, [])
    pos = _field(node, "pos", list | dict, place, [0, 0])
    numbers = [pos.get("0"), pos.get("1")] if isinstance(pos, dict) else pos
    if not all(isinstance(value, int | float) for value in numbers):
        raise _bad(place, "an invalid position", pos)
    properties = _field(node, "properties", dict, place, {})
    for pair in _field(properties, "proxyWidgets", list, place, []):
        if not isinstance(pair, list) or len(pair) < 2:
            raise _bad(place, "a widget of a subgraph that is not a pair", pair)


def _check_link(link: Any, nodes: dict[str, Json], place: str) -> None:
    """A wire to a node that is not there is left where it is, as the page leaves it."""
    if isinstance(link, dict):
        names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        values = [link.get(name) for name in names]
    elif isinstance(link, list) and len(link) >= 6:
        values = link[:6]
    else:
        raise _bad(place, "a wire of an unknown form", link)
    number, origin, origin_slot, target, target_slot, _ = values
    if not isinstance(number, int) or isinstance(number, bool):
        raise _bad(place, "a wire without id", link)
    if not nodes:
        raise _bad(place, f"a wire to node {origin}, and no nodes", link)
    for node, slot, side in ((origin, origin_slot, "outputs"), (target, target_slot, "inputs")):
        if str(node) in nodes and not is_slot(slot, len(nodes[str(node)].get(side) or ())):
            raise _bad(place, f"a wire to the {side} of node {node}, which has no number {slot}", link)


def _with_links(socket: Json, name: str, place: str) -> Json:
    if not all(isinstance(number, int) for number in _field(socket, name, list, place, [])):
        raise _bad(place, "wires without number", socket)
    return socket


def _objects(holder: Json, name: str, place: str) -> Iterator[Json]:
    for item in _field(holder, name, list, place, []):
        if not isinstance(item, dict):
            raise _bad(place, f"something in {name!r} that is not an object", item)
        yield item


def _field(holder: Json, name: str, kind: Any, place: str, default: Any) -> Any:
    """A field of a kind, or the default where it is not there or null."""
    value = holder.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise _bad(place, f"a {name!r} of another form than expected", value)
    return value


def _bad(place: str, problem: str, found: object) -> BadWorkflow:
    return BadWorkflow(f"{place} has {problem}: {str(found)[:80]}. Save it from ComfyUI again")
