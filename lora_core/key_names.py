"""How trainers spell the keys of a LoRA file: one table from suffix to role.

A tensor key is `<layer name><suffix>`. The suffix says which part of the formula the tensor is (its role);
the layer name is looked up in the model's key map. A key with no known suffix is data for the report,
never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

T = TypeVar("T")

# Suffix → role. The seven spellings of a low-rank pair are those of the host's comfy/weight_adapter/lora.py
# `LoRAAdapter.load`; the other kinds those of its neighbours in that folder and of comfy/lora.py `load_lora`.
ROLES: Mapping[str, str] = {
    # kohya, LyCORIS, musubi, OneTrainer
    ".lora_up.weight": "up",
    ".lora_down.weight": "down",
    ".lora_mid.weight": "mid",
    # diffusers attention processors
    "_lora.up.weight": "up",
    "_lora.down.weight": "down",
    # PEFT, diffusers, ai-toolkit
    ".lora_B.weight": "up",
    ".lora_A.weight": "down",
    # PEFT state dict with its adapter name, DiffSynth
    ".lora_B.default.weight": "up",
    ".lora_A.default.weight": "down",
    # diffusers LoRA layers
    ".lora.up.weight": "up",
    ".lora.down.weight": "down",
    # diffusers text encoders
    ".lora_linear_layer.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    # Mochi
    ".lora_B": "up",
    ".lora_A": "down",
    # any kind
    ".alpha": "alpha",
    ".dora_scale": "dora_scale",
    ".reshape_weight": "reshape",
    # LoHa
    ".hada_w1_a": "hada_w1_a",
    ".hada_w1_b": "hada_w1_b",
    ".hada_w2_a": "hada_w2_a",
    ".hada_w2_b": "hada_w2_b",
    ".hada_t1": "hada_t1",
    ".hada_t2": "hada_t2",
    # LoKr
    ".lokr_w1": "lokr_w1",
    ".lokr_w1_a": "lokr_w1_a",
    ".lokr_w1_b": "lokr_w1_b",
    ".lokr_w2": "lokr_w2",
    ".lokr_w2_a": "lokr_w2_a",
    ".lokr_w2_b": "lokr_w2_b",
    ".lokr_t2": "lokr_t2",
    # GLoRA
    ".a1.weight": "glora_a1",
    ".a2.weight": "glora_a2",
    ".b1.weight": "glora_b1",
    ".b2.weight": "glora_b2",
    # OFT and BOFT
    ".oft_blocks": "oft_blocks",
    ".rescale": "rescale",
    # whole tensors
    ".diff": "diff",
    ".diff_b": "diff_b",
    ".w_norm": "w_norm",
    ".b_norm": "b_norm",
    ".set_weight": "set_weight",
}

# Longest first, so that "x_lora.up.weight" and "x.lora.up.weight" are never read as each other.
_BY_LENGTH = sorted(ROLES, key=len, reverse=True)


class NamedRole(NamedTuple):
    """A tensor key taken apart."""

    layer: str
    role: str


def split_key(key: str) -> NamedRole | None:
    """The layer name and the role of a tensor key, or None for a key of no known spelling."""
    for suffix in _BY_LENGTH:
        if key.endswith(suffix) and len(key) > len(suffix):
            return NamedRole(key[: -len(suffix)], ROLES[suffix])
    return None


def group_keys(keys: Iterable[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Sort tensor keys into {layer name: {role: key}}, and the keys of no known spelling.

    Where one layer is spelled twice the first spelling in file order keeps the role and the second is
    reported as unknown rather than dropped.
    """
    layers: dict[str, dict[str, str]] = {}
    unknown: list[str] = []
    for key in keys:
        named = split_key(key)
        if named is None or named.role in layers.get(named.layer, ()):
            unknown.append(key)
        else:
            layers.setdefault(named.layer, {})[named.role] = key
    return layers, unknown


def widen(names: Mapping[str, T]) -> dict[str, T]:
    """A key map that also knows the spellings trainers write and the host's own map lacks.

    Today's diffusers and PEFT write `…attn1.to_q` and `…attn1.to_out.0` for UNets; the host's map has only
    the older `…attn1.processor.to_q` and `…attn1.processor.to_out` (comfy/lora.py `model_lora_keys_unet`).
    The host's own spellings win where two meet.
    """
    wide = dict(names)
    for name, target in names.items():
        if ".processor.to_" in name:
            plain = name.replace(".processor.to_", ".to_")
            wide.setdefault(f"{plain}.0" if plain.endswith(".to_out") else plain, target)
    return wide
