"""Prefixes of trainers, biases, and mended slices, in a map of a few layers."""

from __future__ import annotations

import pytest

from lora_core.key_maps.key_map import KeyMap, Target

Q = "diffusion_model.blocks.0.self_attn.q.weight"
NAMES = {
    "lora_unet_blocks_0_self_attn_q": Q,
    "diffusion_model.blocks.0.self_attn.q": Q,
    "transformer.layers.0.attn.to_q": "diffusion_model.layers.0.q.weight",
    "lora_te_text_model_encoder_layers_0_mlp_fc1": "clip_l.fc1.weight",
    "text_encoder.text_model.encoder.layers.0.mlp.fc1": "clip_l.fc1.weight",
}
SHAPES = {key: (8, 8) for key in NAMES.values()} | {"diffusion_model.blocks.0.self_attn.q.bias": (8,)}
KEY_MAP = KeyMap.of({name: Target(key) for name, key in NAMES.items()}, SHAPES)


@pytest.mark.parametrize(
    ("spelling", "key"),
    [
        ("blocks.0.self_attn.q", Q),
        ("transformer.blocks.0.self_attn.q", Q),
        ("base_model.model.blocks.0.self_attn.q", Q),
        ("base_model.model.diffusion_model.blocks.0.self_attn.q", Q),
        ("model.diffusion_model.blocks.0.self_attn.q", Q),
        ("lycoris_blocks_0_self_attn_q", Q),
        ("lora_transformer_blocks_0_self_attn_q", Q),
        ("oft_unet_blocks_0_self_attn_q", Q),
        # a family of which the host alone knows diffusers' names
        ("base_model.model.layers.0.attn.to_q", "diffusion_model.layers.0.q.weight"),
        ("layers.0.attn.to_q", "diffusion_model.layers.0.q.weight"),
        ("oft_te_text_model_encoder_layers_0_mlp_fc1", "clip_l.fc1.weight"),
        ("base_model.model.text_model.encoder.layers.0.mlp.fc1", "clip_l.fc1.weight"),
        # biases
        ("lora_unet_blocks_0_self_attn_q.bias", "diffusion_model.blocks.0.self_attn.q.bias"),
        ("transformer.blocks.0.self_attn.q.bias", "diffusion_model.blocks.0.self_attn.q.bias"),
    ],
)
def test_a_spelling_is_found(spelling: str, key: str) -> None:
    assert KEY_MAP.find(spelling) == Target(key)


@pytest.mark.parametrize(
    "name", ["blocks.1.self_attn.q", "layers.0.attn.to_q.bias", "lora_unet_", "", "text_encoder"]
)
def test_another_name_is_not(name: str) -> None:
    assert KEY_MAP.find(name) is None


def test_the_hosts_own_spelling_wins() -> None:
    names = {"diffusion_model.a.to_q": Target("1"), "a.to_q": Target("2")}
    assert KeyMap.of(names, {}).find("a.to_q") == Target("2")


def test_a_slice_on_rows_has_a_bias_and_one_on_columns_has_not() -> None:
    names = {"q": Target("qkv.weight", (0, 8, 8)), "half": Target("qkv.weight", (1, 0, 4))}
    key_map = KeyMap.of(names, {"qkv.weight": (24, 8), "qkv.bias": (24,)})
    assert key_map.find("q.bias") == Target("qkv.bias", (0, 8, 8))
    assert key_map.find("half.bias") is None


def test_slices_of_few_keys_and_values_are_mended() -> None:
    layer = "diffusion_model.layers.0.attention"
    names = {
        f"{layer}.to_{part}": Target(f"{layer}.qkv.weight", (0, start, 24))
        for part, start in {"q": 0, "k": 24, "v": 48}.items()
    }
    key_map = KeyMap.of(names, {f"{layer}.qkv.weight": (40, 24)})
    offsets = [key_map.targets[f"{layer}.to_{part}"].offset for part in "qkv"]
    assert offsets == [(0, 0, 24), (0, 24, 8), (0, 32, 8)]


def test_a_wider_mlp_is_mended() -> None:
    name = "transformer.single_transformer_blocks.0.proj_mlp"
    key_map = KeyMap.of({name: Target("linear1.weight", (0, 24, 32))}, {"linear1.weight": (24 + 48, 8)})
    assert key_map.targets[name].offset == (0, 24, 48)
