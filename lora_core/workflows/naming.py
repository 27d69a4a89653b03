"""All LoRAs a workflow names, as rows: on or off as its nodes are, in the order they are applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import NotConvertible, RackError
from ..grammar import MOST_ROWS
from ..stack import Entry, Row, Stack
from .graph import Graph, Mode, Node, WireSource
from .hooks import window_of
from .node_kinds import Kind, is_unknown_lora_node, kinds
from .opening import is_editor_workflow, open_workflow
from .readers import tags_of
from .recorded import Recorded, Rows
from .values import Said, entry

_CONSTANTS = ("value", "Value", "string", "String", "text", "number", "float", "int")
_MARK = "<lora:"
_MOST, _LONGEST = 100, 1000  # remarks, and letters of one
_STRENGTHS = ("strength_model", "model_strength", "lora_model_strength", "lora_strength", "strength")
_CLIP_STRENGTHS = ("strength_clip", "clip_strength", "lora_clip_strength")


@dataclass(frozen=True)
class Named:
    """The rows a file names, and remarks about what of it could not be read or is not taken."""

    stack: Stack
    remarks: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Row], remarks: Sequence[str]) -> Named:
        """As many of both as a page can show; a remark counts the others."""
        told = [remark if len(remark) <= _LONGEST else f"{remark[:_LONGEST]}…" for remark in remarks[:_MOST]]
        if len(remarks) > _MOST:
            told.append(f"and {len(remarks) - _MOST} other remarks")
        if len(rows) > MOST_ROWS:
            told.append(f"of the rows only the first {MOST_ROWS} are taken, which is the most of a stack")
        return cls(Stack(tuple(rows[:MOST_ROWS])), tuple(told))


@dataclass
class _Level:
    """One level while it is read: its nodes, and which of them give their text to another's widget."""

    graph: Graph
    nodes: dict[str, Node]
    on: bool
    recorded: Recorded | None = None
    given: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)

    def remark(self, node: Node, text: str) -> None:
        """Note something about a node."""
        place = f"{self.graph.place}, " if self.graph.place else ""
        self.remarks.append(f"{place}node {node.id} ({node.type}): {text}")


def rows_of(workflow: Any, applied: Rows | None = None) -> Named:
    """The LoRAs of a workflow in either format. Raises BadWorkflow for what is neither.

    `applied` are the rows of each node of this pack that acted, where they are known: they stand for all that
    the nodes of this pack name.
    """
    graphs = open_workflow(_numbered(workflow))
    recorded = Recorded(applied) if applied is not None else None
    alive = _alive(graphs)
    rows: list[Entry] = []
    remarks: list[str] = []
    for graph in graphs:
        if graph.subgraph not in alive:
            continue
        level = _Level(graph, {node.id: node for node in graph.nodes()}, alive[graph.subgraph], recorded)
        rows += _rows_of_level(level)
        remarks += level.remarks
    rows += recorded.rest() if recorded is not None else ()
    return Named.of(rows, remarks)


def _numbered(workflow: Any) -> Any:
    """The workflow with a number for nodes that have none, as some tools leave them."""
    if not is_editor_workflow(workflow):
        return workflow
    nodes = [
        {"id": f"({place})", **node} if isinstance(node, dict) else node
        for place, node in enumerate(workflow["nodes"], start=1)
    ]
    return {**workflow, "nodes": nodes}


def _alive(graphs: list[Graph]) -> Mapping[str, bool]:
    """The subgraphs that stand in the workflow, perhaps inside others, and whether one of them runs."""
    by_id = {graph.subgraph: graph for graph in graphs}
    alive: dict[str, bool] = {}
    waiting = [("", True)]
    while waiting:
        subgraph, on = waiting.pop()
        if alive.get(subgraph, False) or alive.get(subgraph) == on:
            continue
        alive[subgraph] = on
        waiting += [
            (node.type, on and node.mode is Mode.ON)
            for node in by_id[subgraph].nodes()
            if node.type in by_id and node.type
        ]
    return alive


def _rows_of_level(level: _Level) -> list[Entry]:
    known = {node.id: kinds()[node.type] for node in level.nodes.values() if node.type in kinds()}
    ordered = list(_in_order(level))
    found: list[Said] = []
    count = 0
    waiting: dict[int, Node] = {}  # texts are read last: one that another node takes in is not read twice
    for node in ordered:
        if node.id in known:
            found.append(_of_known(level, node, known[node.id]))
        else:
            waiting[len(found)] = node
            found.append(Said())
        count += len(found[-1].entries)
        if count > MOST_ROWS:  # enough for `Named.of` to say so
            break
    for place, node in waiting.items():
        if node.id not in level.given:
            found[place] = _of_unknown(level, node)
    return [row for said in found for row in said.entries]


def _of_known(level: _Level, node: Node, kind: Kind) -> Said:
    if level.recorded is not None and _is_ours_alone(level, node, kind):
        return Said(level.recorded.take(level.graph.subgraph, node))
    if kind.role == "note":
        if any(_MARK in text.lower() for text in _texts(node)):
            level.remark(node, "the tags in it are a note, and are not taken")
        return Said()
    if kind.role == "silent":
        return Said()
    try:
        said = kind.read(node, _constants(level, node, kind))
        if kind.role == "hook":
            said = _windowed(level, node, said)
    except RackError as error:
        level.remark(node, str(error))
        return Said()
    for problem in said.problems:
        level.remark(node, problem)
    return said if _acts(level, node, kind) else said.switched_off()


def _windowed(level: _Level, node: Node, said: Said) -> Said:
    """The rows of a hook, on for as long as its keyframes say."""
    start, stop, times = window_of(level.graph, level.nodes, node.id)
    if (start, stop, times) == (0.0, 1.0, 1.0):
        return said
    entries = (replace(row.scaled(times), start=start, stop=stop) for row in said.entries)
    return replace(said, entries=tuple(entries))


def _acts(level: _Level, node: Node, kind: Kind) -> bool:
    """Whether a node runs, and so does something its stack goes to, if it goes anywhere."""
    if not level.on or node.mode is not Mode.ON:
        return False
    if kind.role != "stacker" and not _is_ours(node):
        return True
    return _is_taken(level, node.id, {node.id})


def _is_ours_alone(level: _Level, node: Node, kind: Kind) -> bool:
    """Whether a node's LoRAs act by the nodes of this pack alone, if at all."""
    if not _is_ours(node) and (kind.role != "stacker" or not _takers(level, node.id)):
        return False
    return not _acts_elsewhere(level, node.id, {node.id})


def _acts_elsewhere(level: _Level, number: str, seen: set[str]) -> bool:
    """Whether a stack goes to a node of another pack that applies it."""
    for taker in _takers(level, number):
        if taker.id in seen:
            continue
        seen.add(taker.id)
        if not _is_ours(taker) and kinds()[taker.type].role != "stacker":
            return True
        if _acts_elsewhere(level, taker.id, seen):
            return True
    return False


def _is_ours(node: Node) -> bool:
    return node.type.startswith("LoraRack")


def _takers(level: _Level, number: str) -> list[Node]:
    """The nodes that take a node's stack."""
    return [
        level.nodes[reader.node]
        for slot in range(level.graph.output_count(number))
        for reader in level.graph.readers(WireSource(number, slot))
        if reader.node in level.nodes and _takes_stack(level.nodes[reader.node], reader.input)
    ]


def _is_taken(level: _Level, number: str, seen: set[str]) -> bool:
    takers = _takers(level, number)
    if not takers:
        return True
    for taker in takers:
        if taker.mode is Mode.MUTED or taker.id in seen:
            continue
        if taker.mode is Mode.ON and kinds()[taker.type].role not in ("stacker", "ours"):
            return True
        if _passes_on(taker) and _is_taken(level, taker.id, seen | {taker.id}):
            return True
    return False


def _takes_stack(node: Node, name: str) -> bool:
    kind = kinds().get(node.type)
    return kind is not None and kind.stack == name


def _passes_on(node: Node) -> bool:
    """Whether a stack comes out of a node again, running or bypassed."""
    return kinds()[node.type].role in ("stacker", "ours")


def _of_unknown(level: _Level, node: Node) -> Said:
    """Tags in the texts of a node, and a name with strengths under the names everyone uses."""
    said = Said()
    values = node.values if isinstance(node.values, Mapping) else {}
    strength = next((values[name] for name in _STRENGTHS if name in values), None)
    name = values.get("lora_name")
    if isinstance(name, str) and strength is not None and name.strip().lower() != "none":
        clip = next((values[name] for name in _CLIP_STRENGTHS if name in values), strength)
        try:
            said = Said((entry(name, strength, clip),))
        except NotConvertible as error:
            level.remark(node, str(error))
    elif is_unknown_lora_node(node):
        level.remark(node, "no rule for this kind of node, so it is not read")
        return Said()
    tagged = [tags_of(text) for text in _texts(node) if _MARK in text.lower()]
    for problem in (problem for one in tagged for problem in one.problems):
        level.remark(node, problem)
    said = Said((*said.entries, *(row for one in tagged for row in one.entries)))
    return said if level.on and node.mode is Mode.ON else said.switched_off()


def _texts(node: Node) -> Iterator[str]:
    values = node.values.values() if isinstance(node.values, Mapping) else node.values
    return (value for value in values if isinstance(value, str))


def _constants(level: _Level, node: Node, kind: Kind) -> dict[str, Any]:
    """Values that come over wires from nodes that hold nothing else; the editor keeps a copy of its own."""
    known = kind.values(node)
    constants: dict[str, Any] = {}
    for name in node.wired:
        source = level.graph.source(node.id, name)
        if source is None or source.node not in level.nodes:
            continue
        giver = level.nodes[source.node]
        value = _constant(giver)
        if isinstance(value, str):
            level.given.add(giver.id)
        if value is not None and (name in kind.widgets or name in known):
            constants[name] = value
    return constants


def _constant(node: Node) -> Any:
    """What a node gives that holds a single value, or None."""
    if node.type in kinds():
        return None
    if isinstance(node.values, Mapping):
        named = [node.values[name] for name in _CONSTANTS if name in node.values]
        return named[0] if len(named) == 1 and isinstance(named[0], str | int | float | bool) else None
    single = [value for value in node.values if value not in ("fixed", "increment", "decrement", "randomize")]
    return single[0] if len(single) == 1 and isinstance(single[0], str | int | float | bool) else None


def _in_order(level: _Level) -> Iterator[Node]:
    """Every node after those it reads from, otherwise in the order of the file."""
    done: set[str] = set()
    for first in level.nodes:
        waiting = [(first, False)]
        while waiting:
            number, is_ready = waiting.pop()
            if is_ready:
                yield level.nodes[number]
                continue
            if number in done or number not in level.nodes:
                continue
            done.add(number)
            waiting.append((number, True))
            sources = (level.graph.source(number, name) for name in sorted(level.nodes[number].wired))
            waiting += [(source.node, False) for source in sources if source is not None]
