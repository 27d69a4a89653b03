"""Three formats that only the whole file tells, renamed to the spellings of key_names.py.

The same renames as the host's comfy/lora_convert.py `convert_lora`; tests/host compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from .outline import Outline

if TYPE_CHECKING:
    from torch import Tensor

_USO = (
    (".down.weight", ".lora_down.weight"),
    (".up.weight", ".lora_up.weight"),
    (".qkv_lora2.", ".txt_attn.qkv."),
    (".qkv_lora1.", ".img_attn.qkv."),
    (".proj_lora1.", ".img_attn.proj."),
    (".proj_lora2.", ".txt_attn.proj."),
    (".qkv_lora.", ".linear1_qkv."),
    (".proj_lora.", ".linear2."),
    (".processor.", "."),
)


def convert(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors under names key_names.py can read; the same mapping where they have such names."""
    if {"img_in.lora_A.weight", "single_blocks.0.norm.key_norm.scale"} <= tensors.keys():
        return _bfl_control(tensors)
    if "lora_unet__blocks_0_cross_attn_k.lora_down.weight" in tensors:
        return {_wan_fun(key): tensor for key, tensor in tensors.items()}
    uso = {
        "single_blocks.37.processor.qkv_lora.up.weight",
        "double_blocks.18.processor.qkv_lora2.up.weight",
    }
    if uso <= tensors.keys():
        return {_uso(key): tensor for key, tensor in tensors.items()}
    return tensors


def original_key(converted: str, tensors: Mapping[str, Tensor]) -> str:
    """The key as it stands in the file, for messages."""
    if converted in tensors:
        return converted
    names = {**{_bfl_name(k): k for k in tensors}, **{_wan_fun(k): k for k in tensors}}
    return names.get(converted) or {_uso(k): k for k in tensors}.get(converted, converted)


def _bfl_control(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Flux Canny and Depth by Black Forest Labs: biases, norms to set, and a wider input."""
    renamed = {_bfl_name(key): tensor for key, tensor in tensors.items()}
    rows, columns = tensors["img_in.lora_B.weight"].shape[0], tensors["img_in.lora_A.weight"].shape[1]
    renamed["diffusion_model.img_in.reshape_weight"] = cast("Tensor", Outline.of(rows, columns))
    return renamed


def _bfl_name(key: str) -> str:
    biased = key.replace(".lora_B.bias", ".diff_b")
    return f"diffusion_model.{biased.replace('_norm.scale', '_norm.scale.set_weight')}"


def _wan_fun(key: str) -> str:
    return "lora_unet_" + key.removeprefix("lora_unet__") if key.startswith("lora_unet__") else key


def _uso(key: str) -> str:
    for theirs, ours in _USO:
        key = key.replace(theirs, ours)
    return f"diffusion_model.{key}"
