"""A recipe as a graph: samplers by their names here, files that are here, and what is marked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from infotext_samples import A1111, FORGE, HERE, INVOKE, SDNEXT
from recorded_hosts import VERSIONS, recorded

from lora_core.infotext import ModelFacts, Shelf, build, read_infotext
from lora_core.infotext.drawing import node_table
from lora_core.infotext.sampling import Sampling, sampling_of, sampling_table

HOST_NAMES = [
    (v, recorded(v)["samplers"]["samplers"], recorded(v)["samplers"]["schedulers"]) for v in VERSIONS
]
MEANT = [
    ("Euler a", "", "euler_ancestral", "normal"),
    ("Euler", "Simple", "euler", "simple"),
    ("DPM++ 2M Karras", "", "dpmpp_2m", "karras"),
    ("DPM++ 2M", "Automatic", "dpmpp_2m", "karras"),
    ("DPM++ 2M", "", "dpmpp_2m", "normal"),
    ("DPM++ 2M SDE Exponential", "", "dpmpp_2m_sde", "exponential"),
    ("DPM++ 3M SDE", "Automatic", "dpmpp_3m_sde", "exponential"),
    ("DPM++ 2M SDE Heun", "SGM Uniform", "dpmpp_2m_sde_heun", "sgm_uniform"),
    ("DPM++ SDE Karras", "", "dpmpp_sde", "karras"),
    ("DPM++ 2S a", "Uniform", "dpmpp_2s_ancestral", "normal"),
    ("DPM2 a Karras", "", "dpm_2_ancestral", "karras"),
    ("DPM fast", "", "dpm_fast", "normal"),
    ("DDIM", "", "ddim", "ddim_uniform"),
    ("UniPC", "", "uni_pc", "normal"),
    ("LCM", "Beta", "lcm", "beta"),
    ("Euler a", "KL Optimal", "euler_ancestral", "kl_optimal"),
    ("euler_a", "", "euler_ancestral", "normal"),
    ("dpmpp_2m_sde_k", "", "dpmpp_2m_sde", "karras"),
    ("kdpm_2_a", "", "dpm_2_ancestral", "normal"),
    ("Restart", "Karras", "", "karras"),
    ("Euler", "Align Your Steps", "euler", ""),
]


@pytest.mark.parametrize(("version", "samplers", "schedulers"), HOST_NAMES, ids=VERSIONS)
def test_samplers_mean_what_every_recorded_host_has(
    version: str, samplers: list[str], schedulers: list[str]
) -> None:
    for name, schedule, sampler, scheduler in MEANT:
        assert sampling_of(name, schedule, samplers, schedulers) == Sampling(sampler, scheduler), name
    table = sampling_table()
    assert {*table["samplers"].values(), *table["automatic"], *table["without"]} <= {*samplers}
    meant = {*table["schedulers"].values(), *table["automatic"].values(), *table["without"].values()}
    assert meant <= {*schedulers}
    for name in samplers:
        assert sampling_of(name, "", samplers, schedulers).sampler == name


def _inputs(prompt: dict[str, Any], type: str) -> dict[str, Any]:
    (node,) = (node for node in prompt.values() if node["class_type"] == type)
    return dict(node["inputs"])


def test_a_recipe_becomes_a_graph_of_what_is_here() -> None:
    built = build(read_infotext(A1111), HERE)
    assert built.missing == ()
    prompt = built.prompt
    assert _inputs(prompt, "CheckpointLoaderSimple") == {"ckpt_name": "sd15/Lake_v2.safetensors"}
    assert _inputs(prompt, "VAELoader") == {"vae_name": "soft.safetensors"}
    assert _inputs(prompt, "CLIPSetLastLayer")["stop_at_clip_layer"] == -2
    encode = _inputs(prompt, "LoraRackEncode")
    assert encode["positive"] == "a lake at dawn, (mist:1.2), <lora:ink:0.8>\nbirds, steps: many"
    first, second = (node for node in prompt.items() if node[1]["class_type"] == "KSampler")
    settings = {"seed": 3141592653, "cfg": 6.5, "sampler_name": "dpmpp_2m", "scheduler": "karras"}
    assert settings.items() <= first[1]["inputs"].items()
    assert settings.items() <= second[1]["inputs"].items()
    assert (first[1]["inputs"]["steps"], first[1]["inputs"]["denoise"]) == (25, 1.0)
    assert (second[1]["inputs"]["steps"], second[1]["inputs"]["denoise"]) == (12, 0.45)
    larger = _inputs(prompt, "LatentUpscaleBy")
    assert larger == {"upscale_method": "bicubic", "scale_by": 1.5, "samples": [first[0], 0]}
    assert _inputs(prompt, "VAEDecode")["samples"] == [second[0], 0]


def test_what_is_not_here_is_marked_with_its_candidates() -> None:
    text = (
        A1111.replace("lake_v2", "lake_v3")
        .replace("<lora:ink:0.8>", "<lora:inc:0.8>")
        .replace("Karras", "Zeta")
    )
    built = build(read_infotext(text), HERE)
    told = {one.what: one for one in built.missing}
    assert told["checkpoint"].candidates[0] == "sd15/Lake_v2.safetensors"
    assert told["checkpoint"].hash == "6ce0161689"
    assert told["LoRA"].candidates == ("styles/ink.safetensors",)
    assert told["sampler"].name == "DPM++ 2M Zeta"
    by_id = {node["id"]: node for node in built.workflow["nodes"]}
    for one in built.missing:
        assert by_id[one.node]["title"] == f"not here: {one.name}"
    (note,) = (node for node in by_id.values() if node["type"] == "Note")
    assert all(str(one) in note["widgets_values"][0] for one in built.missing)


def test_files_are_found_by_their_hash_where_no_name_finds_them() -> None:
    renamed = replace(
        HERE,
        checkpoints=Shelf(("z.safetensors",), lambda file: "z.safetensors" * (file.hash == "6ce0161689")),
        loras=Shelf(("y.safetensors",), lambda file: "y.safetensors" * (file.hash == "7c6bad76eb54")),
    )
    built = build(read_infotext(A1111), renamed)
    assert built.missing == ()
    assert _inputs(built.prompt, "CheckpointLoaderSimple") == {"ckpt_name": "z.safetensors"}
    assert "<lora:ink:0.8:hash=7c6bad76eb54>" in _inputs(built.prompt, "LoraRackEncode")["positive"]


def test_a_model_alone_gets_its_text_encoders_and_its_vae() -> None:
    here = replace(
        HERE, diffusion_models=Shelf(("flux_dev.safetensors",)), facts_of=lambda _: ModelFacts("flux")
    )
    built = build(read_infotext(FORGE), here)
    assert built.missing == ()
    assert _inputs(built.prompt, "UNETLoader")["unet_name"] == "flux_dev.safetensors"
    assert _inputs(built.prompt, "DualCLIPLoader") == {
        "clip_name1": "clip_l.safetensors",
        "clip_name2": "t5xxl_fp16.safetensors",
        "type": "flux",
        "device": "default",
    }
    assert _inputs(built.prompt, "VAELoader") == {"vae_name": "ae.safetensors"}
    assert _inputs(built.prompt, "FluxGuidance")["guidance"] == 3.5


def test_a_checkpoint_without_text_encoder_takes_the_only_one_or_asks() -> None:
    bare = replace(HERE, facts_of=lambda _: ModelFacts("sd3", has_encoder=False))
    text = SDNEXT.replace("lake_v2", "rack_demo")
    asked = build(read_infotext(text), bare)
    assert [one.what for one in asked.missing] == ["text encoder"]
    assert asked.missing[0].candidates == HERE.text_encoders.names
    only = build(read_infotext(text), replace(bare, text_encoders=Shelf(("demo_clip.safetensors",))))
    assert only.missing == ()
    assert _inputs(only.prompt, "CLIPLoader") == {
        "clip_name": "demo_clip.safetensors",
        "type": "sd3",
        "device": "default",
    }


@pytest.mark.parametrize("text", [A1111, FORGE, INVOKE])
def test_both_formats_say_the_same(text: str) -> None:
    built = build(read_infotext(text), HERE)
    nodes = {str(node["id"]): node for node in built.workflow["nodes"] if node["type"] != "Note"}
    links = {link[0]: link for link in built.workflow["links"]}
    assert nodes.keys() == built.prompt.keys()
    for number, node in nodes.items():
        order = node_table()[node["type"]]["widgets"]
        inputs: dict[str, Any] = dict(zip(order, node["widgets_values"], strict=True))
        inputs.pop("control_after_generate", None)
        for socket in node["inputs"]:
            if socket["link"] is not None:
                _, origin, slot, target, place, kind = links[socket["link"]]
                assert (str(target), node["inputs"][place]["name"], kind) == (
                    number,
                    socket["name"],
                    socket["type"],
                )
                assert socket["link"] in nodes[str(origin)]["outputs"][slot]["links"]
                inputs[socket["name"]] = [str(origin), slot]
        assert inputs == built.prompt[number]["inputs"]


def test_no_node_lies_on_another() -> None:
    nodes = build(read_infotext(A1111.replace("lake_v2", "gone")), HERE).workflow["nodes"]
    boxes = [(*node["pos"], *node["size"]) for node in nodes]
    for place, (x, y, width, height) in enumerate(boxes):
        for left, top, wide, high in boxes[place + 1 :]:
            apart = x + width <= left or left + wide <= x or y + height + 30 <= top or top + high + 30 <= y
            assert apart
