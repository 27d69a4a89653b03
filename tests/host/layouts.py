"""Random models with the true key layouts of real families, small enough for two cores.

Shapes come from the host's own network classes on the meta device, the model from the host's own detection
of the resulting state dict, so every key map under test is the real one. Reduced where the host still
recognises the family: SD1.5 in width, SDXL as its smallest sibling (Segmind Vega), SD3 in depth, Flux in
depth and width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any
from unittest import mock

import comfy.model_detection
import comfy.ops
import comfy.sd
import comfy.sd1_clip
import torch
from comfy.ldm.flux.model import Flux
from comfy.ldm.modules.diffusionmodules.mmdit import MMDiT
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from host_record.models import with_known_fields
from torch import Tensor

OPERATIONS = {"operations": comfy.ops.disable_weight_init, "device": "meta", "dtype": torch.float32}

# The numbers of the host's comfy/model_detection.py, `unet_config_from_diffusers_unet`.
_UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "use_spatial_transformer": True,
    "legacy": False,
}
_SD15 = {
    **_UNET,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 1, 1, 1],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "context_dim": 768,
    "num_heads": 8,
}
SD15_FULL = {**_SD15, "channel_mult": [1, 2, 4, 4]}
_SDXL_VEGA = {
    **_UNET,
    "num_res_blocks": [2, 2, 2],
    "channel_mult": [1, 1, 1],
    "transformer_depth": [0, 0, 1, 1, 2, 2],
    "transformer_depth_middle": -1,
    "transformer_depth_output": [0, 0, 0, 1, 1, 1, 2, 2, 2],
    "context_dim": 2048,
    "num_head_channels": 64,
    "use_linear_in_transformer": True,
    "num_classes": "sequential",
    "adm_in_channels": 2816,
}
SDXL_VEGA_FULL = {**_SDXL_VEGA, "channel_mult": [1, 2, 4]}
_SD3_DEPTH = 4  # the width is 64 · depth
_FLUX = {
    "image_model": "flux",
    "in_channels": 16,
    "out_channels": 16,
    "vec_in_dim": 768,
    "context_in_dim": 4096,
    "mlp_ratio": 4.0,
    "depth": 1,
    "depth_single_blocks": 1,
    "axes_dim": [16, 56, 56],
    "theta": 10000,
    "patch_size": 2,
    "qkv_bias": True,
    "guidance_embed": True,
    "txt_ids_dims": [],
}


def _flux(width: int) -> torch.nn.Module:
    sizes = {"hidden_size": width, "num_heads": width // sum(_FLUX["axes_dim"])}
    return with_known_fields(partial(Flux, **OPERATIONS), _FLUX | sizes)[0]


def _mmdit() -> torch.nn.Module:
    width = 64 * _SD3_DEPTH
    return MMDiT(
        input_size=None,
        patch_size=2,
        in_channels=16,
        depth=_SD3_DEPTH,
        adm_in_channels=2048,
        context_embedder_config={
            "target": "torch.nn.Linear",
            "params": {"in_features": 4096, "out_features": width},
        },
        pos_embed_max_size=16,
        num_patches=256,
        **OPERATIONS,
    )


@dataclass(frozen=True)
class Layout:
    """A family: its network on the meta device, and which spellings its LoRAs come in."""

    name: str
    network: Callable[[], torch.nn.Module]
    has_clip: bool = False
    peft_prefix: str = "diffusion_model."

    def state_dict(self, dtype: torch.dtype, seed: int = 0) -> dict[str, Tensor]:
        """A checkpoint of random weights."""
        generator = torch.Generator().manual_seed(seed)
        shapes = {f"model.diffusion_model.{k}": v.shape for k, v in self.network().state_dict().items()}
        if self.has_clip:
            clip = comfy.sd1_clip.SD1ClipModel(device="meta")
            names = {k.removeprefix("clip_l."): v.shape for k, v in clip.state_dict().items()}
            shapes |= {f"cond_stage_model.{k}": shape for k, shape in names.items()}
        return {k: _random(shape, dtype, generator) for k, shape in shapes.items()}


def _random(shape: torch.Size, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    # A random tile repeated: drawing half a billion numbers would take longer than every test.
    tile = torch.randn(min(shape.numel(), 2**20), generator=generator).mul_(0.05)
    copies = -(-shape.numel() // max(tile.numel(), 1))
    return tile.repeat(copies)[: shape.numel()].view(shape).to(dtype)


LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("sd15", lambda: UNetModel(**_SD15, **OPERATIONS), has_clip=True),
        Layout("sdxl", lambda: UNetModel(**_SDXL_VEGA, **OPERATIONS)),
        Layout("sd3", _mmdit, peft_prefix="transformer."),
        Layout("flux", lambda: _flux(768), peft_prefix="transformer."),
    )
}
RELEASED_FLUX = replace(LAYOUTS["flux"], network=lambda: _flux(3072))
"""Flux at the one width at which ComfyUI 0.3.75 reads it from a file."""


@contextmanager
def _heads_by_width() -> Iterator[None]:
    """Have the host count Flux's heads by its width, as newer hosts do; 0.3.75 takes 24 for granted."""
    detect = comfy.model_detection.detect_unet_config

    def detected(*arguments: Any, **options: Any) -> Any:
        config = detect(*arguments, **options)
        if config and config.get("image_model") == "flux":
            config["num_heads"] = config["hidden_size"] // sum(config["axes_dim"])
        return config

    with mock.patch.object(comfy.model_detection, "detect_unet_config", detected):
        yield


@cache  # all of them together take 3 GB
def load(name: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """The host's ModelPatcher and CLIP (None where the layout has none) of a layout, in `dtype`."""
    layout = LAYOUTS[name]
    options = {"dtype": dtype}
    with _heads_by_width():
        model, clip, _, _ = comfy.sd.load_state_dict_guess_config(
            layout.state_dict(dtype),
            output_vae=False,
            output_clip=layout.has_clip,
            model_options=options,
            te_model_options=options,
        )
    return model, clip


def uncastable_scale(model: Any, monkeypatch: Any) -> str:
    """The key of a norm's scale in a Flux, in a layer for which the host has no patch on the fly.

    Such is the host's own class, or torch's in its place where the host has one that casts (0.14 and later).
    """
    path = "diffusion_model.double_blocks.0.img_attn.norm"
    norms = model.model.get_submodule(path)
    held = norms.query_norm
    if hasattr(held, "comfy_cast_weights"):
        norm = torch.nn.RMSNorm(held.weight.shape[0], dtype=held.weight.dtype).requires_grad_(False)
        norm.weight.copy_(held.weight)
        monkeypatch.setattr(norms, "query_norm", norm)
    ((name, _),) = norms.query_norm.named_parameters()
    return f"{path}.query_norm.{name}"
