"""Our nodes replaced by the host's own loaders, on one level of a workflow of the editor.

Only where nothing is lost: plain strengths, from a text that stands in the node. A row that is switched off
becomes a loader that is bypassed. Whatever else a rack can say keeps it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..blocks import read_block_weights
from ..errors import NotConvertible, RackError
from ..grammar import parse, scheduled, write
from ..stack import Comment, Entry, NamedRack, Row, Stack
from ..workflows import Graph, Mode, NewNode, Node, WireSource
from .chosen import EVERY, Chosen
from .rewrite import CLIP, MODEL, Done, Findings, Left

NameOf = Callable[[Entry], str]

_APPLY, _LOAD, _RACK, _ADD = "LoraRackApply", "LoraRackLoad", "LoraRackStack", "LoraRackAdd"
_WIRES = frozenset({"model", "clip", "stack"})
_WIDGETS = {
    _APPLY: ("mismatch", "mode"),
    _LOAD: ("lora_name", "strength_model", "strength_clip", "blocks", "start", "stop", "schedule"),
    _ADD: ("lora_name", "strength_model", "strength_clip", "blocks", "start", "stop", "schedule"),
    _RACK: ("text",),
}
_TEXTS = {2: "third", 3: "fourth", 4: "fifth"}  # outputs of Apply LoRA Stack and Load LoRA that no loader has
_LARGEST = 100.0  # the range of the host's strengths
_REMARKS = "the comments in its text are not carried over"


@dataclass(frozen=True)
class _Read:
    """What ends in one of our nodes: its LoRAs, the nodes that name them, nearest first, and what is lost."""

    entries: tuple[Entry, ...]
    nodes: tuple[Node, ...]
    notes: tuple[str, ...] = ()


def rewrite_racks(graph: Graph, name_of: NameOf, findings: Findings, chosen: Chosen = EVERY) -> None:
    """Replace every Apply LoRA Stack with its racks, and every Load LoRA, of one level."""
    nodes = {node.id: node for node in graph.nodes()}
    for node in [node for node in nodes.values() if node.type in (_APPLY, _LOAD)]:
        if not any(chosen.has(graph, found) for found in (node.id, *_feeders(graph, node.id, nodes))):
            continue
        try:
            read = _read(graph, node, nodes)
            loaders = [_loader(entry, "clip" in node.wired, name_of) for entry in read.entries]
            _replace(graph, node, read, loaders, findings)
        except NotConvertible as error:
            findings.left.append(Left(graph.place, node.id, node.type, str(error)))


def _feeders(graph: Graph, node: str, nodes: dict[str, Node]) -> Iterator[str]:
    """The nodes a stack comes from, nearest first, for as long as they are of this level."""
    source = graph.source(node, "stack")
    while source is not None and source.node in nodes:
        yield source.node
        source = graph.source(source.node, "stack")


def _read(graph: Graph, node: Node, nodes: dict[str, Node]) -> _Read:
    """Raises NotConvertible for what the host's loaders cannot say."""
    if node.mode is Mode.MUTED:
        raise NotConvertible("it is muted, and so are the nodes after it")
    _check_widgets(node)
    if "model" not in node.wired:
        raise NotConvertible("no model is connected to it")
    for slot, place in _TEXTS.items():
        if readers := graph.readers(WireSource(node.id, slot)):
            raise NotConvertible(
                f"its {place} output is connected (to node {readers[0].node}), which has no counterpart"
            )
    if "clip" not in node.wired and graph.readers(WireSource(node.id, CLIP)):
        raise NotConvertible("another node reads its CLIP, but nothing is connected to its CLIP input")
    if node.type == _LOAD:
        return _Read((_entry(node),), ())
    if _text(node, "mode", "auto") == "live":
        raise NotConvertible("its mode is live, and the host's loaders write into the weights")
    return _stack(graph, node, nodes)


def _check_widgets(node: Node) -> None:
    """Raises NotConvertible for a value that is not the node's own."""
    if wired := sorted(node.wired - _WIRES):
        raise NotConvertible(f"{wired[0]!r} of node {node.id} ({node.type}) comes over a wire")
    if node.shown:
        raise NotConvertible(f"{min(node.shown)!r} of node {node.id} is shown on its subgraph")


def _stack(graph: Graph, apply: Node, nodes: dict[str, Node]) -> _Read:
    if "stack" not in apply.wired:
        raise NotConvertible("no stack is connected to it")
    entries: tuple[Entry, ...] = ()
    feeders: list[Node] = []
    notes: list[str] = []
    reader = apply.id
    while (source := graph.source(reader, "stack")) is not None:
        node = nodes.get(source.node)
        if node is None or node.type not in (_RACK, _ADD):
            kind = f"node {node.id} ({node.type})" if node else "outside its subgraph"
            raise NotConvertible(f"its stack comes from {kind}, whose LoRAs are known only when it runs")
        if node.mode is Mode.MUTED:
            raise NotConvertible(f"node {node.id}, its stack, is muted")
        _check_widgets(node)
        rows = _rows(node)
        own = tuple(row for row in rows if isinstance(row, Entry))
        if node.mode is Mode.BYPASSED:
            own = tuple(replace(entry, enabled=False) for entry in own)
        if any(isinstance(row, Comment) for row in rows):
            notes = [_REMARKS]
        entries = (*own, *entries)
        feeders.append(node)
        reader = node.id
    return _Read(entries, tuple(feeders), tuple(notes))


def _rows(node: Node) -> tuple[Row, ...]:
    if node.type == _ADD:
        return (_entry(node),)
    try:
        rows = parse(_text(node, "text", "")).rows
    except RackError as error:
        raise NotConvertible(f"the text of node {node.id} is not a stack: {error}") from None
    for row in rows:
        if isinstance(row, NamedRack) and row.is_active:
            raise NotConvertible(
                f"node {node.id} holds the rack {row.name!r} by name. Put its rows in its place"
            )
    return rows


def _entry(node: Node) -> Entry:
    """The entry of a node with one LoRA. Raises NotConvertible for values that make none."""
    values = node.widgets(_WIDGETS[node.type])
    try:
        numbers = [float(values.get(name, default)) for name, default in _NUMBERS.items()]
        model, clip, start, stop = numbers
        blocks = read_block_weights(str(values.get("blocks", "")))
        entry = Entry(str(values["lora_name"]), model, clip, blocks=blocks, start=start, stop=stop)
        return scheduled(entry, str(values.get("schedule", "")))
    except (KeyError, TypeError, ValueError, RackError) as error:
        raise NotConvertible(f"the values of node {node.id} name no LoRA: {error}") from None


_NUMBERS = {"strength_model": 1.0, "strength_clip": 1.0, "start": 0.0, "stop": 1.0}


def _text(node: Node, name: str, default: str) -> str:
    return str(node.widgets(_WIDGETS[node.type]).get(name, default))


def _loader(entry: Entry, has_clip: bool, name_of: NameOf) -> NewNode:
    """The host's loader of an entry. Raises NotConvertible for what it cannot say."""
    if not entry.blocks.is_neutral:
        raise NotConvertible(f"{entry.name!r} has block weights, which the host's loaders do not support")
    if entry.is_timed:
        raise NotConvertible(f"{entry.name!r} is on {entry.when}, which the host's loaders do not support")
    for strength in (entry.strength_model, entry.strength_clip):
        if abs(strength) > _LARGEST:
            raise NotConvertible(
                f"{entry.name!r} has strength {strength:g}; the host's loaders allow at most ±100"
            )
    try:
        name = name_of(entry)
    except RackError as error:
        raise NotConvertible(str(error)) from None
    mode = Mode.ON if entry.enabled else Mode.BYPASSED
    if not has_clip:
        widgets = {"lora_name": name, "strength_model": entry.strength_model}
        inputs = {"model": "MODEL", "lora_name": "COMBO", "strength_model": "FLOAT"}
        return NewNode("LoraLoaderModelOnly", widgets, inputs, {"MODEL": "MODEL"}, mode)
    widgets = {
        "lora_name": name,
        "strength_model": entry.strength_model,
        "strength_clip": entry.strength_clip,
    }
    inputs = {"model": "MODEL", "clip": "CLIP", "lora_name": "COMBO"}
    inputs |= {"strength_model": "FLOAT", "strength_clip": "FLOAT"}
    return NewNode("LoraLoader", widgets, inputs, {"MODEL": "MODEL", "CLIP": "CLIP"}, mode)


def _replace(graph: Graph, node: Node, read: _Read, loaders: list[NewNode], findings: Findings) -> None:
    model, clip = graph.source(node.id, "model"), graph.source(node.id, "clip")
    assert model is not None
    made: list[str] = []
    for below, loader in enumerate(loaders):
        if node.mode is Mode.BYPASSED:
            loader = replace(loader, mode=Mode.BYPASSED)
        number = graph.add(loader, node.id, below=below)
        graph.connect(model, number, "model")
        model = WireSource(number, MODEL)
        if clip is not None:
            graph.connect(clip, number, "clip")
            clip = WireSource(number, CLIP)
        made.append(number)
    _hand_over(graph, WireSource(node.id, MODEL), model)
    if clip is not None:
        _hand_over(graph, WireSource(node.id, CLIP), clip)
    gone = [node]
    graph.remove(node.id)
    for feeder in read.nodes:
        if any(graph.readers(WireSource(feeder.id, slot)) for slot in range(graph.output_count(feeder.id))):
            break  # something else reads it, and what it reads
        graph.remove(feeder.id)
        gone.append(feeder)
    nodes, types = tuple(one.id for one in gone), tuple(one.type for one in gone)
    text = write(Stack(read.entries))
    findings.done.append(Done(graph.place, nodes, types, tuple(made), text, read.notes))


def _hand_over(graph: Graph, old: WireSource, new: WireSource) -> None:
    if readers := graph.readers(old):
        graph.rewire(old, new, readers)
