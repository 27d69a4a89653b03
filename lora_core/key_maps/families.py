"""Which family a diffusion model is of, told from its weight keys alone.

The marker keys and their order are those of the host's comfy/model_detection.py `detect_unet_config`: a key
only one architecture has. Depths and widths are never compared, so a pruned or grown sibling is found too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

Shapes = Mapping[str, tuple[int, ...]]
"""Weight key → shape, () for a packed weight that does not show it."""


class Family(Enum):
    """The value is the name people know it by."""

    SD3 = "Stable Diffusion 3"
    CASCADE_C = "Stable Cascade, stage C"
    CASCADE_B = "Stable Cascade, stage B"
    STABLE_AUDIO = "Stable Audio"
    AURAFLOW = "AuraFlow"
    HUNYUAN_DIT = "Hunyuan-DiT"
    HUNYUAN_VIDEO = "HunyuanVideo"
    HUNYUAN_IMAGE = "HunyuanImage"
    FLUX2 = "Flux.2"
    CHROMA = "Chroma"
    FLUX = "Flux.1"
    MOCHI = "Mochi"
    LTX = "LTX-Video"
    ACE_STEP = "ACE-Step"
    PIXART = "PixArt"
    COSMOS = "Cosmos"
    COSMOS2 = "Cosmos-Predict2"
    Z_IMAGE = "Z-Image"
    LUMINA2 = "Lumina 2"
    WAN = "Wan"
    HUNYUAN_3D = "Hunyuan3D"
    HIDREAM = "HiDream"
    OMNIGEN2 = "OmniGen2"
    QWEN_IMAGE = "Qwen-Image"
    UNET = "Stable Diffusion UNet"


@dataclass(frozen=True)
class _Marker:
    """A family has every key of `has`; an entry that ends in '.' stands for any key that begins so."""

    family: Family
    has: tuple[str, ...]


_HUNYUAN = "txt_in.individual_token_refiner.blocks.0.norm1.weight"
_FLUX = "double_blocks.0.img_attn.norm.key_norm.scale"

_MARKERS = (
    _Marker(Family.SD3, ("joint_blocks.0.context_block.attn.qkv.weight",)),
    _Marker(Family.CASCADE_C, ("clf.1.weight", "clip_txt_mapper.weight")),
    _Marker(Family.CASCADE_B, ("clf.1.weight", "clip_mapper.weight")),
    _Marker(Family.STABLE_AUDIO, ("transformer.rotary_pos_emb.inv_freq",)),
    _Marker(Family.AURAFLOW, ("double_layers.0.attn.w1q.weight",)),
    _Marker(Family.HUNYUAN_DIT, ("mlp_t5.0.weight",)),
    # Video models are conditioned on a CLIP vector (1.0) or on a picture (1.5), HunyuanImage on neither.
    _Marker(Family.HUNYUAN_VIDEO, (_HUNYUAN, "vector_in.")),
    _Marker(Family.HUNYUAN_VIDEO, (_HUNYUAN, "vision_in.")),
    _Marker(Family.HUNYUAN_IMAGE, (_HUNYUAN,)),
    _Marker(Family.FLUX2, (_FLUX, "double_stream_modulation_img.lin.weight")),
    _Marker(Family.CHROMA, (_FLUX, "distilled_guidance_layer.")),
    _Marker(Family.FLUX, (_FLUX, "img_in.weight")),
    _Marker(Family.MOCHI, ("t5_yproj.weight",)),
    _Marker(Family.LTX, ("adaln_single.emb.timestep_embedder.linear_1.bias", "patchify_proj.weight")),
    _Marker(Family.ACE_STEP, ("genre_embedder.weight",)),
    _Marker(Family.PIXART, ("t_block.1.weight",)),
    _Marker(Family.COSMOS, ("blocks.block0.blocks.0.block.attn.to_q.0.weight",)),
    _Marker(Family.Z_IMAGE, ("cap_embedder.1.weight", "cap_pad_token")),
    _Marker(Family.LUMINA2, ("cap_embedder.1.weight",)),
    _Marker(Family.WAN, ("head.modulation",)),
    _Marker(Family.HUNYUAN_3D, ("latent_in.weight",)),
    _Marker(Family.HUNYUAN_3D, ("t_embedder.mlp.2.weight", "x_embedder.weight", "blocks.")),
    _Marker(Family.HIDREAM, ("caption_projection.0.linear.weight",)),
    _Marker(Family.COSMOS2, ("blocks.0.mlp.layer1.weight",)),
    _Marker(Family.OMNIGEN2, ("time_caption_embed.timestep_embedder.linear_1.bias",)),
    _Marker(Family.QWEN_IMAGE, ("txt_norm.weight",)),
    _Marker(Family.UNET, ("input_blocks.0.0.weight",)),
)


def find_family(keys: Iterable[str]) -> Family | None:
    """The family of a diffusion model whose keys, without any prefix, are `keys`; None for one unknown."""
    known = set(keys)
    folders = {key.partition(".")[0] + "." for key in known}
    for marker in _MARKERS:
        if all(entry in (folders if entry.endswith(".") else known) for entry in marker.has):
            return marker.family
    return None


def describe(family: Family | None, shapes: Shapes) -> str:
    """The family's name, for a UNet with its version; `shapes` are without any prefix.

    The width of the text the UNet attends to tells the versions apart (comfy/supported_models.py).
    """
    if family is not Family.UNET:
        return family.value if family is not None else "unknown"
    widths = {shape[1] for key, shape in shapes.items() if key.endswith(".attn2.to_k.weight")}
    if any(".time_stack." in key for key in shapes):
        return "Stable Video Diffusion"
    return unet_version(max(widths, default=0)) or family.value


def unet_version(context_width: int) -> str | None:
    """The version of Stable Diffusion whose cross-attention reads vectors of `context_width`."""
    versions = {
        768: "Stable Diffusion 1",
        1024: "Stable Diffusion 2",
        1280: "SDXL refiner",
        2048: "SDXL",
    }
    return versions.get(context_width)
