"""Our nodes turned into the host's loaders, and the choice of nodes, in the editor's format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from workflows import Json, Workflow, as_prompt, loader, loaders_in_a_row, model_only, trace

from lora_core.convert import Chosen, Conversion, convert, convert_back
from lora_core.errors import BadWorkflow, MissingLora
from lora_core.stack import Entry

ON, MUTED, BYPASSED = 0, 2, 4


def name_of(entry: Entry) -> str:
    """What a host with the files a, b and c lists."""
    if entry.name not in ("a", "b", "c", "a.pt", "b.pt", "c.pt"):
        raise MissingLora(entry.name, ())
    return entry.name.removesuffix(".pt") + ".pt"


def back(graph: Workflow, **chosen: Any) -> Conversion:
    return convert_back(graph.editor(), name_of, Chosen(**chosen))


def racked(*rows: str, clip: bool = True, mode: int = ON, stack_mode: int = ON, **apply: Any) -> Workflow:
    """A checkpoint, a rack of these rows, what applies it, a prompt and a sampler."""
    graph = Workflow()
    checkpoint = graph.add("CheckpointLoaderSimple", {}, {"ckpt_name": "model.safetensors"})
    rack = graph.add("LoraRackStack", {}, {"text": "\n".join(rows)}, mode=stack_mode)
    wires = {"model": (checkpoint, 0), "stack": (rack, 0)} | ({"clip": (checkpoint, 1)} if clip else {})
    node = graph.add("LoraRackApply", wires, {"mismatch": "error", "mode": "auto", **apply}, mode=mode)
    prompt = graph.add("CLIPTextEncode", {"clip": (node, 1) if clip else (checkpoint, 1)}, {"text": "a lake"})
    graph.add("KSampler", {"model": (node, 0), "positive": (prompt, 0), "negative": (prompt, 0)}, {"seed": 1})
    return graph


def ends(workflow: Json) -> tuple[str, str]:
    """Where the sampler's model and its prompt's text encoder come from."""
    prompt = as_prompt(workflow)
    for node in workflow["nodes"]:
        if node["type"] in ("LoraLoader", "LoraLoaderModelOnly"):
            names = ("lora_name", "strength_model", "strength_clip")
            values = dict(zip(names, node["widgets_values"], strict=False))
            prompt[str(node["id"])]["inputs"] |= values | {"mode": node["mode"]}
    sampler = next(node for node in prompt.values() if node["class_type"] == "KSampler")["inputs"]
    encoder = prompt[sampler["positive"][0]]["inputs"]
    return trace(prompt, sampler["model"]), trace(prompt, encoder["clip"])


def expected(rows: Sequence[tuple[str, float, float, int]], output: int) -> str:
    """A chain of the host's loaders, written out."""
    found = {slot: f"CheckpointLoaderSimple.{slot}()" for slot in (0, 1)}
    for name, model, clip, mode in rows:
        inputs = f"clip={found[1]}, lora_name={name}, mode={mode}, model={found[0]}"
        inputs += f", strength_clip={clip}, strength_model={model}"
        found = {slot: f"LoraLoader.{slot}({inputs})" for slot in (0, 1)}
    return found[output]


def test_a_rack_becomes_a_chain_of_loaders_in_its_order() -> None:
    conversion = back(racked("<lora:a:0.8>", "# <lora:b:unet=1:te=0.5>", "<lora:c:-2>"))
    rows = [("a.pt", 0.8, 0.8, ON), ("b.pt", 1.0, 0.5, BYPASSED), ("c.pt", -2.0, -2.0, ON)]
    assert ends(conversion.workflow) == (expected(rows, 0), expected(rows, 1))
    assert conversion.left == ()
    types = [node["type"] for node in conversion.workflow["nodes"]]
    assert not [type for type in types if type.startswith("LoraRack")]
    places = [node["pos"] for node in conversion.workflow["nodes"] if node["type"] == "LoraLoader"]
    assert len({tuple(place) for place in places}) == 3


@pytest.mark.parametrize(
    "steps", [(loader("a.pt", 0.8, 0.5),), (loader("a.pt", 1.0, 1.0), loader("b.pt", -0.5, 0.0))]
)
def test_there_and_back_is_the_same_graph(steps: Sequence[Any]) -> None:
    before = loaders_in_a_row(*steps).editor()
    there = convert(before)
    again = convert_back(there.workflow, name_of)
    assert [item.type for item in there.left + again.left] == []
    assert ends(again.workflow) == ends(before)


def test_without_a_text_encoder_it_is_model_only_loaders() -> None:
    conversion = back(racked("<lora:a:0.8>", "<lora:b:0.1>", clip=False))
    loaders = [node for node in conversion.workflow["nodes"] if node["type"] == "LoraLoaderModelOnly"]
    assert [node["widgets_values"] for node in loaders] == [["a.pt", 0.8], ["b.pt", 0.1]]


def test_an_empty_rack_leaves_the_wires_as_they_would_be_without_it() -> None:
    conversion = back(racked("# only a remark"))
    assert ends(conversion.workflow) == (expected([], 0), expected([], 1))
    assert "comments" in conversion.done[0].notes[0]


def _live() -> Workflow:
    graph = racked("<lora:a:1>")
    type, wires, _, named = graph.nodes["3"]
    graph.nodes["3"] = (type, wires, ["error", "live"], named)
    return graph


def _read(type: str, wire: tuple[str, int], name: str) -> Workflow:
    """A rack one of whose outputs is read by one node more."""
    graph = racked("<lora:a:1>")
    graph.add(type, {name: wire}, {})
    return graph


def _fed(type: str, **named: Any) -> Workflow:
    """A rack after another node."""
    graph = racked("<lora:a:1>")
    feeder = graph.add(type, {}, named)
    kind, wires, values, own = graph.nodes["2"]
    graph.nodes["2"] = (kind, {**wires, "stack": (feeder, 0)}, values, own)
    return graph


def _wired_text() -> Workflow:
    graph = racked("<lora:a:1>")
    text = graph.add("PreviewAny", {}, {})
    kind, wires, values, own = graph.nodes["2"]
    graph.nodes["2"] = (kind, {**wires, "text": (text, 0)}, values, own)
    return graph


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (racked("<lora:a:1:lbw=OUTALL>"), "'a' has block weights"),
        (racked("<lora:a:1:stop=0.5>"), "is on from 0 to 0.5 of the sampling"),
        (racked("<lora:a:101>"), "allow at most ±100"),
        (racked("<lora:nowhere:1>"), "nowhere"),
        (racked("<lora:a:much>"), "is not a stack"),
        (racked("<lora:a:1>", mode=MUTED), "it is muted"),
        (racked("<lora:a:1>", stack_mode=MUTED), "its stack, is muted"),
        (_live(), "its mode is live"),
        (_read("PreviewAny", ("3", 2), "source"), "its third output is connected"),
        (_read("PreviewAny", ("3", 4), "source"), "its fifth output is connected"),
        (_fed("LoRA Stacker", input_mode="simple", lora_count=0), "known only when it runs"),
        (_wired_text(), "'text' of node 2 (LoraRackStack) comes over a wire"),
    ],
)
def test_what_the_hosts_loaders_cannot_say_stays_as_it_is(graph: Workflow, reason: str) -> None:
    before = graph.editor()
    conversion = convert_back(before, name_of)
    assert conversion.done == ()
    assert reason in conversion.left[0].reason
    assert conversion.workflow == before


def test_a_chain_of_stacks_is_one_chain_of_loaders() -> None:
    values = {
        "lora_name": "c.pt",
        "strength_model": 0.5,
        "strength_clip": 0.25,
        "blocks": "",
        "start": 0,
        "stop": 1,
    }
    conversion = convert_back(_fed("LoraRackAdd", **values).editor(), name_of)
    rows = [("c.pt", 0.5, 0.25, ON), ("a.pt", 1.0, 1.0, ON)]
    assert ends(conversion.workflow) == (expected(rows, 0), expected(rows, 1))
    assert len(conversion.workflow["nodes"]) == 5


def test_a_rack_that_something_else_reads_stays_beside_the_loaders() -> None:
    conversion = convert_back(_read("PreviewAny", ("2", 1), "source").editor(), name_of)
    types = [node["type"] for node in conversion.workflow["nodes"]]
    assert types.count("LoraRackStack") == types.count("LoraLoader") == 1
    assert "LoraRackApply" not in types


def test_a_bypassed_apply_gives_bypassed_loaders() -> None:
    conversion = back(racked("<lora:a:1>", mode=BYPASSED))
    rows = [("a.pt", 1.0, 1.0, BYPASSED)]
    assert ends(conversion.workflow) == (expected(rows, 0), expected(rows, 1))


def test_load_lora_is_the_hosts_loader() -> None:
    graph = Workflow()
    checkpoint = graph.add("CheckpointLoaderSimple", {}, {"ckpt_name": "model.safetensors"})
    values = {
        "lora_name": "a.pt",
        "strength_model": 0.5,
        "strength_clip": 0.25,
        "blocks": "",
        "start": 0,
        "stop": 1,
    }
    load = graph.add("LoraRackLoad", {"model": (checkpoint, 0), "clip": (checkpoint, 1)}, values)
    prompt = graph.add("CLIPTextEncode", {"clip": (load, 1)}, {"text": "a lake"})
    graph.add("KSampler", {"model": (load, 0), "positive": (prompt, 0)}, {"seed": 1})
    rows = [("a.pt", 0.5, 0.25, ON)]
    assert ends(back(graph).workflow) == (expected(rows, 0), expected(rows, 1))


def test_only_the_chosen_nodes_are_converted() -> None:
    row = loaders_in_a_row(loader("a.pt", 1, 1), model_only("b.pt", 1), loader("c.pt", 1, 1))
    conversion = convert(row.editor(), Chosen(frozenset({"3"})))
    assert [done.nodes for done in conversion.done] == [("3",)]
    two = racked("<lora:a:1>")
    apply = two.add("LoraRackApply", {"model": ("3", 0), "stack": ("2", 0)}, {"mismatch": "error"})
    assert [done.nodes for done in back(two, nodes=frozenset({apply})).done] == [(apply,)]
    assert [done.nodes for done in back(two, nodes=frozenset({"2"})).done] == [("3",), (apply, "2")]
    assert convert(row.editor(), Chosen(frozenset({"3"}), "of a subgraph")).done == ()


@pytest.mark.parametrize("workflow", [{}, [], loaders_in_a_row().prompt()])
def test_only_the_editors_format_is_taken_back(workflow: Any) -> None:
    with pytest.raises(BadWorkflow):
        convert_back(workflow, name_of)
