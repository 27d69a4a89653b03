"""Flux's control LoRAs, which only the whole file tells, renamed to the spellings of key_names.py.

They make the model's input wider and set the norms of its queries and keys. Black Forest Labs' own files and
diffusers' (examples/flux-control) say so in different names. The first is renamed as in the host's
comfy/lora_convert.py `convert_lora`; the host does not know the second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from .outline import Outline

if TYPE_CHECKING:
    from torch import Tensor

_NORM = re.compile(
    r"(?:transformer\.)?(?:single_)?transformer_blocks\.\d+\.attn\.norm_(?:added_)?[qk]\.weight"
)
_INPUT_END = "x_embedder.lora_A.weight"
_INPUT = re.compile(r"(?P<layer>(?:[\w.]+\.)?x_embedder)\.lora_A\.weight")
_WIDE = 128  # inputs of Flux.1 with a control picture beside its own 64
_FLUX_2 = ("to_qkv_mlp_proj", "stream_modulation", "linear_in", "linear_out", "time_guidance_embed")


def convert(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors under names key_names.py can read; the same mapping where they have such names."""
    if {"img_in.lora_A.weight", "single_blocks.0.norm.key_norm.scale"} <= tensors.keys():
        return _bfl_control(tensors)
    inputs = [key for key in tensors if key.endswith(_INPUT_END)]
    found = next(filter(None, map(_INPUT.fullmatch, inputs)), None)
    if found is not None and _is_diffusers_control(tensors, found[0]):
        return _diffusers_control(tensors, found["layer"])
    return tensors


def original_key(converted: str, tensors: Mapping[str, Tensor]) -> str:
    """The key as it stands in the file, for messages."""
    if converted in tensors:
        return converted
    names = {name(key): key for name in (_bfl_name, _diffusers_name) for key in tensors}
    return names.get(converted, converted)


def _bfl_control(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = {_bfl_name(key): tensor for key, tensor in tensors.items()}
    renamed["diffusion_model.img_in.reshape_weight"] = _grown(tensors, "img_in")
    return renamed


def _bfl_name(key: str) -> str:
    biased = key.replace(".lora_B.bias", ".diff_b")
    return f"diffusion_model.{biased.replace('_norm.scale', '_norm.scale.set_weight')}"


def _is_diffusers_control(tensors: Mapping[str, Tensor], down: str) -> bool:
    if any(map(_NORM.fullmatch, tensors)):
        return True
    is_wide = tensors[down].ndim == 2 and tensors[down].shape[1] == _WIDE
    return is_wide and not any(name in key for key in tensors for name in _FLUX_2)


def _diffusers_control(tensors: Mapping[str, Tensor], layer: str) -> Mapping[str, Tensor]:
    if f"{layer}.lora_B.weight" not in tensors:
        return tensors
    renamed = {_diffusers_name(key): tensor for key, tensor in tensors.items()}
    renamed[f"{layer}.reshape_weight"] = _grown(tensors, layer)
    return renamed


def _diffusers_name(key: str) -> str:
    return f"{key.removesuffix('.weight')}.set_weight" if _NORM.fullmatch(key) else key


def _grown(tensors: Mapping[str, Tensor], layer: str) -> Tensor:
    """(rows, columns) of a layer's change."""
    up, down = (tensors[f"{layer}.lora_{half}.weight"] for half in "BA")
    return cast("Tensor", Outline.of(up.shape[0], down.shape[1] if down.ndim > 1 else 0))
