"""Block weights over the API: the node's text into another's, and what is refused before anything runs."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import FAMILIES, Graph, pictures, texts

from tools.dev.host_client import ExecutionFailed, HostClient, PromptRejected

SD3 = next(family for family in FAMILIES if family.name == "sd3")
NAME = "sd3/style_0.safetensors"


def _load(graph: Graph, blocks: object) -> list[object]:
    model, _ = SD3.load(graph)
    return [
        graph.add(
            "LoraRackLoad", model=model, lora_name=NAME, strength_model=1.0, strength_clip=1.0, blocks=blocks
        ),
        0,
    ]


def _refused(client: HostClient, graph: Graph) -> str:
    with pytest.raises(PromptRejected) as caught:
        client.queue(graph.nodes)
    (node,) = caught.value.node_errors.values()
    return "\n".join(error["details"] for error in node["errors"])


def test_blocks_come_over_a_wire_and_change_the_picture(client: HostClient) -> None:
    graph = Graph()
    text = [graph.add("LoraRackBlocks", lora_name=NAME, blocks="j0-j1=0,\n*/txt.ff=.5"), 0]
    graph.show(text)
    wired, typed, none, off = (_load(graph, blocks) for blocks in (text, "J00-01=0 */txt.ff=0.5", "", "NONE"))
    model, _ = SD3.load(graph)
    for source in (wired, typed, none, off, model):
        SD3.picture(graph, source, None)
    by_wire, by_text, whole, nothing, untouched = pictures(client, graph)
    assert np.array_equal(by_wire, by_text)
    assert not np.array_equal(by_wire, whole)
    assert np.array_equal(nothing, untouched)


def test_the_node_gives_the_canonical_text(client: HostClient) -> None:
    graph = Graph()
    graph.show([graph.add("LoraRackBlocks", lora_name=NAME, blocks="outall, in4-in8 = .5\n*/FF=0"), 0])
    assert texts(client, graph) == ["OUTALL IN04-08=0.5 */ff=0"]


@pytest.mark.parametrize("node", ["LoraRackBlocks", "LoraRackAdd", "LoraRackLoad"])
def test_a_bad_text_is_refused_with_its_place(client: HostClient, node: str) -> None:
    graph = Graph()
    if node == "LoraRackLoad":
        source = _load(graph, "IN04=0.5 IN08=lots")
        SD3.picture(graph, source, None)
    else:
        strengths = {} if node == "LoraRackBlocks" else {"strength_model": 1.0, "strength_clip": 1.0}
        graph.show([graph.add(node, lora_name=NAME, blocks="IN04=0.5 IN08=lots", **strengths), 0])
    assert "block weights, character 15: found 'lots', expected a number" in _refused(client, graph)


def test_a_block_the_model_does_not_have_names_the_lora_and_the_blocks(client: HostClient) -> None:
    graph = Graph()
    SD3.picture(graph, _load(graph, "IN04=0.5"), None)
    with pytest.raises(
        ExecutionFailed, match="found IN04, expected a block of Stable Diffusion 3: IN, J00-"
    ) as e:
        client.run(graph.nodes)
    assert NAME in str(e.value)
