"""Weights patched with whole stacks against the host's own LoraLoader chain, by the host's own patching."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.lora
import layouts
import lora_files
import pytest
import torch
from patching import assert_equal, host_chain, our_stack, patched_weights
from torch import Tensor

COUNTS = (1, 2, 4, 8)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
PEFT = lora_files.SUFFIXES["peft"]
STRENGTHS = (
    (1.0, 1.0),
    (-0.7, 0.5),
    (0.3, 0.0),
    (2.0, -1.0),
    (0.45, 0.9),
    (1.5, 1.2),
    (-1.0, 0.25),
    (0.8, 0.8),
)

# Parts of model keys that trainers commonly train, per layout; convolutions only where LoCon files have them.
TRAINED = {
    "sd15": ("attn1", "attn2", "ff.net", "proj_in", "proj_out", "in_layers.2", "out_layers.3", "emb_layers"),
    "sdxl": ("attn1", "attn2", "ff.net", "proj_in", "proj_out", "in_layers.2", "skip_connection"),
    "sd3": ("attn.qkv", "attn.proj", "mlp.fc", "adaLN_modulation"),
    "flux": ("img_attn.qkv", "txt_attn.proj", "linear2", "modulation.lin"),
}


def _shapes(module: torch.nn.Module, prefix: str) -> dict[str, tuple[int, ...]]:
    state = module.state_dict()
    return {k.removeprefix(prefix): tuple(v.shape) for k, v in state.items() if k.startswith(prefix)}


def kohya_tensors(name: str, model: Any, clip: Any, seed: int) -> dict[str, Tensor]:
    """A LoRA as kohya's trainer names it, for the model and, if there is one, its text encoder."""
    layers = lora_files.kohya_layers(_shapes(model.model, "diffusion_model."), TRAINED[name], "lora_unet_")
    if clip is not None:
        te_shapes = _shapes(clip.cond_stage_model, "clip_l.transformer.")
        layers |= lora_files.kohya_layers(te_shapes, ("self_attn", "mlp.fc"), "lora_te_")
    # Ranks, alphas and dtypes differ between files, as in a real folder.
    dtype = (torch.float16, torch.bfloat16, torch.float32)[seed % 3]
    alpha = (None, 1.0, 8.0)[seed % 3]
    return lora_files.low_rank_tensors(layers, seed, rank=4 + seed, alpha=alpha, dtype=dtype)


def _peft_tensors(name: str, model: Any, seed: int) -> dict[str, Tensor]:
    """The same family in diffusers names with PEFT suffixes, fused q, k, v as their slices included."""
    prefix = {"sd15": "unet.", "sdxl": "unet."}.get(name, "transformer.")
    state = model.model.state_dict()
    layers: dict[str, tuple[int, ...]] = {}
    # Each weight under one of its names, the whole or its slices: said twice the host adds both or
    # keeps the last, and ours apply one. Newer hosts name all of a single block's linear1 as well (Flux.2).
    key_map = comfy.lora.model_lora_keys_unet(model.model, {})
    names = {target: layer for layer, target in key_map.items() if layer.startswith(prefix)}
    sliced = {target[0] for target in names if not isinstance(target, str)}
    for target, layer in names.items():
        if target in sliced:
            continue
        key, offset = (target, None) if isinstance(target, str) else (target[0], target[1])
        shape = tuple(state[key].shape) if key in state else ()
        if len(shape) == 2:
            layers[layer] = shape if offset is None else (offset[2], *shape[1:])
    return lora_files.low_rank_tensors(layers, seed, rank=4, alpha=None, suffixes=PEFT)


def _rows(folder: Path, files: list[dict[str, Tensor]]) -> list[tuple[str, float, float]]:
    names = [f"style_{i}.safetensors" for i in range(len(files))]
    for name, tensors in zip(names, files, strict=True):
        lora_files.save(folder / name, tensors)
    return [(name, *STRENGTHS[i]) for i, name in enumerate(names)]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_a_stack_in_kohyas_names_equals_the_host_chain(
    pack: Any, lora_folder: Path, record_property: Any, name: str, dtype: torch.dtype, count: int
) -> None:
    model, clip = layouts.load(name, dtype)
    rows = _rows(lora_folder, [kohya_tensors(name, model, clip, seed) for seed in range(count)])
    our_model, our_clip, _ = our_stack(pack, model, clip, rows)
    host_model, host_clip = host_chain(model, clip, rows)
    assert_equal(our_model, host_model, record_property)
    if clip is not None:
        assert_equal(our_clip.patcher, host_clip.patcher, record_property)


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_a_stack_in_diffusers_names_equals_the_host_chain(
    pack: Any, lora_folder: Path, record_property: Any, name: str
) -> None:
    model, _ = layouts.load(name, torch.float32)
    rows = _rows(lora_folder, [_peft_tensors(name, model, seed) for seed in range(2)])
    our_model, _, _ = our_stack(pack, model, None, rows)
    host_model, _ = host_chain(model, None, rows)
    assert_equal(our_model, host_model, record_property)


@pytest.mark.parametrize(
    "suffixes", [(".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight"), PEFT]
)
def test_a_text_encoder_in_diffusers_names_equals_the_host_chain(
    pack: Any, lora_folder: Path, record_property: Any, suffixes: tuple[str, str]
) -> None:
    model, clip = layouts.load("sd15", torch.float32)
    shapes = _shapes(clip.cond_stage_model, "clip_l.transformer.")
    layers = {
        "text_encoder." + key.removesuffix(".weight"): shape
        for key, shape in shapes.items()
        if key.endswith("_proj.weight") and len(shape) == 2
    }
    files = [lora_files.low_rank_tensors(layers, s, rank=4, alpha=None, suffixes=suffixes) for s in range(2)]
    rows = _rows(lora_folder, files)
    _, our_clip, _ = our_stack(pack, model, clip, rows)
    _, host_clip = host_chain(model, clip, rows)
    assert_equal(our_clip.patcher, host_clip.patcher, record_property)


def test_todays_diffusers_names_for_unets_mean_what_the_older_ones_mean(
    pack: Any, lora_folder: Path, record_property: Any
) -> None:
    """The host's own map lacks these names; the oracle is the host with the same file in the older ones."""
    model, _ = layouts.load("sd15", torch.float32)
    older = _peft_tensors("sd15", model, seed=0)
    todays = {
        k.replace(".processor.to_out.", ".to_out.0.").replace(".processor.to_", ".to_"): v
        for k, v in older.items()
    }
    lora_files.save(lora_folder / "older.safetensors", older)
    lora_files.save(lora_folder / "todays.safetensors", todays)
    our_model, _, report = our_stack(pack, model, None, [("todays", 1.0, 1.0)])
    assert "not in the model" not in report
    assert_equal(our_model, host_chain(model, None, [("older.safetensors", 1.0, 1.0)])[0], record_property)


def test_unpatching_gives_the_base_back_bit_for_bit(pack: Any, lora_folder: Path) -> None:
    model, _ = layouts.load("sd3", torch.float16)
    before = {key: value.clone() for key, value in model.model.state_dict().items()}
    rows = _rows(lora_folder, [kohya_tensors("sd3", model, None, 0)])
    changed = patched_weights(our_stack(pack, model, None, rows)[0])
    assert any(not torch.equal(changed[key], before[key]) for key in changed)
    after = model.model.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
