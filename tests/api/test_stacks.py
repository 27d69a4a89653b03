"""Stacks on the wire: ours into other packs' nodes, theirs into ours, ours into each other."""

from __future__ import annotations

import numpy as np
from graphs import FAMILIES, Graph, ours, pictures, texts

from tools.dev.host_client import HostClient

SD3 = next(family for family in FAMILIES if family.name == "sd3")
FIRST, SECOND = "sd3/style_0.safetensors", "sd3/style_1.safetensors"


def _add(graph: Graph, name: str, strength: float, stack: list[object] | None = None) -> list[object]:
    optional = {} if stack is None else {"stack": stack}
    node = graph.add(
        "LoraRackAdd", lora_name=name, strength_model=strength, strength_clip=strength, **optional
    )
    return [node, 0]


def test_another_packs_stack_goes_into_ours_and_ours_into_theirs(client: HostClient) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    theirs = [graph.add("FixtureStack", lora_name=FIRST, strength=0.8), 0]
    joined = [graph.add("LoraRackStack", text=f"<lora:{SECOND}:-0.5>", stack=theirs), 0]
    by_us = graph.add("LoraRackApply", model=model, stack=joined, mismatch="error")
    by_them = graph.add("FixtureApply", model=model, stack=joined)
    by_rack, _, _ = ours(graph, model, None, f"<lora:{FIRST}:0.8>\n<lora:{SECOND}:-0.5>")
    for source in ([by_us, 0], [by_them, 0], by_rack):
        SD3.picture(graph, source, None)
    made = pictures(client, graph)
    assert np.abs(made[0] - made[1]).max() <= 1
    assert np.array_equal(made[0], made[2])


def test_stems_reach_other_packs_as_names_they_can_look_up(client: HostClient) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    stack = _add(graph, "sd3\\style_0", 0.8)
    by_them = graph.add("FixtureApply", model=model, stack=stack)
    by_us = graph.add("LoraRackApply", model=model, stack=stack, mismatch="error")
    SD3.picture(graph, [by_them, 0], None)
    SD3.picture(graph, [by_us, 0], None)
    theirs, our_own = pictures(client, graph)
    assert np.abs(theirs - our_own).max() <= 1


def test_a_chain_of_adds_is_the_rack_of_the_same_rows(client: HostClient) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    chain = _add(graph, SECOND, -0.5, _add(graph, FIRST, 0.8))
    by_chain = graph.add("LoraRackApply", model=model, stack=chain, mismatch="error")
    by_rack, _, _ = ours(graph, model, None, f"<lora:{FIRST}:0.8>\n<lora:{SECOND}:-0.5>")
    SD3.picture(graph, [by_chain, 0], None)
    SD3.picture(graph, by_rack, None)
    first, second = pictures(client, graph)
    assert np.array_equal(first, second)


def test_the_report_names_every_lora(client: HostClient) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    _, _, report = ours(graph, model, None, f"<lora:{FIRST}:0.8>\n<lora:sd3/style_1:unet=1:te=0.5>")
    graph.show(report)
    (text,) = texts(client, graph)
    lines = text.splitlines()
    assert lines[0].startswith("sd3/style_0.safetensors at 0.8: ")
    assert "layers match" in lines[0]
    assert "LoRA, rank 4" in lines[0]
    assert lines[2].startswith("sd3/style_1.safetensors at model 1, text encoder 0.5: ")
    assert lines[-1].startswith("cache: ")


def test_the_report_names_rows_that_are_off_or_at_0_and_no_other_pack_sees_them(client: HostClient) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    rows = f"# <lora:not here:0.7>\n<lora:nor here:0>\n<lora:{FIRST}:0.8>\n# only a remark"
    stack = _add(graph, SECOND, 0.0, [graph.add("LoraRackStack", text=rows), 0])
    words = "a lake <lora:sd3/style_1:0>\n# <lora:nowhere:1>"
    stack = [graph.add("LoraRackPrompt", text=words, stack=stack), 1]
    graph.show([graph.add("LoraRackApply", model=model, stack=stack, mismatch="error"), 2])
    by_us = graph.add("LoraRackApply", model=model, stack=stack, mismatch="error")
    by_them = graph.add("FixtureApply", model=model, stack=stack)
    alone, _, _ = ours(graph, model, None, f"<lora:{FIRST}:0.8>")
    for source in ([by_us, 0], [by_them, 0], alone):
        SD3.picture(graph, source, None)
    (text,) = texts(client, graph)
    assert [line for line in text.splitlines() if not line.startswith(("  ", "cache"))][1:] == [
        "not here: off",
        "nor here: at 0",
        f"{SECOND}: at 0",
        "sd3/style_1: at 0",
        "nowhere: off",
    ]
    mixed, theirs, plain = pictures(client, graph)
    assert np.array_equal(mixed, plain)
    assert np.abs(theirs - plain).max() <= 1


def test_items_of_another_pack_at_0_are_named_too(client: HostClient) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    stack = [graph.add("FixtureStack", lora_name="not here", strength=0.0), 0]
    graph.show([graph.add("LoraRackApply", model=model, stack=stack, mismatch="error"), 2])
    (text,) = texts(client, graph)
    assert text.splitlines()[:2] == ["nothing to apply: every entry is off or at 0", "not here: at 0"]
