"""Texts of other programs over HTTP: a graph of what is here, which paints what the text says."""

from __future__ import annotations

import hashlib
import json
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import Graph, host_chain, load_demo, pictures, sample

from lora_core.infotext.drawing import node_table
from tools.dev.host_client import HostClient

WORDS, UNWANTED = "day mountains lake", "night"
SETTINGS = "Steps: 6, Sampler: Euler, Schedule type: Simple, CFG scale: 2.5, Seed: 5, Size: 128x128"
HEAD = f"{WORDS} <lora:add_detail:1>\nNegative prompt: {UNWANTED}\n{SETTINGS}, Model: rack_demo"
A1111 = f"{HEAD}, Version: v1.10.1"
HIRES = "Denoising strength: 0.5, Hires upscale: 1.5, Hires steps: 3, Hires upscaler: Latent"
FORGE = f"{HEAD}, {HIRES}, Version: f2.0.1, Module 1: rack_demo_clip"
INVOKE = json.dumps(
    {
        "positive_prompt": WORDS,
        "negative_prompt": UNWANTED,
        "width": 128,
        "height": 128,
        "seed": 5,
        "cfg_scale": 2.5,
        "steps": 6,
        "scheduler": "euler",
        "model": {"name": "rack_demo"},
        "loras": [{"model": {"name": "add_detail"}, "weight": 1}],
        "app_version": "5.4.0",
    }
)


def _asked(client: HostClient, text: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/lora_rack/infotext", {"text": text})
    return answer


def _painted(client: HostClient, text: str) -> np.ndarray:
    answer = _asked(client, text)
    assert answer["missing"] == []
    (picture,) = pictures(client, Graph(answer["prompt"]))
    return picture


def _by_hand(client: HostClient, scheduler: str, hires: bool = False) -> np.ndarray:
    """The same by the host's own nodes."""
    graph = Graph()
    model, clip, vae = load_demo(graph)
    model, patched = host_chain(graph, model, clip, [("add_detail.safetensors", 1.0, 1.0)])
    assert patched is not None
    prompts = [[graph.add("CLIPTextEncode", clip=patched, text=text), 0] for text in (WORDS, UNWANTED)]
    latent = [graph.add("EmptyLatentImage", width=128, height=128, batch_size=1), 0]
    node = sample(graph, model, *prompts, latent, seed=5, steps=6, cfg=2.5)
    graph.nodes[node]["inputs"]["scheduler"] = scheduler
    if hires:
        larger = [
            graph.add("LatentUpscaleBy", samples=[node, 0], upscale_method="bilinear", scale_by=1.5),
            0,
        ]
        node = sample(graph, model, *prompts, larger, seed=5, steps=3, cfg=2.5)
        graph.nodes[node]["inputs"]["denoise"] = 0.5
    images = [graph.add("VAEDecode", samples=[node, 0], vae=vae), 0]
    graph.add("SaveImage", images=images, filename_prefix="hand")
    (picture,) = pictures(client, graph)
    return picture


@pytest.mark.parametrize(
    ("text", "scheduler", "hires"),
    [(A1111, "simple", False), (INVOKE, "normal", False), (FORGE, "simple", True)],
    ids=["A1111", "InvokeAI", "Forge"],
)
def test_a_text_paints_what_the_hosts_own_nodes_paint(
    client: HostClient, text: str, scheduler: str, hires: bool
) -> None:
    painted = _painted(client, text)
    assert painted.shape == ((192, 192, 3) if hires else (128, 128, 3))
    assert np.abs(painted - _by_hand(client, scheduler, hires)).max() <= 1
    assert painted.std() > 5


def test_a_checkpoint_and_a_lora_are_found_by_their_hashes(
    client: HostClient, base: Path, loras: Path
) -> None:
    checkpoint = base / "models" / "checkpoints" / "rack_demo.safetensors"
    model, lora = (
        hashlib.sha256(file.read_bytes()).hexdigest()
        for file in (checkpoint, loras / "add_detail.safetensors")
    )
    hashes = f'Model: gone, Model hash: {model[:10]}, Lora hashes: "my_detail: {lora[:12]}"'
    text = A1111.replace("add_detail:1", "my_detail:1").replace("Model: rack_demo", hashes)
    answer = _asked(client, text)
    assert answer["missing"] == []
    assert np.array_equal(_painted(client, text), _painted(client, A1111))


def test_what_is_not_here_is_told_with_candidates(client: HostClient) -> None:
    text = A1111.replace("rack_demo", "rack_dem0").replace("add_detail", "add_detial")
    missing = {one["what"]: one for one in _asked(client, text)["missing"]}
    assert "rack_demo.safetensors" in missing["checkpoint"]["candidates"]
    assert "add_detail.safetensors" in missing["LoRA"]["candidates"]


@pytest.mark.parametrize("text", ["", "a lake", '{"a": 1}', 7, "Steps: \u0000"])
def test_nonsense_is_refused_with_a_reason(client: HostClient, text: Any) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _asked(client, text)
    assert refused.value.code == 400
    error = json.loads(refused.value.read())["error"]
    assert error["type"] == ("BadInfotext" if isinstance(text, str) else "BadRequest")
    assert error["message"]


def test_the_table_of_nodes_is_the_hosts(client: HostClient) -> None:
    for name, kind in node_table().items():
        if name == "Note":
            continue
        info = client.object_info(name)
        declared = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        sockets = {
            field: spec[0]
            for field, spec in declared.items()
            if isinstance(spec[0], str) and spec[0].isupper()
        }
        plain = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
        assert {k: v for k, v in sockets.items() if v not in plain} == kind["inputs"], name
        widgets = [field for field in declared if field not in kind["inputs"]]
        if name == "KSampler":
            widgets.insert(1, "control_after_generate")
        assert widgets == kind["widgets"], name
        assert info["output"] == kind["outputs"], name
        assert info["output_name"] == kind.get("names", kind["outputs"]), name
