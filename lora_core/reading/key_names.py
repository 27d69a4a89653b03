"""How trainers spell the keys of a LoRA file: one table from suffix to role.

A tensor key is `<layer name><suffix>`. The suffix says which part of the formula the tensor is (its role);
spellings.py and the model's key map say which weight the layer name means. A key with no known suffix is data
for the report, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

# The spellings of a low-rank pair: style → (up, down). The first seven are those of the host's
# comfy/weight_adapter/lora.py `LoRAAdapter.load`, in its order.
PAIRS: Mapping[str, tuple[str, str]] = {
    "kohya": (".lora_up.weight", ".lora_down.weight"),  # and LyCORIS, musubi, OneTrainer
    "attn_processor": ("_lora.up.weight", "_lora.down.weight"),  # old diffusers
    "peft": (".lora_B.weight", ".lora_A.weight"),  # and diffusers, ai-toolkit
    "lora_layer": (".lora.up.weight", ".lora.down.weight"),  # diffusers
    "mochi": (".lora_B", ".lora_A"),
    "lora_linear_layer": (".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight"),
}

# Suffix → role of every tensor that is no half of a pair.
ROLES: Mapping[str, str] = {
    ".lora_mid.weight": "mid",
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
    ".bm.weight": "glora_bm",
    # OFT and BOFT
    ".oft_blocks": "oft_blocks",
    ".rescale": "rescale",
    # IA³ of LyCORIS; its vector is spelled `.weight` and known by this neighbour alone
    ".on_input": "on_input",
    # whole tensors
    ".diff": "diff",
    ".diff_b": "diff_b",
    ".w_norm": "w_norm",
    ".b_norm": "b_norm",
    ".set_weight": "set_weight",
}

# What PEFT writes beside and instead of a pair, with or without the name of the adapter, any name.
_PEFT_ROLES: Mapping[str, str] = {
    "lora_A": "down",
    "lora_B": "up",
    "lora_magnitude_vector": "magnitude",
    "lora_embedding_A": "embedding_a",
    "lora_embedding_B": "embedding_b",
    "ia3_l": "ia3_l",
    **{role: role for role in ROLES.values() if role.startswith(("hada_", "lokr_"))},
}
_PEFT = re.compile(
    rf"(?P<layer>.+)\.(?P<part>{'|'.join(_PEFT_ROLES)})(?:\.(?P<name>(?!weight$|bias$)[^.]+))?(?P<end>\.weight|\.bias)?"
)

_STYLES = {
    suffix: (style, role)
    for style, pair in PAIRS.items()
    for suffix, role in zip(pair, ("up", "down"), strict=True)
}
# Longest first, so that "x_lora.up.weight" and "x.lora.up.weight" are never read as each other.
_BY_LENGTH = sorted([*ROLES, *_STYLES], key=len, reverse=True)

_EMBEDDING = "bundle_emb."


class NamedRole(NamedTuple):
    """A tensor key taken apart. `style` tells pairs of one layer in different spellings apart."""

    layer: str
    role: str
    style: str = ""


def split_key(key: str) -> NamedRole | None:
    """The layer name and the role of a tensor key, or None for a key of no known spelling."""
    for suffix in _BY_LENGTH:
        if key.endswith(suffix) and len(key) > len(suffix):
            style, role = _STYLES.get(suffix) or ("", ROLES[suffix])
            return NamedRole(key[: -len(suffix)], role, style)
    found = _PEFT.fullmatch(key)
    if found is None:
        return None
    role = _PEFT_ROLES[found["part"]]
    if found["end"] == ".bias":
        if role != "up":
            return None
        role = "up_bias"
    return NamedRole(found["layer"], role, f"peft {found['name']}" if found["name"] else "peft")


class Grouped(NamedTuple):
    """The keys of a file sorted."""

    layers: dict[str, list[dict[str, str]]]  # layer name → for each spelling {role: key}
    embeddings: tuple[str, ...]  # names of textual inversions packed in with the LoRA
    unknown: list[str]


def group_keys(keys: Iterable[str]) -> Grouped:
    """Sort tensor keys by layer and role.

    Pairs of one layer in several spellings are groups of their own, because they add up; what else there is
    about the layer, its alpha first of all, belongs to the one that stands first in PAIRS, as in the host.
    """
    styles: dict[str, dict[str, dict[str, str]]] = {}
    embeddings: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for key in keys:
        named = split_key(key)
        if key.startswith(_EMBEDDING):
            embeddings[key.removeprefix(_EMBEDDING).partition(".")[0]] = None
        elif named is None or named.role in styles.get(named.layer, {}).get(named.style, {}):
            unknown[key] = None
        else:
            styles.setdefault(named.layer, {}).setdefault(named.style, {})[named.role] = key
    layers = {layer: _groups(found) for layer, found in styles.items()}
    for layer, (first, *_) in layers.items():
        if "on_input" in first and f"{layer}.weight" in unknown:
            first["ia3_weight"] = f"{layer}.weight"
            del unknown[f"{layer}.weight"]
    return Grouped(layers, tuple(embeddings), list(unknown))


def _place(style: str) -> int:
    """Where a spelling stands in PAIRS; behind all of them when it is none of those."""
    return [*PAIRS, style].index(style)


def _groups(styles: Mapping[str, dict[str, str]]) -> list[dict[str, str]]:
    shared = styles.get("", {})
    pairs = [styles[style] for style in sorted(styles, key=_place) if style]
    return [{**shared, **pairs[0]}, *pairs[1:]] if pairs else [shared]
