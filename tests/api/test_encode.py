"""Encode Prompt with LoRA Tags over HTTP: one node paints what the nodes it stands for paint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import FAMILIES, Graph, Link, host_chain, load_demo, pictures, sample, texts

from tools.dev.host_client import ExecutionFailed, HostClient, PromptRejected

SD15 = next(family for family in FAMILIES if family.name == "sd15")
FIRST, SECOND = "sd15/style_0", "sd15/style_1"


def _paint(graph: Graph, model: Link, positive: Link, negative: Link) -> None:
    latent = [graph.add("EmptyLatentImage", width=64, height=64, batch_size=1), 0]
    samples = [sample(graph, model, positive, negative, latent, seed=3, steps=1, cfg=4.0), 0]
    shown = [graph.add("FixtureLatentPicture", samples=samples), 0]
    graph.add("SaveImage", images=shown, filename_prefix="encode")


def _encoded(graph: Graph, clip: Link, *prompts: Any) -> list[Link]:
    return [[graph.add("CLIPTextEncode", clip=clip, text=text), 0] for text in prompts]


def _encode(graph: Graph, positive: Any, negative: Any, **more: Any) -> str:
    model, clip = SD15.load(graph)
    return graph.add("LoraRackEncode", model=model, clip=clip, positive=positive, negative=negative, **more)


def _apart(graph: Graph, positive: str, negative: str) -> None:
    """The same by the single nodes: a prompt each, their stacks chained, applied, encoded."""
    model, clip = SD15.load(graph)
    first = graph.add("LoraRackPrompt", text=positive, embeddings=True)
    second = graph.add("LoraRackPrompt", text=negative, stack=[first, 1], embeddings=True)
    applied = graph.add("LoraRackApply", model=model, clip=clip, stack=[second, 1], mismatch="error")
    _paint(graph, [applied, 0], *_encoded(graph, [applied, 1], [first, 0], [second, 0]))


def _by_the_host(graph: Graph, loras: list[tuple[str, float, float]], positive: str, negative: str) -> None:
    model, clip = SD15.load(graph)
    model, patched = host_chain(graph, model, clip, [(f"{name}.safetensors", m, c) for name, m, c in loras])
    assert patched is not None
    _paint(graph, model, *_encoded(graph, patched, positive, negative))


def test_one_node_paints_what_the_single_nodes_and_the_hosts_own_paint(client: HostClient) -> None:
    positive = f"a lake, <lora:{FIRST}:0.5:0.8>, (night:1.3) BREAK \\(a\\)"
    negative = f"<lora:{SECOND}:-0.5> [fog], <3"
    graph = Graph()
    node = _encode(graph, positive, negative)
    _paint(graph, [node, 0], [node, 2], [node, 3])
    _apart(graph, positive, negative)
    loras = [(FIRST, 0.8, 0.5), (SECOND, -0.5, -0.5)]
    words = "a lake, (night:1.3) BREAK \\(a\\)", "[fog], <3"
    _by_the_host(graph, loras, *words)
    _by_the_host(graph, [], *words)
    one, apart, host, plain = pictures(client, graph)
    assert np.array_equal(one, apart)
    assert np.abs(one - host).max() <= 1
    assert np.abs(host - plain).max() > 1, "these LoRAs change nothing, so equality says nothing"


def test_the_demo_checkpoint_its_prompts_and_its_sampler_are_four_nodes(client: HostClient) -> None:
    graph = Graph()
    model, clip, vae = load_demo(graph)
    latent = [graph.add("EmptySD3LatentImage", width=128, height=128, batch_size=1), 0]

    def paint(model: Link, positive: Link, negative: Link) -> None:
        samples = [sample(graph, model, positive, negative, latent, seed=5, steps=6, cfg=2.5), 0]
        images = [graph.add("VAEDecode", samples=samples, vae=vae), 0]
        graph.add("SaveImage", images=images, filename_prefix="demo")

    text = "day mountains lake <lora:add_detail:1>"
    node = graph.add("LoraRackEncode", model=model, clip=clip, positive=text, negative="")
    paint([node, 0], [node, 2], [node, 3])
    theirs, encoder = host_chain(graph, model, clip, [("add_detail.safetensors", 1.0, 1.0)])
    assert encoder is not None
    paint(theirs, *_encoded(graph, encoder, "day mountains lake", ""))
    paint(model, *_encoded(graph, clip, "day mountains lake", ""))
    one, host, plain = pictures(client, graph)
    assert np.abs(one - host).max() <= 1
    assert np.abs(host - plain).max() > 1


def test_a_tag_in_both_prompts_acts_once_and_others_all(client: HostClient) -> None:
    graph = Graph()
    same = _encode(graph, f"a lake <lora:{FIRST}:0.5>", f"fog <lora:{FIRST}.safetensors:0.5:0.5>")
    _paint(graph, [same, 0], [same, 2], [same, 3])
    graph.show([same, 4])
    other = _encode(graph, f"a lake <lora:{FIRST}:0.5>", f"fog <lora:{FIRST}:0.25>")
    _paint(graph, [other, 0], [other, 2], [other, 3])
    _by_the_host(graph, [(FIRST, 0.5, 0.5)], "a lake", "fog")
    _by_the_host(graph, [(FIRST, 0.75, 0.75)], "a lake", "fog")
    once, both, half, more = pictures(client, graph)
    assert np.abs(once - half).max() <= 1
    assert np.abs(both - more).max() <= 1
    assert np.abs(half - more).max() > 1
    (report,) = texts(client, graph)
    first = report.splitlines()[0]
    assert first == f"{FIRST}.safetensors: in both prompts with the same parts, applied once"
    assert report.count(" layers match") == 1


def test_a_stack_comes_before_the_tags_and_words_are_given(client: HostClient, loras: Any) -> None:
    graph = Graph()
    rack = graph.add("LoraRackStack", text=f"<lora:{SECOND}:0.3>\n# <lora:gone:1>")
    node = _encode(graph, f"<lora:{FIRST}:0.5> a", "# <lora:not_here:1>", stack=[rack, 0], mode="live")
    graph.show([node, 4])
    graph.show([node, 5])
    (loras / f"{FIRST}.json").write_text('{"activation text": "ink wash"}', encoding="utf-8")
    report, words = texts(client, graph)
    lines = report.splitlines()
    judged = [line for line in lines if " layers match" in line]
    assert [line.split(" at ")[0] for line in judged] == [f"{SECOND}.safetensors", f"{FIRST}.safetensors"]
    assert all(line.endswith("; live") for line in judged)
    assert {"gone: off", "not_here: off"} <= set(lines)
    assert words == "ink wash"


def test_all_bad_tags_of_both_prompts_are_refused_with_their_places(client: HostClient) -> None:
    graph = Graph()
    node = _encode(graph, f"a <lora:{FIRST}:strong> <lora:zzzzzzzz>", "\n<lora:x")
    graph.show([node, 4])
    with pytest.raises(PromptRejected) as caught:
        client.queue(graph.nodes)
    (errors,) = caught.value.node_errors.values()
    told = {error["extra_info"]["input_name"]: error["details"] for error in errors["errors"]}
    lines = told["positive"].removeprefix("positive - ").splitlines()
    assert lines[0] == "positive: line 1, column 22: found 'strong', expected a number such as 0.8 or -1"
    assert lines[1].startswith("positive: line 1, column 30: ")
    assert "'zzzzzzzz'" in lines[1]
    assert lines[2].startswith("negative: line 2, column 8: found the end of the line, expected '>'")
    assert len(lines) == 3


def test_a_bad_tag_over_a_wire_says_which_prompt_has_it(client: HostClient) -> None:
    graph = Graph()
    text = [graph.add("PrimitiveStringMultiline", value="fog <lora:zzzzzzzz>"), 0]
    node = _encode(graph, "a lake", text)
    graph.show([node, 4])
    with pytest.raises(ExecutionFailed, match="negative: row 1: no LoRA is called 'zzzzzzzz'"):
        client.run(graph.nodes)


def test_a_misfit_stops_or_is_told(client: HostClient) -> None:
    graph = Graph()
    stops = _encode(graph, "a <lora:add_detail:1>", "")
    graph.show([stops, 4])
    with pytest.raises(ExecutionFailed, match=r"add_detail\.safetensors: made for"):
        client.run(graph.nodes)
    graph.nodes[stops]["inputs"]["mismatch"] = "warn"
    (report,) = texts(client, graph)
    assert "0 of 12 layers match" in report
