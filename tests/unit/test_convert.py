"""Workflows of other LoRA nodes, rewritten: each kind of node, both formats, and what stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
from workflows import Json, as_prompt, both, inspire, loader, loaders_in_a_row, model_only, text_of, trace

from lora_core.convert import convert


def test_a_chain_of_the_hosts_loaders_is_one_rack_and_one_apply() -> None:
    graph = loaders_in_a_row(loader("a.safetensors", 0.8, 0.8), loader("styles\\b.safetensors", 1, 0.5))
    prompt, conversion = both(graph)
    assert text_of(conversion) == ["<lora:a.safetensors:0.8>", "<lora:styles/b.safetensors:unet=1:te=0.5>"]
    sampler = next(node for node in prompt.values() if node["class_type"] == "KSampler")
    rack = "stack=LoraRackStack.0(text=<lora:a.safetensors:0.8>\n<lora:styles/b.safetensors:unet=1:te=0.5>)"
    checkpoint = "CheckpointLoaderSimple.{}(ckpt_name=model.safetensors)"
    applied = f"(clip={checkpoint.format(1)}, mismatch=error, model={checkpoint.format(0)}, {rack})"
    assert trace(prompt, sampler["inputs"]["model"]) == f"LoraRackApply.0{applied}"
    encoder = prompt[sampler["inputs"]["positive"][0]]
    assert trace(prompt, encoder["inputs"]["clip"]) == f"LoraRackApply.1{applied}"
    assert len(prompt) == 5


def test_the_editors_graph_means_the_same_as_the_apis() -> None:
    graph = loaders_in_a_row(loader("a.pt", 0.8, 0.8), model_only("b.pt", 0.3), loader("c.pt", -1, 0))
    prompt, editor = convert(graph.prompt()).workflow, as_prompt(convert(graph.editor()).workflow)
    ends = [
        {node["class_type"]: node for node in found.values()}["KSampler"]["inputs"]
        for found in (prompt, editor)
    ]
    plain = [{**found} for found in (prompt, editor)]
    for found in plain:  # the editor's format has no names for the values of other nodes
        for number, node in found.items():
            if not node["class_type"].startswith("LoraRack"):
                wires = {name: value for name, value in node["inputs"].items() if isinstance(value, list)}
                found[number] = {**node, "inputs": wires}
    for name in ("model", "positive"):
        assert trace(plain[0], ends[0][name]) == trace(plain[1], ends[1][name])


def test_a_model_only_loader_between_others_leaves_the_text_encoder_alone() -> None:
    graph = loaders_in_a_row(loader("a.pt", 1, 1), model_only("b.pt", 0.3), loader("c.pt", 0.5, 0.5))
    _, conversion = both(graph)
    assert text_of(conversion) == ["<lora:a.pt:1>", "<lora:b.pt:unet=0.3:te=0>", "<lora:c.pt:0.5>"]


def test_model_only_loaders_alone_take_no_text_encoder() -> None:
    prompt, conversion = both(loaders_in_a_row(model_only("a.pt", 1), model_only("b.pt", 0.3), clip=False))
    assert len(text_of(conversion)) == 2
    (apply,) = [node for node in prompt.values() if node["class_type"] == "LoraRackApply"]
    assert "clip" not in apply["inputs"]


def test_where_something_else_reads_between_the_chain_is_parted() -> None:
    graph = loaders_in_a_row(loader("a.pt", 1, 1), loader("b.pt", 1, 1))
    graph.add("KSampler", {"model": ("2", 0)}, {"seed": 2})
    prompt, conversion = both(graph)
    assert [item.text for item in conversion.done] == ["<lora:a.pt:1>", "<lora:b.pt:1>"]
    models = {
        node["inputs"]["seed"]: trace(prompt, node["inputs"]["model"])
        for node in prompt.values()
        if node["class_type"] == "KSampler"
    }
    assert models[2].count("LoraRackApply") == 1
    assert models[1].count("LoraRackApply.0") == 2


def test_two_branches_off_one_loader_keep_it_in_common() -> None:
    graph = loaders_in_a_row(loader("a.pt", 1, 1))
    for seed, name in ((2, "b.pt"), (3, "c.pt")):
        node = graph.add("LoraLoaderModelOnly", {"model": ("2", 0)}, {"lora_name": name, "strength_model": 1})
        graph.add("KSampler", {"model": (node, 0)}, {"seed": seed})
    prompt, conversion = both(graph)
    assert len(conversion.done) == 3
    for node in prompt.values():
        if node["class_type"] == "KSampler":
            source = trace(prompt, node["inputs"]["model"])
            assert "<lora:a.pt:1>" in source
            assert source.count("LoraRackApply.0") == (1 if node["inputs"]["seed"] == 1 else 2)


def test_a_text_encoder_read_between_parts_the_chain() -> None:
    graph = loaders_in_a_row(loader("a.pt", 1, 1), loader("b.pt", 1, 1))
    graph.add("CLIPTextEncode", {"clip": ("2", 1)}, {"text": "early"})
    prompt, conversion = both(graph)
    assert len(conversion.done) == 2
    early = next(node for node in prompt.values() if node["inputs"].get("text") == "early")
    assert "b.pt" not in trace(prompt, early["inputs"]["clip"])


POWER = {
    "PowerLoraLoaderHeaderWidget": {"type": "PowerLoraLoaderHeaderWidget"},
    "lora_1": {"on": True, "lora": "a.pt", "strength": 0.5},
    "lora_2": {"on": False, "lora": "b.pt", "strength": 1, "strengthTwo": None},
    "lora_3": {"on": True, "lora": "c.pt", "strength": 1, "strengthTwo": 0.25},
    "lora_4": {"on": True, "lora": None, "strength": 1},
    "➕ Add Lora": "",
}
CR = {
    f"{part}_{place}": value
    for place, row in enumerate(
        (("On", "a.pt", 0.5, 1.0), ("Off", "b.pt", 1, 1), ("On", "None", 1, 1)), start=1
    )
    for part, value in zip(("switch", "lora_name", "model_weight", "clip_weight"), row, strict=True)
}
MANAGER = [
    {"name": "a", "strength": "0.50", "active": True, "clipStrength": 1},
    {"name": "b", "strength": 1, "active": False},
]
STACK_OF_FOUR = {"lora_01": "a.pt", "strength_01": 0.5, "lora_02": "None", "strength_02": 1.0}


@pytest.mark.parametrize(
    ("type", "named", "values", "text"),
    [
        (
            "Power Lora Loader (rgthree)",
            POWER,
            [{}, *POWER.values()],
            ["<lora:a.pt:0.5>", "# <lora:b.pt:1>", "<lora:c.pt:unet=1:te=0.25>"],
        ),
        ("Lora Loader Stack (rgthree)", STACK_OF_FOUR, None, ["<lora:a.pt:0.5>"]),
        (
            "CR Load LoRA",
            {"switch": "Off", "lora_name": "a.pt", "strength_model": 1, "strength_clip": 0.5},
            None,
            ["# <lora:a.pt:unet=1:te=0.5>"],
        ),
        (
            "Lora Loader (LoraManager)",
            {"text": "<lora:a:0.50:1>", "loras": {"__value__": MANAGER}},
            ["<lora:a:0.50:1>", MANAGER],
            ["<lora:a:unet=0.5:te=1>", "# <lora:b:1>"],
        ),
    ],
)
def test_loaders_of_other_packs(type: str, named: Json, values: Any, text: list[str]) -> None:
    _, conversion = both(loaders_in_a_row((type, named, values)))
    assert text_of(conversion) == text


EFFICIENT = {
    "input_mode": "advanced",
    "lora_count": 2,
    **{
        f"{part}_1": v
        for part, v in {"lora_name": "a.pt", "lora_wt": 9, "model_str": 0.5, "clip_str": 1}.items()
    },
    **{
        f"{part}_2": v
        for part, v in {"lora_name": "b.pt", "lora_wt": 9, "model_str": 2, "clip_str": 2}.items()
    },
    **{
        f"{part}_3": v
        for part, v in {"lora_name": "c.pt", "lora_wt": 9, "model_str": 2, "clip_str": 2}.items()
    },
}


@pytest.mark.parametrize(
    ("type", "named", "values", "text"),
    [
        ("CR LoRA Stack", CR, None, ["<lora:a.pt:unet=0.5:te=1>", "# <lora:b.pt:1>"]),
        ("LoRA Stacker", EFFICIENT, None, ["<lora:a.pt:unet=0.5:te=1>", "<lora:b.pt:2>"]),
        ("LoRA Stacker", {**EFFICIENT, "input_mode": "simple", "lora_count": 1}, None, ["<lora:a.pt:9>"]),
        (
            "Lora Stacker (LoraManager)",
            {"text": "", "loras": MANAGER},
            None,
            ["<lora:a:unet=0.5:te=1>", "# <lora:b:1>"],
        ),
    ],
)
def test_stackers_become_racks_and_what_applies_them_is_fed(
    type: str, named: Json, values: Any, text: list[str]
) -> None:
    graph = loaders_in_a_row()
    first = graph.add("CR LoRA Stack", {}, {**CR, "lora_name_1": "first.pt"})
    stacker = graph.add(type, {"lora_stack": (first, 0)}, named, values)
    wires = {"model": ("1", 0), "clip": ("1", 1), "lora_stack": (stacker, 0)}
    node = graph.add("CR Apply LoRA Stack", wires, {})
    graph.add("KSampler", {"model": (node, 0)}, {"seed": 2})
    prompt, conversion = both(graph)
    assert conversion.left == ()
    assert conversion.done[1].text.splitlines() == text
    sampler = next(node for node in prompt.values() if node["inputs"].get("seed") == 2)
    source = trace(prompt, sampler["inputs"]["model"])
    assert source.count("LoraRackApply") == 1
    assert source.count("LoraRackStack") == 2
    assert "first.pt" in source
    assert bool(conversion.done[1].notes) == (type == "LoRA Stacker")


def test_a_stack_keeps_feeding_nodes_that_take_one() -> None:
    graph = loaders_in_a_row()
    stacker = graph.add("CR LoRA Stack", {}, CR)
    graph.add("PreviewAny", {"source": (stacker, 0)}, {})
    prompt, _ = both(graph)
    preview = next(node for node in prompt.values() if node["class_type"] == "PreviewAny")
    assert trace(prompt, preview["inputs"]["source"]).startswith("LoraRackStack.0(")


def test_block_vectors_of_inspire_keep_their_numbers() -> None:
    _, conversion = both(loaders_in_a_row(inspire("SD-ALL:1,0.5,A,a,B,b,0,0,0,0,0,0,0,0,0,0,1")))
    (line,) = text_of(conversion)
    assert line.startswith("<lora:a.pt:unet=1:te=0.5:lbw=1,0.5,4,2,2,1,0,0,0,0,0,0,0,0,0,0,1")
    assert conversion.done[0].notes == ()


def test_an_inverse_vector_is_written_out_and_what_base_meant_is_said() -> None:
    _, conversion = both(loaders_in_a_row(inspire(",".join(["0"] * 11 + ["1"]), inverse=True, bypass=True)))
    (line,) = text_of(conversion)
    assert line.startswith("# <lora:a.pt:unet=1:te=0.5:lbw=1,1,1,1,1,1,1,1,1,1,1,0")
    _, conversion = both(loaders_in_a_row(inspire(",".join(["0"] + ["1"] * 16))))
    assert "outside all blocks" in conversion.done[0].notes[0]


def test_a_vector_of_the_double_blocks_of_flux_goes_on_over_the_single_ones() -> None:
    _, conversion = both(loaders_in_a_row(inspire(",".join(["1"] * 19 + ["0.25"]))))
    (line,) = text_of(conversion)
    assert "D18=0.25" in line
    assert "S*=0.25" in line


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        ("SD-ALL", "its preset 'SD-ALL' is not spelled out"),
        ("%default=1,in1-3=0.5", "counts the blocks of the file"),
        (",".join(["R"] + ["1"] * 16), "'R' in its vector is a random number"),
        (",".join(["1 0.5"] + ["1"] * 16), "'1 0.5' in its vector is not a single number"),
        (",".join(["1"] * 13), "its vector has 13 numbers"),
    ],
)
def test_a_vector_without_a_fixed_meaning_stays_as_it_is(vector: str, reason: str) -> None:
    graph = loaders_in_a_row(inspire(vector), loader("b.pt", 1, 1))
    prompt, conversion = both(graph)
    (left,) = conversion.left
    assert (left.node, left.type) == ("2", "LoraLoaderBlockWeight //Inspire")
    assert reason in left.reason
    assert prompt["2"] == graph.prompt()["2"]
    assert conversion.done[0].text == "<lora:b.pt:1>"


def test_what_comes_over_a_wire_or_has_no_like_stays() -> None:
    graph = loaders_in_a_row(inspire("1,1,1,1,1,1,1,1,1,1,1,1"))
    graph.add("PreviewAny", {"source": ("2", 2)}, {})
    name = graph.add("PreviewAny", {}, {"source": "a.pt"})
    wires = {"model": ("1", 0), "clip": ("1", 1), "lora_name": (name, 0)}
    graph.add("LoraLoader", wires, {"strength_model": 1, "strength_clip": 1})
    graph.add("SomeLoraThing", {"model": ("1", 0)}, {})
    _, conversion = both(graph)
    assert conversion.done == ()
    assert [(left.node, left.reason) for left in conversion.left] == [
        ("2", "its output 2 is connected (to node 5), which has no counterpart"),
        ("7", "'lora_name' comes over a wire"),
        ("8", "no rule for this kind of node"),
    ]


@pytest.mark.parametrize("name", ["a<b.pt", "a>b.pt", "C:a.pt"])
def test_a_name_no_tag_can_hold_stays(name: str) -> None:
    _, conversion = both(loaders_in_a_row(loader(name, 1, 1)))
    assert "rename the file" in conversion.left[0].reason


def test_a_bypassed_loader_is_switched_off_and_a_muted_one_stays() -> None:
    graph = loaders_in_a_row(loader("a.pt", 1, 1), loader("b.pt", 1, 1))
    graph.modes["2"] = 4
    assert convert(graph.editor()).done[0].text == "# <lora:a.pt:1>\n<lora:b.pt:1>"
    graph.modes["2"] = 2
    conversion = convert(graph.editor())
    assert [left.reason for left in conversion.left] == ["it is muted, and so are the nodes after it"]
    assert conversion.done[0].text == "<lora:b.pt:1>"
