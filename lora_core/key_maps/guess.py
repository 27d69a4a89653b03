"""What a LoRA was made for, guessed from its layer names and widths when its trainer did not write it down.

`canonical` brings the spellings of one layer together, as far as that goes without a model's shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from ..families import family, versions
from .unet import unet_paths

# Prefixes trainers put before a layer's path, joined; longest first, so that none hides another.
_PREFIXES = (
    "unet_base_model_model_",
    "lora_prior_unet_",
    "lora_transformer_",
    "base_model_model_",
    "diffusion_model_",
    "transformer_",
    "lora_unet_",
    "lycoris_",
    "unet_",
)
_TRANSFORMER = re.compile(r"transformer_(?!blocks_)")
_ENCODER = re.compile(r"(?:lora_(?:prior_)?te\d?_|text_encoders?(?:_\d)?[._])")

# The first pattern that one of the canonical layer names fits decides; the likeliest family stands first.
_PATTERNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"joint_blocks_\d+_", ("sd3",)),
    (r"(?:joint_transformer_blocks|double_layers)_\d+_", ("auraflow",)),
    (r"double_stream_blocks_\d+_", ("hidream",)),
    (r"single_transformer_blocks_\d+_attn_to_qkv_mlp_proj", ("flux2",)),
    (
        r"double_blocks_19_|single_blocks_3[89]_",
        ("hunyuan_video", "hunyuan_image", "flux", "flux2", "chroma"),
    ),
    (
        r"(?:double|single)_blocks_\d+_|single_transformer_blocks_\d+_",
        ("flux", "flux2", "chroma", "hunyuan_video", "hunyuan_image"),
    ),
    (r"blocks_\d+_(?:self|cross)_attn_(?:[qkvo]|[kv]_img)$", ("wan",)),
    (r"blocks_\d+_attn[12]_", ("wan",)),
    (r"(?:layers|noise_refiner|context_refiner)_\d+_attention_", ("z_image", "lumina2")),
    (r"transformer_blocks_\d+_(?:img|txt)_(?:mod|mlp)_", ("qwen_image",)),
    (r"transformer_blocks_\d+_attn_add_[qkv]_proj", ("sd3", "qwen_image")),
    (r"blocks_\d+_cross_attn_(?:q|kv)_linear", ("pixart",)),
    (r"transformer_blocks_\d+_attn[12]_", ("ltx", "pixart")),
)
_UNETS = ("sd1", "sd2", "sdxl", "sdxl_refiner", "svd")


def is_text_encoder(layer: str) -> bool:
    """Whether a layer's name says that it is a text encoder's."""
    return _ENCODER.match(layer) is not None


def guess_family(widths: Mapping[str, int]) -> tuple[str, ...]:
    """The ids of the families it may be, the likeliest first, from {layer: width of its input}."""
    names = {canonical(layer): width for layer, width in widths.items()}
    contexts = [
        width
        for name, width in names.items()
        if name.endswith("_attn2_to_k") and name.startswith(("down_blocks_", "mid_block_", "up_blocks_"))
    ]
    if contexts:
        known = {one.version.width: one.id for one in versions(family("unet")) if one.version is not None}
        return (known[max(contexts)],) if max(contexts) in known else ()
    for pattern, ids in _PATTERNS:
        if any(re.match(pattern, name) for name in names):
            return ids
    if any(name.startswith(("down_blocks_", "up_blocks_", "mid_block_")) for name in names):
        return _UNETS
    return ()


def canonical(layer: str) -> str:
    """One spelling for the many of a layer: joined by underscores, without prefix, in diffusers' names."""
    if found := _ENCODER.match(layer):
        number = re.search(r"\d", found[0])
        return f"text encoder {number[0] if number else 1}: {layer[found.end() :].replace('.', '_')}"
    name = layer.replace(".", "_")
    for prefix in _PREFIXES:
        if prefix == "transformer_" and not _TRANSFORMER.match(name):
            continue  # the folder transformer_blocks is no prefix
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            break
    name = name.replace("_processor_to_", "_to_")
    if name.endswith("_to_out"):
        name += "_0"
    return _compvis().get(name, name)


@lru_cache(maxsize=1)
def _compvis() -> dict[str, str]:
    """{joined module: joined diffusers path}."""
    return {module.replace(".", "_"): path for path, module in compvis_modules().items()}


@lru_cache(maxsize=1)
def compvis_modules() -> dict[str, str]:
    """{joined diffusers path: module} of a UNet with two resnets a level, as all but KOALA have."""
    resnet = ("in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3", "skip_connection")
    attention = ["norm", "proj_in", "proj_out"]
    parts = ["ff.net.0.proj", "ff.net.2", "norm1", "norm2", "norm3"]
    parts += [f"attn{n}.to_{part}" for n in (1, 2) for part in ("q", "k", "v", "out.0")]
    attention += [f"transformer_blocks.{depth}.{part}" for depth in range(10) for part in parts]
    modules = ["time_embed.0", "time_embed.2", "input_blocks.0.0", "out.0", "out.2"]
    modules += [f"middle_block.{n}.{part}" for n in (0, 2) for part in resnet]
    modules += [f"middle_block.1.{part}" for part in attention]
    for number in range(12):
        if number in (3, 6, 9):
            modules.append(f"input_blocks.{number}.0.op")
        elif number:
            modules += [f"input_blocks.{number}.0.{part}" for part in resnet]
            modules += [f"input_blocks.{number}.1.{part}" for part in attention]
        modules += [f"output_blocks.{number}.0.{part}" for part in resnet]
        modules += [f"output_blocks.{number}.1.{part}" for part in attention]
        if number in (2, 5, 8):
            modules += [f"output_blocks.{number}.{child}.conv" for child in (1, 2)]
    return {path.replace(".", "_"): module for path, module in unet_paths(modules).items()}
