"""ComfyUI's hooks: for how much of the sampling a LoRA is on, as its keyframes say.

A keyframe holds a factor of the strength from where it starts to where the next one does; the first holds
from the beginning, wherever it starts. A row can say one span with one factor and nothing outside it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import NotConvertible
from .graph import Graph, Node, WireSource
from .values import number

_SETTER = "SetHookKeyframes"
_KEYFRAME = "CreateHookKeyframe"


def window_of(graph: Graph, nodes: Mapping[str, Node], hook: str) -> tuple[float, float, float]:
    """Start and stop of a hook as fractions of the sampling, and the factor of its strength between them.

    Raises NotConvertible where its strength changes in another way.
    """
    setter = _setter(graph, nodes, hook)
    if setter is None or graph.source(setter, "hook_kf") is None:
        return 0.0, 1.0, 1.0
    spans = _spans(_keyframes(graph, nodes, setter))
    on = [(start, stop, factor) for start, stop, factor in spans if factor != 0 and start < stop]
    joined: list[tuple[float, float, float]] = []
    for start, stop, factor in on:
        if joined and joined[-1][1:] == (start, factor):
            joined[-1] = (joined[-1][0], stop, factor)
        else:
            joined.append((start, stop, factor))
    if not joined:
        return 0.0, 1.0, 0.0
    if len(joined) > 1:
        raise NotConvertible("its strength changes more than once during the sampling")
    return joined[0]


def _setter(graph: Graph, nodes: Mapping[str, Node], hook: str) -> str | None:
    """The node that sets keyframes on a hook, perhaps after others of the same group. The last one holds."""
    seen, waiting, found = {hook}, [hook], None
    while waiting:
        number_ = waiting.pop()
        for reader in graph.readers(WireSource(number_, 0)):
            node = nodes.get(reader.node)
            if node is None or node.id in seen or not reader.input.startswith(("hooks", "prev_hooks")):
                continue
            seen.add(node.id)
            if node.type == _SETTER:
                if found is not None:
                    raise NotConvertible("keyframes are set on it twice")
                found = node.id
            waiting.append(node.id)
    return found


def _keyframes(graph: Graph, nodes: Mapping[str, Node], setter: str) -> list[tuple[float, float]]:
    """Start and factor of each keyframe, in the order of their starts."""
    frames: list[tuple[float, float]] = []
    source = graph.source(setter, "hook_kf")
    seen: set[str] = set()
    while source is not None:
        node = nodes.get(source.node)
        if node is None or node.type != _KEYFRAME or node.id in seen:
            raise NotConvertible("its strength follows keyframes that are known only when it runs")
        seen.add(node.id)
        values = node.widgets(("strength_mult", "start_percent"))
        factor = number(values.get("strength_mult", 1.0), "the factor of its keyframe")
        frames.append((number(values.get("start_percent", 0.0), "the start of its keyframe"), factor))
        source = graph.source(node.id, "prev_hook_kf")
    return sorted(reversed(frames), key=lambda frame: frame[0])


def _spans(frames: list[tuple[float, float]]) -> list[tuple[float, float, float]]:
    starts = [0.0, *(start for start, _ in frames[1:])]
    ends = [*starts[1:], 1.0]
    factors = (factor for _, factor in frames)
    return list(zip(starts, ends, factors, strict=True))
