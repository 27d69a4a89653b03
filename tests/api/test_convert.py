"""A converted workflow paints what the workflow it was made from paints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from graphs import FAMILIES, Family, Graph, host_chain, pictures, sample

from lora_core.convert import convert
from tools.dev.host_client import HostClient

SD15 = FAMILIES[0]
STRENGTHS = [(1.0, 1.0), (-0.7, 0.5), (0.3, 0.0)]


def _rows(family: Family) -> list[tuple[str, float, float]]:
    return [(f"{family.name}/style_{i}.safetensors", *both) for i, both in enumerate(STRENGTHS)]


def _types(graph: Graph) -> list[str]:
    return [node["class_type"] for node in graph.nodes.values()]


def _converted(graph: Graph) -> Graph:
    conversion = convert(graph.nodes)
    assert conversion.left == ()
    return replace(graph, nodes=conversion.workflow)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_chain_of_the_hosts_loaders(client: HostClient, record_property: Any, family: Family) -> None:
    graph = Graph()
    model, clip = family.load(graph)
    family.picture(graph, *host_chain(graph, model, clip, _rows(family)))
    ours = _converted(graph)
    assert _types(ours).count("LoraRackApply") == 1
    assert not any(kind.startswith("LoraLoader") for kind in _types(ours))
    (before,), (after,) = pictures(client, graph), pictures(client, ours)
    difference = int(np.abs(before - after).max())
    record_property("largest_difference_of_255", difference)
    assert difference <= 1
    plain = Graph()
    family.picture(plain, *family.load(plain))
    assert np.abs(before - pictures(client, plain)[0]).max() > 1, "LoRAs that change nothing say nothing"


def test_a_chain_that_branches(client: HostClient) -> None:
    graph = Graph()
    model, clip = SD15.load(graph)
    first, second, third = _rows(SD15)
    shared = host_chain(graph, model, clip, [first])
    SD15.picture(graph, *host_chain(graph, *shared, [second]))
    SD15.picture(graph, *host_chain(graph, *shared, [third]))
    ours = _converted(graph)
    assert _types(ours).count("LoraRackApply") == 3
    for before, after in zip(pictures(client, graph), pictures(client, ours), strict=True):
        assert np.abs(before - after).max() <= 1


def _prompted(positive: str, negative: str, loras: list[tuple[str, float, float]]) -> Graph:
    """A picture of two prompts, with the host's loaders before them."""
    graph = Graph()
    model, clip = host_chain(graph, *SD15.load(graph), loras)
    prompts = [[graph.add("CLIPTextEncode", clip=clip, text=text), 0] for text in (positive, negative)]
    latent = [graph.add("EmptyLatentImage", width=64, height=64, batch_size=1), 0]
    samples = [sample(graph, model, *prompts, latent, 1, steps=1, cfg=2.0), 0]
    picture = [graph.add("FixtureLatentPicture", samples=samples), 0]
    graph.add("SaveImage", images=picture, filename_prefix="tags")
    return graph


def test_tags_in_prompts_do_what_loaders_of_the_same_do(client: HostClient) -> None:
    first, second, _ = _rows(SD15)
    tagged = _prompted("a lake<lora:sd15/style_0:1>", "<lora:sd15/style_1:unet=-0.7:te=0.5>dull", [])
    loaded = _prompted("a lake", "dull", [first, second])
    (by_tags,), (by_loaders,) = pictures(client, _converted(tagged)), pictures(client, loaded)
    assert np.abs(by_tags - by_loaders).max() <= 1
    (plain,) = pictures(client, _prompted("a lake", "dull", []))
    assert np.abs(by_loaders - plain).max() > 1
