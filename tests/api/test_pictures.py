"""The same picture as the host's own loaders make, through the API, on every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import FAMILIES, Family, Graph, demo_picture, host_chain, load_demo, ours, pictures

from tools.dev.host_client import HostClient

COUNTS = (1, 2, 4, 8)
STRENGTHS = [
    (1.0, 1.0),
    (-0.7, 0.5),
    (0.3, 0.0),
    (0.6, -1.0),
    (0.45, 0.9),
    (0.5, 1.2),
    (-1.0, 0.25),
    (0.8, 0.8),
]
SLIDERS = ["add_detail", "add_saturation", "add_brightness"]


def _text(loras: list[tuple[str, float, float]]) -> str:
    return "\n".join(f"<lora:{name}:unet={model}:te={clip}>" for name, model, clip in loras)


def _check(ours_made: np.ndarray, host_made: np.ndarray, plain: np.ndarray, record: Any) -> None:
    difference = int(np.abs(ours_made - host_made).max())
    record("largest_difference_of_255", difference)
    assert difference <= 1
    assert np.abs(host_made - plain).max() > 1, "these LoRAs change nothing, so equality says nothing"


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_stack_paints_what_the_host_chain_paints(
    client: HostClient, record_property: Any, family: Family, count: int
) -> None:
    loras = [(f"{family.name}/style_{i}.safetensors", *STRENGTHS[i]) for i in range(count)]
    graph = Graph()
    model, clip = family.load(graph)
    family.picture(graph, *ours(graph, model, clip, _text(loras))[:2])
    family.picture(graph, *host_chain(graph, model, clip, loras))
    family.picture(graph, model, clip)
    _check(*pictures(client, graph), record_property)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_demo_sliders_paint_what_the_host_chain_paints(
    client: HostClient, record_property: Any, count: int
) -> None:
    loras = [(f"{name}.safetensors", 1.5, 1.0) for name in SLIDERS[:count]]
    graph = Graph()
    model, clip, vae = load_demo(graph)
    our_model, our_clip, _ = ours(graph, model, clip, _text(loras))
    host_model, host_clip = host_chain(graph, model, clip, loras)
    assert our_clip is not None
    assert host_clip is not None
    demo_picture(graph, our_model, our_clip, vae)
    demo_picture(graph, host_model, host_clip, vae)
    demo_picture(graph, model, clip, vae)
    _check(*pictures(client, graph), record_property)


def test_load_lora_paints_what_the_hosts_loader_paints(client: HostClient, record_property: Any) -> None:
    family = FAMILIES[0]
    loras = [("sd15/style_0.safetensors", 0.8, 0.6), ("sd15/style_1.safetensors", -0.5, 1.0)]
    graph = Graph()
    model, clip = family.load(graph)
    our_model, our_clip = model, clip
    for name, strength_model, strength_clip in loras:
        strengths = {"strength_model": strength_model, "strength_clip": strength_clip}
        node = graph.add("LoraRackLoad", model=our_model, clip=our_clip, lora_name=name, **strengths)
        our_model, our_clip = [node, 0], [node, 1]
    family.picture(graph, our_model, our_clip)
    family.picture(graph, *host_chain(graph, model, clip, loras))
    family.picture(graph, model, clip)
    _check(*pictures(client, graph), record_property)


@pytest.mark.parametrize("text", ["", "# <lora:sd15/style_0:1>", "<lora:sd15/style_0:0>", "# a remark"])
def test_a_stack_of_nothing_changes_nothing(client: HostClient, text: str) -> None:
    family = FAMILIES[0]
    graph = Graph()
    model, clip = family.load(graph)
    family.picture(graph, *ours(graph, model, clip, text)[:2])
    family.picture(graph, model, clip)
    ours_made, plain = pictures(client, graph)
    assert np.array_equal(ours_made, plain)


def test_text_encoder_strength_reaches_the_text_encoder_alone(client: HostClient) -> None:
    family = FAMILIES[0]
    graph = Graph()
    model, clip = family.load(graph)
    our_model, our_clip, _ = ours(graph, model, clip, "<lora:sd15/style_0:unet=0:te=1>")
    family.picture(graph, our_model, clip)
    family.picture(graph, model, our_clip)
    family.picture(graph, model, clip)
    only_model, only_clip, plain = pictures(client, graph)
    assert np.array_equal(only_model, plain)
    assert np.abs(only_clip - plain).max() > 1
