"""Spellings of keys: the table, grouping, and the names the host's own map lacks."""

from __future__ import annotations

import pytest

from lora_core.key_names import NamedRole, group_keys, split_key, widen


@pytest.mark.parametrize(
    ("key", "layer", "role"),
    [
        ("lora_unet_mid_block_attn1_to_q.lora_up.weight", "lora_unet_mid_block_attn1_to_q", "up"),
        (
            "unet.mid_block.attn1.processor.to_q_lora.down.weight",
            "unet.mid_block.attn1.processor.to_q",
            "down",
        ),
        ("transformer.blocks.0.attn.to_q.lora_A.weight", "transformer.blocks.0.attn.to_q", "down"),
        ("blocks.0.attn.to_q.lora_B.default.weight", "blocks.0.attn.to_q", "up"),
        ("text_encoder.q_proj.lora_linear_layer.up.weight", "text_encoder.q_proj", "up"),
        ("unet.attn1.to_q.lora.down.weight", "unet.attn1.to_q", "down"),
        ("blocks.0.attn.lora_B", "blocks.0.attn", "up"),
        ("lora_te_x.alpha", "lora_te_x", "alpha"),
        ("x.hada_w1_a", "x", "hada_w1_a"),
        ("x.set_weight", "x", "set_weight"),
    ],
)
def test_a_key_is_layer_and_role(key: str, layer: str, role: str) -> None:
    assert split_key(key) == NamedRole(layer, role)


@pytest.mark.parametrize(
    "key", ["model.diffusion_model.out.2.weight", "emb_params", ".alpha", "x.lora_up.bias", ""]
)
def test_another_key_has_no_role(key: str) -> None:
    assert split_key(key) is None


def test_a_second_spelling_of_one_role_is_reported_not_dropped() -> None:
    layers, unknown = group_keys(["x.lora_up.weight", "x.lora_B.weight", "x.alpha", "notes"])
    assert layers == {"x": {"up": "x.lora_up.weight", "alpha": "x.alpha"}}
    assert unknown == ["x.lora_B.weight", "notes"]


def test_the_map_also_knows_todays_diffusers_names() -> None:
    wide = widen({"unet.attn1.processor.to_q": 1, "unet.attn1.processor.to_out": 2, "lora_unet_x": 3})
    assert wide["unet.attn1.to_q"] == 1
    assert wide["unet.attn1.to_out.0"] == 2
    assert len(wide) == 5


def test_the_hosts_own_spelling_wins() -> None:
    assert widen({"a.processor.to_q": 1, "a.to_q": 2})["a.to_q"] == 2
