"""A baked checkpoint against the host: the same weights as its LoraLoader chain makes.

Places in a file are compared through the host's own conversions of the file (comfy/supported_models.py), on
every layout in which it renames, cuts or turns a text encoder's or a model's tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import comfy.sd
import comfy.supported_models
import comfy.utils
import families
import in_host
import layouts
import lora_files
import patching
import pytest
import test_equality
import torch
from safetensors.torch import load_file
from torch import Tensor

in_host.load_pack()

from lora_rack.lora_core.baking import bake, plan_bake  # noqa: E402
from lora_rack.lora_core.key_maps import read_layout  # noqa: E402
from lora_rack.lora_core.stack import Entry  # noqa: E402

Tensors = dict[str, Tensor]

# Layout → dtype of the checkpoint. The larger ones, 1 and 2 GB on disk twice, are left to the maps.
BAKED = {"sd15": torch.float16, "sd3": torch.bfloat16}


@pytest.mark.parametrize("name", BAKED)
def test_a_baked_checkpoint_equals_the_hosts_chain(
    name: str, lora_folder: Path, tmp_path: Path, record_property: Any
) -> None:
    dtype = BAKED[name]
    layout = layouts.LAYOUTS[name]
    checkpoint = lora_files.save(tmp_path / "model.safetensors", layout.state_dict(dtype))
    model, clip = layouts.load(name, dtype)
    rows = [("a.safetensors", 0.8, 1.0), ("b.safetensors", -0.7, 0.5)]
    for seed, (file, _, _) in enumerate(rows):
        lora_files.save(lora_folder / file, test_equality.kohya_tensors(name, model, clip, seed))
    out = tmp_path / "baked.safetensors"
    bake(plan_bake(checkpoint, [Entry(*row) for row in rows], [lora_folder / row[0] for row in rows]), out)
    checkpoint.unlink()

    host_model, host_clip = patching.host_chain(model, clip, rows)
    theirs = [
        patching.patched_weights(patcher)
        for patcher in (host_model, host_clip and host_clip.patcher)
        if patcher
    ]
    baked_model, baked_clip = _load(out, dtype, layout.has_clip)
    ours = [baked_model.model, baked_clip.cond_stage_model] if layout.has_clip else [baked_model.model]
    for module, weights in zip(ours, theirs, strict=True):
        _check_weights(module.state_dict(), weights, record_property)


def _load(path: Path, dtype: torch.dtype, with_clip: bool) -> tuple[Any, Any]:
    options = {"dtype": dtype}
    model, clip, _, _ = comfy.sd.load_checkpoint_guess_config(
        str(path), output_vae=False, output_clip=with_clip, model_options=options, te_model_options=options
    )
    return model, clip


def _check_weights(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], record: Any) -> None:
    assert theirs, "nothing was patched"
    steps = max(patching._steps_beyond(patching.FP32_TOLERANCE, ours[key], theirs[key]) for key in theirs)
    record("largest_steps", steps)
    assert steps <= 1


def _small(shapes: Mapping[str, tuple[int, ...]]) -> Tensors:
    """Tensors that no two keys share; matrices at a sixteenth of their size."""
    generator = torch.Generator().manual_seed(0)
    return {
        key: torch.randn([n // 16 for n in shape] if len(shape) == 2 else shape, generator=generator)
        for key, shape in shapes.items()
    }


def _saved_clip(name: str, config: Any) -> Tensors:
    """The text encoders of a family as the host writes them into a checkpoint."""
    state = families.text_encoder(name).state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    blocks = (".layers.0.", ".layers.5.")
    kept = {
        key: shape
        for key, shape in shapes.items()
        if ".layers." not in key or any(block in key for block in blocks)
    }
    return config.process_clip_state_dict_for_saving(_small(kept))


def _old_sd1(config: Any) -> Tensors:
    """SD1 as it was before transformers put everything into `text_model`."""
    return {key.replace(".text_model.", "."): value for key, value in _saved_clip("SD1", config).items()}


def _cascade(config: Any) -> Tensors:
    tensors = {f"text_encoder.{key}": value for key, value in _small(_CASCADE_G).items()}
    return tensors | {"text_encoder.clip_g.text_projection": torch.randn(6, 4)}


_CASCADE_G = {
    f"clip_g.transformer.text_model.encoder.layers.0.{part}.weight": (32, 32)
    for part in ("self_attn.q_proj", "mlp.fc1")
}

CLIPS: Mapping[str, tuple[str, Callable[[Any], Tensors]]] = {
    "SD1": ("SD15", lambda config: _saved_clip("SD1", config)),
    "SD1, old": ("SD15", _old_sd1),
    "SD2": ("SD20", lambda config: _saved_clip("SD2", config)),
    "SDXL": ("SDXL", lambda config: _saved_clip("SDXL", config)),
    "SDXL refiner": ("SDXLRefiner", lambda config: _saved_clip("SDXL refiner", config)),
    "SD3": ("SD3", lambda config: _saved_clip("SD3", config)),
    "Flux": ("Flux", lambda config: _saved_clip("Flux.1", config)),
    "Wan": ("WAN21_T2V", lambda config: _saved_clip("Wan", config)),
    "Stable Cascade": ("Stable_Cascade_C", _cascade),
}


@pytest.mark.parametrize("name", CLIPS)
def test_text_encoders_are_found_where_the_host_finds_them(name: str) -> None:
    class_name, make = CLIPS[name]
    config = getattr(comfy.supported_models, class_name)({})
    file = {key: value.contiguous() for key, value in make(config).items()}
    layout = read_layout({key: tuple(value.shape) for key, value in file.items()})
    theirs = config.process_clip_state_dict(dict(file))
    compared = 0
    for key, value in theirs.items():
        if key.endswith((".weight", ".bias")) and value.is_floating_point():
            place = layout.clip[key]
            assert torch.equal(place.view(file[place.key]), value), key
            compared += 1
    assert compared > 0


HUNYUAN = (
    "txt_in.individual_token_refiner.blocks.0.norm1.weight",
    "txt_in.individual_token_refiner.blocks.0.mlp.fc1.weight",
    "txt_in.individual_token_refiner.blocks.0.self_attn_qkv.weight",
    "txt_in.t_embedder.mlp.0.weight",
    "txt_in.c_embedder.linear_2.weight",
    "vector_in.in_layer.weight",
    "double_blocks.0.img_mod.linear.weight",
    "double_blocks.0.img_attn_qkv.weight",
    "double_blocks.0.img_attn_q_norm.weight",
    "double_blocks.0.txt_attn_proj.weight",
    "double_blocks.0.txt_mlp.fc2.weight",
    "single_blocks.1.q_norm.weight",
    "single_blocks.1.modulation.linear.weight",
    "time_in.mlp.0.weight",
    "final_layer.linear.weight",
)
CASCADE = (
    "clf.1.weight",
    "clip_txt_mapper.weight",
    "down_blocks.0.2.attention.attn.in_proj_weight",
    "down_blocks.0.2.attention.attn.in_proj_bias",
    "down_blocks.0.2.attention.attn.out_proj.weight",
    "down_blocks.0.0.depthwise.weight",
)


@pytest.mark.parametrize(
    ("class_name", "keys"),
    [("HunyuanVideo", HUNYUAN), ("Stable_Cascade_C", CASCADE)],
    ids=lambda v: str(v)[:12],
)
def test_a_model_is_found_where_the_host_finds_it(class_name: str, keys: tuple[str, ...]) -> None:
    config = getattr(comfy.supported_models, class_name)({"in_channels": 16})
    own = {key: torch.randn(6, 2) if key.endswith("weight") else torch.randn(6) for key in keys}
    layout = read_layout({f"model.diffusion_model.{key}": tuple(v.shape) for key, v in own.items()})
    theirs = config.process_unet_state_dict(dict(own))
    assert len(layout.model) == len(theirs)
    for key, value in theirs.items():
        newest = key.replace("_norm.scale", "_norm.weight")  # as ComfyUI calls it since February 2026
        place = layout.model[f"diffusion_model.{newest}"]
        stored = own[place.key.removeprefix("model.diffusion_model.")]
        assert torch.equal(place.view(stored), value), key


def test_sdxls_fused_attention_and_turned_projection_are_patched(tmp_path: Path) -> None:
    """A LoRA on OpenCLIP-G's q, k, v and projection, through the host's conversion of the baked file."""
    config = comfy.supported_models.SDXL({})
    file = {key: value.contiguous() for key, value in _saved_clip("SDXL", config).items()}
    checkpoint = lora_files.save(tmp_path / "model.safetensors", {**_unet_stub(), **file})
    before = config.process_clip_state_dict(dict(file))
    layers = {
        name: tuple(before[key].shape)
        for name, key in comfy.lora.model_lora_keys_clip(_Holder(before), {}).items()
        if name.startswith(("lora_te2_", "lora_te1_")) and before[key].ndim == 2
    }
    tensors = lora_files.low_rank_tensors(layers, seed=3)
    lora = lora_files.save(tmp_path / "lora.safetensors", tensors)
    out = tmp_path / "baked.safetensors"
    bake(plan_bake(checkpoint, [Entry("lora", 1.0, 0.7)], [lora]), out)

    after = config.process_clip_state_dict({k: v for k, v in load_file(out).items() if k in file})
    patches = comfy.lora.load_lora(tensors, comfy.lora.model_lora_keys_clip(_Holder(before), {}))
    assert "clip_g.transformer.text_projection.weight" in patches
    for key, value in before.items():
        expected = value.clone()
        if key in patches:
            expected = comfy.lora.calculate_weight([(0.7, patches[key], 1.0, None, None)], expected, key)
        assert torch.allclose(after[key], expected, rtol=0, atol=1e-6 * expected.abs().max().item()), key


def _unet_stub() -> Tensors:
    return {f"model.diffusion_model.input_blocks.0.0.{n}.weight": torch.zeros(1) for n in range(6)}


class _Holder:
    """What the host's key map asks a model for."""

    def __init__(self, state: Tensors) -> None:
        self._state = state

    def state_dict(self) -> Tensors:
        return self._state
