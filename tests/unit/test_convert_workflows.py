"""Workflows rewritten beyond their loaders: tags in prompts, subgraphs, and the command."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from workflows import Json, Workflow, as_prompt, both, inspire, loader, loaders_in_a_row, trace

from lora_core.cli import main
from lora_core.convert import convert
from lora_core.errors import BadWorkflow


def _tagged(positive: str, negative: str) -> Workflow:
    graph = Workflow()
    checkpoint = graph.add("CheckpointLoaderSimple", {}, {"ckpt_name": "model.safetensors"})
    first = graph.add("CLIPTextEncode", {"clip": (checkpoint, 1)}, {"text": positive})
    second = graph.add("CLIPTextEncode", {"clip": (checkpoint, 1)}, {"text": negative})
    both = graph.add("ConditioningCombine", {"conditioning_1": (first, 0), "conditioning_2": (first, 0)}, {})
    wires = {"model": (checkpoint, 0), "positive": (both, 0), "negative": (second, 0)}
    graph.add("KSampler", wires, {"seed": 1})
    return graph


def test_tags_in_prompts_become_a_stack_for_all_their_sampler_reads() -> None:
    prompt, conversion = both(_tagged("a lake <lora:a:0.5>, night", "dull <lora:b:-1>"))
    assert conversion.left == ()
    (done,) = conversion.done
    assert done.nodes == ("2", "3")
    sampler = next(node for node in prompt.values() if node["class_type"] == "KSampler")["inputs"]
    stack = "LoraRackPrompt.1(stack=LoraRackPrompt.1(text=a lake <lora:a:0.5>, night), text=dull <lora:b:-1>)"
    assert f"stack={stack}" in trace(prompt, sampler["model"])
    positive, negative = (trace(prompt, sampler[name]) for name in ("positive", "negative"))
    assert "text=LoraRackPrompt.0(text=a lake <lora:a:0.5>, night)" in positive
    assert "clip=LoraRackApply.1" in positive
    assert "clip=LoraRackApply.1" in negative


def test_a_prompt_without_tags_shares_the_text_encoder_of_its_sampler() -> None:
    prompt, conversion = both(_tagged("a lake <lora:a:0.5:1>", "dull"))
    sampler = next(node for node in prompt.values() if node["class_type"] == "KSampler")["inputs"]
    assert "clip=LoraRackApply.1" in trace(prompt, sampler["negative"])
    assert "text encoder's first" in conversion.done[0].notes[0]


def test_tags_that_cannot_be_read_stay() -> None:
    graph = _tagged("a lake <lora:a:much>", "dull")
    prompt, conversion = both(graph)
    assert prompt == graph.prompt()
    assert "its tag <lora:a:much> is not a valid tag" in conversion.left[0].reason


def test_tags_no_sampler_reads_stay() -> None:
    graph = Workflow()
    checkpoint = graph.add("CheckpointLoaderSimple", {}, {"ckpt_name": "model.safetensors"})
    graph.add("CLIPTextEncode", {"clip": (checkpoint, 1)}, {"text": "<lora:a:1>"})
    _, conversion = both(graph)
    assert "no sampler" in conversion.left[0].reason


def _subgraph() -> Json:
    """A workflow whose one node is a subgraph with a loader inside."""
    loader = {
        "id": 7,
        "type": "LoraLoader",
        "pos": [0, 0],
        "inputs": [
            {"name": "model", "type": "MODEL", "link": 1},
            {"name": "clip", "type": "CLIP", "link": 2},
        ],
        "outputs": [{"name": "MODEL", "links": [3]}, {"name": "CLIP", "links": [4]}],
        "widgets_values": ["a.pt", 0.5, 0.5],
    }
    wires = [(1, -10, 0, 7, 0), (2, -10, 1, 7, 1), (3, 7, 0, -20, 0), (4, 7, 1, -20, 1)]
    fields = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    level = {
        "id": "5f1c",
        "name": "Style",
        "nodes": [loader],
        "links": [{**dict(zip(fields, wire, strict=True)), "type": "?"} for wire in wires],
        "inputs": [{"name": "model", "linkIds": [1]}, {"name": "clip", "linkIds": [2]}],
        "outputs": [{"name": "model", "linkIds": [3]}, {"name": "clip", "linkIds": [4]}],
        "state": {"lastNodeId": 7, "lastLinkId": 4},
    }
    outer = {"id": 9, "type": "5f1c", "inputs": [], "outputs": [], "properties": {}}
    return {"nodes": [outer], "links": [], "last_node_id": 9, "definitions": {"subgraphs": [level]}}


def test_inside_a_subgraph_the_wires_to_its_edges_are_kept() -> None:
    conversion = convert(_subgraph())
    assert [done.place for done in conversion.done] == ["subgraph 'Style'"]
    level = conversion.workflow["definitions"]["subgraphs"][0]
    prompt = as_prompt(level)
    (apply,) = [number for number, node in prompt.items() if node["class_type"] == "LoraRackApply"]
    assert prompt[apply]["inputs"]["model"] == ["-10", 0]
    assert prompt[apply]["inputs"]["clip"] == ["-10", 1]
    links = {link["id"]: link for link in level["links"]}
    for slot, edge in enumerate(level["inputs"]):
        assert [(links[n]["origin_id"], links[n]["origin_slot"]) for n in edge["linkIds"]] == [(-10, slot)]
    for slot, edge in enumerate(level["outputs"]):
        assert [(str(links[n]["origin_id"]), links[n]["origin_slot"]) for n in edge["linkIds"]] == [
            (apply, slot)
        ]
    assert level["state"]["lastNodeId"] == max(node["id"] for node in level["nodes"]) > 9


def test_a_widget_on_the_face_of_a_subgraph_keeps_its_node() -> None:
    workflow = _subgraph()
    workflow["nodes"][0]["properties"]["proxyWidgets"] = [["7", "strength_model"]]
    conversion = convert(workflow)
    assert conversion.workflow == workflow
    assert "'strength_model' is shown on its subgraph" in conversion.left[0].reason


@pytest.mark.parametrize(
    "workflow",
    [
        [],
        {},
        {"a": 1},
        {"nodes": [{"type": "x"}]},
        {"nodes": [], "links": [[1, 2, 0, 3, 0, "MODEL"]]},
        {"nodes": [], "links": ["x"]},
    ],
)
def test_what_is_no_workflow_is_refused(workflow: Any) -> None:
    with pytest.raises(BadWorkflow):
        convert(workflow)


def test_the_given_workflow_is_not_changed_and_a_post_body_is_read() -> None:
    body = {"prompt": loaders_in_a_row(loader("a.pt", 1, 1)).prompt(), "client_id": "x"}
    before = copy.deepcopy(body)
    conversion = convert(body)
    assert body == before
    assert conversion.workflow["client_id"] == "x"
    assert len(conversion.done) == 1


def test_the_command_writes_a_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "old.json"
    source.write_text(json.dumps(loaders_in_a_row(loader("a.pt", 1, 1)).editor()), encoding="utf-8")
    assert main(["convert", str(source)]) == 0
    written = tmp_path / "old.rack.json"
    assert "LoraRackApply" in written.read_text(encoding="utf-8")
    assert "replaced: node 2 (LoraLoader) by " in capsys.readouterr().out
    assert main(["convert", str(source)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["convert", str(source), "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["output"] == str(written)
    assert {path.name for path in tmp_path.iterdir()} == {"old.json", "old.rack.json"}


def test_the_commands_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "old.json"
    source.write_text(json.dumps(loaders_in_a_row(inspire("%in=0")).prompt()), encoding="utf-8")
    assert main(["convert", str(source)]) == 1
    assert "left as it is: node 2" in capsys.readouterr().out
    assert not (tmp_path / "old.rack.json").exists()
    capsys.readouterr()
    none = tmp_path / "none.json"
    for path, content, said in (
        (source, "{", "is not JSON"),
        (source, "[" * 10**5, "is not JSON"),
        (none, "", "cannot be read"),
    ):
        if content:
            path.write_text(content, encoding="utf-8")
        assert main(["convert", str(path)]) == 2
        assert capsys.readouterr().err.startswith(f"error: {path}: {said}")
