"""Other packs' nodes replaced by ours, on one level of a workflow.

A stacker becomes one LoRA Rack. A chain of loaders becomes one rack and one Apply LoRA Stack, as long as
nothing else reads what runs between them. A node that says something we cannot say stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..errors import NotConvertible
from ..grammar import write
from ..stack import Stack
from ..workflows import (
    Graph,
    Kind,
    Mode,
    NewNode,
    Node,
    Reader,
    Said,
    WireSource,
    is_unknown_lora_node,
    kinds,
)
from .chosen import EVERY, Chosen

MODEL, CLIP = 0, 1  # outputs of every loader, ours too
STACK, WORDS = 0, 1  # outputs of a rack

_RACK_OUTPUTS = {"stack": "LORA_STACK", "trigger_words": "STRING"}


@dataclass(frozen=True)
class Done:
    """Nodes that were replaced, and by what."""

    place: str
    nodes: tuple[str, ...]
    types: tuple[str, ...]
    made: tuple[str, ...]
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Left:
    """A node that stays as it is, and why."""

    place: str
    node: str
    type: str
    reason: str


@dataclass
class Findings:
    """What became of a workflow's nodes, gathered while it is rewritten."""

    done: list[Done] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


@dataclass(frozen=True)
class _Segment:
    """Loaders in a row, as one. What its inputs read is asked when it is replaced: it may have changed."""

    nodes: tuple[Node, ...]
    said: Said
    clip: Reader | None  # the input it takes the text encoder by
    stack: Reader | None
    clip_outputs: tuple[WireSource, ...]  # whose readers are to read the new node's
    words: WireSource | None = None  # an output of trigger words that is read
    mode: Mode = Mode.ON  # of the Apply LoRA Stack; a bypassed loader of rows alone has its rows off instead

    @property
    def model(self) -> Reader:
        return Reader(self.nodes[0].id, "model")

    @property
    def model_output(self) -> WireSource:
        return WireSource(self.nodes[-1].id, MODEL)

    @property
    def is_alone(self) -> bool:
        """Whether what it gives is its own, so that it cannot be one with another."""
        return self.words is not None or self.mode is not Mode.ON


def rewrite_loaders(graph: Graph, findings: Findings, chosen: Chosen = EVERY) -> None:
    """Replace stackers and loaders of one level."""
    segments: dict[str, _Segment] = {}
    for node in [node for node in graph.nodes() if chosen.has(graph, node.id)]:
        try:
            if is_unknown_lora_node(node):
                raise NotConvertible("no rule for this kind of node")
            kind = kinds().get(node.type)
            if kind is None or not _is_meant(node, kind):
                continue
            _check(graph, node, kind)
            said = _read(node, kind)
            if kind.role == "stacker":
                _replace_stacker(graph, node, kind, said, findings)
            else:
                segments[node.id] = _segment(graph, node, kind, said)
        except NotConvertible as error:
            findings.left.append(Left(graph.place, node.id, node.type, str(error)))
    for segment in _joined(graph, segments):
        _replace_loaders(graph, segment, findings)


def _is_meant(node: Node, kind: Kind) -> bool:
    """Whether a node is one to replace, or to be named as left: a loader of a checkpoint only with a LoRA."""
    if kind.role in ("loader", "stacker", "hook"):
        return True
    if kind.role != "other" or not kind.stays:
        return False
    return "lora" in node.type.lower() or bool(_rows_of_other(node, kind))


def _rows_of_other(node: Node, kind: Kind) -> bool:
    try:
        said = kind.read(node)
    except NotConvertible:
        return True
    return bool(said.entries or said.problems)


def _check(graph: Graph, node: Node, kind: Kind) -> None:
    """Raises NotConvertible for a node whose surroundings have no counterpart."""
    if kind.stays:
        raise NotConvertible(kind.stays)
    if node.mode is Mode.MUTED and kind.role != "stacker":
        raise NotConvertible("it is muted, and so are the nodes after it")
    sockets = {"model", kind.clip, kind.stack}
    if wired := sorted(node.wired - sockets):
        raise NotConvertible(f"{wired[0]!r} comes over a wire")
    if node.shown:
        raise NotConvertible(f"{min(node.shown)!r} is shown on its subgraph")
    for slot in range(kind.kept, graph.output_count(node.id)):
        if slot != kind.words and (readers := graph.readers(WireSource(node.id, slot))):
            raise NotConvertible(
                f"its output {slot} is connected (to node {readers[0].node}), which has no counterpart"
            )


def _read(node: Node, kind: Kind) -> Said:
    """Raises NotConvertible where one row cannot be read: none may be lost."""
    said = kind.read(node)
    if said.problems:
        raise NotConvertible(said.problems[0])
    return said.with_notes(_OWN_FIRST) if kind.own_first and kind.stack in node.wired else said


_OWN_FIRST = "its incoming stack now comes before its own LoRAs, not after them"
_WORDS = "its trigger words are now those of its own LoRAs alone, parted by commas"


def _words(graph: Graph, node: Node, kind: Kind) -> WireSource | None:
    """The output of trigger words, if something reads it."""
    source = None if kind.words is None else WireSource(node.id, kind.words)
    return source if source is not None and graph.readers(source) else None


def _segment(graph: Graph, node: Node, kind: Kind, said: Said) -> _Segment:
    if "model" not in node.wired:
        raise NotConvertible("no model is connected to it")
    outputs = (WireSource(node.id, CLIP),) if kind.has_clip else ()
    has_clip = kind.has_clip and kind.clip in node.wired
    if not has_clip and any(graph.readers(output) for output in outputs):
        raise NotConvertible("another node reads its CLIP, but nothing is connected to its CLIP input")
    stack = Reader(node.id, kind.stack) if kind.stack in node.wired else None
    mode = Mode.ON
    if node.mode is Mode.BYPASSED:
        if kind.stack and (stack is not None or not said.entries):
            mode = Mode.BYPASSED
        else:
            said = said.switched_off()
    words = _words(graph, node, kind)
    clip = Reader(node.id, kind.clip) if has_clip else None
    return _Segment((node,), said.with_notes(*[_WORDS] * bool(words)), clip, stack, outputs, words, mode)


def _joined(graph: Graph, segments: dict[str, _Segment]) -> Iterator[_Segment]:
    """Segments with each taken into the one behind it, wherever nothing else reads between them."""
    sources = [graph.source(*segment.model) for segment in segments.values()]
    ahead = {source.node for source in sources if source is not None and source.slot == MODEL}
    for number in [number for number in segments if number not in ahead]:
        chain = [segments[number]]
        while (before := _before(graph, chain[0], segments)) is not None:
            if _is_joint(graph, before, chain[0]):
                chain[0] = _join(before, chain[0])
            else:
                chain.insert(0, before)
        yield from chain


def _before(graph: Graph, segment: _Segment, segments: dict[str, _Segment]) -> _Segment | None:
    """The segment a segment takes its model from, which is then spoken for."""
    source = graph.source(*segment.model)
    return segments.pop(source.node, None) if source is not None and source.slot == MODEL else None


def _is_joint(graph: Graph, before: _Segment, after: _Segment) -> bool:
    """Whether two segments can be one: the same model goes through both and nowhere else, and so the clip."""
    if len(graph.readers(before.model_output)) != 1 or after.stack is not None:
        return False
    if before.is_alone or after.is_alone:
        return False
    if after.clip is None or before.clip is None:
        return True
    readers = [reader for output in before.clip_outputs for reader in graph.readers(output)]
    return readers == [after.clip]


def _join(before: _Segment, after: _Segment) -> _Segment:
    has_clip = before.clip is not None or after.clip is not None
    entries = [
        replace(entry, strength_clip=0.0) if has_clip and segment.clip is None else entry
        for segment in (before, after)
        for entry in segment.said.entries
    ]
    return _Segment(
        (*before.nodes, *after.nodes),
        Said(tuple(entries), tuple(dict.fromkeys((*before.said.notes, *after.said.notes)))),
        before.clip or after.clip,
        before.stack,
        (*before.clip_outputs, *after.clip_outputs),
    )


def _replace_stacker(graph: Graph, node: Node, kind: Kind, said: Said, findings: Findings) -> None:
    """A bypassed one has its rows off, and hands on what it takes in; a muted one stays muted."""
    before = graph.source(node.id, kind.stack)
    said = said.switched_off() if node.mode is Mode.BYPASSED else said
    text = write(Stack(said.entries))
    mode = Mode.MUTED if node.mode is Mode.MUTED else Mode.ON
    rack = graph.add(replace(rack_node(text), mode=mode), node.id)
    _connect(graph, before, rack, "stack")
    graph.rewire(WireSource(node.id, 0), WireSource(rack, STACK))
    if words := _words(graph, node, kind):
        graph.rewire(words, WireSource(rack, WORDS))
        said = said.with_notes(_WORDS)
    graph.remove(node.id)
    findings.done.append(Done(graph.place, (node.id,), (node.type,), (rack,), text, said.notes))


def _replace_loaders(graph: Graph, segment: _Segment, findings: Findings) -> None:
    last = segment.nodes[-1]
    apply = graph.add(replace(apply_node(), mode=segment.mode), last.id)
    made = [apply]
    text = write(Stack(segment.said.entries))
    stack = graph.source(*segment.stack) if segment.stack else None
    if segment.said.entries or segment.words or stack is None:
        rack = graph.add(rack_node(text), last.id, below=-1)  # wider than a loader
        _connect(graph, stack, rack, "stack")
        if segment.words:
            graph.rewire(segment.words, WireSource(rack, WORDS))
        stack = WireSource(rack, STACK)
        made.insert(0, rack)
    _connect(graph, graph.source(*segment.model), apply, "model")
    _connect(graph, stack, apply, "stack")
    _connect(graph, graph.source(*segment.clip) if segment.clip else None, apply, "clip")
    graph.rewire(segment.model_output, WireSource(apply, MODEL))
    inside = {node.id for node in segment.nodes}
    for output in segment.clip_outputs:
        outside = [reader for reader in graph.readers(output) if reader.node not in inside]
        graph.rewire(output, WireSource(apply, CLIP), outside)
    for node in segment.nodes:
        graph.remove(node.id)
    nodes, types = (tuple(node.id for node in segment.nodes), tuple(node.type for node in segment.nodes))
    findings.done.append(Done(graph.place, nodes, types, tuple(made), text, segment.said.notes))


def _connect(graph: Graph, source: WireSource | None, node: str, name: str) -> None:
    if source is not None:
        graph.connect(source, node, name)


def rack_node(text: str) -> NewNode:
    """A LoRA Rack of this text."""
    return NewNode("LoraRackStack", {"text": text}, {"stack": "LORA_STACK", "text": "STRING"}, _RACK_OUTPUTS)


def apply_node() -> NewNode:
    """An Apply LoRA Stack."""
    return NewNode(
        "LoraRackApply",
        {"mismatch": "error"},
        {"model": "MODEL", "stack": "LORA_STACK", "clip": "CLIP", "mismatch": "COMBO"},
        {"MODEL": "MODEL", "CLIP": "CLIP", "report": "STRING", "infotext": "STRING", "resources": "STRING"},
    )
