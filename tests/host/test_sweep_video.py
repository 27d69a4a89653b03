"""Sweeps of a video model: latents of frames, and a layer that sees the frames of every row one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lora_files
import nodes
import pytest
import small_wan
import torch
from sampling import apart
from small_wan import FRAMES, WIDTH, random
from test_live import EFFECT, TOLERANCE
from torch import Tensor

LAYERS = {
    "folded": ("diffusion_model.time_embedding.0", WIDTH, 256),
    "plain": ("diffusion_model.blocks.0.ffn.0", 512, WIDTH),
}
STRENGTHS = (-1.0, 0.5, 1.0)


def inputs(videos: int, masks: int, is_image: bool) -> tuple[Tensor, dict[str, Tensor]]:
    shape = (videos, 16, FRAMES, 8, 8)
    start = random(*shape, seed=9) if is_image else torch.zeros(shape)
    more = {"noise_mask": (random(masks, 64, 64, seed=8) > 0).float()} if masks else {}
    return start, more


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("videos", "masks", "sampler"),
    [(1, 0, "euler"), (2, 0, "euler_ancestral"), (1, FRAMES, "euler"), (2, 1, "ddim")],
)
def test_every_strength_is_the_hosts(
    pack: Any, lora_folder: Path, record_property: Any, layer: str, videos: int, masks: int, sampler: str
) -> None:
    name, high, wide = LAYERS[layer]
    factors = {
        f"{name}.lora_up.weight": random(high, 4, seed=2),
        f"{name}.lora_down.weight": random(4, wide, seed=3),
    }
    lora_files.save(lora_folder / "y.safetensors", factors)
    start, more = inputs(videos, masks, bool(masks))
    axes = f"<lora:y> {' '.join(map(str, STRENGTHS))}"
    prepare = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]().prepare
    model, _, latent, wire = prepare(small_wan.load(), {"samples": start, **more}, axes)
    ours = small_wan.sample(model, latent["samples"], latent["batch_index"], sampler, **more)
    assert wire.passes.strengths == (3,), wire.passes.describe()
    load = nodes.LoraLoaderModelOnly().load_lora_model_only
    rows = [
        small_wan.sample(load(small_wan.load(), "y.safetensors", s)[0], start, None, sampler, **more)
        for s in STRENGTHS
    ]
    difference = max(apart(a, b) for a, b in zip(ours.split(videos), rows, strict=True))
    record_property("largest_difference", difference)
    assert difference <= TOLERANCE
    assert apart(rows[0], rows[2]) > EFFECT
