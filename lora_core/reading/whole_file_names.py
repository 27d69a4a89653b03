"""What a format beyond the names of single layers means, put into the spellings of key_names.py.

Flux's control LoRAs make the model's input wider and set the norms of its queries and keys. The files of BFL
and of diffusers (examples/flux-control) say so in different names. The first is renamed as in the host's
comfy/lora_convert.py `convert_lora`; the host does not know the second.

MiniMax-H3 was released with q, k and v of each head side by side, (heads, 3, head). DiffSynth-Studio trains
these rows; ComfyUI and all other trainers put q of all heads first (diffusers lora_conversion_utils.py
`_convert_non_diffusers_minimax_h3_lora_to_diffusers`, which tells the two apart in this way too).
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
_BY_HEAD = re.compile(r"(?:[\w.]+\.)?blocks\.\d+\.attn\.qkv_proj\.lora_B\.default\.weight")
_HEAD = 128  # outputs of a head of MiniMax-H3
_FLUX_2 = ("to_qkv_mlp_proj", "stream_modulation", "linear_in", "linear_out", "time_guidance_embed")


def convert(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors under names key_names.py can read; the same mapping where they have such names."""
    if {"img_in.lora_A.weight", "single_blocks.0.norm.key_norm.scale"} <= tensors.keys():
        return _bfl_control(tensors)
    inputs = [key for key in tensors if key.endswith(_INPUT_END)]
    found = next(filter(None, map(_INPUT.fullmatch, inputs)), None)
    if found is not None and _is_diffusers_control(tensors, found[0]):
        return _diffusers_control(tensors, found["layer"])
    if by_head := _by_head(tensors):
        return {**tensors, **{key: _by_part(tensors[key]) for key in by_head}}
    return tensors


def conversion_notes(tensors: Mapping[str, Tensor]) -> list[str]:
    """What `convert` does to the numbers of a file, for the report."""
    count = len(_by_head(tensors))
    told = f"q, k and v of {count} layers stand head by head, as DiffSynth-Studio trains MiniMax-H3"
    return [f"{told}: applied in ComfyUI's order"] if count else []


def original_key(converted: str, tensors: Mapping[str, Tensor]) -> str:
    """The key as it stands in the file, for messages."""
    if converted in tensors:
        return converted
    names = {name(key): key for name in (_bfl_name, _diffusers_name) for key in tensors}
    return names.get(converted, converted)


def _by_head(tensors: Mapping[str, Tensor]) -> list[str]:
    return [key for key in tensors if _BY_HEAD.fullmatch(key) and tensors[key].shape[0] % (3 * _HEAD) == 0]


def _by_part(up: Tensor) -> Tensor:
    """(heads · 3 · head, rank) as (3 · heads · head, rank). An outline's rows are alike."""
    if isinstance(up, Outline):
        return up
    return up.reshape(-1, 3, _HEAD, *up.shape[1:]).transpose(0, 1).reshape(up.shape)


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
