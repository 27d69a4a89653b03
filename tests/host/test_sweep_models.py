"""Sweeps of other models than the demo's, and of models the host loads otherwise.

A video model has latents of frames, and a layer that sees the frames of every row one by one; an inpainting
model sees the picture and the mask beside the noise.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import comfy.hooks
import comfy.sample
import comfy.sd
import comfy.utils
import layouts
import lora_files
import pytest
import small_wan
import sweeping
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from patching import host_chain
from sampling import apart, conditioning
from small_wan import FRAMES, WIDTH, random
from test_live import EFFECT, TOLERANCE, save_loras
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


def save_lora(folder: Path, layer: str) -> None:
    name, high, wide = LAYERS[layer]
    factors = {
        f"{name}.lora_up.weight": random(high, 4, seed=2),
        f"{name}.lora_down.weight": random(4, wide, seed=3),
    }
    lora_files.save(folder / f"{layer}.safetensors", factors)


def both(
    pack: Any, layer: str, start: Tensor, more: dict[str, Tensor], sampler: str
) -> tuple[Sequence[Tensor], Sequence[Tensor], Any]:
    """The videos of each strength by our sweep and by the host, and what the sweep says of its passes."""
    model, axes = small_wan.load(), f"<lora:{layer}> {' '.join(map(str, STRENGTHS))}"
    prepare = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]().prepare
    swept, _, latent, wire = prepare(model, {"samples": start, **more}, axes)
    ours = small_wan.sample(swept, latent["samples"], latent["batch_index"], sampler, **more)
    alone = [host_chain(model, None, [(f"{layer}.safetensors", strength, 0)])[0] for strength in STRENGTHS]
    theirs = [small_wan.sample(one, start, None, sampler, **more) for one in alone]
    return ours.split(len(start)), theirs, wire.passes


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("videos", "masks", "sampler"),
    [(1, 0, "euler"), (2, 0, "euler_ancestral"), (1, FRAMES, "euler"), (2, 1, "ddim")],
)
def test_every_strength_is_the_hosts(
    pack: Any, lora_folder: Path, record_property: Any, layer: str, videos: int, masks: int, sampler: str
) -> None:
    save_lora(lora_folder, layer)
    start, more = inputs(videos, masks, bool(masks))
    ours, theirs, passes = both(pack, layer, start, more, sampler)
    assert passes.strengths == (3,), passes.describe()
    difference = max(apart(a, b) for a, b in zip(ours, theirs, strict=True))
    record_property("largest_difference", difference)
    assert difference <= TOLERANCE
    assert apart(theirs[0], theirs[2]) > EFFECT


def test_where_a_layer_cannot_tell_the_pictures_apart_each_strength_is_sampled_alone(
    pack: Any, lora_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a mixture of experts cannot (HiDream's record). The names of its layers stand for ours."""
    modules = importlib.import_module(f"{pack.__name__}.nodes.host.live_modules")
    monkeypatch.setattr(modules, "row_layouts", lambda: {"mixed": [re.compile(r"\.ffn\.")]})
    save_lora(lora_folder, "plain")
    ours, theirs, passes = both(pack, "plain", torch.zeros(1, 16, FRAMES, 8, 8), {}, "euler_ancestral")
    assert passes.strengths == (1, 1, 1)
    assert "diffusion_model.blocks.0.ffn.0 sees" in passes.describe()
    assert max(apart(a, b) for a, b in zip(ours, theirs, strict=True)) <= TOLERANCE


@lru_cache(maxsize=1)
def inpainting_model() -> Any:
    """SD1.5 for inpainting, as small as that of layouts.py."""
    config = {**layouts._SD15, "in_channels": 9}
    layout = layouts.Layout("inpainting", lambda: UNetModel(**config, **layouts.OPERATIONS))
    weights = layout.state_dict(torch.float32)
    options = {"dtype": torch.float32}
    model, *_ = comfy.sd.load_state_dict_guess_config(
        weights, output_vae=False, output_clip=False, model_options=options
    )
    return model


def test_an_inpainting_model(pack: Any, lora_folder: Path) -> None:
    model = inpainting_model()
    assert model.model.concat_keys
    save_loras(lora_folder, "sd15", model, 1)
    pictures, masks = random(2, 4, 8, 8, seed=1), (random(2, 64, 64, seed=2) > 0).float()
    shown = {"concat_latent_image": pictures, "concat_mask": masks.unsqueeze(1)}
    conds = [conditioning("sd15", seed, **shown) for seed in (2, 3)]

    def sampled(model: Any, latent: dict[str, Any]) -> Tensor:
        noise = comfy.sample.prepare_noise(latent["samples"], 5, latent.get("batch_index"))
        how = (2, 3.0, "euler_ancestral", "simple")
        mask = latent["noise_mask"]
        return comfy.sample.sample(
            model, noise, *how, *conds, latent["samples"], seed=5, disable_pbar=True, noise_mask=mask
        )

    latent = {"samples": pictures, "noise_mask": masks}
    swept, _, latents, wire = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]().prepare(
        model, latent, "<lora:0> -1, 1"
    )
    ours = sampled(swept, latents).split(2)
    assert wire.passes.strengths == (2,)
    theirs = [sampled(host_chain(model, None, [("0.safetensors", s, 0)])[0], latent) for s in (-1, 1)]
    assert max(apart(a, b) for a, b in zip(ours, theirs, strict=True)) <= TOLERANCE
    assert apart(theirs[0], theirs[1]) > EFFECT


def test_weights_kept_elsewhere(
    pack: Any, no_vram: None, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    sweeping.use_loras(monkeypatch)
    model, _ = sweeping.demo()
    scene = sweeping.Scene("dpmpp_sde", cfg=3.0, latents=2)
    ours = sweeping.swept(pack, model, "<lora:add_detail> -1.5, 2", scene)
    assert model.model.model_lowvram
    assert ours.passes.strengths == (2,), ours.passes.describe()
    theirs = [sweeping.alone(model, [("add_detail", s, s)], scene) for s in (-1.5, 2)]
    sweeping.check(ours, theirs, record_property)


def test_a_prompt_with_a_lora_of_its_own(
    pack: Any, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    """The host's hooks, which patch the same weights for one prompt."""
    sweeping.use_loras(monkeypatch)
    model, _ = sweeping.demo()
    file = comfy.utils.load_torch_file(str(sweeping.MODELS / "loras" / "add_saturation.safetensors"))

    def hooked(conds: Any) -> Any:
        hooks = comfy.hooks.create_hook_lora(file, 1.5, 0.0)
        return [[tensor, {**extra, "hooks": hooks}] for tensor, extra in conds]

    scene = sweeping.Scene(cfg=3.0, change=hooked)
    ours = sweeping.swept(pack, model, "<lora:add_detail> -1.5, 2", scene)
    theirs = [sweeping.alone(model, [("add_detail", s, s)], scene) for s in (-1.5, 2)]
    sweeping.check(ours, theirs, record_property)
    plain = sweeping.alone(model, [("add_detail", 2, 2)], sweeping.Scene(cfg=3.0))
    assert sweeping.largest_difference(theirs[1], plain) > 0.02, "the prompt's own LoRA does nothing"
