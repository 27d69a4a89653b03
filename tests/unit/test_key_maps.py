"""Layer names and places in files, on layouts small enough to read.

The host ring compares whole maps with the host's (tests/host/test_key_maps.py, test_bake.py).
"""

from __future__ import annotations

import pytest
import torch

from lora_core.families import family, find_family, find_version
from lora_core.key_maps import StoredAt, names, read_layout, text_encoders
from lora_core.key_maps.guess import guess_family
from lora_core.key_maps.key_map import Target
from lora_core.key_maps.layer_names import canonical

Shapes = dict[str, tuple[int, ...]]


def _unet(levels: int, resnets: int) -> Shapes:
    """A UNet's keys: every resnet with attention, downsamplers between levels."""
    shapes: Shapes = {"diffusion_model.input_blocks.0.0.weight": (4, 4, 3, 3)}
    number = 1
    for level in range(levels):
        for _ in range(resnets):
            for part in ("0.in_layers.2", "1.proj_in", "1.transformer_blocks.0.attn2.to_k"):
                shapes[f"diffusion_model.input_blocks.{number}.{part}.weight"] = (4, 768)
            number += 1
        if level < levels - 1:
            shapes[f"diffusion_model.input_blocks.{number}.0.op.weight"] = (4, 4, 3, 3)
            number += 1
    number = 0
    for level in range(levels):
        for place in range(resnets + 1):
            shapes[f"diffusion_model.output_blocks.{number}.0.out_layers.3.weight"] = (4, 4, 3, 3)
            shapes[f"diffusion_model.output_blocks.{number}.1.transformer_blocks.0.attn1.to_out.0.weight"] = (
                4,
                4,
            )
            if place == resnets and level < levels - 1:
                shapes[f"diffusion_model.output_blocks.{number}.2.conv.weight"] = (4, 4, 3, 3)
            number += 1
    return shapes


@pytest.mark.parametrize(
    ("resnets", "number", "path"),
    [
        (2, 4, "down_blocks.1.attentions.0"),
        (2, 8, "down_blocks.2.attentions.1"),
        (1, 3, "down_blocks.1.attentions.0"),
    ],
)
def test_a_unets_levels_are_counted_from_its_keys(resnets: int, number: int, path: str) -> None:
    found = names.model_names(_unet(3, resnets))
    target = Target(f"diffusion_model.input_blocks.{number}.1.transformer_blocks.0.attn2.to_k.weight")
    rest = "transformer_blocks.0.attn2"
    joined = f"{path}.{rest}.to_k".replace(".", "_")
    spellings = (
        f"lora_unet_{joined}",
        f"lycoris_{joined}",
        f"{path}.{rest}.processor.to_k",
        f"unet.{path}.{rest}.processor.to_k",
        f"unet.{path}.{rest}.to_k",
        f"base_model.model.{path}.{rest}.to_k",
        f"lora_unet_input_blocks_{number}_1_transformer_blocks_0_attn2_to_k",
        target.key.removesuffix(".weight"),
    )
    assert {name: found[name] for name in spellings} == dict.fromkeys(spellings, target)


def test_up_blocks_follow_the_upsamplers() -> None:
    found = names.model_names(_unet(3, 2))
    assert (
        found["lora_unet_up_blocks_1_upsamplers_0_conv"].key
        == "diffusion_model.output_blocks.5.2.conv.weight"
    )
    assert found["lora_unet_up_blocks_2_resnets_0_conv2"].key.startswith("diffusion_model.output_blocks.6.0.")
    old = found["up_blocks.2.attentions.0.transformer_blocks.0.attn1.processor.to_out"]
    assert old.key == "diffusion_model.output_blocks.6.1.transformer_blocks.0.attn1.to_out.0.weight"


FLUX: Shapes = {
    "diffusion_model.img_in.weight": (8, 4),
    "diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale": (2,),
    "diffusion_model.double_blocks.0.img_attn.qkv.weight": (24, 8),
    "diffusion_model.double_blocks.0.txt_attn.qkv.bias": (24,),
    "diffusion_model.single_blocks.3.linear1.weight": (56, 8),
    "diffusion_model.final_layer.adaLN_modulation.1.weight": (16, 8),
}


def test_fluxs_fused_weights_are_cut() -> None:
    found = names.model_names(FLUX)
    linear1 = "diffusion_model.single_blocks.3.linear1.weight"
    qkv = "diffusion_model.double_blocks.0.img_attn.qkv.weight"
    assert found["transformer.transformer_blocks.0.attn.to_v"] == Target(qkv, (0, 16, 8))
    assert found["lora_transformer_single_transformer_blocks_3_attn_to_k"] == Target(linear1, (0, 8, 8))
    assert found["transformer.single_transformer_blocks.3.proj_mlp"] == Target(linear1, (0, 24, 32))
    assert found["diffusion_model.single_blocks.3.linear1_qkv"] == Target(linear1, (0, 0, 24))
    assert found["diffusion_model.double_blocks.0.txt_attn.qkv.bias"].offset is None
    norm = found["transformer.transformer_blocks.0.attn.norm_k"]
    assert norm == Target("diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale")


def test_shift_and_scale_are_swapped() -> None:
    swap = names.model_names(FLUX)["transformer.norm_out.linear"].function
    assert swap is not None
    assert swap(torch.tensor([[1.0], [2.0], [3.0], [4.0]])).flatten().tolist() == [3, 4, 1, 2]


def test_fewer_heads_for_keys_and_values() -> None:
    key = "diffusion_model.layers.0.attention.qkv.weight"
    shapes: Shapes = {"diffusion_model.cap_embedder.1.weight": (6, 4), key: (10, 6)}
    found = names.model_names(shapes)
    assert [found[f"transformer.layers.0.attention.to_{part}"].offset for part in "qkv"] == [
        (0, 0, 6),
        (0, 6, 2),
        (0, 8, 2),
    ]


def test_the_last_block_of_sd3_alone_is_swapped() -> None:
    stem = "diffusion_model.joint_blocks.{}.context_block.adaLN_modulation.1.weight"
    shapes: Shapes = {
        "diffusion_model.joint_blocks.0.context_block.attn.qkv.weight": (12, 4),
        stem.format(0): (24, 4),
        stem.format(1): (8, 4),
    }
    found = names.model_names(shapes)
    assert found["transformer.transformer_blocks.0.norm1_context.linear"].function is None
    assert found["transformer.transformer_blocks.1.norm1_context.linear"].function is not None


WAN: Shapes = {"diffusion_model.head.modulation": (1, 2, 4)}
LTX: Shapes = {
    "diffusion_model.adaln_single.emb.timestep_embedder.linear_1.bias": (4,),
    "diffusion_model.patchify_proj.weight": (4, 4),
}
FLUX2: Shapes = {
    "diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale": (2,),
    "diffusion_model.double_stream_modulation_img.lin.weight": (24, 4),
}
_NORM = "double_blocks.1.img_attn.norm.key_norm"


@pytest.mark.parametrize(
    ("family", "module", "spelling"),
    [
        (WAN, "blocks.1.self_attn.q", "transformer.blocks.1.attn1.to_q"),
        (WAN, "blocks.1.self_attn.q", "lora_unet_blocks_1_attn1_to_q"),
        (WAN, "blocks.1.cross_attn.k_img", "transformer.blocks.1.attn2.add_k_proj"),
        (WAN, "blocks.1.cross_attn.k_img", "blocks.1.cross_attn.k_img"),
        (WAN, "blocks.1.cross_attn.k_img", "lora_unet__blocks_1_cross_attn_k_img"),
        (WAN, "blocks.1.ffn.2", "blocks.1.ffn.net.2"),
        (WAN, "time_embedding.2", "condition_embedder.time_embedder.linear_2"),
        (LTX, "patchify_proj", "transformer.proj_in"),
        (LTX, "adaln_single.linear", "transformer.time_embed.linear"),
        (LTX, "transformer_blocks.2.attn1.q_norm", "transformer.transformer_blocks.2.attn1.norm_q"),
        (FLUX2, "single_blocks.0.linear1", "transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj"),
        (FLUX2, "single_blocks.0.linear2", "single_transformer_blocks.0.attn.to_out"),
        (FLUX2, _NORM, f"diffusion_model.{_NORM}.scale"),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True], ids=["shown", "packed"])
def test_names_the_hosts_map_lacks(family: Shapes, module: str, spelling: str, is_packed: bool) -> None:
    """Whether or not the weight shows its shape, as packed ones (NF4) do not."""
    key = f"diffusion_model.{module}.weight"
    shapes = {**family, key: () if is_packed else (8, 4)}
    assert names.model_names(shapes)[spelling] == Target(key)


def test_a_packed_weight_is_not_cut() -> None:
    key = "diffusion_model.double_blocks.0.img_attn.qkv.weight"
    found = names.model_names({**FLUX, key: ()})
    assert found["lora_unet_double_blocks_0_img_attn_qkv"] == Target(key)
    assert "transformer.transformer_blocks.0.attn.to_q" not in found


def test_an_unknown_model_has_the_generic_names() -> None:
    key = "diffusion_model.some.new.layer.weight"
    assert find_family(["some.new.layer.weight"]) is None
    found = names.model_names({key: (2, 2)})
    assert {"lora_unet_some_new_layer", "diffusion_model.some.new.layer"} <= found.keys()
    assert set(found.values()) == {Target(key)}
    assert found["transformer.some.new.layer"] == Target(key)


def test_unets_are_told_apart_by_the_text_they_read() -> None:
    shapes = {key.removeprefix("diffusion_model."): shape for key, shape in _unet(3, 2).items()}
    assert find_version(family("unet"), shapes).title == "Stable Diffusion 1"


L_LAYER = "clip_l.transformer.text_model.encoder.layers.0.mlp.fc1.weight"
G_LAYER = "clip_g.transformer.text_model.encoder.layers.0.mlp.fc1.weight"
L_NORM = "clip_l.transformer.text_model.final_layer_norm.weight"
G_TOKENS = "clip_g.transformer.text_model.embeddings.token_embedding.weight"
T5_LAYER = "t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q.weight"


@pytest.mark.parametrize(
    ("keys", "name", "key"),
    [
        ([L_LAYER], "lora_te_text_model_encoder_layers_0_mlp_fc1", L_LAYER),
        ([L_LAYER, G_LAYER], "lora_te2_text_model_encoder_layers_0_mlp_fc1", G_LAYER),
        ([L_LAYER, G_LAYER], "text_encoder.text_model.encoder.layers.0.mlp.fc1", L_LAYER),
        ([G_LAYER], "lora_te_text_model_encoder_layers_0_mlp_fc1", G_LAYER),
        ([G_LAYER], "lora_te2_text_model_encoder_layers_0_mlp_fc1", G_LAYER),
        ([L_NORM, G_TOKENS], "lora_te1_text_model_final_layer_norm", L_NORM),
        ([L_NORM, G_TOKENS], "text_encoder.text_model.final_layer_norm", L_NORM),
        ([L_NORM, G_TOKENS], "text_encoder_2.text_model.embeddings.token_embedding", G_TOKENS),
        ([L_LAYER, T5_LAYER], "lora_te2_encoder_block_0_layer_0_SelfAttention_q", T5_LAYER),
        ([L_LAYER, T5_LAYER], "text_encoder_2.encoder.block.0.layer.0.SelfAttention.q", T5_LAYER),
        ([L_LAYER, G_LAYER, T5_LAYER], "lora_te3_encoder_block_0_layer_0_SelfAttention_q", T5_LAYER),
        ([L_LAYER, G_LAYER, T5_LAYER], "text_encoder_3.encoder.block.0.layer.0.SelfAttention.q", T5_LAYER),
    ],
)
def test_text_encoders_are_numbered_by_their_company(keys: list[str], name: str, key: str) -> None:
    found = text_encoders.text_encoder_names(dict.fromkeys(keys, (4, 4)))
    assert found[name] == Target(key)


@pytest.mark.parametrize("llm", ["qwen3_4b", "gemma2_2b", "umt5xxl"])
def test_a_sole_llm_encoder_has_kohyas_names(llm: str) -> None:
    key = f"{llm}.transformer.model.layers.0.self_attn.q_proj.weight"
    found = text_encoders.text_encoder_names({key: ()})
    assert found["lora_te_layers_0_self_attn_q_proj"] == Target(key)
    assert found["lora_te1_model_layers_0_self_attn_q_proj"] == Target(key)


def test_an_sdxl_checkpoints_fused_and_transposed_weights() -> None:
    block = "conditioner.embedders.1.model.transformer.resblocks.0."
    shapes: Shapes = {
        **{f"model.diffusion_model.input_blocks.{n}.0.weight": (4, 4) for n in range(7)},
        f"{block}attn.in_proj_weight": (12, 4),
        f"{block}mlp.c_fc.weight": (16, 4),
        "conditioner.embedders.1.model.text_projection": (4, 6),
        "conditioner.embedders.0.transformer.text_model.encoder.layers.0.mlp.fc1.weight": (8, 2),
        "first_stage_model.decoder.conv_in.weight": (4, 4),
    }
    layout = read_layout(shapes)
    layer = "clip_g.transformer.text_model.encoder.layers.0."
    assert layout.clip[f"{layer}self_attn.k_proj.weight"] == StoredAt(f"{block}attn.in_proj_weight", (4, 4))
    assert layout.clip[f"{layer}mlp.fc1.weight"] == StoredAt(f"{block}mlp.c_fc.weight")
    assert set(layout.encoders) == {"clip_g", "clip_l"}
    projection = layout.clip["clip_g.transformer.text_projection.weight"]
    assert projection.transposed
    assert layout.clip_map().shapes["clip_g.transformer.text_projection.weight"] == (6, 4)
    assert len(layout.model) == 7
    assert "lora_te2_text_projection" in layout.clip_map().targets


def test_a_place_is_a_view() -> None:
    tensor = torch.arange(12.0).view(6, 2)
    view = StoredAt("k", (2, 3), transposed=True).view(tensor)
    view += 100
    assert tuple(view.shape) == (2, 3)
    assert tensor[2:5].min() >= 100
    assert tensor[5].max() < 100


@pytest.mark.parametrize(
    ("keys", "encoder"),
    [
        (["text_model.encoder.layers.0.mlp.fc1.weight"], "clip_l"),
        ([f"text_model.encoder.layers.{n}.mlp.fc1.weight" for n in (0, 22)], "clip_h"),
        ([f"text_model.encoder.layers.{n}.mlp.fc1.weight" for n in (0, 22, 30)], "clip_g"),
        (["encoder.block.0.layer.0.SelfAttention.k.weight"], "t5xxl"),
        (["model.layers.0.self_attn.k_proj.weight"], "llama"),
        (["transformer.resblocks.0.ln_1.weight", "ln_final.weight"], "clip_g"),
    ],
)
def test_a_text_encoder_in_a_file_of_its_own(keys: list[str], encoder: str) -> None:
    layout = read_layout(dict.fromkeys(keys, (1280,)))
    assert layout.encoders == (encoder,)
    assert layout.model == {}
    assert layout.description == "text encoder"


def test_a_bare_model_and_one_behind_the_short_prefix() -> None:
    own = {key.removeprefix("diffusion_model."): shape for key, shape in FLUX.items()}
    assert read_layout(own).family is family("flux")
    assert read_layout({f"model.{key}": shape for key, shape in own.items()}).family is family("flux")
    with_vae = read_layout({**own, "vae.decoder.conv_in.weight": (4, 4)})
    assert with_vae.model.keys() == FLUX.keys()


@pytest.mark.parametrize(
    "spellings",
    [
        (
            "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_out_0",
            "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_out_0",
            "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.processor.to_out",
            "base_model.model.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0",
            "diffusion_model.input_blocks.4.1.transformer_blocks.0.attn1.to_out.0",
        ),
        ("lora_te2_text_projection", "text_encoder_2.text_projection"),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1", "text_encoder.text_model.encoder.layers.0.mlp.fc1"),
        ("transformer.transformer_blocks.0.attn.to_q", "lora_transformer_transformer_blocks_0_attn_to_q"),
        ("transformer_blocks.0.attn.to_q", "lycoris_transformer_blocks_0_attn_to_q"),
    ],
)
def test_spellings_of_a_layer_come_together(spellings: tuple[str, ...]) -> None:
    assert len({canonical(name) for name in spellings}) == 1


FLUXES = ("flux", "longcat_image", "flux2", "hunyuan_video", "ovis_image", "chroma", "hunyuan_image")


@pytest.mark.parametrize(
    ("layer", "width", "ids"),
    [
        ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 2048, ("sdxl",)),
        ("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 768, ("sd1",)),
        ("lora_unet_double_blocks_0_img_attn_qkv", 3072, FLUXES),
        ("lora_unet_double_blocks_0_img_attn_qkv", 2048, ("hunyuan_video", "hunyuan_image", "hunyuan_3d")),
        ("lora_unet_double_blocks_0_img_attn_qkv", 3584, ("hunyuan_image",)),
        ("diffusion_model.blocks.0.self_attn.q", 1536, ("wan",)),
        ("transformer.transformer_blocks.3.img_mod.1", 3072, ("qwen_image", "mage_flow")),
        ("lora_unet_layers_0_attention_qkv", 3840, ("z_image",)),
        ("something_else", 4, ()),
    ],
)
def test_the_family_is_guessed_from_names_and_widths(layer: str, width: int, ids: tuple[str, ...]) -> None:
    assert guess_family({layer: width}) == ids
