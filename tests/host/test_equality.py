"""Patched weights against the host's own LoraLoader chain, through the host's own patching.

fp32: largest difference ≤ 1e-6 of the weight's largest value. fp16 and bf16: both sides round a sum made in
fp32, so no number is further than one unit in the last place from the host's, unless the two are within that
same 1e-6 (where terms cancel to almost nothing, a unit in the last place is smaller than fp32's own error).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.lora
import layouts
import lora_files
import nodes
import pytest
import torch
from torch import Tensor

COUNTS = (1, 2, 4, 8)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
FP32_TOLERANCE = 1e-6
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
    "flux": ("img_attn.qkv", "txt_attn.proj", "img_mlp", "linear1", "linear2", "modulation.lin"),
}


def _weights(patcher: Any) -> dict[str, Tensor]:
    """The weights as the host would sample with them; the model is unpatched again afterwards."""
    patched = patcher.clone()
    patched.patch_model(device_to=torch.device("cpu"), force_patch_weights=True)
    try:
        state = patched.model.state_dict()
        return {key: state[key].clone() for key in patched.patches}
    finally:
        patched.unpatch_model(torch.device("cpu"))


def _shapes(module: torch.nn.Module, prefix: str) -> dict[str, tuple[int, ...]]:
    state = module.state_dict()
    return {k.removeprefix(prefix): tuple(v.shape) for k, v in state.items() if k.startswith(prefix)}


def _kohya_tensors(name: str, model: Any, clip: Any, seed: int) -> dict[str, Tensor]:
    shapes = _shapes(model.model, "diffusion_model.")
    layers = lora_files.kohya_layers(shapes, TRAINED[name], "lora_unet_")
    if clip is not None:
        te_shapes = _shapes(clip.cond_stage_model, "clip_l.transformer.")
        layers |= lora_files.kohya_layers(te_shapes, ("self_attn", "mlp.fc"), "lora_te_")
    # Ranks, alphas and dtypes differ between files, as in a real folder.
    dtype = (torch.float16, torch.bfloat16, torch.float32)[seed % 3]
    return lora_files.low_rank_tensors(
        layers, seed, rank=4 + seed, alpha=(None, 1.0, 8.0)[seed % 3], dtype=dtype
    )


def _peft_tensors(name: str, model: Any, seed: int) -> dict[str, Tensor]:
    """The same family in diffusers names with PEFT suffixes, fused q, k, v as their slices included."""
    prefix = {"sd15": "unet.", "sdxl": "unet."}.get(name, "transformer.")
    state = model.model.state_dict()
    layers: dict[str, tuple[int, ...]] = {}
    for layer, target in comfy.lora.model_lora_keys_unet(model.model, {}).items():
        key, offset = (target, None) if isinstance(target, str) else (target[0], target[1])
        shape = tuple(state[key].shape) if key in state else ()
        if layer.startswith(prefix) and len(shape) == 2:
            layers[layer] = shape if offset is None else (offset[2], *shape[1:])
    return lora_files.low_rank_tensors(layers, seed, rank=4, alpha=None, suffixes=lora_files.SUFFIXES["peft"])


def _host_chain(model: Any, clip: Any, names: list[str]) -> tuple[Any, Any]:
    for name, (strength_model, strength_clip) in zip(names, STRENGTHS, strict=False):
        loader = nodes.LoraLoader() if clip is not None else nodes.LoraLoaderModelOnly()
        if clip is not None:
            model, clip = loader.load_lora(model, clip, name, strength_model, strength_clip)
        else:
            (model,) = loader.load_lora_model_only(model, name, strength_model)
    return model, clip


def _ours(pack: Any, model: Any, clip: Any, names: list[str]) -> tuple[Any, Any]:
    text = "\n".join(f"<lora:{n}:unet={m}:te={c}>" for n, (m, c) in zip(names, STRENGTHS, strict=False))
    stack, _ = pack.NODE_CLASS_MAPPINGS["LoraRackStack"]().build(text)
    model, clip, _ = pack.NODE_CLASS_MAPPINGS["LoraRackApply"]().apply(model, stack, "error", clip)
    return model, clip


def _check(ours: Any, theirs: Any, record: Any) -> None:
    ours, theirs = _weights(ours), _weights(theirs)
    assert ours.keys() == theirs.keys()
    assert ours, "nothing was patched"
    relative = max(_relative(ours[key], theirs[key]) for key in ours)
    steps = max(_steps_beyond(FP32_TOLERANCE, ours[key], theirs[key]) for key in ours)
    record("largest_relative_difference", relative)
    record("largest_steps", steps)
    if next(iter(ours.values())).dtype == torch.float32:
        assert relative <= FP32_TOLERANCE
    else:
        assert steps <= 1


def _relative(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference in parts of the weight's largest value."""
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    return ((ours.double() - theirs.double()).abs().max() / theirs.double().abs().max()).item()


def _steps_beyond(tolerance: float, ours: Tensor, theirs: Tensor) -> int:
    """Units in the last place between half-precision numbers that differ by more than `tolerance` · scale."""
    if ours.dtype == torch.float32:
        return 0
    apart = (ours.double() - theirs.double()).abs() > tolerance * theirs.double().abs().max()
    return int(((_ordinals(ours) - _ordinals(theirs)).abs() * apart).max())


def _ordinals(values: Tensor) -> Tensor:
    """Half-precision numbers as integers in their order, so that neighbours differ by 1."""
    bits = values.view(torch.int16).to(torch.int32)
    return torch.where(bits < 0, -(bits & 0x7FFF), bits)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_kohya_stack_equals_the_host_chain(
    pack: Any, lora_folder: Path, record_property: Any, name: str, dtype: torch.dtype, count: int
) -> None:
    model, clip = layouts.load(name, dtype)
    names = [f"style_{i}.safetensors" for i in range(count)]
    for seed, file_name in enumerate(names):
        lora_files.save(lora_folder / file_name, _kohya_tensors(name, model, clip, seed))
    our_model, our_clip = _ours(pack, model, clip, names)
    host_model, host_clip = _host_chain(model, clip, names)
    _check(our_model, host_model, record_property)
    if clip is not None:
        _check(our_clip.patcher, host_clip.patcher, record_property)


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_diffusers_names_equal_the_host_chain(
    pack: Any, lora_folder: Path, record_property: Any, name: str
) -> None:
    model, _ = layouts.load(name, torch.float32)
    names = ["first.safetensors", "second.safetensors"]
    for seed, file_name in enumerate(names):
        lora_files.save(lora_folder / file_name, _peft_tensors(name, model, seed))
    our_model, _ = _ours(pack, model, None, names)
    host_model, _ = _host_chain(model, None, names)
    _check(our_model, host_model, record_property)


def test_unpatching_gives_the_base_back_bit_for_bit(pack: Any, lora_folder: Path) -> None:
    model, _ = layouts.load("sd3", torch.float16)
    before = {key: value.clone() for key, value in model.model.state_dict().items()}
    lora_files.save(lora_folder / "a.safetensors", _kohya_tensors("sd3", model, None, 0))
    patched, _ = _ours(pack, model, None, ["a.safetensors"])
    changed = _weights(patched)
    assert any(not torch.equal(changed[key], before[key]) for key in changed)
    after = model.model.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
