"""The editor's format: nodes with sockets and widget values by place, and a list of wires.

A wire is `[id, from node, slot, to node, slot, type]`, in a subgraph an object of the same. There the nodes
−10 and −20 are the subgraph's own inputs and outputs, which list their wires in `linkIds`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from .checking import highest_number
from .graph import Graph, Mode, NewNode, Node, Reader, WireSource

Json = dict[str, Any]

_INPUTS, _OUTPUTS = "-10", "-20"
_MODES = {2: Mode.MUTED, 4: Mode.BYPASSED}
_FIELDS = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
_WIDTH, _HEIGHT, _LINE = 400, 110, 22  # px of a new node, and of a line of its text
_ROW, _GAP = 52, 60  # px of a line where the page shows it as a row, and between two nodes


def levels(workflow: Json) -> Iterator[EditorGraph]:
    """The workflow and each of its subgraphs, their new nodes and wires numbered apart."""
    subgraphs: list[Json] = (workflow.get("definitions") or {}).get("subgraphs") or []
    every = [workflow, *subgraphs]
    nodes = [node for level in every for node in level.get("nodes", [])]
    numbers = count(1 + highest_number(node["id"] for node in nodes))
    shown: dict[str, dict[str, set[str]]] = {}
    for node in nodes:
        for inner, name, *_ in (node.get("properties") or {}).get("proxyWidgets") or []:
            shown.setdefault(str(node["type"]), {}).setdefault(str(inner), set()).add(str(name))
    yield EditorGraph(workflow, numbers, {}, "")
    for subgraph in subgraphs:
        known = shown.get(str(subgraph.get("id")), {})
        yield EditorGraph(
            subgraph, numbers, known, f"subgraph {subgraph.get('name') or subgraph.get('id')!r}"
        )


class EditorGraph(Graph):
    """One level, changed in place."""

    outside = _OUTPUTS

    def __init__(
        self, level: Json, numbers: Iterator[int], shown: Mapping[str, set[str]], place: str
    ) -> None:
        self.place = place
        self.subgraph = str(level.get("id", "")) if place else ""
        self._level = level
        self._numbers = numbers
        self._shown = shown
        self._nodes: dict[str, Json] = {str(node["id"]): node for node in level["nodes"]}
        self._links: dict[int, Json] = {}
        self._dangling: list[Json] = []  # kept as they are, and never followed
        for link in level.get("links") or []:
            stored = link if isinstance(link, dict) else dict(zip(_FIELDS, link, strict=False))
            if self._has_ends(stored):
                self._links[stored["id"]] = stored
            else:
                self._dangling.append(stored)
        self._link_numbers = count(1 + max((link["id"] for link in self._every_link()), default=0))

    def nodes(self) -> Iterator[Node]:
        for number, node in list(self._nodes.items()):
            sockets = node.get("inputs") or []
            wired = frozenset(socket["name"] for socket in sockets if socket.get("link") in self._links)
            mode = _MODES.get(node.get("mode", 0), Mode.ON)
            shown = frozenset(self._shown.get(number, ()))
            yield Node(number, str(node["type"]), node.get("widgets_values") or [], wired, mode, shown)

    def source(self, node: str, name: str) -> WireSource | None:
        socket = self._socket(node, name)
        link = self._link_at(socket)
        return WireSource(str(link["origin_id"]), link["origin_slot"]) if link else None

    def readers(self, source: WireSource) -> list[Reader]:
        return [self._reader(link) for link in self._links_of(source)]

    def output_count(self, node: str) -> int:
        return len((self._nodes.get(node) or {}).get("outputs") or [])

    def add(self, new: NewNode, beside: str, below: int = 0) -> str:
        old = self._nodes[beside]
        number = next(self._numbers)
        x, y = (float(v) for v in _pair(old.get("pos"), (0, 0)))
        lines = max((str(value).count("\n") + 1 for value in new.widgets.values()), default=1)
        node: Json = {
            "id": number,
            "type": new.type,
            "pos": [x, y + below * (_HEIGHT + (_GAP if below >= 0 else _GAP + lines * _ROW))],
            "size": [_WIDTH, _HEIGHT + lines * _LINE],
            "flags": {},
            "order": old.get("order", 0),
            "mode": next((number for number, mode in _MODES.items() if mode is new.mode), 0),
            "inputs": [
                {"name": name, "type": kind, "link": None}
                | ({"widget": {"name": name}} if name in new.widgets else {})
                for name, kind in new.inputs.items()
            ],
            "outputs": [
                {"name": name, "type": kind, "slot_index": slot, "links": []}
                for slot, (name, kind) in enumerate(new.outputs.items())
            ],
            "properties": {"Node name for S&R": new.type},
            "widgets_values": list(new.widgets.values()),
        }
        self._nodes[str(number)] = node
        self._store()
        return str(number)

    def connect(self, source: WireSource, node: str, name: str) -> None:
        socket = self._socket(node, name)
        assert socket is not None
        number = next(self._link_numbers)
        self._links[number] = {
            "id": number,
            "origin_id": self._id(source.node),
            "origin_slot": source.slot,
            "target_id": self._id(node),
            "target_slot": self._nodes[node]["inputs"].index(socket),
            "type": socket["type"],
        }
        socket["link"] = number
        self._wires_of(source).append(number)
        self._store()

    def rewire(self, old: WireSource, new: WireSource, only: Sequence[Reader] | None = None) -> None:
        for link in self._links_of(old):
            if only is None or self._reader(link) in only:
                _take(self._wires_of(old), link["id"])
                self._wires_of(new).append(link["id"])
                link["origin_id"], link["origin_slot"] = self._id(new.node), new.slot
        self._store()

    def set_input(self, node: str, name: str, source: WireSource) -> None:
        socket = self._socket(node, name)
        if socket is None:
            # Older editors list a widget among the inputs only once it is connected.
            socket = {"name": name, "type": "STRING", "link": None, "widget": {"name": name}}
            self._nodes[node].setdefault("inputs", []).append(socket)
        if (link := self._link_at(socket)) is not None:
            self._drop(link)
        self.connect(source, node, name)

    def remove(self, node: str) -> None:
        for link in list(self._links.values()):
            if node in (str(link["origin_id"]), str(link["target_id"])):
                self._drop(link)
        del self._nodes[node]
        self._store()

    def _link_at(self, socket: Json | None) -> Json | None:
        number = socket.get("link") if socket else None
        return None if number is None else self._links.get(number)

    def _every_link(self) -> Iterator[Json]:
        yield from self._links.values()
        yield from self._dangling

    def _has_ends(self, link: Json) -> bool:
        """Whether both nodes of a wire are here."""
        edges = {_INPUTS, _OUTPUTS} if self.place else set()
        ends = (str(link.get("origin_id")), str(link.get("target_id")))
        return all(end in self._nodes or end in edges for end in ends)

    def _sockets(self, node: str, side: str) -> list[Json]:
        sockets: list[Json] = (self._nodes.get(node) or {}).get(side) or []
        return sockets

    def _id(self, node: str) -> Any:
        return self._nodes[node]["id"] if node in self._nodes else int(node)

    def _links_of(self, source: WireSource) -> list[Json]:
        return [
            link for link in self._links.values() if (str(link["origin_id"]), link["origin_slot"]) == source
        ]

    def _reader(self, link: Json) -> Reader:
        target, slot = str(link["target_id"]), link["target_slot"]
        if target == _OUTPUTS:
            return Reader(target, str(slot))
        return Reader(target, str(self._nodes[target]["inputs"][slot]["name"]))

    def _socket(self, node: str, name: str) -> Json | None:
        return next((s for s in self._sockets(node, "inputs") if s["name"] == name), None)

    def _wires_of(self, source: WireSource) -> list[int]:
        """The stored list of the wires that leave an output."""
        holder, field = (
            (self._level["inputs"][source.slot], "linkIds")
            if source.node == _INPUTS
            else (self._nodes[source.node]["outputs"][source.slot], "links")
        )
        holder[field] = wires = holder.get(field) or []
        return wires

    def _drop(self, link: Json) -> None:
        number = link["id"]
        _take(self._wires_of(WireSource(str(link["origin_id"]), link["origin_slot"])), number)
        if str(link["target_id"]) == _OUTPUTS:
            _take(self._level["outputs"][link["target_slot"]].get("linkIds") or [], number)
        else:
            self._nodes[str(link["target_id"])]["inputs"][link["target_slot"]]["link"] = None
        del self._links[number]
        extra = self._level.get("extra") or {}
        for reroute in [*(extra.get("reroutes") or []), *(self._level.get("reroutes") or [])]:
            reroute["linkIds"] = [known for known in reroute.get("linkIds") or [] if known != number]
        if extra.get("linkExtensions"):
            extra["linkExtensions"] = [known for known in extra["linkExtensions"] if known["id"] != number]
        self._store()

    def _store(self) -> None:
        """Write nodes, wires and the highest numbers back where the editor looks for them."""
        level = self._level
        was_list = not any(isinstance(link, dict) for link in level.get("links") or [])
        in_subgraph = bool(self.place)
        level["nodes"] = list(self._nodes.values())
        level["links"] = [
            [link.get(field) for field in _FIELDS] if was_list and not in_subgraph else link
            for link in self._every_link()
        ]
        numbers = (node["id"] for node in self._nodes.values())
        highest_node = max((number for number in numbers if isinstance(number, int)), default=0)
        highest_link = max((link["id"] for link in self._every_link()), default=0)
        for holder, node_field, link_field in (
            (level, "last_node_id", "last_link_id"),
            (level.get("state") or {}, "lastNodeId", "lastLinkId"),
        ):
            if node_field in holder:
                holder[node_field] = max(holder[node_field] or 0, highest_node)
                holder[link_field] = max(holder.get(link_field) or 0, highest_link)


def _take(wires: list[int], number: int) -> None:
    """Take a wire off a stored list; some editors have left it out there."""
    if number in wires:
        wires.remove(number)


def _pair(value: Any, default: tuple[float, float]) -> Sequence[float]:
    """A position, which older editors store as {"0": x, "1": y}."""
    if isinstance(value, Mapping):
        return value["0"], value["1"]
    return value if isinstance(value, list) and len(value) == 2 else default
