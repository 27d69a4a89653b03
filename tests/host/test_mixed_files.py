"""Whole files through the nodes: many kinds at once, whole-file formats, formats of the host alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.lora
import comfy.lora_convert
import comfy.model_base
import comfy.weight_adapter
import layouts
import lora_files
import pytest
import torch
from patching import assert_equal, host_chain, our_stack, patched_weights
from test_key_maps import Family
from torch import Tensor

TOLERANCE = 1e-6  # of the weight's largest value

Tensors = dict[str, Tensor]

N = lora_files.Numbers()


def _pair(out: int, inner: int) -> Tensors:
    return {"x.lora_up.weight": N(out, 4), "x.lora_down.weight": N(4, inner)}


def _error(ours: Tensor, theirs: Tensor) -> float:
    return ((ours.double() - theirs.double()).abs().max() / theirs.double().abs().max()).item()


def _keys(*names: str) -> Tensors:
    return {name: torch.full((2, 3), float(i)) for i, name in enumerate(names)}


FORMATS = {
    "BFL control": _keys(
        "img_in.lora_A.weight",
        "img_in.lora_B.weight",
        "img_in.lora_B.bias",
        "single_blocks.0.norm.key_norm.scale",
        "double_blocks.0.img_attn.qkv.lora_A.weight",
    ),
    "none of them": _keys("lora_unet_x.lora_up.weight", "single_blocks.37.processor.qkv_lora.up.weight"),
}


def _numbers(tensor: Any) -> list[float]:
    """The numbers of a tensor, or of one that only a header tells of."""
    return [float(number) for number in tensor.flatten()]


@pytest.mark.parametrize("name", FORMATS)
def test_whole_file_formats_are_renamed_as_the_host_does(core: Any, name: str) -> None:
    ours = core.reading.whole_file_names.convert(FORMATS[name])
    theirs = comfy.lora_convert.convert_lora(dict(FORMATS[name]))
    # Newer hosts have renamed the norms' parameter; key_map.py knows either name.
    theirs = {key.replace("_norm.set_weight", "_norm.scale.set_weight"): t for key, t in theirs.items()}
    assert ours.keys() == theirs.keys()
    assert all(_numbers(ours[key]) == _numbers(theirs[key]) for key in ours)


MIXED = {
    "diffusion_model.joint_blocks.0.x_block.mlp.fc1": _pair(1024, 256),
    "diffusion_model.joint_blocks.0.x_block.mlp.fc2": {"x.diff": N(256, 1024), "x.diff_b": N(256)},
    "lora_unet_joint_blocks_1_x_block_mlp_fc1": {
        f"x.hada_w{i}_{part}": N(*shape) for i in "12" for part, shape in (("a", (1024, 4)), ("b", (4, 256)))
    },
    "transformer.transformer_blocks.1.attn.to_q": _pair(256, 256),
    "transformer.transformer_blocks.1.attn.to_v": {"x.lokr_w1": N(4, 4), "x.lokr_w2": N(64, 64)},
}


def _mixed() -> Tensors:
    return {
        key.replace("x.", f"{layer}.", 1): t for layer, group in MIXED.items() for key, t in group.items()
    }


def test_a_file_of_many_kinds_equals_the_hosts(pack: Any, lora_folder: Path, record_property: Any) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    before = {key: value.clone() for key, value in model.model.state_dict().items()}
    lora_files.save(lora_folder / "mixed.safetensors", _mixed())
    rows = [("mixed.safetensors", 0.7, 1.0), ("mixed.safetensors", -0.4, 1.0)]
    patched, _, report = our_stack(pack, model, None, rows)
    assert any(key.endswith(".bias") for key in patched.patches)
    assert_equal(patched, host_chain(model, None, rows)[0], record_property)
    assert "LoHa, rank 4 (1 layer)" in report
    after = model.model.state_dict()
    assert [key for key in before if not torch.equal(after[key], before[key])] == []


class _ShiftAdapter(comfy.weight_adapter.WeightAdapterBase):
    """A format this host knows and the pack does not."""

    name = "shift"

    def __init__(self, loaded_keys: set[str], weights: Any) -> None:
        self.loaded_keys, self.weights = loaded_keys, weights

    @classmethod
    def load(cls, x: str, lora: Tensors, alpha: Any, dora_scale: Any, loaded_keys: set[str]) -> Any:
        key = f"{x}.shift_by"
        return cls({key}, (lora[key],)) if key in lora else None

    def calculate_weight(self, weight: Tensor, key: str, strength: float, *_: Any) -> Tensor:
        return weight.copy_(weight.abs() + strength * self.weights[0])


def test_what_only_the_host_knows_is_left_to_it_in_its_place(
    pack: Any, lora_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comfy.weight_adapter, "adapters", [*comfy.weight_adapter.adapters, _ShiftAdapter])
    layer = "diffusion_model.joint_blocks.0.x_block.mlp.fc1"
    model, _ = layouts.load("sd3", torch.float32)
    plain = {k.replace("x.", f"{layer}.", 1): t for k, t in _pair(1024, 256).items()}
    lora_files.save(lora_folder / "plain.safetensors", plain)
    lora_files.save(
        lora_folder / "shift.safetensors", {f"{layer}.shift_by": torch.tensor([0.25]), "y.other": N(1)}
    )
    rows = [("plain", 1.0, 1.0), ("shift", 2.0, 1.0), ("plain", 0.5, 1.0)]
    patched, _, report = our_stack(pack, model, None, rows)
    assert "1 key of a format this pack has no formula for, applied in their place by ComfyUI's own" in report
    assert "not a LoRA's: 1 key, such as y.other" in report
    up, down = (plain[f"{layer}.lora_{part}.weight"].float() for part in ("up", "down"))
    wanted = (model.model.state_dict()[f"{layer}.weight"] + up @ down).abs() + 0.5 + 0.5 * up @ down
    assert _error(patched_weights(patched)[f"{layer}.weight"], wanted) <= TOLERANCE


def test_a_file_nobody_knows_is_an_error_even_when_mismatches_are_warned_of(
    pack: Any, lora_folder: Path
) -> None:
    lora_files.save(lora_folder / "junk.safetensors", {"latent": N(1)})
    model, _ = layouts.load("sd3", torch.float32)
    with pytest.raises(Exception, match="latent") as raised:
        our_stack(pack, model, None, [("junk", 1.0, 1.0)], mismatch="warn")
    assert type(raised.value).__name__ == "NotALora"


def test_a_layer_the_host_cannot_read_either_names_the_file(pack: Any, lora_folder: Path) -> None:
    layer = "diffusion_model.joint_blocks.0.x_block.mlp.fc"
    tensors = {key.replace("x.", f"{layer}1.", 1): tensor for key, tensor in _pair(1024, 256).items()}
    path = lora_files.save(lora_folder / "odd.safetensors", {**tensors, f"{layer}2.alpha": N(2)})
    model, _ = layouts.load("sd3", torch.float32)
    with pytest.raises(Exception, match="cannot read") as raised:
        our_stack(pack, model, None, [("odd", 1.0, 1.0)])
    assert type(raised.value).__name__ == "BrokenFile"
    assert raised.value.path == path


@pytest.mark.parametrize("rebuilt", [False, True], ids=["as made", "as newer hosts rebuild it"])
def test_a_growing_weight_grows_as_in_the_host(pack: Any, core: Any, rebuilt: bool) -> None:
    tensors = {**_pair(8, 6), "x.reshape_weight": torch.tensor([8, 6])}
    patches = comfy.lora.load_lora(dict(tensors), {"x": "w.weight"}, log_missing=False)
    roles = {"up": tensors["x.lora_up.weight"], "down": tensors["x.lora_down.weight"]}
    (adapter,) = core.adapters.find({**roles, "reshape": tensors["x.reshape_weight"]}).weight
    fused = pack.nodes.host.fused_adapter.FusedAdapter(set(), ((0.7, core.adapters.pack(adapter)), False))
    if rebuilt:
        fused = type(fused)(fused.loaded_keys, fused.weights)
    assert fused.calculate_shape("w.weight") == (8, 6)
    weight = N(8, 4).float()
    ours, theirs = (
        comfy.lora.calculate_weight([(strength, patch, 1.0, None, None)], weight.clone(), "w.weight")
        for strength, patch in ((1.0, fused), (0.7, patches["w.weight"]))
    )
    assert ours.shape == theirs.shape == (8, 6)
    assert _error(ours, theirs) <= TOLERANCE


# The host's name of a norm's parameter: "scale" until 0.14.
_CONVERTED = comfy.lora_convert.convert_lora(dict(FORMATS["BFL control"]))
_NORM = "weight" if any(key.endswith("_norm.set_weight") for key in _CONVERTED) else "scale"

_FLUX = Family(
    comfy.model_base.Flux,
    {"depth": 19, "depth_single_blocks": 38, "hidden_size": 8},
    {
        "img_in.weight": (8, 4),
        "img_in.bias": (8,),
        f"single_blocks.0.norm.key_norm.{_NORM}": (4,),
        f"double_blocks.0.img_attn.norm.key_norm.{_NORM}": (4,),  # what tells the family
        "single_blocks.37.linear1.weight": (56, 8),
        "double_blocks.18.txt_attn.qkv.weight": (24, 8),
    },
    {},
)
_WHOLE_FILES: dict[str, Tensors] = {
    "BFL control": {
        "img_in.lora_A.weight": N(2, 6),
        "img_in.lora_B.weight": N(8, 2),
        "img_in.lora_B.bias": N(8),
        "single_blocks.0.norm.key_norm.scale": N(4),
    },
    "USO": {
        "single_blocks.37.processor.qkv_lora.up.weight": N(24, 2),
        "single_blocks.37.processor.qkv_lora.down.weight": N(2, 8),
        "double_blocks.18.processor.qkv_lora2.up.weight": N(24, 2),
        "double_blocks.18.processor.qkv_lora2.down.weight": N(2, 8),
    },
}


@pytest.mark.parametrize("name", _WHOLE_FILES)
def test_whole_file_formats_patch_as_the_host_does(pack: Any, core: Any, tmp_path: Path, name: str) -> None:
    path = lora_files.save(tmp_path / "whole.safetensors", _WHOLE_FILES[name])
    weights = {f"diffusion_model.{key}": N(*shape).float() for key, shape in _FLUX.weights.items()}
    names = _FLUX.names()
    theirs = {key: weight.clone() for key, weight in weights.items()}
    converted = comfy.lora_convert.convert_lora(dict(_WHOLE_FILES[name]))
    patches = comfy.lora.load_lora(converted, names)
    assert len(patches) == (3 if name == "BFL control" else 2)
    for key, patch in patches.items():
        plain, offset = (key, None) if isinstance(key, str) else key
        theirs[plain] = comfy.lora.calculate_weight([(0.7, patch, 1.0, offset, None)], theirs[plain], plain)
    targets = {layer: core.key_maps.Target(*([t] if isinstance(t, str) else t)) for layer, t in names.items()}
    shapes = {key: tuple(weight.shape) for key, weight in weights.items()}
    # As nodes/host/key_maps.py has it: the host's names over ours.
    key_map = core.key_maps.KeyMap.of({**core.key_maps.model_names(shapes), **targets}, shapes)
    lora = core.reading.read_lora(core.reading.read_file(path))
    for key, steps in core.applying.fuse([core.applying.match(lora, key_map)]).at([0.7]).items():
        for step in steps:
            part = weights[key] if step.target.offset is None else weights[key].narrow(*step.target.offset)
            result = step.adapter.apply(part, step.strength, torch.float32)
            weights[key] = result if step.target.offset is None else weights[key]
    assert not lora.unknown_keys
    assert max(_error(weights[key], theirs[key]) for key in weights) <= TOLERANCE
