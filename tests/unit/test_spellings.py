"""Names the host's own map lacks, found in a map of a few layers of each family."""

from __future__ import annotations

import pytest

from lora_core.key_map import KeyMap, Target

# As the host's model_lora_keys_unet and model_lora_keys_clip name them.
NAMES = {
    "lora_unet_blocks_0_self_attn_q": "diffusion_model.blocks.0.self_attn.q.weight",
    "diffusion_model.blocks.0.self_attn.q": "diffusion_model.blocks.0.self_attn.q.weight",
    "diffusion_model.blocks.0.cross_attn.k_img": "diffusion_model.blocks.0.cross_attn.k_img.weight",
    "diffusion_model.blocks.0.ffn.2": "diffusion_model.blocks.0.ffn.2.weight",
    "diffusion_model.time_embedding.2": "diffusion_model.time_embedding.2.weight",
    "unet.mid_block.attentions.0.attn1.processor.to_q": "diffusion_model.middle_block.1.attn1.to_q.weight",
    "mid_block.attentions.0.attn1.processor.to_out": "diffusion_model.middle_block.1.attn1.to_out.0.weight",
    "lora_unet_mid_block_attentions_0_attn1_to_q": "diffusion_model.middle_block.1.attn1.to_q.weight",
    "diffusion_model.patchify_proj": "diffusion_model.patchify_proj.weight",
    "transformer.single_transformer_blocks.0.attn.to_q": "diffusion_model.single_blocks.0.linear1.weight",
    "diffusion_model.single_blocks.0.linear1": "diffusion_model.single_blocks.0.linear1.weight",
    "text_encoders.clip_l.transformer.text_model.final_layer_norm": "clip_l.norm.weight",
    "text_encoders.clip_g.transformer.text_model.embeddings.token_embedding": "clip_g.tokens.weight",
    "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q": "t5.q.weight",
}
SHAPES = {key: (8, 8) for key in NAMES.values()} | {"diffusion_model.blocks.0.self_attn.q.bias": (8,)}
KEY_MAP = KeyMap.of({name: Target(key) for name, key in NAMES.items()}, SHAPES)


@pytest.mark.parametrize(
    ("spelling", "key"),
    [
        # prefixes of other trainers
        ("blocks.0.self_attn.q", "diffusion_model.blocks.0.self_attn.q.weight"),
        ("transformer.blocks.0.self_attn.q", "diffusion_model.blocks.0.self_attn.q.weight"),
        ("base_model.model.blocks.0.self_attn.q", "diffusion_model.blocks.0.self_attn.q.weight"),
        (
            "base_model.model.diffusion_model.blocks.0.self_attn.q",
            "diffusion_model.blocks.0.self_attn.q.weight",
        ),
        ("model.diffusion_model.blocks.0.self_attn.q", "diffusion_model.blocks.0.self_attn.q.weight"),
        ("lycoris_blocks_0_self_attn_q", "diffusion_model.blocks.0.self_attn.q.weight"),
        ("lora_transformer_blocks_0_self_attn_q", "diffusion_model.blocks.0.self_attn.q.weight"),
        ("oft_unet_blocks_0_self_attn_q", "diffusion_model.blocks.0.self_attn.q.weight"),
        # Wan as diffusers names it
        ("transformer.blocks.0.attn1.to_q", "diffusion_model.blocks.0.self_attn.q.weight"),
        ("blocks.0.attn2.add_k_proj", "diffusion_model.blocks.0.cross_attn.k_img.weight"),
        ("blocks.0.ffn.net.2", "diffusion_model.blocks.0.ffn.2.weight"),
        ("lora_unet_blocks_0_attn1_to_q", "diffusion_model.blocks.0.self_attn.q.weight"),
        ("condition_embedder.time_embedder.linear_2", "diffusion_model.time_embedding.2.weight"),
        # UNets as today's diffusers and raw PEFT name them
        ("unet.mid_block.attentions.0.attn1.to_q", "diffusion_model.middle_block.1.attn1.to_q.weight"),
        ("mid_block.attentions.0.attn1.to_out.0", "diffusion_model.middle_block.1.attn1.to_out.0.weight"),
        (
            "base_model.model.mid_block.attentions.0.attn1.to_q",
            "diffusion_model.middle_block.1.attn1.to_q.weight",
        ),
        # LTX-Video, Flux
        ("transformer.proj_in", "diffusion_model.patchify_proj.weight"),
        ("single_transformer_blocks.0.attn.to_q", "diffusion_model.single_blocks.0.linear1.weight"),
        (
            "transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj",
            "diffusion_model.single_blocks.0.linear1.weight",
        ),
        # text encoders beyond the layers the host's map spells out
        ("lora_te1_text_model_final_layer_norm", "clip_l.norm.weight"),
        ("text_encoder.text_model.final_layer_norm", "clip_l.norm.weight"),
        ("text_encoder_2.text_model.embeddings.token_embedding", "clip_g.tokens.weight"),
        ("lora_te3_encoder_block_0_layer_0_SelfAttention_q", "t5.q.weight"),
        # biases
        ("lora_unet_blocks_0_self_attn_q.bias", "diffusion_model.blocks.0.self_attn.q.bias"),
        ("transformer.blocks.0.attn1.to_q.bias", "diffusion_model.blocks.0.self_attn.q.bias"),
    ],
)
def test_a_spelling_is_found(spelling: str, key: str) -> None:
    assert KEY_MAP.find(spelling) == Target(key)


@pytest.mark.parametrize(
    "name", ["blocks.1.self_attn.q", "blocks.0.ffn.2.bias", "lora_unet_", "", "text_encoder"]
)
def test_another_name_is_not(name: str) -> None:
    assert KEY_MAP.find(name) is None


@pytest.mark.parametrize("llm", ["qwen3_4b", "gemma2_2b", "umt5xxl"])
def test_a_sole_llm_encoder_has_kohyas_names(llm: str) -> None:
    names = {f"text_encoders.{llm}.transformer.model.layers.0.self_attn.q_proj": Target("q.weight")}
    key_map = KeyMap.of(names, {"q.weight": (8, 8)})
    assert key_map.find("lora_te_layers_0_self_attn_q_proj") == Target("q.weight")
    assert key_map.find("lora_te1_model_layers_0_self_attn_q_proj") == Target("q.weight")


def test_the_hosts_own_spelling_wins() -> None:
    names = {"diffusion_model.a.processor.to_q": Target("1"), "a.to_q": Target("2")}
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
