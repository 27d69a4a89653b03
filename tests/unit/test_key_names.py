"""Spellings of keys: the table, what belongs together, and what is known by its neighbours alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lora_core.reading.key_names import NamedRole, group_keys, split_key


@pytest.mark.parametrize(
    ("key", "layer", "role", "style"),
    [
        ("lora_unet_mid_block_attn1_to_q.lora_up.weight", "lora_unet_mid_block_attn1_to_q", "up", "kohya"),
        (
            "unet.mid_block.attn1.processor.to_q_lora.down.weight",
            "unet.mid_block.attn1.processor.to_q",
            "down",
            "attn_processor",
        ),
        ("transformer.blocks.0.attn.to_q.lora_A.weight", "transformer.blocks.0.attn.to_q", "down", "peft"),
        ("blocks.0.attn.to_q.lora_B.default.weight", "blocks.0.attn.to_q", "up", "peft default"),
        ("blocks.0.attn.to_q.lora_B.my-style_2.weight", "blocks.0.attn.to_q", "up", "peft my-style_2"),
        ("text_encoder.q_proj.lora_linear_layer.up.weight", "text_encoder.q_proj", "up", "lora_linear_layer"),
        ("unet.attn1.to_q.lora.down.weight", "unet.attn1.to_q", "down", "lora_layer"),
        ("blocks.0.attn.lora_B", "blocks.0.attn", "up", "mochi"),
        ("x.lora_B.bias", "x", "up_bias", "peft"),
        ("x.lora_B.default.bias", "x", "up_bias", "peft default"),
        ("x.lora_magnitude_vector", "x", "magnitude", "peft"),
        ("x.lora_magnitude_vector.weight", "x", "magnitude", "peft"),
        ("x.lora_magnitude_vector.default.weight", "x", "magnitude", "peft default"),
        ("x.lora_magnitude_vector.default", "x", "magnitude", "peft default"),
        ("x.lora_embedding_A", "x", "embedding_a", "peft"),
        ("x.lora_embedding_B.default", "x", "embedding_b", "peft default"),
        ("x.ia3_l", "x", "ia3_l", "peft"),
        ("x.hada_w1_a.default", "x", "hada_w1_a", "peft default"),
        ("lora_te_x.alpha", "lora_te_x", "alpha", ""),
        ("x.hada_w1_a", "x", "hada_w1_a", ""),
        ("x.set_weight", "x", "set_weight", ""),
    ],
)
def test_a_key_is_layer_and_role(key: str, layer: str, role: str, style: str) -> None:
    assert split_key(key) == NamedRole(layer, role, style)


@pytest.mark.parametrize(
    "key",
    [
        "model.diffusion_model.out.2.weight",
        "emb_params",
        ".alpha",
        "x.lora_up.bias",
        "x.lora_A.bias",
        "x.lora_A.two.names.weight",
        "",
    ],
)
def test_another_key_has_no_role(key: str) -> None:
    assert split_key(key) is None


@pytest.mark.parametrize("order", [list, sorted], ids=["as trainers write", "as safetensors sorts"])
def test_two_spellings_of_one_layer_are_two_pairs_and_kohyas_has_the_alpha(
    order: Callable[[list[str]], list[str]],
) -> None:
    keys = [
        "x.lora_up.weight",
        "x.lora_down.weight",
        "x.alpha",
        "x.lora_B.weight",
        "x.lora_A.weight",
        "notes",
    ]
    grouped = group_keys(order(keys))
    assert grouped.layers == {
        "x": [
            {"up": "x.lora_up.weight", "down": "x.lora_down.weight", "alpha": "x.alpha"},
            {"up": "x.lora_B.weight", "down": "x.lora_A.weight"},
        ]
    }
    assert grouped.unknown == ["notes"]


def test_a_weight_is_an_ia3s_only_beside_its_mark() -> None:
    grouped = group_keys(["x.weight", "x.on_input", "y.weight"])
    assert grouped.layers == {"x": [{"on_input": "x.on_input", "ia3_weight": "x.weight"}]}
    assert grouped.unknown == ["y.weight"]


def test_packed_embeddings_are_told_apart_from_layers() -> None:
    grouped = group_keys(
        ["bundle_emb.cat.string_to_param.*", "bundle_emb.dog.clip_l", "bundle_emb.dog.clip_g"]
    )
    assert grouped == ({}, ("cat", "dog"), [])
