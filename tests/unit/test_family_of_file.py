"""What a LoRA file was made for, from its layers, its header or its sidecar."""

from __future__ import annotations

import pytest

from lora_core.families import family as family_by_id
from lora_core.families import family_called
from lora_core.key_maps.file_family import FileFamily, family_of_file, input_widths
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
