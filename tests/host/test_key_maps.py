"""Every family the host has a key map for: its names keep their meaning, and those it lacks are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import comfy.lora
import comfy.model_base
import pytest
import torch


@dataclass(frozen=True)
class Family:
    """The host's class of a family, its configuration, a few of its weights, and trainers' names for them."""

    model: type
    config: Mapping[str, Any]
    weights: Mapping[str, tuple[int, ...]]  # after "diffusion_model."
    others: Mapping[str, str]  # a name the host's map may lack → the weight, or weight and slice

    def names(self) -> dict[str, Any]:
        """The host's own map of a model of nothing but these weights."""
        state = {
            f"diffusion_model.{key}": torch.empty(shape, device="meta") for key, shape in self.weights.items()
        }
        state_dict = lambda _: state  # noqa: E731
        made = type("Model", (self.model,), {"__init__": lambda _: None, "state_dict": state_dict})()
        object.__setattr__(made, "model_config", SimpleNamespace(unet_config=dict(self.config)))
        return comfy.lora.model_lora_keys_unet(made, {})


_UNET = {
    "num_res_blocks": [2],
    "channel_mult": [1],
    "transformer_depth": [1, 1],
    "transformer_depth_middle": 1,
}
_UNET |= {"transformer_depth_output": [1, 1, 1]}
_FLUX = {"depth": 1, "depth_single_blocks": 1, "hidden_size": 8}
_IN1 = "input_blocks.1.1.transformer_blocks.0.attn1"
_DOWN0 = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
_KOHYA = _DOWN0.replace(".", "_")

FAMILIES = {
    "SD1, SDXL": Family(
        comfy.model_base.BaseModel,
        _UNET,
        {
            "input_blocks.0.0.weight": (8, 4, 3, 3),
            f"{_IN1}.to_q.weight": (8, 8),
            f"{_IN1}.to_out.0.weight": (8, 8),
            f"{_IN1}.to_out.0.bias": (8,),
        },
        {
            f"unet.{_DOWN0}.to_q": f"{_IN1}.to_q.weight",
            f"{_DOWN0}.to_out.0": f"{_IN1}.to_out.0.weight",
            f"base_model.model.{_DOWN0}.to_q": f"{_IN1}.to_q.weight",
            f"lora_unet_{_KOHYA}_to_out_0.bias": f"{_IN1}.to_out.0.bias",
            f"oft_unet_{_KOHYA}_to_q": f"{_IN1}.to_q.weight",
        },
    ),
    "SD3": Family(
        comfy.model_base.SD3,
        {"depth": 1},
        {"joint_blocks.0.x_block.attn.qkv.weight": (192, 64), "joint_blocks.0.x_block.attn.qkv.bias": (192,)},
        {
            "transformer_blocks.0.attn.to_k": "joint_blocks.0.x_block.attn.qkv.weight 64",
            "transformer.transformer_blocks.0.attn.to_v.bias": "joint_blocks.0.x_block.attn.qkv.bias 128",
        },
    ),
    "Flux": Family(
        comfy.model_base.Flux,
        _FLUX,
        {
            "single_blocks.0.linear1.weight": (56, 8),
            "single_blocks.0.linear1.bias": (56,),
            "double_blocks.0.img_attn.qkv.weight": (24, 8),
            "double_blocks.0.img_attn.norm.key_norm.scale": (4,),
        },
        {
            "transformer_blocks.0.attn.to_k": "double_blocks.0.img_attn.qkv.weight 8",
            "base_model.model.single_transformer_blocks.0.proj_mlp": "single_blocks.0.linear1.weight 24",
            "transformer.single_transformer_blocks.0.attn.to_v.bias": "single_blocks.0.linear1.bias 16",
            "diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale": (
                "double_blocks.0.img_attn.norm.key_norm.scale"
            ),
        },
    ),
    "Wan": Family(
        comfy.model_base.WAN21,
        {},
        {
            "blocks.0.self_attn.q.weight": (8, 8),
            "blocks.0.modulation": (1, 6, 8),
            "head.modulation": (1, 2, 8),
        },
        {
            "transformer.blocks.0.attn1.to_q": "blocks.0.self_attn.q.weight",
            "blocks.0.self_attn.q": "blocks.0.self_attn.q.weight",
            "diffusion_model.blocks.0.modulation": "blocks.0.modulation",
        },
    ),
    "HunyuanVideo": Family(
        comfy.model_base.HunyuanVideo,
        {},
        {"double_blocks.0.img_attn.qkv.weight": (24, 8)},
        {"double_blocks.0.img_attn_qkv": "double_blocks.0.img_attn.qkv.weight"},
    ),
    "HunyuanImage": Family(
        comfy.model_base.HunyuanImage21,
        {},
        {"double_blocks.0.img_attn.qkv.weight": (24, 8)},
        {"transformer.double_blocks.0.img_attn.qkv": "double_blocks.0.img_attn.qkv.weight"},
    ),
    "LTX": Family(
        comfy.model_base.LTXV,
        {},
        {
            "transformer_blocks.0.attn1.to_q.weight": (8, 8),
            "patchify_proj.weight": (8, 8),
            "adaln_single.emb.timestep_embedder.linear_1.bias": (8,),
        },
        {
            "transformer.transformer_blocks.0.attn1.to_q": "transformer_blocks.0.attn1.to_q.weight",
            "transformer.proj_in": "patchify_proj.weight",
        },
    ),
    "Qwen-Image": Family(
        comfy.model_base.QwenImage,
        {},
        {"transformer_blocks.0.attn.to_q.weight": (8, 8)},
        {"base_model.model.transformer_blocks.0.attn.to_q": "transformer_blocks.0.attn.to_q.weight"},
    ),
    "Z-Image": Family(
        comfy.model_base.Lumina2,
        {"n_layers": 1, "dim": 8, "n_refiner_layers": 0},
        {"layers.0.attention.qkv.weight": (24, 8), "layers.0.feed_forward.w1.weight": (8, 8)},
        {
            "transformer.layers.0.attention.to_k": "layers.0.attention.qkv.weight 8",
            "layers.0.feed_forward.w1": "layers.0.feed_forward.w1.weight",
        },
    ),
    "Lumina 2": Family(
        comfy.model_base.Lumina2,
        {"n_layers": 1, "dim": 24, "n_refiner_layers": 0},
        {"layers.0.attention.qkv.weight": (40, 24)},
        {"layers.0.attention.to_v": "layers.0.attention.qkv.weight 32"},
    ),
    "PixArt": Family(
        comfy.model_base.PixArt,
        {"depth": 1, "hidden_size": 8},
        {"blocks.0.attn.qkv.weight": (24, 8)},
        {"transformer_blocks.0.attn1.to_k": "blocks.0.attn.qkv.weight 8"},
    ),
    "AuraFlow": Family(
        comfy.model_base.AuraFlow,
        {"n_layers": 1, "n_double_layers": 1},
        {"double_layers.0.attn.w1q.weight": (8, 8), "double_layers.0.attn.w2q.weight": (8, 8)},
        {"joint_transformer_blocks.0.attn.to_q": "double_layers.0.attn.w2q.weight"},
    ),
    "HunyuanDiT": Family(
        comfy.model_base.HunyuanDiT,
        {},
        {"blocks.0.attn1.Wqkv.weight": (24, 8)},
        {"blocks.0.attn1.Wqkv": "blocks.0.attn1.Wqkv.weight"},
    ),
    "HiDream": Family(
        comfy.model_base.HiDream,
        {},
        {"double_stream_blocks.0.block.attn1.to_q.weight": (8, 8)},
        {"double_stream_blocks.0.block.attn1.to_q": "double_stream_blocks.0.block.attn1.to_q.weight"},
    ),
    "Mochi": Family(
        comfy.model_base.GenmoMochi,
        {},
        {"blocks.0.attn.qkv_x.weight": (24, 8)},
        {"transformer.blocks.0.attn.qkv_x": "blocks.0.attn.qkv_x.weight"},
    ),
    "Stable Cascade": Family(
        comfy.model_base.StableCascade_C,
        {},
        {"down_blocks.0.2.attention.attn.to_q.weight": (8, 8)},
        {"lora_prior_unet_down_blocks_0_2_attention_attn_to_q": "down_blocks.0.2.attention.attn.to_q.weight"},
    ),
    "Cosmos": Family(
        comfy.model_base.CosmosPredict2,
        {},
        {"blocks.0.self_attn.q_proj.weight": (8, 8)},
        {"transformer.blocks.0.self_attn.q_proj": "blocks.0.self_attn.q_proj.weight"},
    ),
    "ACE-Step": Family(
        comfy.model_base.ACEStep,
        {},
        {"transformer_blocks.0.attn.to_q.weight": (8, 8)},
        {"base_model.model.transformer_blocks.0.attn.to_q": "transformer_blocks.0.attn.to_q.weight"},
    ),
    "OmniGen2": Family(
        comfy.model_base.Omnigen2,
        {},
        {"layers.0.attn.to_q.weight": (8, 8)},
        {"transformer.layers.0.attn.to_q": "layers.0.attn.to_q.weight"},
    ),
}


def _key_map(core: Any, family: Family) -> tuple[dict[str, Any], Any]:
    """The host's names, and the key map the pack makes of a model."""
    target = core.key_maps.Target
    names = {
        name: target(value) if isinstance(value, str) else target(*value)
        for name, value in family.names().items()
    }
    shapes = {f"diffusion_model.{key}": shape for key, shape in family.weights.items()}
    return names, core.key_maps.KeyMap.of({**core.key_maps.names.model_names(shapes), **names}, shapes)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_hosts_names_keep_their_meaning(core: Any, name: str) -> None:
    names, key_map = _key_map(core, FAMILIES[name])
    assert names
    moved = {layer for layer, target in names.items() if key_map.find(layer) != target}
    # The only ones mended on purpose: the slices of a family with fewer keys and values than queries.
    assert not moved or (name == "Lumina 2" and all(layer.endswith(("to_k", "to_v")) for layer in moved))


@pytest.mark.parametrize("name", FAMILIES)
def test_names_of_other_trainers_are_found(core: Any, name: str) -> None:
    _, key_map = _key_map(core, FAMILIES[name])
    for layer, wanted in FAMILIES[name].others.items():
        key, _, start = wanted.partition(" ")
        found = key_map.find(layer)
        assert found is not None, layer
        assert found.key == f"diffusion_model.{key}", layer
        assert (found.offset[1] if found.offset else 0) == int(start or 0), layer


CLIP_L, CLIP_G = "clip_l.transformer.text_model.", "clip_g.transformer.text_model."
T5, LLM = "t5xxl.transformer.encoder.block.0.", "qwen3_4b.transformer.model.layers.0."
_OUT, _NORM = "encoder.layers.0.self_attn.out_proj", "final_layer_norm"

# Encoders, and names of trainers for their weights that the host's map may lack.
ENCODERS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "SD1": (
        (f"{CLIP_L}{_OUT}", f"{CLIP_L}{_NORM}"),
        {
            f"lora_te_text_model_{_NORM}": f"{CLIP_L}{_NORM}",
            f"text_encoder.text_model.{_NORM}": f"{CLIP_L}{_NORM}",
            f"base_model.model.text_model.{_OUT}": f"{CLIP_L}{_OUT}",
        },
    ),
    "SDXL": (
        (f"{CLIP_L}{_OUT}", f"{CLIP_G}{_OUT}", f"{CLIP_L}{_NORM}", f"{CLIP_G}{_NORM}"),
        {
            f"lora_te1_text_model_{_NORM}": f"{CLIP_L}{_NORM}",
            f"lora_te2_text_model_{_NORM}": f"{CLIP_G}{_NORM}",
            f"text_encoder_2.text_model.{_NORM}": f"{CLIP_G}{_NORM}",
            "oft_te2_text_model_encoder_layers_0_self_attn_out_proj": f"{CLIP_G}{_OUT}",
        },
    ),
    "SD3": (
        (f"{CLIP_L}{_OUT}", f"{CLIP_G}{_OUT}", f"{T5}layer.0.SelfAttention.q"),
        {"text_encoder_3.encoder.block.0.layer.0.SelfAttention.q": f"{T5}layer.0.SelfAttention.q"},
    ),
    "Flux": (
        (f"{CLIP_L}{_OUT}", f"{T5}layer.0.SelfAttention.q"),
        {"text_encoder_2.encoder.block.0.layer.0.SelfAttention.q": f"{T5}layer.0.SelfAttention.q"},
    ),
    "LLM": (
        (f"{LLM}self_attn.q_proj",),
        {
            "lora_te_layers_0_self_attn_q_proj": f"{LLM}self_attn.q_proj",
            "lora_te1_model_layers_0_self_attn_q_proj": f"{LLM}self_attn.q_proj",
        },
    ),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_text_encoders_are_found_in_every_layer(core: Any, name: str) -> None:
    weights, others = ENCODERS[name]
    state = {f"{weight}.weight": torch.empty(8, 8, device="meta") for weight in weights}
    hosts = comfy.lora.model_lora_keys_clip(SimpleNamespace(state_dict=lambda: state), {})
    names = {layer: core.key_maps.Target(key) for layer, key in hosts.items()}
    shapes = {key: (8, 8) for key in state}
    key_map = core.key_maps.KeyMap.of(
        {**core.key_maps.text_encoders.text_encoder_names(shapes), **names}, shapes
    )
    assert {layer: key_map.find(layer) for layer in names} == names
    for layer, weight in others.items():
        assert key_map.find(layer) == core.key_maps.Target(f"{weight}.weight"), layer
