"""Tags in the text of a CLIPTextEncode, which ComfyUI would feed to the text encoder as words.

The text moves into a Prompt with LoRA Tags, whose stack is applied to the model of the samplers that read
the prompt and to the text encoder of every prompt they read, as A1111 has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import NotConvertible
from ..grammar import scan_prompt, write
from ..stack import Stack
from ..workflows import Graph, Mode, NewNode, Node, Reader, WireSource
from .chosen import EVERY, Chosen
from .rewrite import CLIP, MODEL, Done, Findings, Left, apply_node

_TAG = re.compile(r"<\s*(?:lora|lyco)\s*:[^<>]*>", re.IGNORECASE)
_ENCODER = "CLIPTextEncode"
_TWO_STRENGTHS = re.compile(r"<\s*lora\s*:[^:<>]*:[^:<>=]*:[^:<>=]*>", re.IGNORECASE)
_ORDER_NOTE = "two strengths in a tag are read as A1111 does: the text encoder's first, then the model's"

_OFF_NOTE = "a tag on a line that begins with # is off now; ComfyUI took such a line for words too"


def rewrite_tags(graph: Graph, findings: Findings, chosen: Chosen = EVERY) -> None:
    """Replace the tags in prompts of one level, all prompts of the same samplers at once."""
    tagged: dict[str, Node] = {}
    for node in graph.nodes():
        if node.type == _ENCODER and chosen.has(graph, node.id) and _TAG.search(_text(node)):
            tagged[node.id] = node
    while tagged:
        node = next(iter(tagged.values()))
        try:
            _check(node)
            samplers = _samplers(graph, node)
            together = [other for other in tagged.values() if _samplers(graph, other) == samplers]
            for other in together:
                _check(other)
            _replace(graph, together, samplers, findings)
        except NotConvertible as error:
            together = [node]
            findings.left.append(Left(graph.place, node.id, node.type, str(error)))
        for other in together:
            del tagged[other.id]


def _text(node: Node) -> str:
    return str(node.widgets(("text",)).get("text", ""))


def _check(node: Node) -> None:
    """Raises NotConvertible for tags that cannot be read, and for a text that is not the node's own."""
    if node.mode is not Mode.ON:
        raise NotConvertible(f"it is {node.mode.value}")
    if "text" in node.wired:
        raise NotConvertible("its text comes over a wire")
    if node.shown:
        raise NotConvertible("its text is shown on its subgraph")
    for tag in _TAG.findall(_text(node)):
        if errors := scan_prompt(tag).found.errors:
            raise NotConvertible(f"its tag {tag} is not a valid tag: {errors[0]}")
    if errors := scan_prompt(_text(node)).found.errors:
        raise NotConvertible(f"Prompt with LoRA Tags cannot read it: {errors[0]}")


def _samplers(graph: Graph, node: Node) -> frozenset[str]:
    """The nodes that take a model and, perhaps through others, this prompt. Raises NotConvertible if none."""
    seen, found, waiting = {node.id}, set(), [node.id]
    while waiting:
        number = waiting.pop()
        for slot in range(graph.output_count(number)):
            for reader in graph.readers(WireSource(number, slot)):
                if reader.node == graph.outside:
                    raise NotConvertible("this prompt leaves its subgraph, and the samplers are outside")
                if reader.node in seen:
                    continue
                seen.add(reader.node)
                if graph.source(reader.node, "model") is not None:
                    found.add(reader.node)
                else:
                    waiting.append(reader.node)
    if not found:
        raise NotConvertible("no sampler with a model reads this prompt")
    return frozenset(found)


def _replace(graph: Graph, prompts: list[Node], samplers: frozenset[str], findings: Findings) -> None:
    models = {graph.source(sampler, "model") for sampler in samplers}
    if len(models) != 1 or None in models:
        raise NotConvertible("samplers with different models read this prompt")
    model = models.pop()
    clips = {graph.source(prompt.id, "clip") for prompt in prompts}
    if len(clips) != 1 or None in clips:
        raise NotConvertible("prompts with different text encoders are sampled together")
    clip = clips.pop()
    assert model is not None
    assert clip is not None
    encoders = _encoders(graph, clip, samplers)
    made: list[str] = []
    stack: WireSource | None = None
    for prompt in prompts:
        node = graph.add(_prompt_node(_text(prompt)), prompt.id, below=1)
        graph.set_input(prompt.id, "text", WireSource(node, 0))
        if stack is not None:
            graph.connect(stack, node, "stack")
        stack = WireSource(node, 1)
        made.append(node)
    assert stack is not None
    apply = graph.add(apply_node(), prompts[0].id, below=1)
    graph.rewire(model, WireSource(apply, MODEL), [Reader(sampler, "model") for sampler in samplers])
    graph.rewire(clip, WireSource(apply, CLIP), [Reader(encoder, "clip") for encoder in encoders])
    graph.connect(model, apply, "model")
    graph.connect(stack, apply, "stack")
    graph.connect(clip, apply, "clip")
    rows = [tag.entry for prompt in prompts for tag in scan_prompt(_text(prompt)).found.tags]
    text = write(Stack(tuple(rows)))
    notes = [_ORDER_NOTE] if any(map(_TWO_STRENGTHS.search, map(_text, prompts))) else []
    notes += [_OFF_NOTE] if any(not row.enabled for row in rows) else []
    nodes, types = tuple(prompt.id for prompt in prompts), tuple(prompt.type for prompt in prompts)
    findings.done.append(Done(graph.place, nodes, types, (*made, apply), text, tuple(notes)))


def _encoders(graph: Graph, clip: WireSource, samplers: frozenset[str]) -> Iterable[str]:
    """The prompts that share the text encoder and are read by the same samplers and no other."""
    encoders = {node.id: node for node in graph.nodes() if node.type == _ENCODER}
    for reader in graph.readers(clip):
        if reader.node in encoders and _is_read_by(graph, encoders[reader.node], samplers):
            yield reader.node


def _is_read_by(graph: Graph, node: Node, samplers: frozenset[str]) -> bool:
    try:
        return _samplers(graph, node) <= samplers
    except NotConvertible:
        return False


def _prompt_node(text: str) -> NewNode:
    return NewNode(
        "LoraRackPrompt",
        {"text": text},
        {"stack": "LORA_STACK", "text": "STRING"},
        {"prompt": "STRING", "stack": "LORA_STACK"},
    )
