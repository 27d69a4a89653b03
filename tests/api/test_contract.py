"""Ids, inputs and outputs are a promise: what the host tells of each node is what workflows rely on."""

from __future__ import annotations

import pytest

from tools.dev.host_client import HostClient

SLIDERS = ("detail", "saturation", "brightness")
CONTRACT = {
    "LoraRackLoad": (
        {
            "model": "MODEL",
            "lora_name": "COMBO",
            "strength_model": "FLOAT",
            "strength_clip": "FLOAT",
            "clip": "CLIP",
            "blocks": "STRING",
            "start": "FLOAT",
            "stop": "FLOAT",
            "schedule": "STRING",
        },
        [("MODEL", "MODEL"), ("CLIP", "CLIP"), ("STRING", "trigger_words")],
    ),
    "LoraRackAdd": (
        {
            "lora_name": "COMBO",
            "strength_model": "FLOAT",
            "strength_clip": "FLOAT",
            "stack": "LORA_STACK",
            "blocks": "STRING",
            "start": "FLOAT",
            "stop": "FLOAT",
            "schedule": "STRING",
        },
        [("LORA_STACK", "stack"), ("STRING", "trigger_words")],
    ),
    "LoraRackStack": (
        {"text": "STRING", "stack": "LORA_STACK"},
        [("LORA_STACK", "stack"), ("STRING", "trigger_words")],
    ),
    "LoraRackPrompt": (
        {"text": "STRING", "stack": "LORA_STACK", "embeddings": "BOOLEAN"},
        [("STRING", "prompt"), ("LORA_STACK", "stack")],
    ),
    "LoraRackEncode": (
        {
            "model": "MODEL",
            "clip": "CLIP",
            "positive": "STRING",
            "negative": "STRING",
            "stack": "LORA_STACK",
            "embeddings": "BOOLEAN",
            "mode": "COMBO",
            "mismatch": "COMBO",
        },
        [
            ("MODEL", "MODEL"),
            ("CLIP", "CLIP"),
            ("CONDITIONING", "positive"),
            ("CONDITIONING", "negative"),
            ("STRING", "report"),
            ("STRING", "trigger_words"),
        ],
    ),
    "LoraRackBlocks": ({"lora_name": "COMBO", "blocks": "STRING"}, [("STRING", "blocks")]),
    "LoraRackApply": (
        {"model": "MODEL", "clip": "CLIP", "stack": "LORA_STACK", "mismatch": "COMBO", "mode": "COMBO"},
        [
            ("MODEL", "MODEL"),
            ("CLIP", "CLIP"),
            ("STRING", "report"),
            ("STRING", "infotext"),
            ("STRING", "resources"),
        ],
    ),
    "LoraRackInspect": (
        {"lora_name": "COMBO", "model": "MODEL", "clip": "CLIP"},
        [("STRING", "report"), ("IMAGE", "chart")],
    ),
    "LoraRackOverlap": (
        {"stack": "LORA_STACK", "model": "MODEL"},
        [("STRING", "report"), ("IMAGE", "chart"), ("LORA_STACK", "balanced")],
    ),
    "LoraRackSave": (
        {
            "filename_prefix": "STRING",
            "rank": "INT",
            "dtype": "COMBO",
            "naming": "COMBO",
            "stack": "LORA_STACK",
            "model": "MODEL",
            "clip": "CLIP",
            "keep": "FLOAT",
            "max_mib": "INT",
            "without_windows": "BOOLEAN",
        },
        [("STRING", "path"), ("STRING", "report")],
    ),
    "LoraRackSliders": (
        {
            **{name: "FLOAT" for name in SLIDERS},
            **{f"{name}_lora": "COMBO" for name in SLIDERS},
            "stack": "LORA_STACK",
            "model": "MODEL",
        },
        [("LORA_STACK", "stack")],
    ),
    "LoraRackSliderPreview": (
        {
            "model": "MODEL",
            "clip": "CLIP",
            "vae": "VAE",
            "positive": "STRING",
            "negative": "STRING",
            "latent_image": "LATENT",
            "seed": "INT",
            "steps": "INT",
            "cfg": "FLOAT",
            "sampler_name": "COMBO",
            "scheduler": "COMBO",
            "denoise": "FLOAT",
            "slider": "COMBO",
            "lora_name": "COMBO",
            "values": "STRING",
            "pick": "FLOAT",
            "stack": "LORA_STACK",
        },
        [("IMAGE", "images"), ("IMAGE", "sheet"), ("LORA_STACK", "stack"), ("STRING", "measurements")],
    ),
    "LoraRackSweep": (
        {"model": "MODEL", "clip": "CLIP", "latent": "LATENT", "axes": "STRING", "stack": "LORA_STACK"},
        [("MODEL", "MODEL"), ("CLIP", "CLIP"), ("LATENT", "LATENT"), ("LORA_SWEEP", "sweep")],
    ),
    "LoraRackSweepEncode": (
        {"clip": "CLIP", "sweep": "LORA_SWEEP", "text": "STRING"},
        [("CONDITIONING", "CONDITIONING")],
    ),
    "LoraRackSweepSheet": (
        {"images": "IMAGE", "sweep": "LORA_SWEEP"},
        [("IMAGE", "sheet"), ("STRING", "measurements")],
    ),
}


def test_every_node_has_a_contract(client: HostClient) -> None:
    every = {name for name in client.get("/object_info") if name.startswith("LoraRack")}
    assert every == set(CONTRACT)


@pytest.mark.parametrize("class_type", CONTRACT)
def test_a_node_keeps_its_contract(client: HostClient, class_type: str) -> None:
    info = client.object_info(class_type)
    declared = {**info["input"]["required"], **info["input"].get("optional", {})}
    types = {name: spec[0] if isinstance(spec[0], str) else "COMBO" for name, spec in declared.items()}
    inputs, outputs = CONTRACT[class_type]
    assert types == inputs
    assert list(zip(info["output"], info["output_name"], strict=True)) == outputs
    assert info["category"] == "LoRA Rack"
    assert info["description"]
    assert all("tooltip" in spec[1] for spec in declared.values())
    assert len(info["output_tooltips"]) == len(outputs)
