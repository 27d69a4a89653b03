"""The rows that a workflow or a picture's text names: every kind of node, modes, switches and whole rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from test_convert import CR, EFFICIENT, MANAGER, POWER, STACK_OF_FOUR
from workflows import Json, Workflow, inspire, loader, loaders_in_a_row, model_only

from lora_core.errors import BadWorkflow
from lora_core.grammar import write
from lora_core.workflows import Named, kinds, rows_in_text, rows_of


def _lines(named: Named) -> list[str]:
    return write(named.stack).splitlines()


def _prompt(type: str, **inputs: Any) -> Json:
    return {"1": {"class_type": type, "inputs": inputs}}


def _node(type: str, values: Any, number: int = 1, **more: Any) -> Json:
    return {"id": number, "type": type, "widgets_values": values, **more}


def _editor(*nodes: Json, links: Sequence[Any] = ()) -> Json:
    return {"nodes": list(nodes), "links": list(links)}


EASY = {
    "toggle": True,
    "mode": "simple",
    "num_loras": 2,
    "lora_1_name": "a.pt",
    "lora_1_strength": 0.5,
    "lora_1_model_strength": 9,
    "lora_1_clip_strength": 9,
    "lora_2_name": "None",
}


@pytest.mark.parametrize(
    ("type", "inputs", "lines"),
    [
        ("LoraLoader", {"lora_name": "a", "strength_model": 2, "strength_clip": 2}, ["<lora:a:2>"]),
        ("LoraLoaderModelOnly", {"lora_name": "a", "strength_model": 2}, ["<lora:a:unet=2:te=0>"]),
        ("LoraLoaderBypass", {"lora_name": "a", "strength_model": 1, "strength_clip": 1}, ["<lora:a:1>"]),
        ("LoraLoaderBypassModelOnly", {"lora_name": "a", "strength_model": 1}, ["<lora:a:unet=1:te=0>"]),
        (
            "Power Lora Loader (rgthree)",
            POWER,
            ["<lora:a.pt:0.5>", "# <lora:b.pt:1>", "<lora:c.pt:unet=1:te=0.25>"],
        ),
        ("Lora Loader Stack (rgthree)", STACK_OF_FOUR, ["<lora:a.pt:0.5>"]),
        ("LoRA Stacker", EFFICIENT, ["<lora:a.pt:unet=0.5:te=1>", "<lora:b.pt:2>"]),
        ("CR LoRA Stack", CR, ["<lora:a.pt:unet=0.5:te=1>", "# <lora:b.pt:1>"]),
        (
            "CR Load LoRA",
            {"switch": "Off", "lora_name": "a", "strength_model": 1, "strength_clip": 1},
            ["# <lora:a:1>"],
        ),
        ("Lora Loader (LoraManager)", {"text": "<lora:a:9>", "loras": {"__value__": MANAGER}}, None),
        (
            "LoRA Text Loader (LoraManager)",
            {"lora_syntax": "<lora:a:0.5:0.25>"},
            ["<lora:a:unet=0.5:te=0.25>"],
        ),
        ("Efficient Loader", {"ckpt_name": "m", "lora_name": "None", "lora_model_strength": 1}, []),
        (
            "Efficient Loader",
            {"lora_name": "a", "lora_model_strength": 0.5, "lora_clip_strength": 1},
            ["<lora:a:unet=0.5:te=1>"],
        ),
        ("easy loraStack", EASY, ["<lora:a.pt:0.5>"]),
        ("easy loraStack", {**EASY, "mode": "advanced", "toggle": False}, ["# <lora:a.pt:9>"]),
        (
            "easy loraSwitcher",
            {
                "toggle": True,
                "select": 2,
                "num_loras": 2,
                "lora_strength": 0.5,
                "lora_1_name": "a",
                "lora_2_name": "b",
            },
            ["<lora:b:0.5>"],
        ),
        (
            "easy fluxLoader",
            {"lora_name": "a", "lora_model_strength": 1, "lora_clip_strength": 1},
            ["<lora:a:1>"],
        ),
        ("WanVideoLoraSelect", {"lora": "a", "strength": 0.5}, ["<lora:a:unet=0.5:te=0>"]),
        (
            "WanVideoLoraSelectMulti",
            {
                "lora_0": "a",
                "strength_0": 1,
                "lora_1": "none",
                "strength_1": 1,
                "lora_4": "b",
                "strength_4": 2,
            },
            ["<lora:a:unet=1:te=0>", "<lora:b:unet=2:te=0>"],
        ),
        ("NunchakuFluxLoraLoader", {"lora_name": "a", "lora_strength": 1}, ["<lora:a:unet=1:te=0>"]),
        ("NunchakuFluxLoraStack", {"lora_name_1": "a", "lora_strength_1": 1}, ["<lora:a:unet=1:te=0>"]),
        ("CreateHookLora", {"lora_name": "a", "strength_model": 1, "strength_clip": 1}, ["<lora:a:1>"]),
        (
            "LoraRackAdd",
            {
                "lora_name": "a",
                "strength_model": 1,
                "strength_clip": 0.5,
                "blocks": "OUTALL",
                "start": 0.2,
                "stop": 0.7,
                "schedule": "0@0,0.5@1:steps=2-",
            },
            ["<lora:a:unet=0@0,0.5@1:te=0.5:lbw=OUTALL:steps=2-:start=0.2:stop=0.7>"],
        ),
        (
            "LoraRackStack",
            {"text": "# a remark\n<lora:a:1:hash=0123456789>\n# <lora:b:0.5:lbwe=IN05/attn=0.3>"},
            ["<lora:a:1:hash=0123456789>", "# <lora:b:0.5:lbwe=IN05/attn=0.3>"],
        ),
        ("LoraRackPrompt", {"text": "a lake <lora:a:0.5>, night"}, ["<lora:a:0.5>"]),
        (
            "LoraRackEncode",
            {"positive": "<lora:a:0.5> a <lora:a:0.5>", "negative": "<lora:a:0.5> <lora:a:1> <lora:b:1>"},
            ["<lora:a:0.5>", "<lora:a:0.5>", "<lora:a:1>", "<lora:b:1>"],
        ),
        ("LoraRackSliders", {"detail": 0.5, "detail_lora": "d", "brightness": 0}, ["<lora:d:0.5>"]),
        ("LoraRackInspect", {"lora_name": "a"}, []),
        ("LoraRackBlocks", {"lora_name": "a", "blocks": "OUTALL"}, []),
        ("CLIPTextEncode", {"text": "a lake <lora:a:0.5>"}, ["<lora:a:0.5>"]),
        ("ALoaderOfNobody", {"lora_name": "a", "strength": 0.5}, ["<lora:a:0.5>"]),
        ("ALoraInspector", {"lora_name": "a"}, []),
        (
            "PCLazyLoraLoader",
            {"text": "x <lora:a:1:0.5> [<lora:b:1>:<lora:c:1>:0.4] [<lora:d:1>:0.2,0.6] # <lora:e:1>"},
            [
                "<lora:a:unet=1:te=0.5>",
                "<lora:b:1:stop=0.4>",
                "<lora:c:1:start=0.4>",
                "<lora:d:1:start=0.2:stop=0.6>",
            ],
        ),
    ],
)
def test_a_prompt_of_one_node(type: str, inputs: Json, lines: list[str] | None) -> None:
    expected = ["<lora:a:unet=0.5:te=1>", "# <lora:b:1>"] if lines is None else lines
    assert _lines(rows_of(_prompt(type, **inputs))) == expected


@pytest.mark.parametrize("row", [loader("a.pt", 0.5, 0.5), model_only("a.pt", 0.5), inspire("1," * 16 + "0")])
def test_the_editors_format_names_the_same_rows_as_the_apis(row: Any) -> None:
    graph = loaders_in_a_row(row)
    assert _lines(rows_of(graph.editor())) == _lines(rows_of(graph.prompt())) != []


@pytest.mark.parametrize("mode", [2, 4])
@pytest.mark.parametrize(
    ("type", "values"),
    [
        ("LoraLoader", ["a", 1, 1]),
        ("LoraRackStack", ["<lora:a:1>"]),
        ("CLIPTextEncode", ["<lora:a:1>"]),
        ("LoraRackAdd", ["a", 1, 1, "", 0, 1]),
    ],
)
def test_what_a_muted_or_bypassed_node_names_is_off(type: str, values: list[Any], mode: int) -> None:
    assert _lines(rows_of(_editor(_node(type, values, mode=mode)))) == ["# <lora:a:1>"]


def test_a_stack_whose_every_reader_is_bypassed_is_off() -> None:
    def workflow(mode: int) -> Json:
        rack = _node("LoraRackStack", ["<lora:a:1>"], 1, outputs=[{"name": "stack", "links": [1]}])
        inputs = [{"name": "model", "link": None}, {"name": "stack", "link": 1}]
        apply = _node("LoraRackApply", ["error"], 2, mode=mode, inputs=inputs)
        return _editor(rack, apply, links=[[1, 1, 0, 2, 1, "LORA_STACK"]])

    assert _lines(rows_of(workflow(0))) == ["<lora:a:1>"]
    assert _lines(rows_of(workflow(4))) == ["# <lora:a:1>"]


def test_a_subgraph_that_is_bypassed_switches_off_what_is_in_it_and_one_unused_names_nothing() -> None:
    level = {"id": "s", "name": "S", "nodes": [_node("LoraLoader", ["a", 1, 1], 5)], "links": []}
    other = {"id": "t", "name": "T", "nodes": [_node("LoraLoader", ["b", 1, 1], 6)], "links": []}
    for mode, line in ((0, "<lora:a:1>"), (4, "# <lora:a:1>")):
        workflow = _editor(_node("s", [], mode=mode))
        workflow["definitions"] = {"subgraphs": [level, other]}
        assert _lines(rows_of(workflow)) == [line]


def test_rows_come_in_the_order_they_are_applied() -> None:
    graph = Workflow()
    graph.add("CheckpointLoaderSimple", {}, {"ckpt_name": "m"})
    graph.add("LoraLoaderModelOnly", {"model": ("3", 0)}, {"lora_name": "late", "strength_model": 1})
    graph.add("LoraLoaderModelOnly", {"model": ("1", 0)}, {"lora_name": "early", "strength_model": 1})
    for workflow in (graph.prompt(), graph.editor()):
        assert [row.name for row in rows_of(workflow).stack.entries] == ["early", "late"]


def test_a_note_gives_a_remark_and_no_row() -> None:
    note = _node("MarkdownNote", ["write <lora:name:strength> here"], 3)
    named = rows_of(_editor(_node("LoraLoader", ["a", 1, 1]), note))
    assert _lines(named) == ["<lora:a:1>"]
    assert named.remarks == ("node 3 (MarkdownNote): the tags in it are a note, and are not taken",)


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({"lora_name": "", "strength_model": 1, "strength_clip": 1}, "which is not a name"),
        ({"lora_name": "a", "strength_model": float("nan"), "strength_clip": 1}, "is not finite"),
        ({"lora_name": "a", "strength_model": 1e999, "strength_clip": 1}, "is not finite"),
        ({"lora_name": "a", "strength_model": [1], "strength_clip": 1}, "is not a number"),
        ({"lora_name": "a:b", "strength_model": 1, "strength_clip": 1}, "rename the file"),
        ({"lora_name": ["9", 0], "strength_model": 1, "strength_clip": 1}, "no value for 'lora_name'"),
        ({"lora_name": "a", "strength_model": 10**400, "strength_clip": 1}, "not a number"),
    ],
)
def test_a_row_that_cannot_be_read_is_left_out_with_a_remark(inputs: Json, problem: str) -> None:
    workflow = _prompt("LoraLoader", **inputs)
    workflow["2"] = _prompt("LoraLoader", lora_name="b", strength_model=1, strength_clip=1)["1"]
    named = rows_of(workflow)
    assert _lines(named) == ["<lora:b:1>"]
    (remark,) = named.remarks
    assert remark.startswith("node 1 (LoraLoader): ")
    assert problem in remark


def test_a_bad_row_keeps_none_of_its_node_out() -> None:
    rows = {"lora_1": {"on": True, "lora": "a", "strength": "much"}, "lora_2": {"lora": "b", "strength": 1}}
    named = rows_of(_prompt("Power Lora Loader (rgthree)", **rows))
    assert _lines(named) == ["<lora:b:1>"]
    assert "the strength of 'a' is 'much'" in named.remarks[0]


def test_a_value_over_a_wire_from_a_node_that_holds_it_is_read_once() -> None:
    workflow = {
        "1": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "x <lora:a:1> [<lora:b:1>:0.5]"}},
        "2": {"class_type": "PCLazyLoraLoader", "inputs": {"text": ["1", 0], "model": ["9", 0]}},
        "3": {"class_type": "PCLazyTextEncode", "inputs": {"text": ["1", 0], "clip": ["2", 1]}},
        "4": {"class_type": "PrimitiveFloat", "inputs": {"value": 0.25}},
        "5": {
            "class_type": "LoraLoader",
            "inputs": {"lora_name": "c", "strength_model": ["4", 0], "strength_clip": 1},
        },
    }
    assert _lines(rows_of(workflow)) == ["<lora:a:1>", "<lora:b:1:start=0.5>", "<lora:c:unet=0.25:te=1>"]


@pytest.mark.parametrize(
    ("frames", "lines"),
    [
        ([(1, 0)], ["<lora:a:0.8>"]),
        ([(0, 0), (1, 0.25), (0, 0.75)], ["<lora:a:0.8:start=0.25:stop=0.75>"]),
        ([(1, 0.5)], ["<lora:a:0.8>"]),
        ([(0.5, 0), (0, 0.5)], ["<lora:a:0.4:stop=0.5>"]),
        ([(1, 0), (0.5, 0.5)], None),
    ],
)
def test_hooks_with_keyframes_are_windows_where_that_is_the_same(
    frames: list[tuple[float, float]], lines: list[str] | None
) -> None:
    workflow: Json = {
        "hook": _prompt("CreateHookLora", lora_name="a", strength_model=0.8, strength_clip=0.8)["1"],
        "set": _prompt("SetHookKeyframes", hooks=["hook", 0], hook_kf=[f"f{len(frames) - 1}", 0])["1"],
    }
    for place, (factor, start) in enumerate(frames):
        inputs: Json = {"strength_mult": factor, "start_percent": start}
        if place:
            inputs["prev_hook_kf"] = [f"f{place - 1}", 0]
        workflow[f"f{place}"] = {"class_type": "CreateHookKeyframe", "inputs": inputs}
    named = rows_of(workflow)
    assert _lines(named) == (lines or [])
    assert bool(named.remarks) == (lines is None)


def test_of_a1111s_parameters_the_positive_prompt_counts() -> None:
    text = (
        "a lake <lora:a:0.5>\nat night <lora:b:1>\nNegative prompt: dull <lora:c:1>\n"
        "Steps: 20, Sampler: Euler\nTemplate: a lake <lora:d:1>\nNegative Template: <lora:e:1>"
    )
    assert _lines(rows_in_text(text)) == ["<lora:a:0.5>", "<lora:b:1>"]
    assert _lines(rows_in_text("x <lora:a:1>\nSteps: 2, Seed: 1\nTemplate: <lora:a:1>")) == ["<lora:a:1>"]
    named = rows_in_text("<lora:a:much> and <lora:b:1>")
    assert _lines(named) == ["<lora:b:1>"]
    assert "line 1, column 9" in named.remarks[0]


def test_json_that_is_no_workflow_is_refused_and_a_deep_one_too() -> None:
    with pytest.raises(BadWorkflow, match="not a workflow"):
        rows_in_text('{"a": 1}')
    with pytest.raises(BadWorkflow, match="deep"):
        rows_in_text('{"a":' * 200_000)
    assert rows_in_text(json.dumps({"prompt": _prompt("LoraRackStack", text="<lora:a:1>")})).stack.rows


def test_every_kind_says_what_it_is_for() -> None:
    roles = {"loader", "stacker", "hook", "other", "ours", "silent", "note"}
    for type, kind in kinds().items():
        assert kind.role in roles, type
        assert bool(kind.stays) >= (kind.role == "hook"), type


def test_a_node_without_a_number_is_read_all_the_same() -> None:
    workflow = {"nodes": [{"type": "LoraRackStack", "widgets_values": ["<lora:a:2>"]}]}
    assert _lines(rows_of(workflow)) == ["<lora:a:2>"]
