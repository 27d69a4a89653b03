"""What a LoRA file was made for, from its layers, its header or its sidecar."""

from __future__ import annotations

import pytest

from lora_core.families import families, family_called
from lora_core.families import family as family_by_id
from lora_core.key_maps.file_family import FileFamily, family_of_file, input_widths
from lora_core.key_maps.guess import guess_family
from lora_core.reading.key_names import group_keys

K = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
FF = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_ff_net_2"


@pytest.mark.parametrize(
    ("written", "family"),
    [
        # kohya-ss/sd-scripts, ss_base_model_version
        ("sd_v1", "Stable Diffusion 1"),
        ("sd_v2_v", "Stable Diffusion 2"),
        ("sdxl_base_v1-0", "SDXL"),
        ("sd3m", "Stable Diffusion 3"),
        ("flux1", "Flux.1"),
        ("lumina2", "Lumina 2"),
        # musubi-tuner
        ("wan2.1", "Wan"),
        ("hunyuan-video", "HunyuanVideo"),
        ("qwen-image", "Qwen-Image"),
        # modelspec.architecture
        ("stable-diffusion-v1/lora", "Stable Diffusion 1"),
        ("stable-diffusion-v2-768-v/lora", "Stable Diffusion 2"),
        ("stable-diffusion-xl-v1-base/lora", "SDXL"),
        ("stable-diffusion-3-medium/lora", "Stable Diffusion 3"),
        ("flux-1-dev/lora", "Flux.1"),
        ("chroma/sliders", "Chroma"),
        ("hunyuan-image-2.1/lora", "HunyuanImage"),
        # Civitai, A1111
        ("SD 1.5", "Stable Diffusion 1"),
        ("SD 2.1 768", "Stable Diffusion 2"),
        ("SD 3.5 Large", "Stable Diffusion 3"),
        ("SDXL 1.0", "SDXL"),
        ("Pony", "SDXL"),
        ("Pony V7", "AuraFlow"),
        ("Illustrious", "SDXL"),
        ("NoobAI", "SDXL"),
        ("Flux.1 D", "Flux.1"),
        ("Flux.2 D", "Flux.2"),
        ("ZImageTurbo", "Z-Image"),
        ("Hunyuan 1", "Hunyuan-DiT"),
        ("Wan Video 14B t2v", "Wan"),
        ("LTXV", "LTX-Video"),
        ("SD1", "Stable Diffusion 1"),
        ("SDXL", "SDXL"),
        ("Other", ""),
        ("None", ""),
        ("", ""),
    ],
)
def test_every_way_of_writing_a_family(written: str, family: str) -> None:
    called = family_called(written)
    assert (called.title if called else "") == family


@pytest.mark.parametrize(("width", "family"), [(768, "sd1"), (1024, "sd2"), (2048, "sdxl")])
def test_layers_decide_over_what_is_written(width: int, family: str) -> None:
    found = family_of_file({"ss_base_model_version": "flux1"}, {K: width}, "Wan")
    assert found == FileFamily((family,), "its layers")
    assert found.names == (family_by_id(family).title,)
    assert found.fits(family)
    assert not found.fits("flux")


@pytest.mark.parametrize(
    ("last_double", "last_single", "first"),
    [(18, 37, "Flux.1"), (19, 37, "HunyuanVideo"), (18, 38, "HunyuanVideo")],
)
def test_a_block_flux_does_not_have_tells_hunyuan(last_double: int, last_single: int, first: str) -> None:
    """Flux has 19 double and 38 single blocks, HunyuanVideo 20 and 40 (comfy/supported_models.py)."""
    layers = {f"lora_unet_double_blocks_{n}_img_attn_qkv": 3072 for n in range(last_double + 1)}
    layers |= {f"lora_unet_single_blocks_{n}_linear1": 3072 for n in range(last_single + 1)}
    assert family_of_file({}, layers).names[0] == first


def test_the_header_decides_between_relatives() -> None:
    unsure = family_of_file({}, {FF: 1280})
    assert "SDXL" in unsure.names
    assert unsure.name == ""
    assert family_of_file({"ss_base_model_version": "sdxl_base_v1-0"}, {FF: 1280}).name == "SDXL"
    assert family_of_file({"ss_v2": "True"}, {FF: 1280}).name == "Stable Diffusion 2"
    assert family_of_file({"ss_base_model_version": "flux1"}, {FF: 1280}) == unsure


def test_the_sidecar_decides_where_the_header_is_silent() -> None:
    found = family_of_file({}, {FF: 1280}, "SDXL 1.0")
    assert (found.name, found.source) == ("SDXL", "the file beside it")


def test_nothing_known_fits_everything() -> None:
    unknown = family_of_file({}, {"some.layer": 5})
    assert unknown == FileFamily()
    assert unknown.fits("sdxl")
    assert str(unknown) == "unknown"


@pytest.mark.parametrize(
    "shapes",
    [
        {".lora_down.weight": (4, 768), ".lora_up.weight": (320, 4)},
        {".lora_A.weight": (4, 768), ".lora_B.weight": (320, 4)},
        {".hada_w1_a": (320, 4), ".hada_w1_b": (4, 768), ".hada_w2_a": (320, 4), ".hada_w2_b": (4, 768)},
        {".lokr_w1": (16, 24), ".lokr_w2": (20, 32)},
        {".lokr_w1": (16, 24), ".lokr_w2_a": (20, 4), ".lokr_w2_b": (4, 32)},
        {".diff": (320, 768)},
        {".a1.weight": (768, 4), ".a2.weight": (4, 768), ".b1.weight": (320, 4), ".b2.weight": (4, 768)},
        {".a1.weight": (4, 768), ".a2.weight": (768, 4), ".b1.weight": (4, 320), ".b2.weight": (768, 4)},
    ],
)
def test_the_width_of_a_layer_in_every_format_that_tells_it(shapes: dict[str, tuple[int, ...]]) -> None:
    keyed = {K + suffix: shape for suffix, shape in shapes.items()}
    assert input_widths(group_keys(keyed), keyed) == {K: 768}


def _file(*paths: str, prefix: str = "transformer.", width: int = 3072) -> dict[str, int]:
    return {prefix + path: width for path in paths}


WAN = ("blocks.0.attn1.to_q", "blocks.3.ffn.net.0.proj")
DOUBLE = ("transformer_blocks.0.attn.add_q_proj", "transformer_blocks.3.ff_context.net.2")


@pytest.mark.parametrize(
    ("layers", "metadata", "ids"),
    [
        # diffusers' Wan, also of a picture's file on a model of text alone
        (_file(*WAN, width=5120), {}, {"wan"}),
        (_file(*WAN, "blocks.0.attn2.add_k_proj", width=5120), {}, {"wan"}),
        (_file("blocks_12.self_attn.k", "blocks_13.cross_attn.o", prefix="lora_unet_"), {}, {"wan"}),
        # Double blocks alone are Flux's and those of all its relatives; the header decides.
        (_file(*DOUBLE), {"ss_base_model_version": "flux1"}, {"flux"}),
        (_file(*DOUBLE), {"ss_base_model_version": "hunyuan-video"}, {"hunyuan_video"}),
        (_file(*DOUBLE), {"modelspec.architecture": "Flux-2-klein/lora"}, {"flux2"}),
        # Ovis-Image has fewer blocks, Flux.2 and Chroma have no modulation in them.
        (_file(*(f"single_transformer_blocks.{n}.norm.linear" for n in range(38))), {},
         {"flux", "hunyuan_video", "hunyuan_image"}),
        (_file("distilled_guidance_layer.in_proj"), {}, {"chroma"}),
        (_file("single_transformer_blocks.47.attn.to_qkv_mlp_proj", width=6144), {}, {"flux2"}),
        (_file("double_blocks_0_img_mod_linear", "txt_in_t_embedder_mlp_0", prefix="lora_unet_"), {}, None),
        (_file("transformer_blocks.40.img_mod.1", "transformer_blocks.0.attn.to_q"), {}, {"qwen_image"}),
        (_file("blocks.0.attn.wq", "blocks.27.mlp.up", prefix="diffusion_model.", width=6144), {}, {"krea2"}),
        (_file("transformer_blocks.0.ff.gate", "text_fusion.projector", width=6144), {}, {"krea2"}),
        (_file("blocks.0.self_attn.q_proj", "llm_adapter.blocks.0.self_attn.q_proj"), {}, {"anima"}),
        (_file("blocks.0.self_attn.q_proj", prefix="net.", width=2048), {}, {"cosmos2", "anima"}),
        (_file("transformer_blocks.0.audio_attn1.to_q", "transformer_blocks.0.attn1.to_q"), {}, {"ltx2"}),
        (_file("layers.0.attention.to_q", width=3840), {}, {"z_image"}),
        (_file("layers_0_attention_qkv", prefix="lora_unet__", width=3840), {}, {"z_image"}),
        (_file("layers_0_attention_qkv", prefix="lora_unet_", width=2304), {}, {"lumina2", "newbie"}),
        (_file("joint_blocks_0_x_block_attn_qkv", prefix="lora_unet_", width=1536), {}, {"sd3"}),
        (_file("layers.0.self_attn.q_proj", "time_embed.linear_1", prefix="base_model.model."), {}, None),
        (_file("visual_transformer_blocks.0.self_attention.to_query", prefix=""), {}, {"kandinsky5"}),
        # A UNet's format without widths: what it has blocks for
        (_file("down_blocks_0_attentions_0_transformer_blocks_0_ff_net_2", prefix="lora_unet_", width=0), {},
         {"sd1", "sd2", "svd"}),
        (_file("lora_unet_mid_block_attentions_0_transformer_blocks_9_ff_net_2", prefix="", width=0), {},
         {"sdxl"}),
        (_file("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", prefix="", width=2048), {},
         {"sdxl"}),
        (_file("something.else", "and_more"), {"ss_base_model_version": "wan2.2"}, {"wan"}),
        (_file("something.else", "and_more"), {}, set()),
    ],
)  # fmt: skip
def test_layers_of_every_family_are_known_for_what_they_are(
    layers: dict[str, int], metadata: dict[str, str], ids: set[str] | None
) -> None:
    found = set(family_of_file(metadata, layers).ids)
    if ids is None:  # relatives that share all of these layers
        assert found & {"hunyuan_video", "ace_step15"}
    else:
        assert found == ids


STYLES = (
    "",
    "diffusion_model.",
    "transformer.",
    "base_model.model.",
    "lora_unet_",
    "lycoris_",
    "lora_transformer_",
)


@pytest.mark.parametrize("id", [id for id, one in families().items() if one.modules])
def test_a_layer_of_a_family_is_never_said_to_be_another_alone(id: str) -> None:
    """Each of its modules, and each name that others have for one, in every trainer's habit."""
    one = families()[id]
    paths = [module.replace("#", "0") for module in one.modules]
    for table in one.tables:
        for theirs, modules in table.blocks.values():
            own = [
                names
                for module, names in modules.items()
                if any(m.endswith(f"#.{module}") for m in one.modules)
            ]
            named = [name for names in own for name in ([names] if isinstance(names, str) else names) if name]
            paths += [f"{theirs}.0.{name}" for name in named]
    mistaken = []
    for path in dict.fromkeys(paths):
        for style in STYLES:
            layer = style + (path.replace(".", "_") if style.endswith("_") else path)
            if id not in (found := guess_family({layer: 0})) and found:
                mistaken.append((layer, found))
    assert mistaken == []
