"""Texts under pictures: what A1111 and its kin write, read into a recipe."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from infotext_samples import A1111, CIVITAI, FOOOCUS, FORGE, HERE, INVOKE, SDNEXT, SWARM

from lora_core.errors import BadInfotext
from lora_core.infotext import FileName, Hires, build, read_infotext


def test_a_text_of_a1111_is_read_whole() -> None:
    found = read_infotext(A1111)
    assert found.positive == "a lake at dawn, (mist:1.2), <lora:ink:0.8>\nbirds, steps: many"
    assert found.negative == "fog, blur,\nnight"
    assert found.checkpoint == FileName("lake_v2", "6ce0161689")
    assert found.vae == FileName("soft.safetensors", "735e4c3a44")
    assert (found.sampler, found.scheduler) == ("DPM++ 2M Karras", "")
    assert (found.steps, found.cfg, found.seed) == (25, 6.5, 3141592653)
    assert (found.width, found.height, found.clip_skip) == (512, 768, 2)
    assert found.hires == Hires(0.45, scale=1.5, steps=12, upscaler="Latent (bicubic)")
    assert found.lora_hashes == (("ink", "7c6bad76eb54"), ("oil", "0123456789ab"))
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("text", "positive", "checkpoint", "sampler", "scheduler", "steps", "cfg", "seed", "size"),
    [
        (FORGE, "a lake <lora:ink:1>", "flux_dev", "Euler", "Simple", 20, 1, 7, (896, 1152)),
        (SDNEXT, "a lake", "lake_v2", "Euler a", "", 30, 7, 5, (640, 640)),
        (CIVITAI, "a lake <lora:Ink:0.6>", "Lake, clear", "Euler a", "", 28, 4.5, 99, (832, 1216)),
        (
            INVOKE,
            "a lake <lora:ink:0.75>",
            "Lake XL",
            "dpmpp_2m_sde_k",
            "",
            32,
            5.5,
            11,
            (1024, 768),
        ),
        (
            FOOOCUS,
            "a lake <lora:ink:0.1:hash=7c6bad76eb54>",
            "lake_xl",
            "dpmpp_2m_sde_gpu",
            "karras",
            30,
            4,
            6425,
            (1152, 896),
        ),
        (
            SWARM,
            "a lake <lora:ink:0.5> <lora:oil:1>",
            "lake_xl",
            "dpmpp_2m",
            "karras",
            22,
            7,
            8,
            (1024, 1024),
        ),
    ],
    ids=["Forge", "SD.Next", "Civitai", "InvokeAI", "Fooocus", "SwarmUI"],
)
def test_other_programs_say_the_same_their_way(
    text: str,
    positive: str,
    checkpoint: str,
    sampler: str,
    scheduler: str,
    steps: int,
    cfg: float,
    seed: int,
    size: tuple[int, int],
) -> None:
    found = read_infotext(text)
    assert found.positive == positive
    assert found.negative == ("" if text is FORGE else "fog")
    assert found.checkpoint.name == checkpoint
    assert (found.sampler, found.scheduler) == (sampler, scheduler)
    assert (found.steps, found.cfg, found.seed) == (steps, cfg, seed)
    assert (found.width, found.height) == size


def test_a_list_of_loras_beside_tags_adds_none_twice() -> None:
    tagged = CIVITAI.replace("a lake", "a lake <lora:ink:0.4>", 1)
    assert read_infotext(tagged).positive == "a lake <lora:ink:0.4>"
    listed = {**json.loads(FOOOCUS), "prompt": "a lake <lora:INK:0.4>"}
    assert read_infotext(json.dumps(listed)).positive == "a lake <lora:INK:0.4>"


@pytest.mark.parametrize(
    ("settings", "remark"),
    [
        (
            "Steps: 20, Sampler: Euler, Denoising strength: 0.6",
            "made from another one at denoising strength 0.6",
        ),
        (
            "Steps: 20, Sampler: Euler, ADetailer model: face.pt, Eta: 0.3",
            "not taken over: ADetailer model, Eta",
        ),
        ("Steps: 0, Sampler: Euler", "steps is 1: '0' is not from 1 to 10000"),
        ("Steps: 20, Sampler: Euler, CFG scale: high", "cfg is 7: 'high' is no number"),
        ("Steps: 20, Sampler: Euler, Seed: -1", "seed is 0: '-1' is not from 0"),
        ("Steps: 20, Sampler: Euler, Size: 513x9", "the size is 512 x 16: 513 x 9 is no size of ComfyUI's"),
        ("Steps: 20, Sampler: Euler", "the size is 512 x 512: the text does not say it"),
    ],
)
def test_what_is_not_taken_as_it_stands_is_said(settings: str, remark: str) -> None:
    remarks = read_infotext(f"a lake\n{settings}").remarks
    assert any(remark in one for one in remarks), remarks


def test_rules_of_a1111_that_comfyui_has_not_are_said() -> None:
    text = "a lake BREAK [fog:mist:0.5] AND birds\nNegative prompt: night <lora:ink:1>\nSteps: 20"
    found = read_infotext(text)
    assert found.negative == "night"
    assert "tags are left out of the negative prompt, where A1111 applies none" in found.remarks
    assert any("AND, BREAK, [from:to:when] for words" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a lake <lora:ink:1>",
        "{",
        '{"a": 1}',
        "[1, 2]",
        "Steps: many",
        '{"nodes": []}',
        "Negative prompt: fog",
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(BadInfotext):
        read_infotext(text)


@pytest.mark.parametrize(
    "text",
    [
        "Steps: 1, " + "\n, " * 100_000,
        "Steps: 1, " + "a:[" * 100_000,
        "Steps: 1, " + 'a:"' * 100_000,
        "Steps: 1, x: " + "[" * 200_000,
        "Steps: 1, " + "a " * 100_000,
        "Steps: 1\n" * 30_000,
        "Negative prompt:" * 20_000 + "\nSteps: 1",
        "<lora:" * 50_000 + "\nSteps: 1",
        "[a:1" * 50_000 + "\nSteps: 1",
        '{"steps": 1, "loras": [' + "[" * 90 + "]" * 90 + '], "size": "' + "9" * 100_000 + '"}',
    ],
)
def test_hostile_texts_cost_little(text: str) -> None:
    began = time.process_time()
    read_infotext(text)
    assert time.process_time() - began < 2


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(BadInfotext, match="at most 1048576 are read"):
        read_infotext("a" * 2**20 + "\nSteps: 1")


_PIECES = st.sampled_from(
    [
        *'a,:\n"{}[]<>x1',
        "Steps: 2",
        "Negative prompt:",
        "Size: 1x2",
        "<lora:a:1>",
        "Seed",
        "Hires upscale: ",
        "\r",
    ]
)


@given(st.lists(_PIECES, max_size=30).map("".join))
def test_any_text_is_read_and_built_or_refused(text: str) -> None:
    try:
        found = read_infotext(f"{text}\nSteps: 3")
    except BadInfotext:
        return
    json.dumps(build(found, HERE).as_json())


@given(
    st.dictionaries(
        st.sampled_from(
            ["prompt", "steps", "seed", "size", "model", "loras", "sampler", "hashes", "Module 1"]
        ),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), st.lists, max_leaves=6)
        | st.dictionaries(st.sampled_from(["name", "model", "weight", "type"]), st.text(max_size=5)),
    )
)
def test_any_object_is_read_and_built_or_refused(fields: dict[str, Any]) -> None:
    try:
        found = read_infotext(json.dumps(fields))
    except BadInfotext:
        return
    json.dumps(build(found, HERE).as_json())
