"""How trainers spell the keys of a LoRA file: one table from suffix to role.

A tensor key is `<layer name><suffix>`. The suffix says which part of the formula the tensor is (its role);
spellings.py and the model's key map say which weight the layer name means. A key with no known suffix is data
for the report, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from ..adapters import PEFT_ROLES, SUFFIXES

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

_PEFT = re.compile(
    rf"(?P<layer>.+)\.(?P<part>{'|'.join(PEFT_ROLES)})(?:\.(?P<name>(?!weight$|bias$)[^.]+))?(?P<end>\.weight|\.bias)?"
)

# XLabs has the number of the stream in the layer's name: `…processor.qkv_lora1.down.weight`.
_XLABS = re.compile(r"(?P<layer>.+\.processor\.(?:qkv|proj)_lora\d?)\.(?P<half>up|down)\.weight")

_STYLES = {
    suffix: (style, role)
    for style, pair in PAIRS.items()
    for suffix, role in zip(pair, ("up", "down"), strict=True)
}
_PLACES = {style: place for place, style in enumerate(PAIRS)}


def _by_end() -> Mapping[str, list[str]]:
    """The suffixes by what follows their last dot, to try few of them at a key.

    Longest first, so that "x_lora.up.weight" and "x.lora.up.weight" are never read as each other.
    """
    found: dict[str, list[str]] = {}
    for suffix in sorted([*SUFFIXES, *_STYLES], key=len, reverse=True):
        found.setdefault(suffix.rpartition(".")[2], []).append(suffix)
    return found


_BY_END = _by_end()

_EMBEDDING = "bundle_emb."


class NamedRole(NamedTuple):
    """A tensor key taken apart. `style` tells pairs of one layer in different spellings apart."""

    layer: str
    role: str
    style: str = ""


def split_key(key: str) -> NamedRole | None:
    """The layer name and the role of a tensor key, or None for a key of no known spelling."""
    if ".processor." in key and (found := _XLABS.fullmatch(key)):
        return NamedRole(found["layer"], found["half"], "attn_processor")
    for suffix in _BY_END.get(key.rpartition(".")[2], ()):
        if key.endswith(suffix) and len(key) > len(suffix):
            style, role = _STYLES.get(suffix) or ("", SUFFIXES[suffix])
            return NamedRole(key[: -len(suffix)], role, style)
    found = _PEFT.fullmatch(key)
    if found is None:
        return None
    role = PEFT_ROLES[found["part"]]
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
        if key.startswith(_EMBEDDING):
            embeddings[key.removeprefix(_EMBEDDING).partition(".")[0]] = None
            continue
        named = split_key(key)
        if named is None:
            unknown[key] = None
            continue
        roles = styles.setdefault(named.layer, {}).setdefault(named.style, {})
        if roles.setdefault(named.role, key) != key:
            unknown[key] = None
    layers = {layer: _groups(found) for layer, found in styles.items()}
    for layer, (first, *_) in layers.items():
        if "on_input" in first and f"{layer}.weight" in unknown:
            first["ia3_weight"] = f"{layer}.weight"
            del unknown[f"{layer}.weight"]
    return Grouped(layers, tuple(embeddings), list(unknown))


def holds_adapters(keys: Collection[str]) -> bool:
    """Whether most tensors of a file are those of adapters. A model may have an `alpha` of its own."""
    roles = [roles for groups in group_keys(keys).layers.values() for roles in groups]
    return 2 * sum(len(found) for found in roles if found.keys() != {"alpha"}) > len(keys)


def _groups(styles: Mapping[str, dict[str, str]]) -> list[dict[str, str]]:
    shared = dict(styles.get("", {}))
    order = sorted(styles, key=lambda style: _PLACES.get(style, len(PAIRS)))
    groups = [styles[style] for style in order if style]
    halves: dict[str, str] = {}
    for group in [group for group in groups if group.keys() <= _HALVES]:
        if group.keys() == {"magnitude"}:
            shared |= group  # a converter that knew the pair's spelling alone
        elif len(group.keys() & {"up", "down"}) == 1 and group.keys().isdisjoint(halves):
            halves |= group  # or one half of the pair alone
        else:
            continue
        groups.remove(group)
    groups = [halves, *groups] if halves else groups
    return [{**shared, **groups[0]}, *groups[1:]] if groups else [shared]


_HALVES = frozenset({"up", "down", "magnitude"})
